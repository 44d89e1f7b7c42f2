//! What leaves: releases, evidence, votes, results, certificates.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, time};
use super::dto::{
    self, Page, PageQuery, ReleaseEvidence, ReleaseQuery, ReleaseRows, ReleaseView, VoteCast,
};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use sandbox::ReleaseId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(releases))
        .add(routes!(release))
        .add(routes!(release_evidence))
        .add(routes!(release_rows))
        .add(routes!(vote_release))
        .add(routes!(download_release))
        .add(routes!(release_certificate))
}

/// The releases that the account may see, newest first.
#[utoipa::path(get, path = "/releases", tag = "releases", params(ReleaseQuery),
    responses((status = 200, description = "a page of releases", body = Page<ReleaseView>)))]
async fn releases(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(query): Query<ReleaseQuery>,
) -> Answer {
    let page = paging::bounded(query.limit, query.cursor)?;
    let page = portal
        .platform
        .releases(&actor, query.state.map(Into::into), page)
        .await?;
    answer::ok(&paging::answered::<_, ReleaseView>(&page))
}

/// A release.
#[utoipa::path(get, path = "/releases/{id}", tag = "releases", params(("id" = String, Path, description = "the release")),
    responses((status = 200, description = "the release", body = ReleaseView)))]
async fn release(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
) -> Answer {
    answer::ok(&ReleaseView::from(
        &portal.platform.release(&actor, id).await?,
    ))
}

/// What a reviewer sees before voting.
#[utoipa::path(get, path = "/releases/{id}/evidence", tag = "releases",
    params(("id" = String, Path, description = "the release")),
    responses((status = 200, description = "the evidence and its digest", body = ReleaseEvidence)))]
async fn release_evidence(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
) -> Answer {
    answer::ok(&ReleaseEvidence::from(
        &portal.platform.release_evidence(&actor, id).await?,
    ))
}

/// Rows of a held result, all of them in pages: `csv` of all pages put together is what would leave.
#[utoipa::path(get, path = "/releases/{id}/rows", tag = "releases",
    params(("id" = String, Path, description = "the release"), PageQuery),
    responses((status = 200, description = "a page of rows", body = ReleaseRows)))]
async fn release_rows(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
    Query(query): Query<PageQuery>,
) -> Answer {
    answer::ok(&ReleaseRows::from(
        &portal
            .platform
            .release_rows(&actor, id, paging::asked(query)?)
            .await?,
    ))
}

/// Votes on a held release; the vote holds for the evidence it names.
#[utoipa::path(post, path = "/releases/{id}/votes", tag = "releases",
    params(("id" = String, Path, description = "the release")), request_body = VoteCast,
    responses((status = 200, description = "the release", body = ReleaseView)))]
async fn vote_release(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
    Json(body): Json<VoteCast>,
) -> Answer {
    answer::ok(&ReleaseView::from(
        &portal
            .platform
            .vote_release(&actor, id, body.into())
            .await?,
    ))
}

/// The released file.
#[utoipa::path(get, path = "/releases/{id}/result", tag = "releases",
    params(("id" = String, Path, description = "the release")),
    responses((status = 200, description = "the released bytes", content_type = "text/csv")))]
async fn download_release(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
) -> Answer {
    let bytes = portal.platform.download_release(&actor, id).await?;
    Ok((
        [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{id}.csv\""),
            ),
        ],
        bytes,
    )
        .into_response())
}

/// The certificate of a release: a DSSE envelope with the proof of its ledger leaf.
#[utoipa::path(get, path = "/releases/{id}/certificate", tag = "releases",
    params(("id" = String, Path, description = "the release")),
    responses((status = 200, description = "the certificate, to be kept as it is", content_type = "application/json")))]
async fn release_certificate(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ReleaseId>,
) -> Answer {
    let certificate = portal.platform.release_certificate(&actor, id).await?;
    Ok((
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{id}.certificate.json\""),
            ),
        ],
        certificate,
    )
        .into_response())
}

