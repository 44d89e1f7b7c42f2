//! Rows that are nobody's: drawn from what many rows have in common.
//!
//! A sample is seen by everybody who sees the catalogue, so not even masked rows of real people stand in it. Every value
//! that is shown occurred in at least [`COMMON_MIN`] rows, or lies in a range with as many; every pair of values that occurs
//! together more often than chance would have it did so in as many. Columns are tied to each other by the tree of pairs
//! that share most information (Chow and Liu, 1968), so that programs see the correlations that they will meet.
//!
//! Tokens are those of invented subjects, the same ones in every data set: samples join as the data do.

mod coded;
mod reservoir;
mod tree;
mod values;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{MeasureError, internal};
use crate::key::ValueDomain;

use coded::Coded;
use reservoir::{Draws, Reservoir};
use tree::Tree;

/// Rows that a value, a range or a pair of values must have had.
pub const COMMON_MIN: u32 = 5;
/// Rows that are learnt from.
const LEARNT_ROWS: usize = 8_192;

/// Learns from masked batches, and draws rows.
///
/// Memory: 16,384 rows, however many are seen. The same batches and seed give the same rows.
#[derive(Debug)]
pub struct Synthesiser {
    schema: SchemaRef,
    tokens: Vec<(String, ValueDomain)>,
    seed: Vec<u8>,
    rows: Reservoir,
}

impl Synthesiser {
    /// Starts to learn about batches of this schema, in which these columns hold tokens.
    pub fn new(schema: SchemaRef, tokens: &[(String, ValueDomain)], seed: &[u8]) -> Self {
        Self {
            schema,
            tokens: tokens.to_vec(),
            seed: seed.to_vec(),
            rows: Reservoir::new(LEARNT_ROWS, seed),
        }
    }

    /// Takes a batch in.
    ///
    /// # Errors
    /// A batch of another schema.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        self.rows
            .observe(batch)
            .map_err(|error| internal("synthesise", &error))
    }

    /// Draws `count` rows. `token` makes the token of an invented subject in a value domain; it has to give the same text for the
    /// same two arguments, whichever data set asks.
    ///
    /// # Errors
    /// Batches of different schemas were observed.
    pub fn finish(
        self,
        count: usize,
        token: &dyn Fn(&ValueDomain, u64) -> String,
    ) -> Result<RecordBatch, MeasureError> {
        let failed = |error| internal("synthesise", &error);
        let learnt = self.rows.finish(&self.schema).map_err(failed)?;
        let domain = |name: &str| {
            let found = self.tokens.iter().find(|(column, _)| column == name);
            found.map(|(_, domain)| domain)
        };
        let coded: Vec<Coded> = self
            .schema
            .fields()
            .iter()
            .zip(learnt.columns())
            .map(|(field, column)| match domain(field.name()) {
                Some(_) => Coded::token(),
                None => Coded::of(column),
            })
            .collect();
        let tree = Tree::grow(&coded);
        let mut draws = Draws::new(&self.seed);
        let rows: Vec<Vec<usize>> = (0..count).map(|_| tree.draw(&mut draws)).collect();
        let subjects: Vec<u64> = rows.iter().map(|_| draws.below(subjects(count))).collect();
        let columns: Vec<ArrayRef> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(place, field)| match domain(field.name()) {
                Some(domain) => {
                    let tokens = subjects.iter().map(|subject| token(domain, *subject));
                    Arc::new(StringArray::from_iter_values(tokens)) as ArrayRef
                }
                None => {
                    let codes = rows.iter().map(|row| row.get(place).copied().unwrap_or(0));
                    coded
                        .get(place)
                        .map(|coded| coded.values(codes, field.data_type(), &mut draws))
                        .unwrap_or_else(|| arrow::array::new_null_array(field.data_type(), count))
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(nullable(&self.schema), columns, &options).map_err(failed)
    }
}

/// What is not common is left out, so every column may have gaps.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Invented subjects of a sample: fewer than rows, so that subjects repeat and samples of two data sets share some.
fn subjects(rows: usize) -> u64 {
    u64::try_from(rows / 2).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests;
