//! `egret review`: results that wait for people.

use super::failure::{Failure, findings};
use super::output::{Column, Format, column};
use super::remote::{Paging, Remote, Session};
use super::run::RELEASE;
use super::scenario::Vote;
use crate::http::dto::{ReleaseQuery, ReleaseState};
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret review`.
#[derive(Debug, clap::Args)]
pub(crate) struct Review {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 待审查的结果 · results that wait for a decision
    List {
        /// 包括已决定的 · those decided as well
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// 审查依据：发现、预览、摘要 · the evidence: findings, preview, digest
    Show {
        /// 放行标识 · identifier of the release
        id: String,
    },
    /// 表决 · vote
    Vote(Vote),
}

const LIST: &[Column] = &[
    column("标识", "id", "/id"),
    column("主体", "tenant", "/organisation"),
    column("状态", "state", "/state"),
    column("行数", "rows", "/rows"),
    column("赞成", "approvals", "/approvals"),
    column("提交时间", "made", "/created_at"),
];

impl Review {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List { all, paging } => {
                    let page = paging.query();
                    let state = (!all).then_some(ReleaseState::Held);
                    let query = ReleaseQuery {
                        state,
                        limit: page.limit,
                        cursor: page.cursor,
                    };
                    printer.page(&client.releases(&query).await?, LIST)
                }
                Verb::Show { id } => show(&session, &id).await,
                Verb::Vote(vote) => {
                    let (id, vote) = vote.cast();
                    printer.one(&client.vote_release(&id, &vote).await?, RELEASE)
                }
            }
        })
    }
}

async fn show(session: &Session, id: &str) -> Result<(), Failure> {
    let printer = &session.printer;
    let evidence = session.client.release_evidence(id).await?;
    if printer.format != Format::Table {
        return printer.json(&evidence);
    }
    printer.one(
        &evidence,
        &[
            column("放行", "release", "/release"),
            column("依据摘要", "digest", "/digest"),
        ],
    )?;
    findings(
        &mut std::io::stdout().lock(),
        &evidence.findings,
        None,
        printer.lang,
    )?;
    match &evidence.preview {
        Some(preview) => printer.cells(&preview.columns, &preview.rows),
        None => Ok(()),
    }
}
