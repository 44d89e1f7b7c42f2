//! The binary `egret`: server, command line, and, behind a hidden subcommand, the jailed worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a worker enters its jail with one thread and nothing initialised.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == portal::WORKER_SUBCOMMAND)
    {
        return sandbox::worker_main();
    }
    portal::cli::main()
}
