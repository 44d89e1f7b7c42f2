//! Typed columns built from text, and how many values of each were none.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use masking::{Action, Problem};

use super::cell;
use super::fault::{IntakeFault, ReadError, both};
use crate::catalogue::ColumnType;
use crate::intake::limits::IntakeLimits;

/// What became of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parsed {
    Value,
    Missing,
    /// Not a value of the type; a null stands in its place.
    Failed,
}

/// Builds one column of a batch.
pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
}

impl ColumnBuilder {
    pub(crate) fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::String => ColumnBuilder::Text(StringBuilder::new()),
            ColumnType::Int64 => ColumnBuilder::Int(Int64Builder::new()),
            ColumnType::Float64 => ColumnBuilder::Float(Float64Builder::new()),
            ColumnType::Bool => ColumnBuilder::Bool(BooleanBuilder::new()),
            ColumnType::Date => ColumnBuilder::Date(Date32Builder::new()),
            ColumnType::Timestamp => ColumnBuilder::Time(TimestampMicrosecondBuilder::new()),
        }
    }

    /// Appends the value that `text` spells; an empty cell is a value only of a text column and
    /// only in quotes.
    pub(crate) fn append(&mut self, text: &str, quoted: bool) -> Parsed {
        if let ColumnBuilder::Text(builder) = self {
            let value = (!text.is_empty() || quoted).then_some(text);
            builder.append_option(value);
            return if value.is_some() {
                Parsed::Value
            } else {
                Parsed::Missing
            };
        }
        let folded = cell::folded(text);
        if cell::is_missing(&folded) {
            self.append_null();
            return Parsed::Missing;
        }
        let parsed = match self {
            ColumnBuilder::Text(_) => true,
            ColumnBuilder::Int(b) => take(cell::int64(&folded), |v| b.append_option(v)),
            ColumnBuilder::Float(b) => take(cell::float64(&folded), |v| b.append_option(v)),
            ColumnBuilder::Bool(b) => take(cell::boolean(&folded), |v| b.append_option(v)),
            ColumnBuilder::Date(b) => take(cell::date(&folded), |v| b.append_option(v)),
            ColumnBuilder::Time(b) => take(cell::timestamp(&folded), |v| b.append_option(v)),
        };
        if parsed {
            Parsed::Value
        } else {
            Parsed::Failed
        }
    }

    pub(crate) fn append_null(&mut self) {
        match self {
            ColumnBuilder::Text(b) => b.append_null(),
            ColumnBuilder::Int(b) => b.append_null(),
            ColumnBuilder::Float(b) => b.append_null(),
            ColumnBuilder::Bool(b) => b.append_null(),
            ColumnBuilder::Date(b) => b.append_null(),
            ColumnBuilder::Time(b) => b.append_null(),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Text(b) => Arc::new(b.finish()),
            ColumnBuilder::Int(b) => Arc::new(b.finish()),
            ColumnBuilder::Float(b) => Arc::new(b.finish()),
            ColumnBuilder::Bool(b) => Arc::new(b.finish()),
            ColumnBuilder::Date(b) => Arc::new(b.finish()),
            ColumnBuilder::Time(b) => Arc::new(b.finish()),
        }
    }
}

/// Ends a batch of `rows` rows: the builders begin anew.
pub(crate) fn batch_of(
    builders: &mut [ColumnBuilder],
    schema: &SchemaRef,
    rows: usize,
) -> Result<RecordBatch, ReadError> {
    let arrays = builders.iter_mut().map(ColumnBuilder::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(|error| ReadError::Source(std::io::Error::other(error)))
}

fn take<T>(value: Option<T>, append: impl FnOnce(Option<T>)) -> bool {
    let parsed = value.is_some();
    append(value);
    parsed
}

/// The problem record of a cell that is no value of its column's type.
pub(crate) fn type_problem(row: u64, column: &str, kind: ColumnType, text: &str) -> Problem {
    Problem {
        row,
        column: Some(column.to_owned()),
        rule: "type".to_owned(),
        action: Action::Repaired,
        masked_value: cell::shape(text),
        message: both(
            format!(
                "第 {row} 行 {column} 列不是合法的 {} 值，按缺失处理",
                kind.name()
            ),
            format!(
                "row {row}, column {column} is no valid {}; taken as missing",
                kind.name()
            ),
        ),
    }
}

/// Values seen and failed, per column.
pub(crate) struct Tally {
    counts: Vec<(u64, u64)>,
}

impl Tally {
    pub(crate) fn new(columns: usize) -> Self {
        Tally {
            counts: vec![(0, 0); columns],
        }
    }

    pub(crate) fn add(&mut self, column: usize, parsed: Parsed) {
        if let Some((values, failed)) = self.counts.get_mut(column) {
            *values += u64::from(parsed != Parsed::Missing);
            *failed += u64::from(parsed == Parsed::Failed);
        }
    }

    /// A fault when a column is not of its declared type at all, rather than dirty in places.
    pub(crate) fn verdict<'a>(
        &self,
        columns: impl Iterator<Item = (&'a str, ColumnType)>,
        limits: &IntakeLimits,
    ) -> Result<(), IntakeFault> {
        for ((name, kind), &(values, failed)) in columns.zip(&self.counts) {
            let much = failed * 100 > values * limits.failed_percent_max;
            let enough = failed >= limits.failed_cells_floor || (failed == values && failed >= 10);
            if much && enough {
                let kind = kind.name();
                return Err(IntakeFault::new(
                    "type_failures",
                    both(
                        format!("{name} 列 {values} 个值中有 {failed} 个不是合法的 {kind}"),
                        format!("column {name}: {failed} of {values} values are no valid {kind}"),
                    ),
                    both(
                        "更正该列的数据，或修改目录中的列类型",
                        "correct the column's data, or its type in the catalogue entry",
                    ),
                )
                .at_column(name));
            }
        }
        Ok(())
    }
}
