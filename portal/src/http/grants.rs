//! Applications and the grants they become.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{identifier, time};
use super::dto::{self, ApplicationCreate, ConsentCast, GrantView, Page, PageQuery, Reason};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::GrantId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(grants, apply))
        .add(routes!(grant))
        .add(routes!(consent))
        .add(routes!(revoke_grant))
}

/// The grants that the account may see, newest first.
#[utoipa::path(get, path = "/grants", tag = "grants", params(PageQuery),
    responses((status = 200, description = "a page of grants", body = Page<GrantView>)))]
async fn grants(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal.platform.grants(&actor, paging::asked(page)?).await?;
    answer::ok(&paging::answered::<_, GrantView>(&page))
}

/// 开发利用申请: applies for a grant under a scenario.
#[utoipa::path(post, path = "/grants", tag = "grants", request_body = ApplicationCreate,
    responses((status = 201, description = "the grant, requested", body = GrantView)))]
async fn apply(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<ApplicationCreate>,
) -> Answer {
    let scenario = identifier("scenario", &body.scenario)?;
    let grant = GrantView::from(
        &portal
            .platform
            .apply(&actor, scenario, &body.purpose, body.days)
            .await?,
    );
    answer::created(&format!("/grants/{}", grant.id), &grant)
}

/// A grant.
#[utoipa::path(get, path = "/grants/{id}", tag = "grants", params(("id" = String, Path, description = "the grant")),
    responses((status = 200, description = "the grant", body = GrantView)))]
async fn grant(State(portal): State<Portal>, Signed(actor): Signed, Id(id): Id<GrantId>) -> Answer {
    answer::ok(&GrantView::from(&portal.platform.grant(&actor, id).await?))
}

/// A provider's answer to an application.
#[utoipa::path(post, path = "/grants/{id}/consents", tag = "grants", params(("id" = String, Path, description = "the grant")),
    request_body = ConsentCast, responses((status = 200, description = "the grant", body = GrantView)))]
async fn consent(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<GrantId>,
    Json(body): Json<ConsentCast>,
) -> Answer {
    answer::ok(&GrantView::from(
        &portal.platform.consent(&actor, id, body.consent).await?,
    ))
}

/// Ends a grant for cause.
#[utoipa::path(post, path = "/grants/{id}:revoke", tag = "grants", params(("id" = String, Path, description = "the grant")),
    request_body = Reason, responses((status = 200, description = "the grant", body = GrantView)))]
async fn revoke_grant(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<GrantId>,
    Json(body): Json<Reason>,
) -> Answer {
    answer::ok(&GrantView::from(
        &portal
            .platform
            .revoke_grant(&actor, id, &body.reason)
            .await?,
    ))
}

impl From<sandbox::GrantState> for dto::GrantState {
    fn from(state: sandbox::GrantState) -> Self {
        match state {
            sandbox::GrantState::Requested => Self::Requested,
            sandbox::GrantState::Active => Self::Active,
            sandbox::GrantState::Expired => Self::Expired,
            sandbox::GrantState::Declined => Self::Declined,
            sandbox::GrantState::Revoked => Self::Revoked,
        }
    }
}

impl From<&sandbox::Grant> for GrantView {
    fn from(grant: &sandbox::Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            scenario: grant.scenario.to_string(),
            scenario_name: grant.scenario_name.clone(),
            scenario_version: grant.scenario_version,
            organisation: grant.organisation.to_string(),
            purpose: grant.purpose.clone(),
            days: grant.days,
            state: grant.state.into(),
            reason: grant.reason.clone(),
            consents: grant
                .consents
                .iter()
                .map(|asked| dto::ConsentView {
                    provider: asked.provider.to_string(),
                    consent: asked.consent,
                })
                .collect(),
            created_at: time(grant.created_at),
            expires_at: grant.expires_at.map(time),
        }
    }
}
