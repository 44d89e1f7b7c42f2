//! 反馈清单: items that the end of a push opened, for its provider to answer and a later push to close.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, time};
use super::dto::{self, FeedbackAnswer, FeedbackQuery, FeedbackView, Page, Reason};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::FeedbackId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(feedback_items))
        .add(routes!(feedback_item))
        .add(routes!(answer_feedback))
        .add(routes!(close_feedback))
}

/// 反馈清单: what pushes ended with, newest first; a provider sees its own.
#[utoipa::path(get, path = "/feedback", tag = "intake", params(FeedbackQuery),
    responses((status = 200, description = "a page of items", body = Page<FeedbackView>)))]
async fn feedback_items(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(query): Query<FeedbackQuery>,
) -> Answer {
    let page = paging::bounded(query.limit, query.cursor)?;
    let state = query.state.map(Into::into);
    let page = portal.platform.feedback_items(&actor, state, page).await?;
    answer::ok(&paging::answered::<_, FeedbackView>(&page))
}

/// An item of the feedback list: rules with their counts, and where the problem records are.
#[utoipa::path(get, path = "/feedback/{id}", tag = "intake", params(("id" = String, Path, description = "the item")),
    responses((status = 200, description = "the item", body = FeedbackView)))]
async fn feedback_item(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<FeedbackId>,
) -> Answer {
    answer::ok(&FeedbackView::from(
        &portal.platform.feedback_item(&actor, id).await?,
    ))
}

/// Answers for the provider.
#[utoipa::path(post, path = "/feedback/{id}:answer", tag = "intake",
    params(("id" = String, Path, description = "the item")), request_body = FeedbackAnswer,
    responses((status = 200, description = "the item", body = FeedbackView)))]
async fn answer_feedback(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<FeedbackId>,
    Json(body): Json<FeedbackAnswer>,
) -> Answer {
    let item = portal.platform.answer_feedback(&actor, id, &body.text);
    answer::ok(&FeedbackView::from(&item.await?))
}

/// Closes an item that no push will close, with a reason.
#[utoipa::path(post, path = "/feedback/{id}:close", tag = "intake",
    params(("id" = String, Path, description = "the item")), request_body = Reason,
    responses((status = 200, description = "the item", body = FeedbackView)))]
async fn close_feedback(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<FeedbackId>,
    Json(body): Json<Reason>,
) -> Answer {
    let item = portal.platform.close_feedback(&actor, id, &body.reason);
    answer::ok(&FeedbackView::from(&item.await?))
}

impl From<dto::FeedbackState> for sandbox::FeedbackState {
    fn from(state: dto::FeedbackState) -> Self {
        match state {
            dto::FeedbackState::Open => Self::Open,
            dto::FeedbackState::Answered => Self::Answered,
            dto::FeedbackState::Closed => Self::Closed,
        }
    }
}

impl From<sandbox::FeedbackState> for dto::FeedbackState {
    fn from(state: sandbox::FeedbackState) -> Self {
        match state {
            sandbox::FeedbackState::Open => Self::Open,
            sandbox::FeedbackState::Answered => Self::Answered,
            sandbox::FeedbackState::Closed => Self::Closed,
        }
    }
}

impl From<&sandbox::FeedbackCause> for dto::FeedbackCause {
    fn from(cause: &sandbox::FeedbackCause) -> Self {
        Self {
            rule: cause.rule.clone(),
            count: cause.count,
            blocking: cause.blocking,
        }
    }
}

impl From<&sandbox::FeedbackAttempt> for dto::FeedbackAttempt {
    fn from(attempt: &sandbox::FeedbackAttempt) -> Self {
        Self {
            push: attempt.push.to_string(),
            push_state: attempt.push_state.into(),
            remaining: each(&attempt.remaining),
            at: time(attempt.at),
        }
    }
}

impl From<&sandbox::FeedbackClosing> for dto::FeedbackClosing {
    fn from(closing: &sandbox::FeedbackClosing) -> Self {
        Self {
            push: closing.push.map(|push| push.to_string()),
            reason: closing.reason.clone(),
            at: time(closing.at),
        }
    }
}

impl From<&sandbox::FeedbackView> for FeedbackView {
    fn from(item: &sandbox::FeedbackView) -> Self {
        Self {
            id: item.id.to_string(),
            dataset: item.dataset.clone(),
            provider: item.provider.to_string(),
            push: item.push.to_string(),
            push_state: item.push_state.into(),
            state: item.state.into(),
            causes: each(&item.causes),
            problems: item.problems,
            problems_url: format!("{}/pushes/{}/problems", super::API, item.push),
            answer: item.answer.as_ref().map(|answer| dto::FeedbackAnswerView {
                text: answer.text.clone(),
                at: time(answer.at),
            }),
            attempt: item.attempt.as_ref().map(Into::into),
            closing: item.closing.as_ref().map(Into::into),
            created_at: time(item.created_at),
        }
    }
}
