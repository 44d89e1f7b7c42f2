//! An item of the feedback list as it is seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FeedbackId, OrganisationId, PushId};
use crate::intake::PushState;

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackState {
    /// Waits for the provider.
    Open,
    /// The provider said what it will do.
    Answered,
    /// A later push, or the operator, settled it.
    Closed,
}

impl FeedbackState {
    /// Every state.
    pub const ALL: [FeedbackState; 3] = [
        FeedbackState::Open,
        FeedbackState::Answered,
        FeedbackState::Closed,
    ];

    /// The name in SQL and API.
    pub fn as_str(self) -> &'static str {
        match self {
            FeedbackState::Open => "open",
            FeedbackState::Answered => "answered",
            FeedbackState::Closed => "closed",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A rule that a push broke, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackCause {
    /// The rule's name: of a quality rule or of the intake.
    pub rule: String,
    /// Records of it; 1 for a rule about the push as a whole.
    pub count: u64,
    /// Whether it kept the push from becoming a version.
    pub blocking: bool,
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackAnswer {
    /// In its own words.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A push that was to close an item and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackAttempt {
    /// The push.
    pub push: PushId,
    /// What became of it.
    pub push_state: PushState,
    /// Causes of the item that it has as well.
    pub remaining: Vec<FeedbackCause>,
    /// When it was decided.
    pub at: Timestamp,
}

/// How an item was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackClosing {
    /// The push that is free of the causes; none when the operator closed it.
    pub push: Option<PushId>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An item of the feedback list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackView {
    /// Its identifier.
    pub id: FeedbackId,
    /// The data set's name.
    pub dataset: String,
    /// The provider that it is for.
    pub provider: OrganisationId,
    /// The push that it is about.
    pub push: PushId,
    /// What became of that push.
    pub push_state: PushState,
    /// Problem records of that push.
    pub problems: u64,
    /// Where the item is.
    pub state: FeedbackState,
    /// The rules that were broken, most records first.
    pub causes: Vec<FeedbackCause>,
    /// What the provider said.
    pub answer: Option<FeedbackAnswer>,
    /// The last push that was to close it and did not.
    pub attempt: Option<FeedbackAttempt>,
    /// How it was closed.
    pub closing: Option<FeedbackClosing>,
    /// When it was opened.
    pub created_at: Timestamp,
}
