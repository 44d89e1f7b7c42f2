//! What an engine says of a run it made.

use crate::outcome::Outcome;
use crate::protocol::Done;

/// The end of a run and its counts, before it is told to the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) fuel: u64,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
}

impl Ran {
    /// Ended this way, with nothing counted.
    pub(crate) fn ended(outcome: Outcome) -> Self {
        Self {
            outcome,
            fuel: 0,
            rows_in: 0,
            rows_out: 0,
        }
    }

    pub(crate) fn done(self) -> Done {
        let Self {
            outcome,
            fuel,
            rows_in,
            rows_out,
        } = self;
        Done {
            outcome,
            fuel,
            rows_in,
            rows_out,
        }
    }
}
