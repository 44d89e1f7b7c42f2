//! `egret token`: personal tokens for tools.

use super::output::{Column, column};
use super::remote::{Paging, Remote};
use crate::http::dto::TokenCreate;
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 个人令牌列表 · list personal tokens
    List(Paging),
    /// 新建个人令牌；内容只显示这一次 · make a personal token; it is shown this once
    Create {
        /// 用途 · what it is for
        name: String,
        /// 有效天数 · how long it is good
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// 撤销个人令牌 · end a personal token
    Revoke {
        /// 令牌标识 · identifier of the token
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("用途", "name", "/name"),
    column("令牌", "token", "/token"),
    column("建立时间", "created", "/created_at"),
    column("到期时间", "expires", "/expires_at"),
];

impl Token {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => printer.page(&client.tokens(&paging.query()).await?, COLUMNS),
                Verb::Create { name, days } => printer.one(
                    &client.create_token(&TokenCreate { name, days }).await?,
                    COLUMNS,
                ),
                Verb::Revoke { id } => {
                    client.revoke_token(&id).await?;
                    printer.say(&format!("{id} 已撤销"), &format!("{id} is revoked"))
                }
            }
        })
    }
}
