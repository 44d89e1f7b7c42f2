//! Egress: what the untrusted output of a run must pass before it leaves.
//!
//! - [`control`]: what a governed plan counts besides its result;
//! - [`ipc`]: hostile bytes to columns, [`cells`]: columns to cells;
//! - [`rules`] and [`offset`]: a cell for itself; [`history`], [`audit`] and [`combine`]: a cell beside earlier releases;
//! - [`round`], [`steps`], [`canonical`]: what is left, as the bytes that leave;
//! - [`reviewed`]: output that people decide on; [`inspect()`]: the decision.

mod audit;
mod canonical;
mod cells;
mod classes;
mod combine;
pub(crate) mod control;
mod history;
mod inspect;
mod ipc;
mod offset;
mod reviewed;
mod round;
mod rules;
mod shares;
mod steps;
mod types;

pub use inspect::inspect;
pub use types::{
    Decision, EarlierCell, InspectKind, InspectRequest, Inspection, Preview, ReleasedCell,
};

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod panel;
#[cfg(test)]
mod rules_on_data;
#[cfg(test)]
mod sensitive;
