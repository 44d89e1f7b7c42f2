//! Intake: a push becomes one immutable version of a data set, or says why not.
//!
//! ```text
//! open ──data──► open ──commit──► received ──► checking ──► version
//!                                     ▲            │ ├────► quarantined ──commit──► received
//!                                     └── restart ─┘ └────► rejected
//! ```
//!
//! - `limits`: every bound, closed.
//! - `reader`: bytes to typed batches.
//! - `pipeline`: typed batches to masked rows, as a pure function.
//! - `residual`: identifiers left in what the policy keeps.
//! - `units`: dense numbers of privacy units.
//! - `sink`: a blocking writer into the object store that stores all or nothing.
//! - `push`: what the provider's side calls.
//! - `pieces`: data that arrive in pieces, and go on after a connection broke.
//! - `history`: scores over time.
//! - `process`: the background task.
//! - `baseline`: the version before and other data sets, for the quality rules that compare.
//! - `drift`: columns that are others than the entry's.
//! - `causes`: what is wrong with a push, by rule, for its provider.
//! - `suggest`: a policy searched over a push in quarantine.
//! - `store`: the one transaction that decides a push.

mod arrival;
mod baseline;
mod causes;
mod decide;
mod drift;
mod history;
mod limits;
mod masked;
mod pieces;
mod pipeline;
mod process;
mod push;
mod reader;
mod residual;
mod row;
mod sink;
mod store;
mod suggest;
mod units;

pub use self::history::QualityPoint;
pub use self::limits::IntakeLimits;
pub use self::pieces::PieceRange;
pub use self::push::{PushManifest, PushRisk, PushState, PushView};
pub use self::reader::{DataFormat, IntakeFault, TextEncoding};
pub use self::suggest::{PolicySearched, SEARCH_SECONDS_MAX};

pub(crate) use self::arrival::bounded;
pub(crate) use self::pipeline::with_declared;
pub(crate) use self::process::Intake;
pub(crate) use self::reader::{ColumnBuilder, ReadError, Reader, Spelling, both, columns_of};
pub(crate) use self::residual::ResidualScan;
pub(crate) use self::sink::ObjectSink;
