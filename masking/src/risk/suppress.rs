//! Rows whose classes miss what is asked for, left out.
//!
//! One odd row in a million would keep a whole table below its k. Two passes over the masked rows: count the classes, then
//! leave out the rows of those that are too small, or whose sensitive values are too few or too far from all.

use std::collections::HashSet;

use arrow::array::BooleanArray;
use arrow::record_batch::RecordBatch;

use super::meter::digest;
use super::{Keys, RiskMeter};
use crate::error::MeasureError;
use crate::generalise::Requirement;

/// The first pass: counts the classes of masked rows.
#[derive(Debug)]
pub struct ClassCounter {
    quasi: Vec<String>,
    requirement: Requirement,
    percent_max: f64,
    meter: RiskMeter,
}

impl ClassCounter {
    /// Starts to count over columns by name: classes that miss the requirement are to be left out, if they are at most
    /// `percent_max` percent of all rows.
    pub fn new(
        quasi: &[String],
        sensitive: Option<&str>,
        requirement: Requirement,
        percent_max: f64,
    ) -> Self {
        let sensitive = sensitive.filter(|_| requirement.is_sensitive_needed());
        Self {
            quasi: quasi.to_vec(),
            requirement,
            percent_max,
            meter: RiskMeter::new(quasi, sensitive),
        }
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, naming the column.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        self.meter.observe(batch)
    }

    /// What to leave out so that every class that stays has what is asked for, measured against the values of all rows; none
    /// where that were more than may be.
    pub fn finish(self) -> Option<Suppression> {
        let missed = self.meter.missed(&self.requirement);
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let percent = missed.rows as f64 / missed.all.max(1) as f64 * 100.0;
        (percent <= self.percent_max).then(|| Suppression {
            quasi: self.quasi,
            keys: missed.keys,
            missed: missed.classes,
            suppressed: missed.rows,
        })
    }
}

/// The second pass: tells which rows stay.
#[derive(Debug)]
pub struct Suppression {
    quasi: Vec<String>,
    keys: Keys,
    missed: HashSet<u128>,
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
        let stays = classes.iter().map(|class| !self.missed.contains(class));
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
            let mut counter = ClassCounter::new(&quasi, None, Requirement::k(3), percent_max);
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

    /// Two classes of three rows: the values of one are all the same.
    #[test]
    fn a_class_whose_sensitive_values_are_too_few_is_left_out() {
        let q: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "a", "b", "b", "b"]));
        let s: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "x", "x", "x", "x"]));
        let rows = RecordBatch::try_from_iter([("q", q), ("s", s)]).unwrap();
        let quasi = ["q".to_owned()];
        let left_out = |requirement: Requirement| {
            let mut counter = ClassCounter::new(&quasi, Some("s"), requirement, 50.0);
            counter.observe(&rows).unwrap();
            let mut suppression = counter.finish().unwrap();
            let stays = suppression.stays(&rows).unwrap();
            let stays: Vec<bool> = stays.iter().flatten().collect();
            (suppression.suppressed(), stays)
        };
        let none = (0, vec![true; 6]);
        let second = (3, vec![true, true, true, false, false, false]);
        assert_eq!(left_out(Requirement::k(3)), none);
        let l = |l| Requirement {
            l_distinct: Some(l),
            ..Requirement::k(2)
        };
        assert_eq!(left_out(l(1)), none);
        assert_eq!(left_out(l(2)), second);
        // Shares of y are 1/3 and 0, of all 1/6: the gains are 1 for y, and 1/5 for x.
        let beta = |beta| Requirement {
            beta_basic: Some(beta),
            ..Requirement::k(2)
        };
        assert_eq!(left_out(beta(1.01)), none);
        assert_eq!(
            left_out(beta(0.9)),
            (3, vec![false, false, false, true, true, true])
        );
    }
}
