//! `egret dataset`: the catalogue, masking policies, pushes and their reports.

use super::failure::Failure;
use super::feedback::Feedback;
use super::history;
use super::organisation;
use super::output::{Column, column};
use super::push::{self, Sending, format_of};
use super::remote::{Paging, Remote, Session, json_of, text_of};
use crate::http::dto::{
    DataFormat, DatasetCreate, MeasureWish, PageQuery, PolicySuggest, PushCreate,
};
use sandbox::Lang;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret dataset`.
#[derive(Debug, clap::Args)]
pub(crate) struct Dataset {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 数据目录 · list the catalogue
    List(Paging),
    /// 目录条目及其各列 · a catalogue entry with its columns
    Show {
        /// 数据集名称 · name of the data set
        name: String,
    },
    /// 样例数据 · the sample
    Sample {
        /// 数据集名称 · name of the data set
        name: String,
    },
    /// 版本列表 · list versions
    Versions {
        /// 数据集名称 · name of the data set
        name: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// 登记数据集 · register a data set
    Register {
        /// 目录条目（JSON），`-` 为标准输入；见 egret example entry · the catalogue entry (JSON), `-` for standard input; see egret example entry
        file: PathBuf,
        /// 质量规则（TOML）；见 egret example rules · quality rules (TOML); see egret example rules
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
    /// 脱敏策略 · masking policy
    #[command(subcommand)]
    Policy(Policy),
    /// 推送数据，成为新版本 · push data, which become a new version
    Push {
        /// 数据集名称 · name of the data set
        name: String,
        /// 数据文件 · file of data
        file: PathBuf,
        /// 文件格式（默认：按扩展名）· format [default: by the file's extension]
        #[arg(long, value_enum)]
        format: Option<FormatName>,
        /// CSV 或 JSON 行的字符编码（默认：自动识别）· character encoding of CSV or JSON lines [default: detected]
        #[arg(long, value_name = "utf-8|gb18030|utf-16le|utf-16be")]
        encoding: Option<String>,
        /// 本次推送要关闭的反馈，可多次给出 · item of the feedback list that this push is to close; may be given again
        #[arg(long, value_name = "FEEDBACK")]
        closes: Vec<String>,
        /// 续传先前中断的推送 · go on with a push whose upload broke off
        #[arg(long, value_name = "PUSH", conflicts_with = "closes")]
        resume: Option<String>,
        /// 每个上传片段的大小（MiB）· size of a piece of the upload, in MiB
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024))]
        piece_mib: u64,
        /// 提交后立即返回 · do not wait for the outcome
        #[arg(long)]
        no_wait: bool,
    },
    /// 再次处理已隔离的推送，例如在设置策略之后 · process a quarantined push again, as after setting a policy
    Commit {
        /// 推送标识 · identifier of the push
        id: String,
        /// 提交后立即返回 · do not wait for the outcome
        #[arg(long)]
        no_wait: bool,
    },
    /// 推送状态 · a push
    PushShow {
        /// 推送标识 · identifier of the push
        id: String,
    },
    /// 问题数据清单 · problem records of a push
    Problems {
        /// 推送标识 · identifier of the push
        id: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// 反馈清单：由提供方答复，由后续推送关闭 · the feedback list: answered by the provider, closed by a later push
    #[command(subcommand)]
    Feedback(Feedback),
    /// 质量报告 · quality report of a push
    Quality {
        /// 推送标识 · identifier of the push
        id: String,
    },
    /// 可打印的报告（HTML）：质量与风险，附图 · a report that can be printed (HTML): quality and risk, with plots
    Report {
        /// 推送标识 · identifier of the push
        id: String,
        /// 写入文件（默认：标准输出）· file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// 质量评分的历次变化，最近的在前 · scores of a data set's pushes over time, newest first
    QualityHistory {
        /// 数据集名称 · name of the data set
        name: String,
        /// 按列而非按维度 · by column instead of by dimension
        #[arg(long)]
        columns: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// 脱敏前后的重识别风险 · risk of re-identification before and after masking
    Risk {
        /// 推送标识，或数据集名称（取其最新版本的推送）· identifier of the push, or name of a data set, whose newest version's push is taken
        id: String,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Policy {
    /// 现行策略 · the policy in force
    Show {
        /// 数据集名称 · name of the data set
        name: String,
    },
    /// 设置策略 · put a policy in force
    Set {
        /// 数据集名称 · name of the data set
        name: String,
        /// 策略（TOML），`-` 为标准输入 · the policy (TOML), `-` for standard input
        file: PathBuf,
    },
    /// 策略作用前后的样例，不生效；直接标识符只显示形式 · the sample before and after a policy, which is not put in force; of direct
    /// identifiers only the form
    Preview {
        /// 数据集名称 · name of the data set
        name: String,
        /// 策略（TOML），`-` 为标准输入 · the policy (TOML), `-` for standard input
        file: PathBuf,
    },
    /// 按数据内容建议策略；以 --k 在隔离中的最新推送上搜索 · a policy that fits what the columns hold; with --k searched over
    /// the newest push in quarantine
    Suggest {
        /// 数据集名称 · name of the data set
        name: String,
        /// 每类至少 k 行 · rows of a class, at least
        #[arg(long)]
        k: Option<u32>,
        /// 每类至少 l 个不同的敏感值 · distinct sensitive values of a class, at least
        #[arg(long, requires = "k")]
        l: Option<u32>,
        /// 敏感值分布与总体的最大距离 · distance of a class's sensitive values from all, at most
        #[arg(long, requires = "k")]
        t: Option<f64>,
        /// 可剔除的行，百分比 · rows that may be left out, in percent
        #[arg(long, requires = "k")]
        suppress_percent: Option<f64>,
        /// 搜索时间（秒）· seconds to search
        #[arg(long, requires = "k")]
        seconds: Option<u32>,
    },
}

/// The formats as words of the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum FormatName {
    /// CSV
    Csv,
    /// Apache Parquet
    Parquet,
    /// JSON 行 · JSON lines
    Jsonl,
    /// Apache Arrow IPC
    Arrow,
}

impl From<FormatName> for DataFormat {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Parquet => Self::Parquet,
            FormatName::Jsonl => Self::Jsonl,
            FormatName::Arrow => Self::Arrow,
        }
    }
}

/// An identifier that no organisation has: of the first moment that there was.
const NO_PROVIDER: &str = "org_00000000000070008000000000000000";

const ENTRIES: &[Column] = &[
    column("名称", "name", "/name"),
    column("标题", "title", "/title"),
    column("行业", "industry", "/industry"),
    column("提供方", "provider", "/provider"),
    column("脱敏策略", "policy", "/policy"),
    column("最新版本", "version", "/latest_version"),
];
const COLUMNS: &[Column] = &[
    column("列", "column", "/name"),
    column("类型", "type", "/type"),
    column("类别", "class", "/class"),
    column("级别", "level", "/level"),
    column("说明", "comment", "/comment"),
];
const VERSIONS: &[Column] = &[
    column("版本", "version", "/number"),
    column("行数", "rows", "/rows"),
    column("字节", "bytes", "/bytes"),
    column("去标识级别", "level", "/deidentification_level"),
    column("内容摘要", "sha256", "/sha256"),
    column("建立时间", "created", "/created_at"),
];

impl Dataset {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote
            .run(lang, async move |session| verb.perform(&session).await)
    }
}

impl Verb {
    async fn perform(self, session: &Session) -> Result<(), Failure> {
        let (client, printer) = (&session.client, &session.printer);
        match self {
            Self::List(paging) => printer.page(&client.datasets(&paging.query()).await?, ENTRIES),
            Self::Show { name } => {
                let entry = client.dataset(&name).await?;
                if printer.format == super::output::Format::Table {
                    printer.one(&entry, ENTRIES)?;
                    printer.say(&entry.description, &entry.description)?;
                    return printer.rows(&entry.columns, COLUMNS);
                }
                printer.one(&entry, ENTRIES)
            }
            Self::Sample { name } => sample(session, &name).await,
            Self::Versions { name, paging } => printer.page(
                &client.dataset_versions(&name, &paging.query()).await?,
                VERSIONS,
            ),
            Self::Register { file, rules } => {
                let mut entry: DatasetCreate = json_of(&file)?;
                // Whoever may not look for organisations may not register either, and learns who may: from the
                // server, whichever provider is named.
                entry.provider = match organisation::identifier(session, entry.provider).await {
                    Err(Failure::Client(error, _)) if error.status() == Some(403) => {
                        NO_PROVIDER.to_owned()
                    }
                    found => found?,
                };
                if let Some(rules) = rules {
                    entry.quality_rules = Some(text_of(&rules)?);
                }
                printer.one(&client.register_dataset(&entry).await?, ENTRIES)
            }
            Self::Policy(policy) => policy.perform(session).await,
            Self::Push {
                name,
                file,
                format,
                encoding,
                closes,
                resume,
                piece_mib,
                no_wait,
            } => {
                let format = format
                    .map(DataFormat::from)
                    .map_or_else(|| format_of(&file), Ok)?;
                let manifest = PushCreate {
                    format,
                    encoding,
                    sha256: None,
                    bytes: None,
                    sample: Vec::new(),
                    closes,
                };
                let sending = Sending {
                    resume,
                    piece_bytes: piece_mib << 20,
                    no_wait,
                };
                push::send(session, &name, &file, manifest, sending).await
            }
            Self::Commit { id, no_wait } => push::commit(session, &id, no_wait).await,
            Self::PushShow { id } => push::show(session, &client.push(&id).await?),
            Self::Problems { id, paging } => printer.page(
                &client.push_problems(&id, &paging.query()).await?,
                push::PROBLEMS,
            ),
            Self::Feedback(feedback) => feedback.perform(session).await,
            Self::Quality { id } => push::quality(session, &id).await,
            Self::Report { id, to } => push::report(session, &id, to.as_deref()).await,
            Self::QualityHistory {
                name,
                columns,
                paging,
            } => history::print(session, &name, &paging.query(), columns).await,
            Self::Risk { id } => push::risk(session, &push_of(session, id).await?).await,
        }
    }
}

impl Policy {
    async fn perform(self, session: &Session) -> Result<(), Failure> {
        let (client, printer) = (&session.client, &session.printer);
        let json = printer.format == super::output::Format::Json;
        match self {
            Self::Show { name } => {
                let policy = client.policy(&name).await?;
                if json {
                    printer.json(&policy)
                } else {
                    printer.text(&policy.toml)
                }
            }
            Self::Set { name, file } => {
                let policy = client.set_policy(&name, &text_of(&file)?).await?;
                if json {
                    return printer.json(&policy);
                }
                let number = policy.version;
                printer.say(
                    &format!("{name} 的脱敏策略第 {number} 版生效"),
                    &format!("masking policy {number} of {name} is in force"),
                )
            }
            Self::Preview { name, file } => {
                let preview = client.preview_policy(&name, &text_of(&file)?).await?;
                if json {
                    return printer.json(&preview);
                }
                let columns = headings(session, &name).await?;
                printer.say("脱敏前：", "before:")?;
                cells(session, &columns, &preview.before)?;
                printer.say("脱敏后：", "after:")?;
                cells(session, &columns, &preview.after)
            }
            Self::Suggest {
                name,
                k,
                l,
                t,
                suppress_percent,
                seconds,
            } => {
                let wish = PolicySuggest {
                    measure: k.map(|k_min| MeasureWish {
                        k_min,
                        l_min: l,
                        t_max: t,
                        delta_max: None,
                        beta_max: None,
                        suppress_percent_max: suppress_percent,
                    }),
                    loss: None,
                    seconds,
                };
                let suggestion = client.suggest_policy(&name, &wish).await?;
                if json {
                    printer.json(&suggestion)
                } else {
                    printer.text(&suggestion.toml)
                }
            }
        }
    }
}

/// The push of a data set's newest version, where a name is given instead of a push.
async fn push_of(session: &Session, named: String) -> Result<String, Failure> {
    if named.starts_with("psh_") {
        return Ok(named);
    }
    let mut page = PageQuery {
        limit: Some(sandbox::PAGE_LIMIT_MAX),
        cursor: None,
    };
    let mut newest = None;
    loop {
        let found = session.client.dataset_versions(&named, &page).await?;
        newest = found
            .items
            .into_iter()
            .chain(newest)
            .max_by_key(|version| version.number);
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    newest.map(|version| version.push).ok_or_else(|| {
        Failure::new(
            format!("数据集 {named} 还没有版本"),
            format!("the data set {named} has no version yet"),
        )
    })
}

/// The sample, its columns in the order of the entry; masking leaves some of them out.
async fn sample(session: &Session, name: &str) -> Result<(), Failure> {
    let sample = session.client.dataset_sample(name).await?;
    if session.printer.format == super::output::Format::Json {
        return session.printer.json(&sample);
    }
    cells(session, &headings(session, name).await?, &sample.rows)
}

/// The columns of an entry, in order.
async fn headings(session: &Session, name: &str) -> Result<Vec<String>, Failure> {
    let entry = session.client.dataset(name).await?;
    Ok(entry
        .columns
        .into_iter()
        .map(|column| column.name)
        .collect())
}

/// Rows as a table of those columns that any of them has.
fn cells(
    session: &Session,
    columns: &[String],
    rows: &[serde_json::Map<String, serde_json::Value>],
) -> Result<(), Failure> {
    let headings: Vec<String> = columns
        .iter()
        .filter(|name| rows.iter().any(|row| row.contains_key(*name)))
        .cloned()
        .collect();
    let cell = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            headings
                .iter()
                .map(|heading| cell(row.get(heading)))
                .collect()
        })
        .collect();
    session.printer.cells(&headings, &rows)
}
