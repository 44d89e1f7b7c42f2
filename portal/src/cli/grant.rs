//! `egret grant`: applications, providers' consent, grants.

use super::output::{Column, column};
use super::remote::{Paging, Remote};
use crate::http::dto::ApplicationCreate;
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret grant`.
#[derive(Debug, clap::Args)]
pub(crate) struct Grant {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 授权与申请列表 · list grants and applications
    List(Paging),
    /// 授权 · a grant
    Show {
        /// 授权标识 · identifier of the grant
        id: String,
    },
    /// 提交开发利用申请 · apply for a grant
    Apply {
        /// 场景标识 · identifier of the scenario
        scenario: String,
        /// 用途 · what for
        #[arg(long)]
        purpose: String,
        /// 天数（默认 30，场景期限更短则为其期限）· for how long [default: 30, or the scenario's term where that is shorter]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
    },
    /// 数据提供方答复：须写明 --yes 或 --refuse · answer for a provider, with --yes or --refuse
    #[command(group(clap::ArgGroup::new("answer").required(true)))]
    Consent {
        /// 授权标识 · identifier of the grant
        id: String,
        /// 同意 · consent
        #[arg(long, group = "answer")]
        yes: bool,
        /// 不同意 · refuse
        #[arg(long, group = "answer")]
        refuse: bool,
    },
    /// 撤销授权 · end a grant for cause
    Revoke {
        /// 授权标识 · identifier of the grant
        id: String,
        /// 理由 · why
        #[arg(long)]
        reason: String,
    },
}

/// For how long a grant is asked for when nothing is said.
const DAYS: u32 = 30;

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("场景", "scenario", "/scenario_name"),
    column("主体", "tenant", "/organisation"),
    column("状态", "state", "/state"),
    column("用途", "purpose", "/purpose"),
    column("到期时间", "expires", "/expires_at"),
];

impl Grant {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            let grant = match verb {
                Verb::List(paging) => {
                    return printer.page(&client.grants(&paging.query()).await?, COLUMNS);
                }
                Verb::Show { id } => client.grant(&id).await?,
                Verb::Apply {
                    scenario,
                    purpose,
                    days,
                } => {
                    let days = match days {
                        Some(days) => days,
                        None => client
                            .scenario(&scenario)
                            .await?
                            .contract
                            .term_days
                            .min(DAYS),
                    };
                    client
                        .apply(&ApplicationCreate {
                            scenario,
                            purpose,
                            days,
                        })
                        .await?
                }
                Verb::Consent { id, yes, refuse: _ } => client.consent(&id, yes).await?,
                Verb::Revoke { id, reason } => client.revoke_grant(&id, &reason).await?,
            };
            printer.one(&grant, COLUMNS)?;
            if printer.format != super::output::Format::Table {
                return Ok(());
            }
            printer.rows(
                &grant.consents,
                &[
                    column("数据提供方", "provider", "/provider"),
                    column("同意", "consent", "/consent"),
                ],
            )
        })
    }
}
