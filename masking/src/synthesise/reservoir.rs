//! Which rows are learnt from, and where chance comes from: both from the seed alone.

use arrow::array::UInt64Array;
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};

/// The rows of the smallest ranks so far (bottom-k sampling): uniform, and the same for the same seed.
#[derive(Debug)]
pub(super) struct Reservoir {
    kept: Vec<RecordBatch>,
    /// Ranks of the kept rows, batch after batch.
    ranks: Vec<u64>,
    /// Ranks from here on are not wanted.
    threshold: u64,
    size: usize,
    seen: u64,
    key: u64,
}

impl Reservoir {
    pub(super) fn new(size: usize, seed: &[u8]) -> Self {
        Self {
            kept: Vec::new(),
            ranks: Vec::new(),
            threshold: u64::MAX,
            size,
            seen: 0,
            key: Draws::new(seed).next(),
        }
    }

    pub(super) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let mut rows = Vec::new();
        for row in 0..u64::try_from(batch.num_rows()).unwrap_or(0) {
            let rank = mixed(self.key ^ (self.seen + row));
            if rank < self.threshold {
                rows.push(row);
                self.ranks.push(rank);
            }
        }
        self.seen += u64::try_from(batch.num_rows()).unwrap_or(0);
        if !rows.is_empty() {
            self.kept
                .push(take_record_batch(batch, &UInt64Array::from(rows))?);
        }
        if self.ranks.len() > self.size * 2 {
            self.prune()?;
        }
        Ok(())
    }

    /// Keeps the rows of the smallest ranks, in their order.
    fn prune(&mut self) -> Result<(), ArrowError> {
        let Some(first) = self.kept.first() else {
            return Ok(());
        };
        let whole = concat_batches(&first.schema(), &self.kept)?;
        let mut sorted = self.ranks.clone();
        let place = self.size.min(sorted.len().saturating_sub(1));
        let (_, threshold, _) = sorted.select_nth_unstable(place);
        self.threshold = *threshold;
        let rows: Vec<u64> = (0_u64..)
            .zip(&self.ranks)
            .filter(|(_, rank)| **rank < self.threshold)
            .map(|(row, _)| row)
            .collect();
        self.ranks.retain(|rank| *rank < self.threshold);
        self.kept = vec![take_record_batch(&whole, &UInt64Array::from(rows))?];
        Ok(())
    }

    pub(super) fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        if self.ranks.len() > self.size {
            self.prune()?;
        }
        concat_batches(schema, &self.kept)
    }
}

/// A permutation of 64 bits whose outputs look unrelated (the finaliser of SplitMix64, Steele and others 2014). Nothing secret
/// hangs on it: it chooses rows to learn from.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers drawn from a seed.
pub(super) struct Draws {
    state: u64,
}

impl Draws {
    pub(super) fn new(seed: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"egret synthesis v1")
            .chain_update(seed)
            .finalize();
        let mut state = [0; 8];
        state.copy_from_slice(&digest[..8]);
        Self {
            state: u64::from_be_bytes(state),
        }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.state)
    }

    /// From 0 up to, and without, `bound`; the bias of the remainder is below 2⁻³² for the bounds that occur.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// From 0 up to 1.
    pub(super) fn share(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        share
    }

    /// A place in a list of weights, in proportion to them; none where all are 0.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> Option<usize> {
        let total: u64 = weights.clone().map(u64::from).sum();
        let mut left = self.below(total);
        for (place, weight) in weights.enumerate() {
            match left.checked_sub(u64::from(weight)) {
                Some(rest) => left = rest,
                None => return Some(place),
            }
        }
        None
    }
}
