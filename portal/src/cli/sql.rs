//! `egret sql`: check a SELECT, or run it and print what is released.

use super::failure::{Failure, findings, label};
use super::output::{Format, column};
use super::remote::{Remote, Session, text_of};
use super::{job, result, run};
use crate::http::dto::{Mode, Program, ProgramModule, ReleaseState, SqlCheck};
use sandbox::Lang;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret sql`.
#[derive(Debug, clap::Args)]
pub(crate) struct Sql {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 准入审查，不运行 · whether it would be admitted; nothing runs
    Check(Text),
    /// 运行并打印放行的结果 · run it and print what is released
    Run {
        #[command(flatten)]
        text: Text,
        /// 在样例数据上运行 · run on the samples
        #[arg(long)]
        sample: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Text {
    /// 授权标识 · identifier of the grant
    #[arg(long)]
    grant: String,
    /// SQL 文件，`-` 为标准输入 · file of SQL, `-` for standard input
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    file: Option<PathBuf>,
    /// SQL 文本 · the SQL itself
    #[arg(short, long, value_name = "SQL")]
    command: Option<String>,
    /// SQL 中以 NAME.函数 调用的模块，可重复；结果须经评审 · module whose functions the SQL calls as NAME.function, may be repeated; the
    /// result waits for reviewers
    #[arg(long = "module", value_name = "NAME=ID", value_parser = job::module)]
    modules: Vec<ProgramModule>,
}

impl Text {
    fn read(self) -> Result<SqlCheck, Failure> {
        let sql = match (self.command, self.file) {
            (Some(sql), _) => sql,
            (None, Some(file)) => text_of(&file)?,
            (None, None) => return Err(Failure::new("没有 SQL", "there is no SQL")),
        };
        Ok(SqlCheck {
            grant: self.grant,
            sql: job::sized(sql)?,
            modules: self.modules,
        })
    }
}

impl Sql {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| match verb {
            Verb::Check(text) => check(&session, text).await,
            Verb::Run { text, sample } => {
                let mode = if sample {
                    Mode::Sample
                } else {
                    Mode::Production
                };
                execute(&session, text.read()?, mode).await
            }
        })
    }
}

async fn check(session: &Session, text: Text) -> Result<(), Failure> {
    let asked = text.read()?;
    let sql = &asked.sql;
    let printer = &session.printer;
    let view = session
        .client
        .check_sql(&asked)
        .await
        .map_err(|error| Failure::from(error).about(sql))?;
    if printer.format == Format::Table {
        findings(
            &mut std::io::stderr().lock(),
            &view.findings,
            Some(sql),
            printer.lang,
        )?;
        if !view.functions.is_empty() {
            let names = view.functions.join(", ");
            printer.say(
                &format!("可准入；调用 {names}，结果须经评审："),
                &format!("admitted; it calls {names}, so its result waits for reviewers:"),
            )?;
            printer.rows(
                &view.output,
                &[
                    column("列", "column", "/name"),
                    column("类型", "type", "/data_type"),
                ],
            )?;
        } else if view.admitted {
            printer.say(
                "可准入；输出列及其来源：",
                "admitted; the columns of the result and what they are made of:",
            )?;
            printer.rows(
                &view.lineage,
                &[
                    column("列", "column", "/output"),
                    column("来源", "from", "/inputs"),
                ],
            )?;
        }
    } else {
        printer.json(&view)?;
    }
    if view.admitted {
        Ok(())
    } else {
        Err(Failure::refused("未获准入", "not admitted"))
    }
}

async fn execute(session: &Session, asked: SqlCheck, mode: Mode) -> Result<(), Failure> {
    let printer = &session.printer;
    let sql = asked.sql.clone();
    let program = Program::Sql {
        sql: asked.sql,
        modules: asked.modules,
    };
    let job = job::submit(session, asked.grant, program, mode).await?;
    let ended = run::ended(session, &job.run).await?;
    let Some(release) = run::outcome(session, &ended, Some(&sql)).await? else {
        // A sample run has no release: its result is in the run itself.
        let sample = ended.sample.unwrap_or_default();
        return match printer.format {
            Format::Table => result::table(printer, sample.as_bytes()),
            Format::Json => printer.json(&sample),
            Format::Csv => result::raw(sample.as_bytes()),
        };
    };
    if release.state != ReleaseState::Released {
        printer.one(&release, run::RELEASE)?;
        return run::waits(&release);
    }
    if printer.format == Format::Table {
        let (run, id) = (&release.run, &release.id);
        // Beside the result, not in it.
        let _ = writeln!(
            std::io::stderr(),
            "{}",
            label(
                printer.lang,
                &format!("运行 {run}，放行 {id}"),
                &format!("run {run}, release {id}"),
            )
        );
    }
    let bytes = session.client.download(&release.id).await?;
    match printer.format {
        Format::Table => result::table(printer, &bytes),
        Format::Json => printer.one(&release, run::RELEASE),
        Format::Csv => result::raw(&bytes),
    }
}
