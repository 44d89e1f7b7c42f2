//! 反馈清单: what a push ended with, told to its provider, answered, and closed by a better push.
//!
//! ```text
//! open ──answer──► answered ──┬── a push that names it and is free of its causes ──► closed
//!   └─────────────────────────┴── the operator, with a reason ─────────────────────► closed
//! ```
//!
//! - `item`: an item as it is seen.
//! - `row`: items in SQL.
//! - `follow`: what the end of a push does to items, inside the transaction that decides the push.

mod follow;
mod item;
mod row;

pub(crate) use self::follow::{EndedPush, follow, require_closable};
pub use self::item::{
    FeedbackAnswer, FeedbackAttempt, FeedbackCause, FeedbackClosing, FeedbackState, FeedbackView,
};

use serde_json::json;

use self::row::{feedback_row, view_of};
use crate::access::{Actor, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::FeedbackId;
use crate::ledger::LeafDraft;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::storage_error;

/// Bytes of an answer or of a reason, at most.
const TEXT_BYTES_MAX: usize = 4096;

impl Platform {
    /// Items of the feedback list, newest first: a provider's own, or all.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn feedback_items(
        &self,
        actor: &Actor,
        state: Option<FeedbackState>,
        page: PageRequest,
    ) -> Result<Page<FeedbackView>, Error> {
        let own = self.scope(actor, Operation::FeedbackItems)?;
        let provider = own.map(|provider| provider.to_string()).unwrap_or_default();
        let state = state.map_or("", FeedbackState::as_str);
        self.store()
            .read("feedback_items", |conn| {
                Box::pin(async move {
                    let sql = concat!(
                        row::select!(),
                        " WHERE ($1 = '' OR f.id < $2) AND ($3 = '' OR f.provider_id = $4) \
                         AND ($5 = '' OR f.state = $6) ORDER BY f.id DESC LIMIT $7"
                    );
                    let rows = sqlx::query(sql)
                        .bind(page.after())
                        .bind(page.after())
                        .bind(provider.as_str())
                        .bind(provider.as_str())
                        .bind(state)
                        .bind(state)
                        .bind(page.rows())
                        .fetch_all(conn)
                        .await
                        .map_err(|source| storage_error("list feedback", source))?;
                    let views: Result<Vec<_>, Error> = rows.iter().map(view_of).collect();
                    Ok(Page::cut(views?, &page, |view| view.id.to_string()))
                })
            })
            .await
    }

    /// One item.
    ///
    /// # Errors
    /// Not found when there is none that the actor may see.
    pub async fn feedback_item(
        &self,
        actor: &Actor,
        id: FeedbackId,
    ) -> Result<FeedbackView, Error> {
        let view = self.feedback_view(id).await?;
        self.authorise(actor, Operation::FeedbackItem, Object::Of(view.provider))?;
        Ok(view)
    }

    /// The provider's answer; another one takes the place of the first, and the ledger has both.
    ///
    /// # Errors
    /// Not found, invalid without a text, conflict once the item is closed.
    pub async fn answer_feedback(
        &self,
        actor: &Actor,
        id: FeedbackId,
        text: &str,
    ) -> Result<FeedbackView, Error> {
        let view = self.feedback_view(id).await?;
        let object = Object::Of(view.provider);
        let authorisation = self.authorise(actor, Operation::AnswerFeedback, object)?;
        let text = checked_text(text)?;
        let account = actor.account;
        self.store()
            .act(authorisation, "answer_feedback", |tx| {
                let text = text.clone();
                Box::pin(async move {
                    let view = unclosed(feedback_row(tx.conn(), id).await?)?;
                    let at = tx.now_micros();
                    sqlx::query(
                        "UPDATE feedback SET state = $1, answer = $2, answered_by = $3, answered_at = $4 WHERE id = $5",
                    )
                    .bind(FeedbackState::Answered.as_str())
                    .bind(text.as_str())
                    .bind(account.to_string())
                    .bind(at)
                    .bind(id.to_string())
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("answer feedback", source))?;
                    let detail = json!({ "sha256": document::sha256(text.as_bytes()) });
                    Ok(((), leaf("feedback.answer", detail, &view)))
                })
            })
            .await?;
        self.feedback_view(id).await
    }

    /// The operator closes an item that no push will close, and says why.
    ///
    /// # Errors
    /// Not found, invalid without a reason, conflict once the item is closed.
    pub async fn close_feedback(
        &self,
        actor: &Actor,
        id: FeedbackId,
        reason: &str,
    ) -> Result<FeedbackView, Error> {
        let view = self.feedback_view(id).await?;
        let object = Object::Of(view.provider);
        let authorisation = self.authorise(actor, Operation::CloseFeedback, object)?;
        let reason = checked_text(reason)?;
        let account = actor.account;
        self.store()
            .act(authorisation, "close_feedback", |tx| {
                let reason = reason.clone();
                Box::pin(async move {
                    let view = unclosed(feedback_row(tx.conn(), id).await?)?;
                    let at = tx.now_micros();
                    sqlx::query(
                        "UPDATE feedback SET state = $1, closed_by = $2, closing_reason = $3, closed_at = $4 WHERE id = $5",
                    )
                    .bind(FeedbackState::Closed.as_str())
                    .bind(account.to_string())
                    .bind(reason.as_str())
                    .bind(at)
                    .bind(id.to_string())
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("close feedback", source))?;
                    let detail = json!({ "reason": reason });
                    Ok(((), leaf("feedback.close", detail, &view)))
                })
            })
            .await?;
        self.feedback_view(id).await
    }

    async fn feedback_view(&self, id: FeedbackId) -> Result<FeedbackView, Error> {
        self.store()
            .read("feedback", |conn| {
                Box::pin(async move { feedback_row(conn, id).await })
            })
            .await
    }
}

/// A leaf about an item.
fn leaf(kind: &'static str, detail: serde_json::Value, view: &FeedbackView) -> LeafDraft {
    LeafDraft::new(kind, detail)
        .subject(view.id)
        .subject(view.push)
}

fn unclosed(view: FeedbackView) -> Result<FeedbackView, Error> {
    if view.state == FeedbackState::Closed {
        let id = view.id;
        return Err(Error::conflict(
            "feedback_closed",
            format!("反馈 {id} 已关闭。"),
            format!("feedback {id} is closed."),
        ));
    }
    Ok(view)
}

fn checked_text(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid(
            "feedback_text",
            format!("说明须为 1 到 {TEXT_BYTES_MAX} 字节。"),
            format!("the text must have 1 to {TEXT_BYTES_MAX} bytes."),
        )
        .with_remedy(
            "写明原因与处理办法。",
            "say what happened and what is done about it.",
        ));
    }
    Ok(text.to_owned())
}
