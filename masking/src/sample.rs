//! A few rows of a batch, always the same ones for the same seed.

use arrow::array::UInt64Array;
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};

/// At most `n` rows of a batch, drawn without replacement by the seed and left in their order.
///
/// Each row is ranked by SHA-256 of seed and row number, so the choice is uniform and repeatable.
/// Mask first: this function only chooses.
pub fn sample_rows(batch: &RecordBatch, n: usize, seed: &[u8]) -> RecordBatch {
    if batch.num_rows() <= n {
        return batch.clone();
    }
    let prefix = Sha256::new()
        .chain_update(b"egret sample v1")
        .chain_update(seed);
    let mut ranked: Vec<([u8; 32], u64)> = (0u64..)
        .take(batch.num_rows())
        .map(|row| {
            (
                prefix
                    .clone()
                    .chain_update(row.to_be_bytes())
                    .finalize()
                    .into(),
                row,
            )
        })
        .collect();
    if n < ranked.len() {
        ranked.select_nth_unstable(n);
        ranked.truncate(n);
    }
    let mut rows: Vec<u64> = ranked.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    // Rows of the batch itself always exist; were taking them to fail, no rows are shown rather
    // than others.
    take_record_batch(batch, &UInt64Array::from(rows)).unwrap_or_else(|_| batch.slice(0, 0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn numbers(rows: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn values(batch: &RecordBatch) -> Vec<i64> {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    }

    #[test]
    fn the_same_seed_draws_the_same_rows_in_order() {
        let batch = numbers(1000);
        let first = values(&sample_rows(&batch, 20, b"seed"));
        assert_eq!(first.len(), 20);
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(first, values(&sample_rows(&batch, 20, b"seed")));
        assert_ne!(first, values(&sample_rows(&batch, 20, b"other")));
    }

    #[test]
    fn every_row_has_the_same_chance() {
        let batch = numbers(10);
        let mut drawn = [0u32; 10];
        for seed in 0u32..2000 {
            for value in values(&sample_rows(&batch, 3, &seed.to_le_bytes())) {
                drawn[usize::try_from(value).unwrap()] += 1;
            }
        }
        // Expected 600 each; the standard deviation is 20.5.
        assert!(
            drawn.iter().all(|count| (500..700).contains(count)),
            "{drawn:?}"
        );
    }

    #[test]
    fn short_and_empty_batches_come_back_whole() {
        assert_eq!(sample_rows(&numbers(3), 5, b"").num_rows(), 3);
        assert_eq!(sample_rows(&numbers(3), 0, b"").num_rows(), 0);
        assert_eq!(sample_rows(&numbers(0), 5, b"").num_rows(), 0);
    }
}
