//! `egret scenario`: the scenario catalogue, proposals, votes, revocation.

use super::failure::{Failure, findings};
use super::output::{Column, Format, column};
use super::remote::{Paging, Remote, Session, json_of};
use crate::http::dto::{Contract, ScenarioCreate, VoteCast};
use sandbox::Lang;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret scenario`.
#[derive(Debug, clap::Args)]
pub(crate) struct Scenario {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 应用场景目录 · list the scenario catalogue
    List(Paging),
    /// 场景及其范围 · a scenario with its scope
    Show {
        /// 场景标识 · identifier of the scenario
        id: String,
    },
    /// 提出场景（草稿）· propose a scenario, as a draft
    Propose {
        /// 简称，唯一 · short unique name
        name: String,
        /// 场景合约（JSON），`-` 为标准输入；见 egret example contract · the contract (JSON), `-` for standard input; see egret example contract
        file: PathBuf,
        /// 同时提交审查 · hand it to the reviewers at once
        #[arg(long)]
        submit: bool,
    },
    /// 提交审查 · hand a draft to the reviewers
    Submit {
        /// 场景标识 · identifier of the scenario
        id: String,
    },
    /// 表决依据 · what a reviewer votes on
    Evidence {
        /// 场景标识 · identifier of the scenario
        id: String,
    },
    /// 表决 · vote
    Vote(Vote),
    /// 撤销场景：授权、运行、放行一并失效 · end a scenario for cause, with its grants, runs and releases
    Revoke {
        /// 场景标识 · identifier of the scenario
        id: String,
        /// 理由 · why
        #[arg(long)]
        reason: String,
    },
}

/// A vote: for or against, on evidence that was seen.
#[derive(Debug, clap::Args)]
pub(crate) struct Vote {
    /// 标识 · identifier
    pub(crate) id: String,
    /// 赞成 · for
    #[arg(long, conflicts_with = "reject", required_unless_present = "reject")]
    approve: bool,
    /// 反对 · against
    #[arg(long)]
    reject: bool,
    /// 所见依据的摘要，见 evidence / show · digest of the evidence that was seen
    #[arg(long)]
    digest: String,
    /// 意见 · why
    #[arg(long, default_value = "")]
    comment: String,
}

impl Vote {
    /// The identifier voted on, and the vote.
    pub(crate) fn cast(self) -> (String, VoteCast) {
        (
            self.id,
            VoteCast {
                approve: self.approve,
                evidence_digest: self.digest,
                comment: self.comment,
            },
        )
    }
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("简称", "name", "/name"),
    column("版本", "version", "/version"),
    column("状态", "state", "/state"),
    column("行业", "industry", "/contract/industry"),
    column("用途", "purpose", "/contract/purpose"),
    column("赞成", "approvals", "/approvals"),
    column("需要", "needed", "/approvals_needed"),
    column("到期时间", "expires", "/expires_at"),
    column("理由", "reason", "/reason"),
];

impl Scenario {
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
            Self::List(paging) => printer.page(&client.scenarios(&paging.query()).await?, COLUMNS),
            Self::Show { id } => {
                let scenario = client.scenario(&id).await?;
                printer.one(&scenario, COLUMNS)?;
                if printer.format == Format::Table {
                    scope(session, &scenario.contract)
                } else {
                    Ok(())
                }
            }
            Self::Propose { name, file, submit } => {
                let contract: Contract = json_of(&file)?;
                let mut scenario = client
                    .propose_scenario(&ScenarioCreate { name, contract })
                    .await?;
                if submit {
                    scenario = client.submit_scenario(&scenario.id).await?;
                }
                printer.one(&scenario, COLUMNS)
            }
            Self::Submit { id } => printer.one(&client.submit_scenario(&id).await?, COLUMNS),
            Self::Evidence { id } => {
                let evidence = client.scenario_evidence(&id).await?;
                if printer.format != Format::Table {
                    return printer.json(&evidence);
                }
                printer.one(
                    &evidence,
                    &[
                        column("摘要", "digest", "/digest"),
                        column("用途", "purpose", "/contract/purpose"),
                    ],
                )?;
                scope(session, &evidence.contract)?;
                Ok(findings(
                    &mut std::io::stdout().lock(),
                    &evidence.findings,
                    None,
                    printer.lang,
                )?)
            }
            Self::Vote(vote) => {
                let (id, vote) = vote.cast();
                printer.one(&client.vote_scenario(&id, &vote).await?, COLUMNS)
            }
            Self::Revoke { id, reason } => {
                printer.one(&client.revoke_scenario(&id, &reason).await?, COLUMNS)
            }
        }
    }
}

/// What a contract allows: programs, term, output rules, and the columns that a program may see.
fn scope(session: &Session, contract: &Contract) -> Result<(), Failure> {
    terms(session, contract)?;
    let tables: Vec<serde_json::Value> = contract
        .tables
        .iter()
        .map(|table| {
            serde_json::json!({
                "table": table.name,
                "dataset": table.dataset,
                "unit": table.unit,
                "filter": table.row_filter,
            })
        })
        .collect();
    session.printer.rows(
        &tables,
        &[
            column("表", "table", "/table"),
            column("数据集", "data set", "/dataset"),
            column("隐私单元", "privacy unit", "/unit"),
            column("行条件", "row filter", "/filter"),
        ],
    )?;
    let rows: Vec<serde_json::Value> = contract
        .tables
        .iter()
        .flat_map(|table| {
            table.columns.iter().map(move |each| {
                serde_json::json!({
                    "table": table.name,
                    "column": each.name,
                    "role": each.role,
                    "value_domain": each.value_domain,
                    "sensitive": each.sensitive,
                })
            })
        })
        .collect();
    session.printer.rows(
        &rows,
        &[
            column("表", "table", "/table"),
            column("列", "column", "/column"),
            column("角色", "role", "/role"),
            column("值域", "value domain", "/value_domain"),
            column("敏感", "sensitive", "/sensitive"),
        ],
    )
}

/// The members of a contract that are no columns; output rules that it leaves out are the platform's.
fn terms(session: &Session, contract: &Contract) -> Result<(), Failure> {
    session.printer.one(
        contract,
        &[
            column("SQL 聚合", "SQL aggregates", "/operations/sql"),
            column("WASM 模块", "WASM modules", "/operations/wasm"),
            column("有效天数", "term, days", "/term_days"),
            column("拒绝次数上限", "refusals at most", "/refusals_max"),
            column(
                "单元最少人数",
                "units per cell at least",
                "/output/threshold",
            ),
            column(
                "最大者占比上限 %",
                "largest share at most, %",
                "/output/dominance_1_percent",
            ),
            column(
                "前二者占比上限 %",
                "two largest at most, %",
                "/output/dominance_2_percent",
            ),
            column("p% 规则", "p-percent rule", "/output/p_percent"),
            column("计数取整", "counts rounded to", "/output/count_base"),
            column(
                "有效数字",
                "significant digits",
                "/output/significant_digits",
            ),
            column("行数上限", "rows at most", "/output/rows_max"),
            column(
                "过半不合格则整体拒绝",
                "half failing refuses all",
                "/output/half_refuses",
            ),
        ],
    )
}
