//! Steps on the released table: `HAVING`, projection, `ORDER BY`, `LIMIT`.
//!
//! They see nothing but rounded values of cells that passed. The rows are first put into one
//! canonical order, so that no step depends on the order in which an engine gave them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{
    CastOptions, SortColumn, SortOptions, cast_with_options, filter_record_batch,
    lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{Field, Schema};
use datafusion::common::DFSchema;

use crate::admission::post::{decode, numbered_schema};
use crate::admission::{ColumnType, PostStep, PostSteps};
use crate::expression;

/// A step that cannot be taken. It says nothing of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step on the released table failed")]
pub(crate) struct StepFailed;

/// Applies the steps to a table with columns of these types. Without an `ORDER BY` the rows come out
/// in canonical order.
pub(crate) fn apply(
    table: RecordBatch,
    types: &[ColumnType],
    steps: &PostSteps,
) -> Result<(RecordBatch, Vec<ColumnType>), StepFailed> {
    let mut types = types.to_vec();
    let mut table = canonical_order(&table, &[])?;
    let mut ordered = false;
    for step in &steps.steps {
        match step {
            PostStep::Filter { predicate } => {
                let mask = evaluate(predicate, &table, &types)?;
                let mask = mask
                    .as_any()
                    .downcast_ref::<BooleanArray>()
                    .ok_or(StepFailed)?;
                table = filter_record_batch(&table, mask).map_err(|_| StepFailed)?;
            }
            PostStep::Project { columns } => {
                let arrays = columns
                    .iter()
                    .map(|column| {
                        let values = evaluate(&column.expression, &table, &types)?;
                        cast_safely(&values, column.data_type)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                types = columns.iter().map(|column| column.data_type).collect();
                table = numbered(arrays, &types, table.num_rows())?;
            }
            PostStep::Sort { keys, fetch } => {
                let keys = keys
                    .iter()
                    .map(|key| {
                        let values = evaluate(&key.expression, &table, &types)?;
                        let options = SortOptions {
                            descending: !key.ascending,
                            nulls_first: key.nulls_first,
                        };
                        Ok(SortColumn {
                            values,
                            options: Some(options),
                        })
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                table = canonical_order(&table, &keys)?;
                ordered = true;
                if let Some(fetch) = fetch {
                    table = window(&table, 0, Some(*fetch));
                }
            }
            PostStep::Limit { skip, fetch } => table = window(&table, *skip, *fetch),
        }
    }
    if !ordered {
        table = canonical_order(&table, &[])?;
    }
    Ok((table, types))
}

/// A table whose columns are `c0`, `c1`, …
pub(crate) fn numbered(
    arrays: Vec<ArrayRef>,
    types: &[ColumnType],
    rows: usize,
) -> Result<RecordBatch, StepFailed> {
    let fields: Vec<Field> = types
        .iter()
        .enumerate()
        .map(|(index, data_type)| Field::new(format!("c{index}"), data_type.arrow(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|_| StepFailed)
}

fn evaluate(
    bytes: &[u8],
    table: &RecordBatch,
    types: &[ColumnType],
) -> Result<ArrayRef, StepFailed> {
    let expr = decode(bytes).map_err(|_| StepFailed)?;
    let schema: Arc<DFSchema> = numbered_schema(types).map_err(|_| StepFailed)?;
    let physical = expression::physical(&expr, &schema).map_err(|_| StepFailed)?;
    expression::evaluate(&physical, table).map_err(|_| StepFailed)
}

fn cast_safely(values: &ArrayRef, to: ColumnType) -> Result<ArrayRef, StepFailed> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    cast_with_options(values, &to.arrow(), &options).map_err(|_| StepFailed)
}

/// Sorts by the keys, then by all columns: rows that are equal in both cannot be told apart.
fn canonical_order(table: &RecordBatch, keys: &[SortColumn]) -> Result<RecordBatch, StepFailed> {
    if table.num_rows() < 2 {
        return Ok(table.clone());
    }
    let mut columns = keys.to_vec();
    columns.extend(table.columns().iter().map(|values| SortColumn {
        values: Arc::clone(values),
        options: Some(SortOptions {
            descending: false,
            nulls_first: false,
        }),
    }));
    if columns.is_empty() {
        return Ok(table.clone());
    }
    let order: UInt32Array = lexsort_to_indices(&columns, None).map_err(|_| StepFailed)?;
    take_record_batch(table, &order).map_err(|_| StepFailed)
}

fn window(table: &RecordBatch, skip: u64, fetch: Option<u64>) -> RecordBatch {
    let rows = table.num_rows();
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(rows);
    let fetch = fetch.map_or(rows, |fetch| usize::try_from(fetch).unwrap_or(usize::MAX));
    table.slice(skip, fetch.min(rows - skip))
}
