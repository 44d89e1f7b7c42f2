//! `egret job`: programs under a grant.

use super::failure::Failure;
use super::output::{Column, column};
use super::remote::{Paging, Remote, Session, json_of, text_of};
use super::run;
use crate::http::dto::{JobCreate, JobView, Mode, Program, ProgramModule};
use sandbox::Lang;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret job`.
#[derive(Debug, clap::Args)]
pub(crate) struct Job {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 作业列表 · list jobs
    List(Paging),
    /// 作业 · a job
    Show {
        /// 作业标识 · identifier of the job
        id: String,
    },
    /// 提交作业 · submit a job
    Submit {
        /// 授权标识 · identifier of the grant
        #[arg(long)]
        grant: String,
        /// SQL 文件，`-` 为标准输入 · file of SQL, `-` for standard input
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "program",
            conflicts_with = "program"
        )]
        sql: Option<PathBuf>,
        /// 程序（JSON，SQL 或 WASM）· the program (JSON, SQL or WASM)
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
        /// SQL 中以 NAME.函数 调用的模块，可重复；结果须经评审 · module whose functions the SQL calls as NAME.function, may be repeated; the
        /// result waits for reviewers
        #[arg(long = "module", value_name = "NAME=ID", value_parser = module, requires = "sql")]
        modules: Vec<ProgramModule>,
        /// 在样例数据上运行 · run on the samples
        #[arg(long)]
        sample: bool,
        /// 等待结束 · wait for the end
        #[arg(long)]
        wait: bool,
    },
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("授权", "grant", "/grant"),
    column("类别", "kind", "/program/kind"),
    column("数据", "mode", "/mode"),
    column("运行", "run", "/run"),
    column("提交时间", "submitted", "/created_at"),
];

impl Job {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => printer.page(&client.jobs(&paging.query()).await?, COLUMNS),
                Verb::Show { id } => printer.one(&client.job(&id).await?, COLUMNS),
                Verb::Submit {
                    grant,
                    sql,
                    program,
                    modules,
                    sample,
                    wait,
                } => {
                    let program = program_of(sql, modules, program)?;
                    let mode = if sample {
                        Mode::Sample
                    } else {
                        Mode::Production
                    };
                    let job = submit(&session, grant, program, mode).await?;
                    printer.one(&job, COLUMNS)?;
                    if !wait {
                        return Ok(());
                    }
                    let ended = run::ended(&session, &job.run).await?;
                    match run::outcome(&session, &ended, None).await? {
                        Some(release) => {
                            printer.one(&release, run::RELEASE)?;
                            run::waits(&release)
                        }
                        None => Ok(()),
                    }
                }
            }
        })
    }
}

/// A module by the name that SQL has for it.
pub(super) fn module(text: &str) -> Result<ProgramModule, String> {
    let (name, module) = text.split_once('=').ok_or("NAME=ID")?;
    Ok(ProgramModule {
        name: name.to_owned(),
        module: module.to_owned(),
    })
}

fn program_of(
    sql: Option<PathBuf>,
    modules: Vec<ProgramModule>,
    program: Option<PathBuf>,
) -> Result<Program, Failure> {
    match (sql, program) {
        (Some(sql), _) => Ok(Program::Sql {
            sql: sized(text_of(&sql)?)?,
            modules,
        }),
        (None, Some(program)) => json_of(&program),
        (None, None) => Err(Failure::new("没有程序", "there is no program")),
    }
}

/// Submits a job; a refusal shows its places in the program.
pub(super) async fn submit(
    session: &Session,
    grant: String,
    program: Program,
    mode: Mode,
) -> Result<JobView, Failure> {
    let create = JobCreate {
        grant,
        mode,
        program,
    };
    session
        .client
        .submit_job(&create)
        .await
        .map_err(|error| match &create.program {
            Program::Sql { sql, .. } => Failure::from(error).about(sql),
            Program::Wasm { .. } => error.into(),
        })
}

/// The text of a program, if it may be as long: the server would only say that the request is too large.
pub(super) fn sized(sql: String) -> Result<String, Failure> {
    let (bytes, max) = (sql.len(), sandbox::SqlLimits::default().sql_bytes);
    if bytes <= max {
        return Ok(sql);
    }
    Err(Failure::refused(
        format!("SQL 有 {bytes} 字节，上限为 {max} 字节"),
        format!("the SQL has {bytes} bytes, and at most {max} are read"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sql_text_that_is_too_long_is_named_with_its_limit() {
        assert!(sized("x".repeat(65_536)).is_ok());
        let said = match sized("x".repeat(65_537)) {
            Err(Failure::Message(6, message)) => message.en,
            _ => String::new(),
        };
        assert_eq!(said, "the SQL has 65537 bytes, and at most 65536 are read");
    }
}
