//! 脱敏密钥: epochs of keys, and acts on them that two people do.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::time;
use super::dto::{
    self, KeyAct, KeyRequestCreate, KeyRequestState, KeyRequestView, KeyState, KeyView, Page,
    PageQuery,
};
use super::error::Failure;
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::KeyRequestId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(keys))
        .add(routes!(key_requests, request_key_act))
        .add(routes!(key_request))
        .add(routes!(confirm_key_request))
        .add(routes!(withdraw_key_request))
}

/// 脱敏密钥: the epochs of the intake key and of scenarios' keys, by their commitments, oldest first.
#[utoipa::path(get, path = "/keys", tag = "keys", params(PageQuery),
    responses((status = 200, description = "a page of keys", body = Page<KeyView>)))]
async fn keys(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .mask_keys(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, KeyView>(&page))
}

/// Requests for acts on keys, newest first.
#[utoipa::path(get, path = "/key-requests", tag = "keys", params(PageQuery),
    responses((status = 200, description = "a page of requests", body = Page<KeyRequestView>)))]
async fn key_requests(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .key_requests(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, KeyRequestView>(&page))
}

/// Asks for a rotation or a destruction. Nothing happens before another security administrator confirms it.
#[utoipa::path(post, path = "/key-requests", tag = "keys", request_body = KeyRequestCreate,
    responses((status = 201, description = "the request", body = KeyRequestView)))]
async fn request_key_act(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<KeyRequestCreate>,
) -> Answer {
    let owner = body.owner.parse().map_err(|_error: sandbox::Error| {
        Failure::field(
            "owner",
            "须为 intake 或场景标识",
            "must be intake or the identifier of a scenario",
        )
    })?;
    let request = sandbox::KeyRequest {
        act: body.act.into(),
        owner,
        epoch: body.epoch,
        reason: body.reason,
    };
    let made = portal.platform.request_key_act(&actor, request).await?;
    let made = KeyRequestView::from(&made);
    answer::created(&format!("/key-requests/{}", made.id), &made)
}

/// A request for an act on a key.
#[utoipa::path(get, path = "/key-requests/{id}", tag = "keys",
    params(("id" = String, Path, description = "the request")),
    responses((status = 200, description = "the request", body = KeyRequestView)))]
async fn key_request(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<KeyRequestId>,
) -> Answer {
    answer::ok(&KeyRequestView::from(
        &portal.platform.key_request(&actor, id).await?,
    ))
}

/// Does what another security administrator asked for.
#[utoipa::path(post, path = "/key-requests/{id}:confirm", tag = "keys",
    params(("id" = String, Path, description = "the request")),
    responses((status = 200, description = "the request", body = KeyRequestView)))]
async fn confirm_key_request(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<KeyRequestId>,
) -> Answer {
    let done = portal.platform.confirm_key_request(&actor, id);
    answer::ok(&KeyRequestView::from(&done.await?))
}

/// Takes a request back, or refuses that of another.
#[utoipa::path(post, path = "/key-requests/{id}:withdraw", tag = "keys",
    params(("id" = String, Path, description = "the request")),
    responses((status = 200, description = "the request", body = KeyRequestView)))]
async fn withdraw_key_request(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<KeyRequestId>,
) -> Answer {
    let done = portal.platform.withdraw_key_request(&actor, id);
    answer::ok(&KeyRequestView::from(&done.await?))
}

impl From<KeyAct> for sandbox::KeyAct {
    fn from(act: KeyAct) -> Self {
        match act {
            KeyAct::Rotate => Self::Rotate,
            KeyAct::Destroy => Self::Destroy,
        }
    }
}

impl From<sandbox::KeyAct> for KeyAct {
    fn from(act: sandbox::KeyAct) -> Self {
        match act {
            sandbox::KeyAct::Rotate => Self::Rotate,
            sandbox::KeyAct::Destroy => Self::Destroy,
        }
    }
}

impl From<sandbox::KeyState> for KeyState {
    fn from(state: sandbox::KeyState) -> Self {
        match state {
            sandbox::KeyState::Active => Self::Active,
            sandbox::KeyState::Retired => Self::Retired,
            sandbox::KeyState::Destroyed => Self::Destroyed,
        }
    }
}

impl From<sandbox::KeyRequestState> for KeyRequestState {
    fn from(state: sandbox::KeyRequestState) -> Self {
        match state {
            sandbox::KeyRequestState::Requested => Self::Requested,
            sandbox::KeyRequestState::Confirmed => Self::Confirmed,
            sandbox::KeyRequestState::Withdrawn => Self::Withdrawn,
            sandbox::KeyRequestState::Expired => Self::Expired,
        }
    }
}

impl From<&sandbox::MaskKeyView> for KeyView {
    fn from(key: &sandbox::MaskKeyView) -> Self {
        Self {
            id: key.id.to_string(),
            owner: key.owner.to_string(),
            scenario: key.scenario.clone(),
            epoch: key.epoch,
            state: key.state.into(),
            suite: key.suite.clone(),
            commitment: key.commitment.clone(),
            datasets: key.datasets,
            created_at: time(key.created_at),
            retired_at: key.retired_at.map(time),
            destroyed_at: key.destroyed_at.map(time),
            leaf: key.leaf,
        }
    }
}

impl From<&sandbox::KeyRequestView> for dto::KeyRequestView {
    fn from(request: &sandbox::KeyRequestView) -> Self {
        Self {
            id: request.id.to_string(),
            act: request.act.into(),
            owner: request.owner.to_string(),
            epoch: request.epoch,
            commitment: request.commitment.clone(),
            reason: request.reason.clone(),
            state: request.state.into(),
            requested_by: request.requested_by.to_string(),
            decided_by: request.decided_by.map(|account| account.to_string()),
            created_at: time(request.created_at),
            expires_at: time(request.expires_at),
            decided_at: request.decided_at.map(time),
        }
    }
}
