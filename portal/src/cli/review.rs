//! `egret review`: results that wait for people.

use super::failure::{Failure, findings};
use super::output::{Column, Format, column};
use super::remote::{Paging, Remote, Session};
use super::result::raw;
use super::run::RELEASE;
use super::scenario::Vote;
use crate::http::dto::{PageQuery, ReleaseQuery, ReleaseState};
use sandbox::{Bilingual, Lang, PAGE_LIMIT_MAX};
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
    /// 待审结果的全部行：放行的正是这些字节 · every row of a held result: these bytes are what would leave
    Rows {
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
                Verb::Rows { id } => rows(&session, &id).await,
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
    let Some(preview) = &evidence.preview else {
        return Ok(());
    };
    printer.cells(&preview.columns, &preview.rows)?;
    let (shown, all) = (preview.rows_shown, preview.rows_total);
    if shown < all {
        printer.say(
            &format!("以上为 {all} 行中的前 {shown} 行；全部：egret review rows {id}"),
            &format!("these are {shown} of {all} rows; all of them: egret review rows {id}"),
        )?;
    }
    Ok(())
}

/// Every page, put together and held against the digest that the votes are for.
async fn rows(session: &Session, id: &str) -> Result<(), Failure> {
    let (client, printer) = (&session.client, &session.printer);
    let mut page = PageQuery {
        limit: Some(PAGE_LIMIT_MAX),
        cursor: None,
    };
    let mut whole = client.release_rows(id, &page).await?;
    while let Some(cursor) = whole.next_cursor.take() {
        page.cursor = Some(cursor);
        let next = client.release_rows(id, &page).await?;
        whole.rows.extend(next.rows);
        whole.csv.push_str(&next.csv);
        whole.next_cursor = next.next_cursor;
    }
    let evidence = client.release_evidence(id).await?;
    let digest = hex::encode(ring::digest::digest(
        &ring::digest::SHA256,
        whole.csv.as_bytes(),
    ));
    let named = evidence.document["output"]["sha256"].as_str();
    if digest != whole.sha256 || named != Some(digest.as_str()) {
        return Err(Failure::Message(
            6,
            Bilingual::new(
                "读到的行与审查依据所指的结果不是同一份：不要表决。",
                "the rows that were read are not the result that the evidence names: do not vote.",
            ),
        ));
    }
    match printer.format {
        Format::Json => printer.json(&whole),
        Format::Csv => raw(whole.csv.as_bytes()),
        Format::Table => {
            printer.cells(&whole.columns, &whole.rows)?;
            let (rows, bytes) = (whole.rows_total, whole.bytes_total);
            printer.say(
                &format!("共 {rows} 行，{bytes} 字节，SHA-256 {digest}，与审查依据一致"),
                &format!("{rows} rows, {bytes} bytes, SHA-256 {digest}, as the evidence says"),
            )
        }
    }
}
