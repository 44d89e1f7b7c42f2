//! `egret run`: runs, and waiting for them.

use super::failure::{Failure, findings, in_language, label};
use super::output::{Column, Format, column};
use super::progress;
use super::remote::{Paging, Remote, Session};
use super::words;
use crate::http::dto::{Mode, ReleaseState, ReleaseView, RunState, RunView};
use sandbox::Lang;
use std::io;
use std::process::ExitCode;

/// The server answers a wait at least this often, so that the state on the terminal is fresh.
const WAIT_MS: u64 = 2_000;

/// Arguments of `egret run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 运行列表 · list runs
    List(Paging),
    /// 运行：状态、等待或失败的原因、计量、隔离层 · a run: state, why it waits or failed, meter, layers
    Show {
        /// 运行标识 · identifier of the run
        id: String,
    },
    /// 等待运行结束 · wait for the end of a run
    Watch {
        /// 运行标识 · identifier of the run
        id: String,
    },
    /// 停止运行 · stop a run
    Cancel {
        /// 运行标识 · identifier of the run
        id: String,
    },
}

const LIST: &[Column] = &[
    column("标识", "id", "/id"),
    column("作业", "job", "/job"),
    column("状态", "state", "/state"),
    column("程序", "program", "/outcome"),
    column("放行", "release", "/release"),
    column("提交时间", "submitted", "/submitted_at"),
    column("结束时间", "ended", "/ended_at"),
];
const ONE: &[Column] = &[
    column("标识", "id", "/id"),
    column("作业", "job", "/job"),
    column("状态", "state", "/state"),
    column("等待原因", "waits because", "/waiting/reason"),
    column("程序", "program", "/outcome"),
    column("错误类别", "fault", "/fault"),
    column("原因", "reason", "/reason"),
    column("放行", "release", "/release"),
    column("用时（微秒）", "wall µs", "/meter/wall_us"),
    column("处理器（微秒）", "cpu µs", "/meter/cpu_us"),
    column("燃料", "fuel", "/meter/fuel"),
    column("读入行", "rows in", "/meter/rows_in"),
    column("写出行", "rows out", "/meter/rows_out"),
    column("提交时间", "submitted", "/submitted_at"),
    column("结束时间", "ended", "/ended_at"),
];
const LAYERS: &[Column] = &[
    column("隔离层", "layer", "/layer"),
    column("状态", "state", "/state"),
    column("说明", "detail", "/detail"),
];
pub(super) const RELEASE: &[Column] = &[
    column("放行", "release", "/id"),
    column("状态", "state", "/state"),
    column("检查结论", "inspection", "/decision"),
    column("赞成", "approvals", "/approvals"),
    column("行数", "rows", "/rows"),
    column("内容摘要", "sha256", "/sha256"),
    column("放行时间", "released", "/released_at"),
];

impl Run {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => printer.page(&client.runs(&paging.query()).await?, LIST),
                Verb::Show { id } => {
                    let run = client.run(&id, 0).await?;
                    printer.one(&run, ONE)?;
                    if run.meter.is_some() && run.mode == Mode::Production {
                        printer.say(
                            "生产运行的计量粗略向上取整，以免泄露数据。",
                            "a production run's figures are rounded up coarsely, so that they tell nothing of the data.",
                        )?;
                    }
                    if printer.format == Format::Table && !run.layers.is_empty() {
                        printer.rows(&run.layers, LAYERS)?;
                    }
                    Ok(())
                }
                Verb::Watch { id } => {
                    let run = ended(&session, &id).await?;
                    printer.one(&run, ONE)?;
                    match outcome(&session, &run, None).await? {
                        Some(release) => waits(&release),
                        None => Ok(()),
                    }
                }
                Verb::Cancel { id } => printer.one(&client.cancel_run(&id).await?, ONE),
            }
        })
    }
}

/// Waits until a run has ended.
pub(super) async fn ended(session: &Session, id: &str) -> Result<RunView, Failure> {
    let spinner = progress::wait(label(session.printer.lang, "等待", "waiting"));
    loop {
        let run = session.client.run(id, WAIT_MS).await?;
        if run.state.is_settled() {
            spinner.finish_and_clear();
            return Ok(run);
        }
        spinner.set_message(state_word(run.state, session.printer.lang));
    }
}

/// The release of a settled run, where it has one. What was refused, failed or stopped is a failure of the command.
pub(super) async fn outcome(
    session: &Session,
    run: &RunView,
    program: Option<&str>,
) -> Result<Option<ReleaseView>, Failure> {
    let lang = session.printer.lang;
    if session.printer.format == Format::Table {
        findings(&mut io::stderr().lock(), &run.findings, program, lang)?;
    }
    let reason = |lang| {
        run.reason
            .as_ref()
            .map(|reason| in_language(reason, lang))
            .unwrap_or_default()
    };
    match run.state {
        RunState::Refused => Err(Failure::refused(
            format!("结果未获放行。{}", reason(Lang::Zh))
                .trim()
                .to_owned(),
            format!("the result was not released. {}", reason(Lang::En))
                .trim()
                .to_owned(),
        )),
        RunState::Failed | RunState::Killed => Err(Failure::no_result(
            format!(
                "运行{}。{}",
                state_word(run.state, Lang::Zh),
                reason(Lang::Zh)
            ),
            format!(
                "the run has {}. {}",
                state_word(run.state, Lang::En),
                reason(Lang::En)
            ),
        )),
        _ => match &run.release {
            Some(release) => Ok(Some(session.client.release(release).await?)),
            None => Ok(None),
        },
    }
}

/// A release that waits for people, as the end of a command.
pub(super) fn waits(release: &ReleaseView) -> Result<(), Failure> {
    if release.state != ReleaseState::Held {
        return Ok(());
    }
    let (id, run) = (&release.id, &release.run);
    Err(Failure::held(
        format!(
            "结果待两位审查员表决；进展：egret run show {run}；放行后：egret result download {id}"
        ),
        format!(
            "the result waits for two reviewers; how it stands: egret run show {run}; once released: egret result download {id}"
        ),
    ))
}

fn state_word(state: RunState, lang: Lang) -> String {
    let name = serde_json::to_value(state)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default();
    match lang {
        Lang::Zh => words::chinese(&name).map_or(name.clone(), str::to_owned),
        Lang::En => name,
    }
}
