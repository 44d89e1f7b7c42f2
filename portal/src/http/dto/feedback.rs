//! 反馈清单: what pushes ended with, for their providers.

use super::PushState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where an item of the feedback list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackState {
    /// Waits for the provider.
    Open,
    /// The provider said what it will do.
    Answered,
    /// A later push, or the operator, settled it.
    Closed,
}

/// Which items to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackQuery {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<FeedbackState>,
    /// At most this many items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A rule that a push broke, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackCause {
    /// The rule.
    pub rule: String,
    /// Problem records of it; 1 for a rule about the push as a whole.
    pub count: u64,
    /// Whether it kept the push from becoming a version.
    pub blocking: bool,
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackAnswerView {
    /// In its own words.
    pub text: String,
    /// When.
    pub at: String,
}

/// A push that was to close an item and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackAttempt {
    /// The push.
    pub push: String,
    /// What became of it.
    pub push_state: PushState,
    /// Causes of the item that it has as well.
    pub remaining: Vec<FeedbackCause>,
    /// When it was decided.
    pub at: String,
}

/// How an item was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackClosing {
    /// The push that is free of the causes; absent when the operator closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// The operator's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: String,
}

/// An item of the feedback list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackView {
    /// The item's identifier.
    pub id: String,
    /// The data set's name.
    pub dataset: String,
    /// The organisation that it is for.
    pub provider: String,
    /// The push that it is about.
    pub push: String,
    /// What became of that push.
    pub push_state: PushState,
    /// Where the item is.
    pub state: FeedbackState,
    /// The rules that were broken, most records first.
    pub causes: Vec<FeedbackCause>,
    /// Problem records of the push.
    pub problems: u64,
    /// Where to read them.
    pub problems_url: String,
    /// What the provider said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<FeedbackAnswerView>,
    /// The last push that was to close the item and did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<FeedbackAttempt>,
    /// How it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<FeedbackClosing>,
    /// When it was opened.
    pub created_at: String,
}

/// A provider's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackAnswer {
    /// What happened and what is done about it, 1 to 4,096 bytes.
    pub text: String,
}
