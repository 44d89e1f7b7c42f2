//! Egress: what the untrusted output of a run must pass before it leaves.

mod types;

pub use types::{
    Decision, EarlierCell, InspectKind, InspectRequest, Inspection, Preview, ReleasedCell,
};
