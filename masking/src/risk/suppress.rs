//! Rows that too few others agree with, left out.
//!
//! One odd row in a million would keep a whole table below its k. Two passes over the masked rows: count the classes, then
//! leave out the rows of the small ones.

use std::collections::{HashMap, HashSet};

use arrow::array::BooleanArray;
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};

use super::Keys;
use crate::error::MeasureError;

/// The first pass: counts the classes of masked rows.
#[derive(Debug)]
pub struct ClassCounter {
    quasi: Vec<String>,
    k_min: u64,
    percent_max: f64,
    keys: Keys,
    classes: HashMap<u128, u64>,
    total: u64,
}

impl ClassCounter {
    /// Starts to count over columns by name: classes of fewer than `k_min` rows are to be left out, if they are at most
    /// `percent_max` percent of all rows.
    pub fn new(quasi: &[String], k_min: u64, percent_max: f64) -> Self {
        Self {
            quasi: quasi.to_vec(),
            k_min,
            percent_max,
            keys: Keys::default(),
            classes: HashMap::new(),
            total: 0,
        }
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, naming the column.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        for class in classes(&self.quasi, &mut self.keys, batch)? {
            *self.classes.entry(class).or_default() += 1;
            self.total += 1;
        }
        Ok(())
    }

    /// What to leave out so that every class that stays has enough rows; none where that were more than may be.
    pub fn finish(self) -> Option<Suppression> {
        let small = self.classes.iter().filter(|(_, rows)| **rows < self.k_min);
        let suppressed: u64 = small.clone().map(|(_, rows)| rows).sum();
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let percent = suppressed as f64 / self.total.max(1) as f64 * 100.0;
        (percent <= self.percent_max).then(|| Suppression {
            small: small.map(|(class, _)| *class).collect(),
            quasi: self.quasi,
            keys: self.keys,
            suppressed,
        })
    }
}

/// The second pass: tells which rows stay.
#[derive(Debug)]
pub struct Suppression {
    quasi: Vec<String>,
    keys: Keys,
    small: HashSet<u128>,
    suppressed: u64,
}

impl Suppression {
    /// Rows that are left out.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Which rows of a batch stay.
    ///
    /// # Errors
    /// `column_missing`, naming the column.
    pub fn stays(&mut self, batch: &RecordBatch) -> Result<BooleanArray, MeasureError> {
        let classes = classes(&self.quasi, &mut self.keys, batch)?;
        let stays = classes.iter().map(|class| !self.small.contains(class));
        Ok(stays.map(Some).collect())
    }
}

fn classes(
    quasi: &[String],
    keys: &mut Keys,
    batch: &RecordBatch,
) -> Result<Vec<u128>, MeasureError> {
    let rows = keys.rows(quasi, batch)?;
    Ok((0..batch.num_rows())
        .map(|row| digest(rows.key(row)))
        .collect())
}

/// 128 bits of SHA-256: two classes meet in one digest with a chance of 2^-64 at four billion
/// classes.
fn digest(key: &[u8]) -> u128 {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    u128::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, StringArray};
    use arrow::compute::filter_record_batch;

    use super::super::RiskMeter;
    use super::*;

    fn batch(values: &[Option<&str>]) -> RecordBatch {
        let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("q", column, true)]).unwrap()
    }

    #[test]
    fn what_stays_measures_as_asked() {
        let quasi = ["q".to_owned()];
        let batches = [
            batch(&[Some("a"), Some("a"), None, Some("b")]),
            batch(&[Some("a"), Some("c"), None, Some("c"), Some("c")]),
        ];
        let counted = |percent_max: f64| {
            let mut counter = ClassCounter::new(&quasi, 3, percent_max);
            for batch in &batches {
                counter.observe(batch).unwrap();
            }
            counter.finish()
        };
        assert!(counted(33.3).is_none(), "a third of the rows is more");
        let mut suppression = counted(33.4).unwrap();
        assert_eq!(suppression.suppressed(), 3, "two gaps and one b");
        let mut meter = RiskMeter::new(&quasi, None);
        for batch in &batches {
            let stays = suppression.stays(batch).unwrap();
            assert_eq!(stays.null_count(), 0);
            meter
                .observe(&filter_record_batch(batch, &stays).unwrap())
                .unwrap();
        }
        let report = meter.finish();
        assert_eq!((report.rows, report.k, report.classes), (6, 3, 2));
    }
}
