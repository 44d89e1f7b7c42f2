//! The SQL engine inside the worker: a governed plan over open descriptors.

mod called;
mod files;
mod functions;
mod holdings;
#[cfg(test)]
mod list;
mod plan;
mod session;
mod spill;
mod sql;
mod table;
mod units;

pub(crate) use session::PARTITIONS;
pub(crate) use sql::{Query, run, warm};
