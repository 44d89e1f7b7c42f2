//! Where a run is, and which moves there are: one table that code, tests and diagrams share.

use serde::{Deserialize, Serialize};

/// Where a run is.
///
/// ```text
/// admitted ─► running ─► inspecting ─► releasing ─► released
///    │           │            ├─────► held ──┴────► refused
///    │           │            ├─────► refused
///    │           │            └─────► finished            (sample runs)
///    └─► killed ◄┴─ failed ◄──┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Inside the scenario, waits for a worker.
    Admitted,
    /// A node holds it: its files are made, its program runs.
    Running,
    /// The program has ended; its output is inspected.
    Inspecting,
    /// The decision to release is stored; the bytes are being written.
    Releasing,
    /// People have to decide; see the release.
    Held,
    /// The result may be downloaded; see the release.
    Released,
    /// No result leaves: by rule, by vote, or because the refusal budget is spent.
    Refused,
    /// A sample run is done; its result is in the run's view.
    Finished,
    /// The program failed or passed a limit.
    Failed,
    /// Stopped by a person or by a revocation.
    Killed,
}

/// Every state, in the order in which a run meets them.
pub(crate) const RUN_STATES: [RunState; 10] = [
    RunState::Admitted,
    RunState::Running,
    RunState::Inspecting,
    RunState::Releasing,
    RunState::Held,
    RunState::Released,
    RunState::Refused,
    RunState::Finished,
    RunState::Failed,
    RunState::Killed,
];

impl RunState {
    /// The name in SQL, API and ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Running => "running",
            Self::Inspecting => "inspecting",
            Self::Releasing => "releasing",
            Self::Held => "held",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }

    /// The state of a stored name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        RUN_STATES.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the machine has nothing more to do; a held run still waits for people.
    pub fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Held
                | Self::Released
                | Self::Refused
                | Self::Finished
                | Self::Failed
                | Self::Killed
        )
    }

    /// Whether a worker may hold it, or still will.
    pub fn is_active(self) -> bool {
        !self.is_settled()
    }

    /// The states that may follow.
    pub fn next(self) -> &'static [RunState] {
        match self {
            Self::Admitted => &[Self::Running, Self::Refused, Self::Killed],
            Self::Running => &[
                // A lease that ended without a word: another node takes the run.
                Self::Running,
                Self::Inspecting,
                // The short way: the stages in between are kept in memory, one commit holds them.
                Self::Releasing,
                Self::Held,
                Self::Refused,
                Self::Finished,
                Self::Failed,
                Self::Killed,
            ],
            Self::Inspecting => &[
                Self::Running,
                Self::Releasing,
                Self::Held,
                Self::Refused,
                Self::Finished,
                Self::Failed,
                Self::Killed,
            ],
            Self::Releasing => &[Self::Released, Self::Killed],
            Self::Held => &[Self::Releasing, Self::Refused, Self::Killed],
            Self::Released | Self::Refused | Self::Finished | Self::Failed | Self::Killed => &[],
        }
    }

    /// Whether `to` may follow.
    pub(crate) fn may_become(self, to: Self) -> bool {
        self.next().contains(&to)
    }
}

/// Where a release is.
///
/// ```text
/// held ─► scheduled ─► released ─► frozen
///   ├───► refused
///   └───► void ◄─ scheduled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Waits for votes.
    Held,
    /// Decided; the bytes are being written.
    Scheduled,
    /// May be downloaded.
    Released,
    /// Refused by vote.
    Refused,
    /// Stopped by a revocation after it was released.
    Frozen,
    /// Ended by a revocation before anything left.
    Void,
}

/// Every state of a release.
pub(crate) const RELEASE_STATES: [ReleaseState; 6] = [
    ReleaseState::Held,
    ReleaseState::Scheduled,
    ReleaseState::Released,
    ReleaseState::Refused,
    ReleaseState::Frozen,
    ReleaseState::Void,
];

impl ReleaseState {
    /// The name in SQL, API and ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::Frozen => "frozen",
            Self::Void => "void",
        }
    }

    /// The state of a stored name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        RELEASE_STATES
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_name_and_is_found_by_it() {
        for state in RUN_STATES {
            assert_eq!(RunState::parse(state.as_str()), Some(state));
        }
        for state in RELEASE_STATES {
            assert_eq!(ReleaseState::parse(state.as_str()), Some(state));
        }
        assert_eq!(RunState::parse("done"), None);
    }

    #[test]
    fn no_move_leads_out_of_an_end_and_only_held_waits_for_people() {
        for state in RUN_STATES {
            let is_end = state.next().is_empty();
            assert_eq!(
                is_end || state == RunState::Held,
                state.is_settled(),
                "{state:?}"
            );
            for next in state.next() {
                assert!(state.may_become(*next));
                assert_ne!(*next, RunState::Admitted, "nothing is admitted twice");
            }
        }
    }

    #[test]
    fn nothing_is_released_without_a_stored_decision() {
        for state in RUN_STATES {
            let released = state.may_become(RunState::Released);
            assert_eq!(released, state == RunState::Releasing, "{state:?}");
        }
    }
}
