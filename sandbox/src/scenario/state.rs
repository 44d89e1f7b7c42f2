//! The states of a scenario version, and the only ways from one to the next.
//!
//! ```text
//! draft ──submit──► submitted ──vote──► in_review ──vote──► approved ──► expired (by the clock)
//!                       │                   │                  ├──newer version approved──► superseded
//!                       └──────reject───────┴──► rejected      └──revoke──► revoked
//! ```
//!
//! An edit is a new version, which starts as a draft without votes and takes the place of one that
//! was not approved yet. Revoking ends every version.

use crate::error::Error;

/// Where a scenario version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioState {
    /// Being written.
    Draft,
    /// Waits for votes.
    Submitted,
    /// Has one approving vote.
    InReview,
    /// Voted down.
    Rejected,
    /// May be applied for.
    Approved,
    /// Past its term.
    Expired,
    /// A newer version took its place.
    Superseded,
    /// Ended for cause.
    Revoked,
}

/// What may happen to a scenario version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScenarioEvent {
    Submit,
    /// An approving vote; `last` when no more are needed.
    Approve {
        last: bool,
    },
    Reject,
    Supersede,
    Revoke,
}

impl ScenarioState {
    /// Every state.
    pub const ALL: [ScenarioState; 8] = [
        ScenarioState::Draft,
        ScenarioState::Submitted,
        ScenarioState::InReview,
        ScenarioState::Rejected,
        ScenarioState::Approved,
        ScenarioState::Expired,
        ScenarioState::Superseded,
        ScenarioState::Revoked,
    ];

    /// The name in SQL and API.
    pub fn as_str(self) -> &'static str {
        match self {
            ScenarioState::Draft => "draft",
            ScenarioState::Submitted => "submitted",
            ScenarioState::InReview => "in_review",
            ScenarioState::Rejected => "rejected",
            ScenarioState::Approved => "approved",
            ScenarioState::Expired => "expired",
            ScenarioState::Superseded => "superseded",
            ScenarioState::Revoked => "revoked",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `event`.
    ///
    /// # Errors
    /// Conflict, naming state and event, when there is no such way.
    pub(crate) fn after(self, event: ScenarioEvent) -> Result<Self, Error> {
        use ScenarioEvent::{Approve, Reject, Revoke, Submit, Supersede};
        use ScenarioState::{Approved, Draft, InReview, Rejected, Revoked, Submitted, Superseded};
        match (self, event) {
            (Draft, Submit) => Ok(Submitted),
            (Submitted | InReview, Approve { last: false }) => Ok(InReview),
            (Submitted | InReview, Approve { last: true }) => Ok(Approved),
            (Submitted | InReview, Reject) => Ok(Rejected),
            (Draft | Submitted | InReview | Approved, Supersede) => Ok(Superseded),
            (Draft | Submitted | InReview | Approved, Revoke) => Ok(Revoked),
            (state, event) => Err(impossible(state, event)),
        }
    }
}

fn impossible(state: ScenarioState, event: ScenarioEvent) -> Error {
    let (zh, en) = match event {
        ScenarioEvent::Submit => ("提交", "submitted"),
        ScenarioEvent::Approve { .. } | ScenarioEvent::Reject => ("表决", "voted on"),
        ScenarioEvent::Supersede => ("取代", "superseded"),
        ScenarioEvent::Revoke => ("撤销", "revoked"),
    };
    let name = state.as_str();
    Error::conflict(
        "scenario_state",
        format!("场景处于 {name} 状态，不能{zh}。"),
        format!("the scenario is {name} and cannot be {en}."),
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;

    #[test]
    fn only_the_drawn_ways_exist() {
        use ScenarioState::*;
        let events = [
            ScenarioEvent::Submit,
            ScenarioEvent::Approve { last: false },
            ScenarioEvent::Approve { last: true },
            ScenarioEvent::Reject,
            ScenarioEvent::Supersede,
            ScenarioEvent::Revoke,
        ];
        let ways = [
            (Draft, 0, Submitted),
            (Draft, 4, Superseded),
            (Draft, 5, Revoked),
            (Submitted, 1, InReview),
            (Submitted, 2, Approved),
            (Submitted, 3, Rejected),
            (Submitted, 4, Superseded),
            (Submitted, 5, Revoked),
            (InReview, 1, InReview),
            (InReview, 2, Approved),
            (InReview, 3, Rejected),
            (InReview, 4, Superseded),
            (InReview, 5, Revoked),
            (Approved, 4, Superseded),
            (Approved, 5, Revoked),
        ];
        for state in ScenarioState::ALL {
            assert_eq!(ScenarioState::parse(state.as_str()), Some(state));
            for (index, event) in events.into_iter().enumerate() {
                let wanted = ways.iter().find(|way| way.0 == state && way.1 == index);
                assert_eq!(
                    state.after(event).ok(),
                    wanted.map(|way| way.2),
                    "{state:?} {event:?}"
                );
            }
        }
    }
}
