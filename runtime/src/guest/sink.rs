//! Where the batches go that a guest emits.

use arrow::array::RecordBatch;

use super::memory::BROKEN;
use crate::outcome::{Limit, Outcome};
use crate::output::OutputStream;

/// The other end of `emit`.
pub(super) enum Sink {
    /// The result of a whole job.
    Stream(Box<OutputStream>),
    /// The rows of a table function, which a query goes on with.
    Rows(Rows),
    /// A function that answers a value has nowhere to emit to.
    Closed,
}

/// Rows in memory.
pub(super) struct Rows {
    batches: Vec<RecordBatch>,
    bytes_left: u64,
}

impl Rows {
    /// None so far, and at most so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            batches: Vec::new(),
            bytes_left: bytes_max,
        }
    }

    pub(super) fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }
}

impl Sink {
    /// Takes a batch with rows.
    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<(), Outcome> {
        match self {
            Self::Stream(output) => output.write(&batch),
            Self::Rows(rows) => {
                let bytes = u64::try_from(batch.get_array_memory_size()).unwrap_or(u64::MAX);
                let too_large = Outcome::LimitExceeded(Limit::Memory);
                rows.bytes_left = rows.bytes_left.checked_sub(bytes).ok_or(too_large)?;
                rows.batches.push(batch);
                Ok(())
            }
            Self::Closed => Err(BROKEN),
        }
    }
}
