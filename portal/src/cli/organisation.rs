//! `egret organisation`: operator, tenants, providers, review bodies.

use super::failure::Failure;
use super::output::{Column, column};
use super::remote::{Paging, Remote, Session};
use crate::http::dto::{OrganisationCreate, OrganisationKind, PageQuery, WeightPut};
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret organisation`.
#[derive(Debug, clap::Args)]
pub(crate) struct Organisation {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 机构列表 · list organisations
    List(Paging),
    /// 新建机构 · make an organisation
    Create {
        /// 简称，唯一 · short unique name
        name: String,
        /// 全称 · the name people read
        #[arg(long)]
        title: String,
        /// 类别 · what it is to the platform
        #[arg(long, value_enum)]
        kind: Kind,
    },
    /// 二级开发主体在队列中的权重 · weight of a tenant in the queue
    Weight {
        /// 机构标识或简称 · identifier or short name
        organisation: String,
        /// 1 至 10：对权重 1 者一次的次数 · 1 to 10: turns for one of a tenant of weight 1
        #[arg(value_parser = clap::value_parser!(u32).range(1..=10))]
        weight: u32,
    },
}

/// The kinds as words of the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// 二级开发主体
    Tenant,
    /// 数据提供方
    Provider,
    /// 审查机构
    ReviewBody,
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("简称", "name", "/name"),
    column("全称", "title", "/title"),
    column("类别", "kind", "/kind"),
    column("权重", "weight", "/weight"),
    column("建立时间", "created", "/created_at"),
];

/// The identifier of an organisation that is named by it or by its short name.
pub(super) async fn identifier(session: &Session, named: String) -> Result<String, Failure> {
    if named.starts_with("org_") {
        return Ok(named);
    }
    let mut page = PageQuery::default();
    loop {
        let found = session.client.organisations(&page).await?;
        if let Some(organisation) = found.items.into_iter().find(|each| each.name == named) {
            return Ok(organisation.id);
        }
        if found.next_cursor.is_none() {
            return Err(Failure::new(
                format!("没有简称为 {named} 的机构；见 egret organisation list"),
                format!("there is no organisation {named}; see egret organisation list"),
            ));
        }
        page.cursor = found.next_cursor;
    }
}

impl Organisation {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => {
                    printer.page(&client.organisations(&paging.query()).await?, COLUMNS)
                }
                Verb::Create { name, title, kind } => {
                    let kind = match kind {
                        Kind::Tenant => OrganisationKind::Tenant,
                        Kind::Provider => OrganisationKind::Provider,
                        Kind::ReviewBody => OrganisationKind::ReviewBody,
                    };
                    let made = client
                        .create_organisation(&OrganisationCreate { name, title, kind })
                        .await?;
                    printer.one(&made, COLUMNS)
                }
                Verb::Weight {
                    organisation,
                    weight,
                } => {
                    let id = identifier(&session, organisation).await?;
                    let changed = client.set_weight(&id, &WeightPut { weight }).await?;
                    printer.one(&changed, COLUMNS)
                }
            }
        })
    }
}
