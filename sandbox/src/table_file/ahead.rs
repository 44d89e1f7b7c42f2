//! Reading, masking and writing at the same time, each on threads of its own, in the order of the file.
//!
//! Threads hand each other a batch at a time and wait until it is taken, so what is on its way is one batch a thread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{available_parallelism, scope};

use arrow::record_batch::RecordBatch;
use masking::Masked;

use super::source::{TableError, TableFile};

/// Batches that lie between two threads, beside the one that each has in its hands.
const BETWEEN: usize = 0;
/// Threads that mask, at most.
const MASKERS_MAX: usize = 8;

type Handed<T> = Result<T, TableError>;

/// Does something with each batch while the next one is read.
///
/// # Errors
/// The file's first fault, or the first of `act`, whichever comes first in the file.
pub(super) fn each_batch(
    table: &TableFile,
    read: Arc<AtomicU64>,
    mut act: impl FnMut(RecordBatch) -> Result<(), TableError>,
) -> Result<(), TableError> {
    scope(|threads| {
        let (to_act, batches) = sync_channel(BETWEEN);
        threads.spawn(move || hand_out(table, read, |_, _| Ok(()), &[to_act]));
        batches.into_iter().try_for_each(|batch| act(batch?))
    })
}

/// Masks each batch on as many threads as there are cores, or on one when batches have to take turns: `raw` sees the batches as they are read, `act` what comes of them, both
/// in the order of the file.
///
/// # Errors
/// The first fault in the file, of reading, `raw`, masking or `act`.
pub(super) fn each_masked(
    table: &TableFile,
    read: Arc<AtomicU64>,
    in_turns: bool,
    raw: impl FnMut(u64, &RecordBatch) -> Result<(), TableError> + Send,
    mask: &(impl Fn(&RecordBatch) -> Result<Masked, TableError> + Sync),
    mut act: impl FnMut(Masked) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let count = match in_turns {
        true => 1,
        false => available_parallelism().map_or(1, usize::from),
    };
    scope(|threads| {
        let mut to_maskers = Vec::new();
        let mut masked = Vec::new();
        for _ in 0..count.min(MASKERS_MAX) {
            let (to_masker, batches) = sync_channel::<Handed<RecordBatch>>(BETWEEN);
            let (to_act, from_masker) = sync_channel(BETWEEN);
            threads.spawn(move || {
                for batch in batches {
                    if to_act.send(batch.and_then(|batch| mask(&batch))).is_err() {
                        return;
                    }
                }
            });
            to_maskers.push(to_masker);
            masked.push(from_masker);
        }
        threads.spawn(move || hand_out(table, read, raw, &to_maskers));
        in_turn(&masked).try_for_each(|masked| act(masked?))
    })
}

/// Reads a file and gives its batches to one after the other, until a fault or until nobody takes them.
fn hand_out(
    table: &TableFile,
    read: Arc<AtomicU64>,
    mut raw: impl FnMut(u64, &RecordBatch) -> Result<(), TableError>,
    takers: &[SyncSender<Handed<RecordBatch>>],
) {
    let mut takers = takers.iter().cycle();
    let mut give = |handed| {
        let taker = takers.next();
        taker.is_some_and(|taker| taker.send(handed).is_ok())
    };
    let mut rows = match table.rows(read) {
        Ok(rows) => rows,
        Err(fault) => {
            give(Err(fault));
            return;
        }
    };
    loop {
        let handed = match rows.next_batch() {
            Ok(Some((first, batch))) => raw(first, &batch).map(|()| batch),
            Ok(None) => return,
            Err(fault) => Err(fault),
        };
        let is_last = handed.is_err();
        if !give(handed) || is_last {
            return;
        }
    }
}

/// Takes from one after the other, as they were given.
fn in_turn<T>(givers: &[Receiver<T>]) -> impl Iterator<Item = T> {
    givers.iter().cycle().map_while(|giver| giver.recv().ok())
}
