//! Pushes, as `egret dataset` sends them and reports on them.

use super::failure::{Failure, label};
use super::mask::risk_views;
use super::output::{Column, Format, column, printable};
use super::progress;
use super::remote::Session;
use super::result::keep;
use super::upload::{self, Source};
use super::words;
use crate::http::dto::{DataFormat, PushCreate, PushState, PushView};
use crate::report::Report;
use sandbox::Lang;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const PUSH: &[Column] = &[
    column("推送", "push", "/id"),
    column("数据集", "data set", "/dataset"),
    column("状态", "state", "/state"),
    column("已检查行", "rows checked", "/rows_checked"),
    column("保留行", "rows kept", "/rows_kept"),
    column("问题", "problems", "/problems"),
    column("版本", "version", "/version"),
    column("原因", "reason", "/reason"),
];

/// Problem records.
pub(super) const PROBLEMS: &[Column] = &[
    column("行", "row", "/row"),
    column("列", "column", "/column"),
    column("规则", "rule", "/rule"),
    column("处理", "action", "/action"),
    column("值（遮盖）", "value (covered)", "/masked_value"),
    column("说明", "message", "/message"),
];
const FAULTS: &[Column] = &[
    column("行", "row", "/row"),
    column("列", "column", "/column"),
    column("字节", "byte", "/offset"),
    column("规则", "rule", "/rule"),
    column("原因", "reason", "/reason"),
    column("可以", "what would pass", "/remedy"),
];

/// Programs find the same columns whatever was measured.
const RISK: &[Column] = &[
    column("准标识符", "quasi-identifiers", "/quasi_identifiers"),
    column("行数", "rows", "/rows"),
    column("等价类", "classes", "/classes"),
    column("k", "k", "/k"),
    column("唯一行", "uniques", "/uniques"),
    column("最高风险", "prosecutor max", "/prosecutor_max"),
    column("平均风险", "prosecutor mean", "/prosecutor_avg"),
    column("l", "l", "/l_distinct"),
    column("t", "t", "/t_closeness"),
    column("δ", "delta", "/delta_disclosure"),
    column("β", "beta", "/beta_basic"),
    column("特殊唯一行", "special uniques", "/special/rows"),
];

/// A push, and what speaks against it.
pub(super) fn show(session: &Session, view: &PushView) -> Result<(), Failure> {
    session.printer.one(view, PUSH)?;
    if session.printer.format != Format::Table || view.faults.is_empty() {
        return Ok(());
    }
    session.printer.rows(&view.faults, FAULTS)
}

/// The quality report of a push.
pub(super) async fn quality(session: &Session, id: &str) -> Result<(), Failure> {
    let report = session.client.push_quality(id).await?;
    if session.printer.format == Format::Json {
        return session.printer.json(&report);
    }
    let lang = session.printer.lang;
    let score = |score: f64| format!("{:.2} %", score * 100.0);
    let mut rows = vec![
        vec![
            label(lang, "读入行", "rows in").to_owned(),
            report.rows_in.to_string(),
        ],
        vec![
            label(lang, "保留行", "rows kept").to_owned(),
            report.rows_kept.to_string(),
        ],
    ];
    rows.extend(
        report
            .dimensions
            .iter()
            .map(|each| vec![dimension(&each.dimension, lang), score(each.score)]),
    );
    rows.extend(
        report
            .columns
            .iter()
            .map(|each| vec![each.column.clone(), score(each.score)]),
    );
    rows.extend(
        report
            .rules
            .iter()
            .map(|each| vec![each.rule.clone(), each.count.to_string()]),
    );
    rows.extend(report.notes.iter().map(|note| {
        let message = label(lang, &note.message.zh, &note.message.en);
        vec![note.rule.clone(), message.to_owned()]
    }));
    rows.extend(
        report
            .blocking
            .iter()
            .map(|rule| vec![rule.clone(), label(lang, "阻断", "blocking").to_owned()]),
    );
    let headings = [label(lang, "项目", "what"), label(lang, "值", "value")].map(str::to_owned);
    session.printer.cells(&headings, &rows)
}

/// The risk of a push before and after masking.
pub(super) async fn risk(session: &Session, id: &str) -> Result<(), Failure> {
    let risk = session.client.push_risk(id).await?;
    if session.printer.format == Format::Json {
        return session.printer.json(&risk);
    }
    if session.printer.format == Format::Csv {
        let rows: Vec<_> = std::iter::once(risk.before).chain(risk.after).collect();
        return session.printer.rows(&rows, RISK);
    }
    let mut views = vec![("脱敏前", "before", &risk.before)];
    views.extend(risk.after.as_ref().map(|after| ("脱敏后", "after", after)));
    risk_views(&session.printer, &views)
}