impl From<dto::ReleaseState> for sandbox::ReleaseState {
    fn from(state: dto::ReleaseState) -> Self {
        match state {
            dto::ReleaseState::Held => Self::Held,
            dto::ReleaseState::Scheduled => Self::Scheduled,
            dto::ReleaseState::Released => Self::Released,
            dto::ReleaseState::Refused => Self::Refused,
            dto::ReleaseState::Frozen => Self::Frozen,
            dto::ReleaseState::Void => Self::Void,
        }
    }
}

impl From<sandbox::ReleaseState> for dto::ReleaseState {
    fn from(state: sandbox::ReleaseState) -> Self {
        match state {
            sandbox::ReleaseState::Held => Self::Held,
            sandbox::ReleaseState::Scheduled => Self::Scheduled,
            sandbox::ReleaseState::Released => Self::Released,
            sandbox::ReleaseState::Refused => Self::Refused,
            sandbox::ReleaseState::Frozen => Self::Frozen,
            sandbox::ReleaseState::Void => Self::Void,
        }
    }
}

impl From<sandbox::Decision> for dto::ReleaseDecision {
    fn from(decision: sandbox::Decision) -> Self {
        match decision {
            sandbox::Decision::Release | sandbox::Decision::PartialRelease => Self::Release,
            sandbox::Decision::Hold => Self::Hold,
            sandbox::Decision::Refuse => Self::Refuse,
        }
    }
}

impl From<&sandbox::ReleaseView> for ReleaseView {
    fn from(view: &sandbox::ReleaseView) -> Self {
        Self {
            id: view.id.to_string(),
            run: view.run.to_string(),
            job: view.job.to_string(),
            grant: view.grant.to_string(),
            organisation: view.organisation.to_string(),
            state: view.state.into(),
            decision: view.decision.into(),
            findings: each(&view.findings),
            sha256: view.sha256.clone(),
            bytes: view.bytes,
            rows: view.rows,
            approvals: view.approvals,
            created_at: time(view.created_at),
            released_at: view.released_at.map(time),
        }
    }
}

impl From<&sandbox::ReleaseVote> for dto::VoteView {
    fn from(vote: &sandbox::ReleaseVote) -> Self {
        Self {
            voter: vote.voter.to_string(),
            organisation: vote.organisation.to_string(),
            approve: vote.approve,
            evidence_digest: vote.evidence_digest.clone(),
            comment: vote.comment.clone(),
            created_at: time(vote.created_at),
        }
    }
}

impl From<&sandbox::ReleaseEvidence> for ReleaseEvidence {
    fn from(evidence: &sandbox::ReleaseEvidence) -> Self {
        Self {
            digest: evidence.digest.clone(),
            release: evidence.release.to_string(),
            findings: each(&evidence.findings),
            preview: evidence.preview.as_ref().map(|preview| dto::ReleasedTable {
                columns: preview.columns.clone(),
                rows: preview.rows.clone(),
                rows_shown: u64::try_from(preview.rows.len()).unwrap_or(u64::MAX),
                rows_at: format!("/api/v1/releases/{}/rows", evidence.release),
                rows_total: preview.rows_total,
                bytes_total: preview.bytes_total,
            }),
            document: evidence.document.clone(),
            votes: each(&evidence.votes),
        }
    }
}

impl From<&sandbox::ReleaseRows> for ReleaseRows {
    fn from(page: &sandbox::ReleaseRows) -> Self {
        Self {
            release: page.release.to_string(),
            columns: page.columns.clone(),
            first: page.first,
            rows: page.rows.clone(),
            csv: page.csv.clone(),
            rows_total: page.rows_total,
            bytes_total: page.bytes_total,
            sha256: page.sha256.clone(),
            next_cursor: page.next_cursor.clone(),
        }
    }
}
