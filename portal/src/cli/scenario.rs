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
        /// 场景合约（JSON），`-` 为标准输入 · the contract (JSON), `-` for standard input
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

/// The columns that a contract lets a program see.
fn scope(session: &Session, contract: &Contract) -> Result<(), Failure> {
    let rows: Vec<serde_json::Value> = contract
        .tables
        .iter()
        .flat_map(|table| {
            table.columns.iter().map(move |each| {
                serde_json::json!({
                    "table": table.name, "dataset": table.dataset, "column": each.name, "role": each.role,
                })
            })
        })
        .collect();
    session.printer.rows(
        &rows,
        &[
            column("表", "table", "/table"),
            column("数据集", "data set", "/dataset"),
            column("列", "column", "/column"),
            column("角色", "role", "/role"),
        ],
    )
}
