//! Jobs: admitted, kept, run, inspected.
//!
//! A job is what was submitted; a run is one execution of it. [`state`] is the table of moves, [`submit`] the way in, [`drive`] takes
//! runs under a lease, [`stage`] makes the files that a run may see, [`execute`] runs it and settles what follows.

mod admit;
mod cache;
pub(crate) mod called;
mod drive;
mod execute;
mod memfd;
mod moves;
pub(crate) mod queue;
mod rate;
mod read;
pub(crate) mod rows;
mod sample;
pub(crate) mod scope;
mod stage;
mod staged_file;
pub(crate) mod state;
mod submit;
pub(crate) mod view;

pub(crate) use cache::StagedCache;
pub(crate) use drive::{Leased, lease_lost};
pub(crate) use execute::inspection_order;
pub(crate) use memfd::SealedFile;
pub(crate) use rate::RateWindows;
pub(crate) use read::reach;
pub(crate) use rows::waiting;
pub(crate) use sample::rules as sample_rules;
pub use state::{ReleaseState, RunState};
pub use view::{
    AdmissionView, JobRequest, JobView, Mode, Moment, PinnedInput, Program, ProgramModule, RunView,
    Waiting, WasmInput,
};

/// A result's column type as the runtime names it.
pub(crate) fn result_type(data_type: review::ColumnType) -> runtime::ColumnType {
    match data_type {
        review::ColumnType::Boolean => runtime::ColumnType::Boolean,
        review::ColumnType::Int32 => runtime::ColumnType::Int32,
        review::ColumnType::Int64 => runtime::ColumnType::Int64,
        review::ColumnType::Float64 => runtime::ColumnType::Float64,
        review::ColumnType::Utf8 => runtime::ColumnType::Utf8,
        review::ColumnType::Date32 => runtime::ColumnType::Date32,
        review::ColumnType::TimestampMicros => runtime::ColumnType::TimestampMicros,
    }
}
