//! A checked plan over batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Fault, MaskError, internal};
use crate::key::{RootKey, ValueDomain};
use crate::text::Bilingual;
use crate::transform::permute::Permuter;
use crate::transform::{Transform, coarsen, day, redact, text_values};

/// A masked batch and what could not be masked as asked.
#[derive(Clone, Debug)]
pub struct Masked {
    /// The batch, in the plan's output schema.
    pub batch: RecordBatch,
    /// Columns with values that the transform could not take (no valid identifier, no date), and
    /// the number of rows in which such a value became null.
    pub nulled: Vec<(String, u64)>,
}

/// A checked policy, ready to mask batches of its schema.
///
/// Made by [`crate::Policy::compile`] alone, so a plan that exists is one that was not refused.
#[derive(Clone, Debug)]
pub struct MaskPlan {
    input: SchemaRef,
    output: SchemaRef,
    steps: Vec<Step>,
}

/// One column of the output.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Place of the column in the input.
    pub(crate) column: usize,
    /// Place of the subject's column, for date shifts.
    pub(crate) subject: Option<usize>,
    pub(crate) transform: Transform,
}

impl MaskPlan {
    pub(crate) fn new(input: SchemaRef, output: SchemaRef, steps: Vec<Step>) -> Self {
        Self {
            input,
            output,
            steps,
        }
    }

    /// The schema of masked batches: the kept columns in the order of the input.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    /// Columns of the output that hold intake tokens, with their value domains.
    pub fn tokens(&self) -> Vec<(String, ValueDomain)> {
        let tokens = self
            .steps
            .iter()
            .zip(self.output.fields())
            .filter_map(|(step, field)| match &step.transform {
                Transform::Token { value_domain } => {
                    Some((field.name().clone(), value_domain.clone()))
                }
                _ => None,
            });
        tokens.collect()
    }

    /// Masks one batch. Null stays null; the same value gives the same result in every batch under
    /// one root key and epoch. A value that the transform cannot take (no valid identifier, no
    /// date) becomes null and is never passed on.
    ///
    /// # Errors
    /// `schema_changed` when the batch does not have the schema that the plan was made for.
    pub fn apply(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, MaskError> {
        self.apply_counted(root, epoch, batch)
            .map(|masked| masked.batch)
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
        self.check_schema(batch.schema_ref())?;
        let mut columns = Vec::with_capacity(self.steps.len());
        let mut nulled = Vec::new();
        for (step, field) in self.steps.iter().zip(self.output.fields()) {
            let input = batch.column(step.column);
            let column = step.apply(root, epoch, batch).map_err(|fault| Fault {
                column: Some(field.name().clone()),
                ..fault
            })?;
            let lost = column.null_count().saturating_sub(input.null_count());
            if lost > 0 {
                nulled.push((
                    field.name().clone(),
                    u64::try_from(lost).unwrap_or(u64::MAX),
                ));
            }
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.output_schema(), columns, &options)
            .map_err(|error| internal("apply", &error))?;
        Ok(Masked { batch, nulled })
    }

    fn check_schema(&self, schema: &Schema) -> Result<(), MaskError> {
        let same = schema.fields().len() == self.input.fields().len()
            && schema
                .fields()
                .iter()
                .zip(self.input.fields())
                .all(|(given, known)| {
                    given.name() == known.name() && given.data_type() == known.data_type()
                });
        if same {
            return Ok(());
        }
        let differing = self
            .input
            .fields()
            .iter()
            .enumerate()
            .find(|(place, known)| {
                schema.fields().get(*place).is_none_or(|given| {
                    given.name() != known.name() || given.data_type() != known.data_type()
                })
            });
        let message = Bilingual::new(
            "批次的列与编译策略时的结构不同",
            "the batch has other columns than those that the policy was compiled for",
        );
        let remedy = Bilingual::new(
            "请按同一结构传入批次，或对新结构重新编译策略",
            "pass batches of that schema, or compile the policy for the new one",
        );
        Err(match differing {
            Some((_, known)) => Fault::column("schema_changed", known.name(), message, remedy),
            None => Fault::general("schema_changed", message, remedy),
        })
    }
}

impl Step {
    fn apply(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<ArrayRef, MaskError> {
        let values = batch.column(self.column);
        match &self.transform {
            Transform::Keep => Ok(Arc::clone(values)),
            Transform::Token { value_domain } => root.intake(value_domain, epoch).tokenise(values),
            Transform::Permute {
                permute,
                value_domain,
            } => {
                let mut permuter = Permuter::new(*permute, &root.permutation(value_domain, epoch));
                let texts = text_values(values)?;
                Ok(Arc::new(permuter.column(texts.as_string::<i32>())))
            }
            Transform::RedactConstant { text } => Ok(redact::constant(values, text)),
            Transform::RedactMask { first, last } => redact::mask(values, *first, *last),
            Transform::RedactText => redact::text(values),
            Transform::Bin {
                width,
                origin,
                output,
            } => coarsen::bin(values, *width, *origin, *output),
            Transform::TopBottom { bottom, top } => coarsen::top_bottom(values, *bottom, *top),
            Transform::GeneraliseDate { to } => Ok(coarsen::generalise_date(values, *to)
                .map_or_else(
                    || nulls(&DataType::Date32, values.len()),
                    |dates| Arc::new(dates),
                )),
            Transform::AgeBand { width, top, as_of } => {
                coarsen::age_band(values, *width, *top, as_of.and_then(day))
            }
            Transform::Region { to, as_name } => coarsen::region(values, *to, *as_name),
            Transform::ShiftDate {
                value_domain, days, ..
            } => match self.subject {
                Some(subject) => {
                    let key = root.date_shift(value_domain, epoch);
                    coarsen::shift_date(values, batch.column(subject), &key, *days)
                }
                None => Ok(nulls(
                    &coarsen::shift_type(values.data_type()),
                    values.len(),
                )),
            },
            // A plan never holds these; nothing of the column is passed on.
            Transform::Drop | Transform::Hash { .. } => Ok(nulls(&DataType::Utf8, values.len())),
        }
    }
}

fn nulls(data_type: &DataType, length: usize) -> ArrayRef {
    arrow::array::new_null_array(data_type, length)
}

/// The type of a transform's result.
pub(crate) fn output_type(transform: &Transform, input: &DataType) -> DataType {
    match transform {
        Transform::Keep => input.clone(),
        Transform::Bin {
            width,
            origin,
            output,
        } => coarsen::bin_type(input, *width, *origin, *output),
        Transform::TopBottom { bottom, top } => coarsen::top_bottom_type(input, *bottom, *top),
        Transform::GeneraliseDate { .. } => DataType::Date32,
        Transform::ShiftDate { .. } => coarsen::shift_type(input),
        _ => DataType::Utf8,
    }
}
