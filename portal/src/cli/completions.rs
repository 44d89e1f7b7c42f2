//! `egret completions`: what a shell offers behind `egret`.

use clap::CommandFactory;
use clap_complete::Shell;
use std::io;
use std::process::ExitCode;

/// Arguments of `egret completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Shell 名称 · the shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "egret", &mut script);
        match io::Write::write_all(&mut io::stdout().lock(), &script) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_closed) => ExitCode::FAILURE,
        }
    }
}
