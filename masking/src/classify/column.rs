//! From the values of a column to what the column is.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::classify::hint::Meaning;
use crate::classify::identifier::Identifier;
use crate::error::MeasureError;
use crate::text::Bilingual;

/// How a column must be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Names a person, an enterprise or a vehicle by itself.
    DirectIdentifier,
    /// Narrows down who it is, together with others (birth date, sex, region).
    QuasiIdentifier,
    /// Says something about somebody that must not become known (diagnosis, income).
    Sensitive,
    /// None of these.
    Public,
}

/// What the catalogue says about a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnHint {
    /// The column's name in the data.
    pub name: String,
    /// The description in the catalogue, in Chinese or English; may be empty.
    pub comment: String,
}

/// One kind of identifier that a column could be, and how likely that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The kind.
    pub identifier: Identifier,
    /// Distinct values that pass its pattern and check.
    pub passes: u64,
    /// The share of random values of this shape that would pass.
    pub null_rate: f64,
    /// Natural log of the likelihood ratio: this kind against random values.
    pub log_likelihood_ratio: f64,
    /// Log odds before looking at values, from the column's name and comment.
    pub prior_log_odds: f64,
    /// Sum of both (the ratio capped): decided when above zero.
    pub log_odds: f64,
}

/// What the decision about a column rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The column's type in the data.
    pub data_type: String,
    /// Rows seen.
    pub rows: u64,
    /// Nulls among them.
    pub nulls: u64,
    /// Distinct values, exact up to the number that is kept, estimated above.
    pub distinct: u64,
    /// Distinct values that were looked at.
    pub examined: u64,
    /// Whether too few distinct values were seen to decide by values alone.
    pub few_values: bool,
    /// What name and comment say.
    pub meaning: Option<Meaning>,
    /// Kinds with any passing value or a hint, likeliest first.
    pub candidates: Vec<Candidate>,
    /// Kinds found inside longer texts: number of values that hold one.
    pub inside_text: BTreeMap<Identifier, u64>,
    /// Why the column got its class.
    pub reason: Bilingual,
}

/// The decision about one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnClass {
    /// The column.
    pub column: String,
    /// The kind of identifier that its values are, if they are one.
    pub identifier: Option<Identifier>,
    /// How it must be handled.
    pub class: Class,
    /// From 0 to 1.
    pub confidence: f64,
    /// What the decision rests on.
    pub evidence: Evidence,
}

/// Looks at the batches of a data set and says what each column is.
#[derive(Debug)]
pub struct Classifier {
}

impl Classifier {
    /// Starts with the schema of the batches to come and what the catalogue says about them. Hints are matched by
    /// column name; a column without a hint is judged by its own name.
    pub fn new(schema: &Schema, hints: &[ColumnHint]) -> Self {
        let _ = (schema, hints);
        Self {}
    }

    /// Looks at one batch.
    ///
    /// # Errors
    /// `schema_changed` when the batch has other columns than the schema.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let _ = batch;
        Ok(())
    }

    /// The decisions, in the order of the schema.
    pub fn finish(self) -> Vec<ColumnClass> {
        Vec::new()
    }
}
