//! What the end of a push does to items: one of its own is opened or restated, and those that it names
//! are closed or keep a note.

use serde_json::json;
use sqlx::AnyConnection;

use super::item::{FeedbackCause, FeedbackState, FeedbackView};
use super::row::{StoredAttempt, feedback_of_push, feedback_row};
use super::{leaf, unclosed};
use crate::document;
use crate::error::Error;
use crate::id::{DatasetId, FeedbackId, OrganisationId, PushId};
use crate::intake::PushState;
use crate::ledger::LeafDraft;
use crate::storage::{Tx, storage_error};

/// Items that one push may name.
const CLOSES_MAX: usize = 16;

/// A push at its end.
pub(crate) struct EndedPush {
    pub(crate) id: PushId,
    pub(crate) dataset: DatasetId,
    pub(crate) provider: OrganisationId,
    pub(crate) state: PushState,
    pub(crate) causes: Vec<FeedbackCause>,
    /// The items that it is to close.
    pub(crate) closes: Vec<FeedbackId>,
}

/// Follows a push into the feedback list; `new` is the identifier of the item that it may open. Answers the
/// leaves of what changed.
pub(crate) async fn follow(
    tx: &mut Tx,
    push: &EndedPush,
    new: FeedbackId,
) -> Result<Vec<LeafDraft>, Error> {
    let mut leaves: Vec<LeafDraft> = own(tx, push, new).await?.into_iter().collect();
    for item in &push.closes {
        let item = feedback_row(tx.conn(), *item).await?;
        if item.state != FeedbackState::Closed {
            leaves.push(settle(tx, push, &item).await?);
        }
    }
    Ok(leaves)
}

/// Whether the items that a manifest names can be closed by a push of this data set.
pub(crate) async fn require_closable(
    conn: &mut AnyConnection,
    closes: &[FeedbackId],
    dataset: &str,
) -> Result<(), Error> {
    if closes.len() > CLOSES_MAX {
        return Err(Error::invalid(
            "closes_many",
            format!("一次推送最多关闭 {CLOSES_MAX} 项反馈。"),
            format!("a push closes at most {CLOSES_MAX} items of feedback."),
        ));
    }
    for id in closes {
        let item = unclosed(feedback_row(conn, *id).await?)?;
        if item.dataset != dataset {
            let other = &item.dataset;
            return Err(Error::invalid(
                "closes_other",
                format!("反馈 {id} 属于数据集 {other}，不属于 {dataset}。"),
                format!("feedback {id} is about data set {other}, not {dataset}."),
            )
            .with_remedy(
                "只列出同一数据集的反馈。",
                "name items of the same data set alone.",
            ));
        }
    }
    Ok(())
}

/// The item about the push itself. A quarantined push is decided again once its policy fits, so there may be one.
async fn own(tx: &mut Tx, push: &EndedPush, new: FeedbackId) -> Result<Option<LeafDraft>, Error> {
    let Some(item) = feedback_of_push(tx.conn(), push.id).await? else {
        return match push.causes.is_empty() {
            true => Ok(None),
            false => open(tx, push, new).await.map(Some),
        };
    };
    if push.causes.is_empty() {
        let settles = push.state == PushState::Version && item.state != FeedbackState::Closed;
        return match settles {
            true => close(tx, push, &item).await.map(Some),
            false => Ok(None),
        };
    }
    if push.causes == item.causes {
        return Ok(None);
    }
    sqlx::query(
        "UPDATE feedback SET state = 'open', causes = $1, closing_push = '', closed_by = '', closing_reason = '', \
         closed_at = 0 WHERE id = $2",
    )
    .bind(document::write("restate feedback", &push.causes)?)
    .bind(item.id.to_string())
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("restate feedback", source))?;
    Ok(Some(leaf("feedback.restate", told(&push.causes), &item)))
}

async fn open(tx: &mut Tx, push: &EndedPush, new: FeedbackId) -> Result<LeafDraft, Error> {
    let at = tx.now_micros();
    sqlx::query(
        "INSERT INTO feedback (id, push_id, dataset_id, provider_id, state, causes, answer, answered_by, answered_at, \
         attempt, closing_push, closed_by, closing_reason, closed_at, created_at) \
         VALUES ($1, $2, $3, $4, 'open', $5, '', '', 0, '', '', '', '', 0, $6)",
    )
    .bind(new.to_string())
    .bind(push.id.to_string())
    .bind(push.dataset.to_string())
    .bind(push.provider.to_string())
    .bind(document::write("open feedback", &push.causes)?)
    .bind(at)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("open feedback", source))?;
    Ok(LeafDraft::new("feedback.open", told(&push.causes))
        .subject(new)
        .subject(push.id)
        .subject(push.provider))
}

/// Closes an item that a push named, or notes what is left of its causes.
async fn settle(tx: &mut Tx, push: &EndedPush, item: &FeedbackView) -> Result<LeafDraft, Error> {
    let remaining: Vec<FeedbackCause> = push
        .causes
        .iter()
        .filter(|cause| item.causes.iter().any(|old| old.rule == cause.rule))
        .cloned()
        .collect();
    if push.state == PushState::Version && remaining.is_empty() {
        return close(tx, push, item).await;
    }
    let attempt = StoredAttempt {
        push: push.id,
        push_state: push.state.as_str().to_owned(),
        remaining,
        at: tx.now_micros(),
    };
    sqlx::query("UPDATE feedback SET attempt = $1 WHERE id = $2")
        .bind(document::write("note feedback", &attempt)?)
        .bind(item.id.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("note feedback", source))?;
    let left = leaf("feedback.remain", told(&attempt.remaining), item);
    Ok(left.subject(push.id))
}

async fn close(tx: &mut Tx, push: &EndedPush, item: &FeedbackView) -> Result<LeafDraft, Error> {
    let at = tx.now_micros();
    sqlx::query(
        "UPDATE feedback SET state = 'closed', closing_push = $1, closed_at = $2 WHERE id = $3",
    )
    .bind(push.id.to_string())
    .bind(at)
    .bind(item.id.to_string())
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("close feedback", source))?;
    Ok(leaf("feedback.close", json!({}), item).subject(push.id))
}

/// Rules and counts, as the ledger commits to them.
fn told(causes: &[FeedbackCause]) -> serde_json::Value {
    json!({ "causes": causes })
}
