//! `egret usage`, `egret status`.

use super::output::column;
use super::remote::Remote;
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret usage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Usage {
    #[command(flatten)]
    remote: Remote,
}

impl Usage {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        self.remote.run(lang, async |session| {
            let usage = session.client.usage().await?;
            session.printer.rows(
                &usage.items,
                &[
                    column("机构", "organisation", "/organisation"),
                    column("运行", "runs", "/runs"),
                    column("用时（微秒）", "wall µs", "/wall_us"),
                    column("处理器（微秒）", "cpu µs", "/cpu_us"),
                    column("燃料", "fuel", "/fuel"),
                    column("读入行", "rows in", "/rows_in"),
                    column("读入字节", "bytes in", "/bytes_in"),
                    column("写出行", "rows out", "/rows_out"),
                    column("写出字节", "bytes out", "/bytes_out"),
                ],
            )
        })
    }
}

/// Arguments of `egret status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        self.remote.run(lang, async |session| {
            let status = session.client.status().await?;
            let printer = &session.printer;
            printer.one(
                &status,
                &[
                    column("版本", "version", "/version"),
                    column("承接作业", "takes jobs", "/accepting"),
                    column("就绪进程", "workers ready", "/workers_ready"),
                    column("忙碌进程", "workers busy", "/workers_busy"),
                    column("排队", "queued", "/queued"),
                ],
            )?;
            if printer.format != super::output::Format::Table {
                return Ok(());
            }
            printer.text(
                &status
                    .layers
                    .iter()
                    .map(|layer| super::doctor::line(layer, lang))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })
    }
}
