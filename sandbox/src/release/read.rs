//! Looking at releases and at the evidence behind them.

use review::Preview;

use super::aids;
use super::decide::told;
use super::evidence::preview_digest;
use super::quarantine;
use super::rows::{self, ReleaseRow, VoteRow};
use super::view::{ReleaseEvidence, ReleaseView, ReleaseVote};
use crate::access::{Actor, Object, Operation, scope};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::ReleaseId;
use crate::job::rows::Filter;
use crate::job::state::ReleaseState;
use crate::meter::moment;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;

impl Platform {
    /// Releases, newest first: the tenant's own, or all for those who review and audit.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn releases(
        &self,
        actor: &Actor,
        state: Option<ReleaseState>,
        page: PageRequest,
    ) -> Result<Page<ReleaseView>, Error> {
        let own = scope(actor, Operation::Releases)?;
        let organisation = own.map(|id| id.to_string()).unwrap_or_default();
        self.store()
            .read("releases", move |conn| {
                Box::pin(async move {
                    let before = page.after();
                    let filter = Filter {
                        organisation: &organisation,
                        before: &before,
                        limit: page.rows(),
                    };
                    let wanted = state.map_or("", ReleaseState::as_str);
                    let found = rows::releases(&mut *conn, &filter, wanted).await?;
                    let mut views = Vec::with_capacity(found.len());
                    for row in found {
                        let approvals = rows::approvals(&mut *conn, &row.id).await?;
                        views.push(view(row, approvals)?);
                    }
                    Ok(Page::cut(views, &page, |view: &ReleaseView| {
                        view.id.to_string()
                    }))
                })
            })
            .await
    }

    /// One release.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn release(&self, actor: &Actor, id: ReleaseId) -> Result<ReleaseView, Error> {
        let (row, votes) = self.release_row(id).await?;
        self.authorise(actor, Operation::Release, Object::Of(owner(&row)?))?;
        let approvals = votes.iter().filter(|vote| vote.approve).count();
        view(row, i64::try_from(approvals).unwrap_or(i64::MAX))
    }

    /// What reviewers vote on.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn release_evidence(
        &self,
        actor: &Actor,
        id: ReleaseId,
    ) -> Result<ReleaseEvidence, Error> {
        let (row, votes) = self.release_row(id).await?;
        self.authorise(actor, Operation::ReleaseEvidence, Object::Of(owner(&row)?))?;
        let document: serde_json::Value = document::read("read an evidence pack", &row.evidence)?;
        let preview = self.preview(&row, &document).await?;
        // Blind: what others said is not shown to somebody who has not voted.
        let shown = votes
            .into_iter()
            .filter(|vote| {
                row.state != ReleaseState::Held || vote.account == actor.account.to_string()
            })
            .map(vote_view)
            .collect::<Result<_, _>>()?;
        // Aids stay with the reviewers: what a guest wrote decides them, and a tenant reads findings.
        let mut findings: Vec<review::Finding> = document::read("read findings", &row.findings)?;
        if let Some(preview) = &preview {
            findings.extend(preview.aids.iter().cloned());
            let pack = document.clone();
            let sizes = self
                .store()
                .read("input sizes", move |conn| {
                    let pack = pack.clone();
                    Box::pin(async move { aids::sizes(conn, &pack).await })
                })
                .await?;
            let threshold = document["rules"]["threshold"].as_u64().unwrap_or(1);
            findings.extend(aids::aids(&row, preview, &sizes, threshold));
        }
        Ok(ReleaseEvidence {
            digest: row.evidence_digest,
            release: id,
            findings,
            preview,
            document,
            votes: shown,
        })
    }

    /// The preview while the release is held, if it is the one that the evidence names.
    async fn preview(
        &self,
        row: &ReleaseRow,
        document: &serde_json::Value,
    ) -> Result<Option<Preview>, Error> {
        let named = document["output"]["preview_sha256"]
            .as_str()
            .unwrap_or_default();
        if row.state != ReleaseState::Held || named.is_empty() {
            return Ok(None);
        }
        let bytes = quarantine::preview(self, &row.id).await?;
        let preview: Preview = serde_json::from_slice(&bytes)
            .map_err(|source| Error::internal("read a preview", source))?;
        if preview_digest(Some(&preview))? != named {
            return Err(Error::internal(
                "read a preview",
                "not the one that the evidence names",
            ));
        }
        Ok(Some(preview))
    }

    pub(crate) async fn release_row(
        &self,
        id: ReleaseId,
    ) -> Result<(ReleaseRow, Vec<VoteRow>), Error> {
        let name = id.to_string();
        let found = self
            .store()
            .read("release", move |conn| {
                Box::pin(async move {
                    let Some(row) = rows::release(&mut *conn, &name).await? else {
                        return Ok(None);
                    };
                    let votes = rows::votes(&mut *conn, &name).await?;
                    Ok(Some((row, votes)))
                })
            })
            .await?;
        found.ok_or_else(|| unknown(id))
    }
}

pub(crate) fn unknown(id: ReleaseId) -> Error {
    Error::not_found(
        format!("没有出域结果 {id}，或您无权看到它。"),
        format!("there is no release {id}, or you may not see it."),
    )
}

/// The organisation that a release belongs to.
pub(crate) fn owner(row: &ReleaseRow) -> Result<crate::id::OrganisationId, Error> {
    parsed(&row.organisation)
}

fn parsed<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|source| Error::internal("read a stored identifier", source))
}

pub(crate) fn view(row: ReleaseRow, approvals: i64) -> Result<ReleaseView, Error> {
    // Before it leaves, even the size and digest of a result would tell of the data.
    let leaves = matches!(row.state, ReleaseState::Released | ReleaseState::Frozen)
        && !row.sha256.is_empty();
    let figure = |value: i64| leaves.then(|| u64::try_from(value).unwrap_or(0));
    let decided = row.state != ReleaseState::Held;
    Ok(ReleaseView {
        id: parsed(&row.id)?,
        run: parsed(&row.run)?,
        job: parsed(&row.job)?,
        grant: parsed(&row.grant)?,
        organisation: parsed(&row.organisation)?,
        state: row.state,
        decision: told(document::read("read a decision", &row.decision)?),
        findings: document::read("read findings", &row.findings)?,
        bytes: figure(row.bytes),
        rows: figure(row.rows),
        sha256: leaves.then_some(row.sha256),
        approvals: if decided {
            u32::try_from(approvals).unwrap_or(u32::MAX)
        } else {
            0
        },
        created_at: moment(timestamp(row.created_at)),
        released_at: (row.released_at > 0).then(|| moment(timestamp(row.released_at))),
    })
}

fn vote_view(vote: VoteRow) -> Result<ReleaseVote, Error> {
    Ok(ReleaseVote {
        voter: parsed(&vote.account)?,
        organisation: parsed(&vote.organisation)?,
        approve: vote.approve,
        evidence_digest: vote.evidence_digest,
        comment: vote.comment,
        leaf: u64::try_from(vote.leaf).unwrap_or(0),
        created_at: timestamp(vote.at),
    })
}
