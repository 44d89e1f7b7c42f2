//! 样例数据: masked rows for anyone who may see the catalogue.
//!
//! Tokens in a sample are made with a key of the sample's own. An intake token would link the shown
//! row to every other place where somebody ever saw one.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::ArrayWriter;
use arrow::json::writer::{JsonArray, WriterBuilder};
use masking::{ColumnClass, MaskPlan, Policy, RootKey, ValueDomain};
use serde_json::Value;

use super::entry::{CatalogueEntry, SampleRow, arrow_schema};
use crate::intake::{ColumnBuilder, ResidualScan};

/// Why rows are no sample.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    #[error("cannot mask the sample: {0}")]
    Masking(#[from] masking::Fault),
    #[error("cannot build the sample")]
    Arrow(#[from] ArrowError),
    #[error("cannot encode the sample")]
    Json(#[from] serde_json::Error),
}

/// Masked rows of what the provider sent as a sample; none when what the policy keeps of them
/// still names somebody.
pub(crate) fn masked_rows(
    entry: &CatalogueEntry,
    rows: &[SampleRow],
    (policy, classes): (&Policy, &[ColumnClass]),
    plan: &MaskPlan,
    root: &RootKey,
    epoch: u32,
) -> Result<Vec<SampleRow>, SampleError> {
    let masked = plan.apply(root, epoch, &batch_of(entry, rows)?)?;
    let mut residual = ResidualScan::new(policy, &masked.schema(), classes);
    let numbers: Vec<u64> = (1..).take(masked.num_rows()).collect();
    residual.observe(&masked, &numbers);
    if !residual.finish().0.is_empty() {
        return Ok(Vec::new());
    }
    shown_rows(&entry.name, &masked, &plan.tokens(), root, epoch)
}

/// Rows of a masked batch as they may be shown.
fn shown_rows(
    dataset: &str,
    masked: &RecordBatch,
    tokens: &[(String, ValueDomain)],
    root: &RootKey,
    epoch: u32,
) -> Result<Vec<SampleRow>, SampleError> {
    let schema = masked.schema();
    let mut columns = masked.columns().to_vec();
    for (name, domain) in tokens {
        let index = schema.index_of(name)?;
        let key = root.scenario(&format!("sample/{dataset}"), domain, epoch);
        if let Some(column) = columns.get_mut(index) {
            *column = key.tokenise(column.as_ref())?;
        }
    }
    rows_of(&RecordBatch::try_new(schema, columns)?)
}

/// The token of an invented subject: the same one in the samples of all data sets, so that samples join.
pub(crate) fn invented_token(root: &RootKey, domain: &ValueDomain, subject: u64) -> String {
    root.scenario("samples", domain, super::STANDING_EPOCH)
        .token(format!("subject {subject}").as_bytes())
}

/// A batch as rows of column → value; nulls are written.
pub(crate) fn rows_of(batch: &RecordBatch) -> Result<Vec<SampleRow>, SampleError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: ArrayWriter<Vec<u8>> = builder.build::<_, JsonArray>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(serde_json::from_slice(&writer.into_inner())?)
}

/// Rows as a batch of the entry's schema; a value that is not of its column's type is missing.
fn batch_of(entry: &CatalogueEntry, rows: &[SampleRow]) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(entry.columns.len());
    for column in &entry.columns {
        let mut builder = ColumnBuilder::new(column.kind);
        for row in rows {
            match row.get(&column.name) {
                Some(Value::String(text)) => {
                    builder.append(text, true);
                }
                Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                    builder.append(&value.to_string(), true);
                }
                _ => builder.append_null(),
            }
        }
        columns.push(builder.finish());
    }
    RecordBatch::try_new(Arc::clone(&arrow_schema(&entry.columns)), columns)
}
