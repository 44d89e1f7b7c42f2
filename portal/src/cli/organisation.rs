//! `egret organisation`: operator, tenants, providers, review bodies.

use super::output::{Column, column};
use super::remote::{Paging, Remote};
use crate::http::dto::{OrganisationCreate, OrganisationKind};
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
    column("建立时间", "created", "/created_at"),
];

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
            }
        })
    }
}
