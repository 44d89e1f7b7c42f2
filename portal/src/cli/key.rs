//! `egret key`: 脱敏密钥, their epochs, and what two security administrators do to them.

use super::failure::Failure;
use super::output::{Column, column};
use super::remote::{Paging, Remote, Session};
use crate::http::dto::{KeyAct, KeyRequestCreate, PageQuery};
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 各周期的密钥，只显示其承诺 · the keys of all epochs, by their commitments
    List(Paging),
    /// 申请轮换：开始新的周期，此后的假名全部改变 · ask for a rotation: a new epoch begins, and every token after it is another
    Rotate {
        #[command(flatten)]
        whose: Whose,
        /// 理由 · the reason
        #[arg(long)]
        reason: String,
    },
    /// 申请销毁某一周期的密钥：此后不能再据以生成假名，投放文件一并清除 · ask for a destruction: no token can be made with the key
    /// any more, and what was staged under it is erased
    Destroy {
        #[command(flatten)]
        whose: Whose,
        /// 周期（默认：最新）· the epoch [default: the newest]
        #[arg(long)]
        epoch: Option<u32>,
        /// 理由 · the reason
        #[arg(long)]
        reason: String,
    },
    /// 申请列表 · list requests
    Requests(Paging),
    /// 确认他人的申请并执行 · confirm what another asked for; it is done then
    Confirm {
        /// 申请标识 · identifier of the request
        id: String,
    },
    /// 撤回或否决申请 · take a request back, or refuse it
    Withdraw {
        /// 申请标识 · identifier of the request
        id: String,
    },
}

/// Whose key.
#[derive(Debug, clap::Args)]
struct Whose {
    /// intake，或场景的标识或名称 · intake, or a scenario by identifier or name
    owner: String,
}

const KEYS: &[Column] = &[
    column("标识", "id", "/id"),
    column("归属", "owner", "/owner"),
    column("场景", "scenario", "/scenario"),
    column("周期", "epoch", "/epoch"),
    column("状态", "state", "/state"),
    column("套件", "suite", "/suite"),
    column("在用数据集", "data sets", "/datasets"),
    column("建立时间", "made", "/created_at"),
    column("承诺", "commitment", "/commitment"),
];
const REQUESTS: &[Column] = &[
    column("标识", "id", "/id"),
    column("操作", "act", "/act"),
    column("归属", "owner", "/owner"),
    column("周期", "epoch", "/epoch"),
    column("状态", "state", "/state"),
    column("理由", "reason", "/reason"),
    column("申请人", "requested by", "/requested_by"),
    column("确认人", "decided by", "/decided_by"),
    column("有效期至", "until", "/expires_at"),
];

impl Key {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => printer.page(&client.keys(&paging.query()).await?, KEYS),
                Verb::Rotate { whose, reason } => {
                    ask(&session, KeyAct::Rotate, whose, None, reason).await
                }
                Verb::Destroy {
                    whose,
                    epoch,
                    reason,
                } => ask(&session, KeyAct::Destroy, whose, epoch, reason).await,
                Verb::Requests(paging) => {
                    printer.page(&client.key_requests(&paging.query()).await?, REQUESTS)
                }
                Verb::Confirm { id } => {
                    printer.one(&client.confirm_key_request(&id).await?, REQUESTS)
                }
                Verb::Withdraw { id } => {
                    printer.one(&client.withdraw_key_request(&id).await?, REQUESTS)
                }
            }
        })
    }
}

async fn ask(
    session: &Session,
    act: KeyAct,
    whose: Whose,
    epoch: Option<u32>,
    reason: String,
) -> Result<(), Failure> {
    let owner = owner(session, whose.owner).await?;
    let body = KeyRequestCreate {
        act,
        owner,
        epoch,
        reason,
    };
    let made = session.client.request_key_act(&body).await?;
    session.printer.one(&made, REQUESTS)?;
    let id = &made.id;
    session.printer.say(
        &format!("须由另一名安全管理员确认：egret key confirm {id}"),
        &format!("another security administrator has to confirm it: egret key confirm {id}"),
    )
}

/// The owner as the API names it, for one that is named by a scenario's name.
async fn owner(session: &Session, named: String) -> Result<String, Failure> {
    if named == "intake" || named.starts_with("scn_") {
        return Ok(named);
    }
    let mut page = PageQuery::default();
    loop {
        let found = session.client.keys(&page).await?;
        let known = |key: &&crate::http::dto::KeyView| key.scenario.as_deref() == Some(&named);
        if let Some(key) = found.items.iter().find(known) {
            return Ok(key.owner.clone());
        }
        if found.next_cursor.is_none() {
            return Err(Failure::new(
                format!("没有名为 {named} 的密钥；见 egret key list"),
                format!("there is no key of {named}; see egret key list"),
            ));
        }
        page.cursor = found.next_cursor;
    }
}
