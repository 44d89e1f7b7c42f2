//! Items of the feedback list in rows.

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::item::{
    FeedbackAnswer, FeedbackAttempt, FeedbackCause, FeedbackClosing, FeedbackState, FeedbackView,
};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{FeedbackId, PushId};
use crate::intake::PushState;
use crate::storage::storage_error;

/// The head of every query for items.
macro_rules! select {
    () => {
        "SELECT f.*, d.name AS dataset_name, p.state AS push_state, p.problems AS push_problems FROM feedback f \
         JOIN datasets d ON d.id = f.dataset_id JOIN pushes p ON p.id = f.push_id"
    };
}
pub(super) use select;

/// An attempt as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredAttempt {
    #[serde(with = "crate::document::as_text")]
    pub(super) push: PushId,
    pub(super) push_state: String,
    pub(super) remaining: Vec<FeedbackCause>,
    pub(super) at: i64,
}

/// An item by its identifier.
pub(super) async fn feedback_row(
    conn: &mut AnyConnection,
    id: FeedbackId,
) -> Result<FeedbackView, Error> {
    let found = find(
        conn,
        concat!(select!(), " WHERE f.id = $1"),
        &id.to_string(),
    )
    .await?;
    found.ok_or_else(|| {
        Error::not_found(
            format!("没有反馈 {id}。"),
            format!("there is no feedback {id}."),
        )
    })
}

/// The item about a push.
pub(super) async fn feedback_of_push(
    conn: &mut AnyConnection,
    push: PushId,
) -> Result<Option<FeedbackView>, Error> {
    let sql = concat!(select!(), " WHERE f.push_id = $1");
    find(conn, sql, &push.to_string()).await
}

async fn find(
    conn: &mut AnyConnection,
    sql: &'static str,
    key: &str,
) -> Result<Option<FeedbackView>, Error> {
    let row = sqlx::query(sql)
        .bind(key)
        .fetch_optional(conn)
        .await
        .map_err(|source| storage_error("read feedback", source))?;
    row.as_ref().map(view_of).transpose()
}

pub(super) fn view_of(row: &AnyRow) -> Result<FeedbackView, Error> {
    let state = FeedbackState::parse(&document::text(row, "state")?)
        .ok_or_else(|| Error::internal("read feedback", "an unknown state"))?;
    Ok(FeedbackView {
        id: document::id(row, "id")?,
        dataset: document::text(row, "dataset_name")?,
        provider: document::id(row, "provider_id")?,
        push: document::id(row, "push_id")?,
        push_state: push_state(&document::text(row, "push_state")?)?,
        problems: document::count(row, "push_problems")?,
        state,
        causes: document::column(row, "causes")?,
        answer: answer(row)?,
        attempt: attempt(row)?,
        closing: closing(row)?,
        created_at: timestamp(document::integer(row, "created_at")?),
    })
}

fn answer(row: &AnyRow) -> Result<Option<FeedbackAnswer>, Error> {
    let at = document::integer(row, "answered_at")?;
    if at == 0 {
        return Ok(None);
    }
    Ok(Some(FeedbackAnswer {
        text: document::text(row, "answer")?,
        at: timestamp(at),
    }))
}

fn attempt(row: &AnyRow) -> Result<Option<FeedbackAttempt>, Error> {
    let text = document::text(row, "attempt")?;
    if text.is_empty() {
        return Ok(None);
    }
    let stored: StoredAttempt = document::read("read feedback", &text)?;
    Ok(Some(FeedbackAttempt {
        push: stored.push,
        push_state: push_state(&stored.push_state)?,
        remaining: stored.remaining,
        at: timestamp(stored.at),
    }))
}

fn closing(row: &AnyRow) -> Result<Option<FeedbackClosing>, Error> {
    let at = document::integer(row, "closed_at")?;
    if at == 0 {
        return Ok(None);
    }
    let push = document::text(row, "closing_push")?;
    let reason = document::text(row, "closing_reason")?;
    Ok(Some(FeedbackClosing {
        push: (!push.is_empty())
            .then(|| document::id(row, "closing_push"))
            .transpose()?,
        reason: (!reason.is_empty()).then_some(reason),
        at: timestamp(at),
    }))
}

fn push_state(name: &str) -> Result<PushState, Error> {
    PushState::parse(name).ok_or_else(|| Error::internal("read feedback", "an unknown push state"))
}