/// The report of a push as a page, to a file or standard output.
pub(super) async fn report(session: &Session, id: &str, to: Option<&Path>) -> Result<(), Failure> {
    let client = &session.client;
    let push = client.push(id).await?;
    let (quality, risk) = (client.push_quality(id).await?, client.push_risk(id).await?);
    let lang = session.printer.lang;
    let version = push.version.clone().unwrap_or_default();
    let page = Report {
        subject: &push.dataset,
        facts: vec![
            (("推送", "push"), push.id.clone()),
            (("版本", "version"), version),
            (
                ("数据摘要", "sha256 of the data"),
                push.sha256.clone().unwrap_or_default(),
            ),
            (("问题记录", "problem records"), push.problems.to_string()),
            (
                ("因同类过少剔除的行", "rows left out: too few others agree"),
                risk.suppressed_rows.to_string(),
            ),
        ],
        columns: Vec::new(),
        quality: Some(&quality),
        before: &risk.before,
        after: risk.after.as_ref(),
        level: risk.deidentification_level,
    }
    .html(lang);
    keep(session, page.as_bytes(), to)
}

/// The word for a dimension of quality.
pub(super) fn dimension(name: &str, lang: Lang) -> String {
    match lang {
        Lang::Zh => words::chinese(name).unwrap_or(name).to_owned(),
        Lang::En => name.to_owned(),
    }
}

/// The format that the extension of a file names.
pub(super) fn format_of(file: &Path) -> Result<DataFormat, Failure> {
    let extension = file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" | "txt" => Ok(DataFormat::Csv),
        "parquet" | "pq" => Ok(DataFormat::Parquet),
        "jsonl" | "ndjson" => Ok(DataFormat::Jsonl),
        "arrow" | "arrows" | "feather" | "ipc" => Ok(DataFormat::Arrow),
        _ => Err(Failure::new(
            format!(
                "无法从 {} 的扩展名判断格式（csv、jsonl、parquet、arrow）；请改名，或用 --format",
                file.display()
            ),
            format!(
                "the extension of {} tells no format (csv, jsonl, parquet, arrow); rename it, or use --format",
                file.display()
            ),
        )),
    }
}

/// How a file is sent.
pub(super) struct Sending {
    /// A push that was begun before.
    pub(super) resume: Option<String>,
    /// Bytes of one piece.
    pub(super) piece_bytes: u64,
    /// Not to wait for the outcome.
    pub(super) no_wait: bool,
}

/// Sends a file as a push and waits for what becomes of it.
pub(super) async fn send(
    session: &Session,
    name: &str,
    file: &Path,
    manifest: PushCreate,
    sending: Sending,
) -> Result<(), Failure> {
    let source = Source::of(file).await?;
    let id = match sending.resume {
        Some(id) => resumable(session, id, name).await?,
        None => {
            let manifest = PushCreate {
                bytes: Some(source.bytes),
                sha256: Some(source.sha256.clone()),
                ..manifest
            };
            session.client.open_push(name, &manifest).await?.id
        }
    };
    let sent = upload::send(session, &id, &source, sending.piece_bytes).await;
    if sent.is_err() {
        let path = file.display();
        let resume = format!("egret dataset push {name} {path} --resume {id}");
        let lang = session.printer.lang;
        let how = label(lang, "上传未完成；续传：", "not all was sent; to go on: ");
        // What went wrong is told after it.
        let _ = writeln!(std::io::stderr(), "{how}{}", printable(&resume));
    }
    sent?;
    commit(session, &id, sending.no_wait).await
}

/// A push that was begun before, when it is one of this data set.
async fn resumable(session: &Session, id: String, name: &str) -> Result<String, Failure> {
    let dataset = session.client.push(&id).await?.dataset;
    if dataset == name {
        return Ok(id);
    }
    Err(Failure::new(
        format!("推送 {id} 属于数据集 {dataset}，不属于 {name}"),
        format!("push {id} is one of data set {dataset}, not of {name}"),
    ))
}

/// Has a push processed and waits for what becomes of it.
pub(super) async fn commit(session: &Session, id: &str, no_wait: bool) -> Result<(), Failure> {
    let mut view = session.client.commit_push(id).await?;
    if !no_wait {
        view = pushed(session, view).await?;
    }
    show(session, &view)?;
    let (zh, en) = match view.state {
        PushState::Quarantined => (
            format!("推送 {id} 已隔离，数据保留；按上述原因处理后执行 egret dataset commit {id}"),
            format!(
                "push {id} is quarantined, its data are kept; once the reasons above are dealt with: egret dataset commit {id}"
            ),
        ),
        PushState::Rejected if view.problems > 0 => (
            format!("推送 {id} 没有成为版本；问题清单：egret dataset problems {id}"),
            format!("push {id} became no version; its problems: egret dataset problems {id}"),
        ),
        PushState::Rejected => (
            format!("推送 {id} 没有成为版本；更正数据后重新推送"),
            format!("push {id} became no version; correct the data and push them again"),
        ),
        _ => return Ok(()),
    };
    Err(Failure::refused(zh, en))
}

/// Waits until a push is a version or is not going to be one.
async fn pushed(session: &Session, mut view: PushView) -> Result<PushView, Failure> {
    let spinner = progress::wait(label(
        session.printer.lang,
        "检查与脱敏",
        "checking and masking",
    ));
    while !matches!(
        view.state,
        PushState::Version | PushState::Quarantined | PushState::Rejected
    ) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        view = session.client.push(&view.id).await?;
        spinner.set_message(format!(
            "{} {}",
            label(session.printer.lang, "已检查行", "rows checked"),
            view.rows_checked
        ));
    }
    spinner.finish_and_clear();
    Ok(view)
}
