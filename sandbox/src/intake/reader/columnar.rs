//! Batches of a columnar file on their way to the entry's types.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Float64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use masking::Problem;

use super::TypedBatch;
use super::column::{ColumnBuilder, Parsed, Tally, type_problem};
use super::fault::{IntakeFault, ReadError};
use super::parquet_fault::{damaged, duplicate, too_long, unknown, wrong_type, zero};
use crate::catalogue::{Column, ColumnType, arrow_schema};
use crate::intake::limits::IntakeLimits;

/// What a decoder gives; texts are views.
pub(super) type Decoded = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

/// Typed batches of decoded ones.
pub(crate) struct ColumnarReader {
    batches: Decoded,
    columns: Vec<Column>,
    /// Position in the file of each column.
    positions: Vec<usize>,
    schema: SchemaRef,
    /// A decoded batch and how many of its rows were handed out.
    pending: Option<(RecordBatch, usize)>,
    row: u64,
    tally: Tally,
    limits: IntakeLimits,
    /// What a batch that cannot be decoded is called in this format.
    damaged: fn() -> IntakeFault,
}

impl ColumnarReader {
    pub(super) fn new(
        batches: Decoded,
        positions: Vec<usize>,
        columns: &[Column],
        limits: &IntakeLimits,
        damaged: fn() -> IntakeFault,
    ) -> Self {
        ColumnarReader {
            batches,
            positions,
            schema: arrow_schema(columns),
            pending: None,
            row: 1,
            tally: Tally::new(columns.len()),
            columns: columns.to_vec(),
            limits: limits.clone(),
            damaged,
        }
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// A damaged page, or a value that no cell may hold, with its place.
    pub(crate) fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError> {
        let (decoded, at) = match self.pending.take() {
            Some(pending) => pending,
            None => match guarded(|| self.batches.next())? {
                None => {
                    let columns = self.columns.iter().map(|c| (c.name.as_str(), c.kind));
                    self.tally.verdict(columns, &self.limits)?;
                    return Ok(None);
                }
                Some(decoded) => (decoded.map_err(|error| self.at_damage(error))?, 0),
            },
        };
        let rows = self.rows_that_fit(&decoded, at)?;
        let slice = decoded.slice(at, rows);
        if at + rows < decoded.num_rows() {
            self.pending = Some((decoded, at + rows));
        }
        let first_row = self.row;
        self.row += u64::try_from(rows).unwrap_or(0);
        let mut problems = Vec::new();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let position = self.positions.get(index).copied().unwrap_or(index);
            let mut target = Target {
                index,
                column,
                first_row,
                tally: &mut self.tally,
                problems: &mut problems,
            };
            arrays.push(target.convert(slice.column(position))?);
        }
        problems.sort_by_key(|problem: &Problem| problem.row);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| ReadError::Source(io::Error::other(error)))?;
        Ok(Some(TypedBatch {
            first_row,
            batch,
            problems,
        }))
    }

    /// How many rows from `at` stay below a batch's bytes; a dictionary's one long text may
    /// stand in every row.
    fn rows_that_fit(&self, decoded: &RecordBatch, at: usize) -> Result<usize, ReadError> {
        let texts: Vec<_> = decoded
            .columns()
            .iter()
            .filter_map(|c| c.as_string_view_opt())
            .collect();
        let mut bytes = 0;
        for row in at..decoded.num_rows() {
            for text in texts.iter().filter(|text| text.is_valid(row)) {
                let length = text.value(row).len();
                if length > self.limits.cell_bytes_max {
                    let row = self.row + u64::try_from(row - at).unwrap_or(0);
                    return Err(too_long(row, self.limits.cell_bytes_max).into());
                }
                bytes += length;
            }
            if bytes > self.limits.batch_bytes {
                return Ok(row + 1 - at);
            }
        }
        Ok(decoded.num_rows() - at)
    }

    fn at_damage(&self, error: ArrowError) -> ReadError {
        match error {
            ArrowError::IoError(_, inner) => ReadError::Source(inner),
            _ => (self.damaged)().at_row(self.row).into(),
        }
    }
}

/// One column of a batch on its way to the declared type.
struct Target<'a> {
    index: usize,
    column: &'a Column,
    first_row: u64,
    tally: &'a mut Tally,
    problems: &'a mut Vec<Problem>,
}

impl Target<'_> {
    fn convert(&mut self, array: &ArrayRef) -> Result<ArrayRef, ReadError> {
        match (self.column.kind, array.data_type()) {
            (_, DataType::Utf8View) => self.parse(array),
            (ColumnType::Timestamp, DataType::Timestamp(_, zone)) => {
                let zoned = zone.is_some();
                let micros = self.cast(
                    array,
                    &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                )?;
                let wall = micros
                    .as_primitive::<TimestampMicrosecondType>()
                    .clone()
                    .with_timezone_opt(None::<Arc<str>>);
                let shift = if zoned {
                    i64::from(super::cell::china().seconds()) * 1_000_000
                } else {
                    0
                };
                let moved =
                    wall.unary_opt::<_, TimestampMicrosecondType>(|value| value.checked_add(shift));
                self.count(array, &moved);
                Ok(Arc::new(moved))
            }
            (ColumnType::Float64, _) => {
                let numbers = self.cast(array, &DataType::Float64)?;
                let finite = numbers
                    .as_primitive::<Float64Type>()
                    .unary_opt::<_, Float64Type>(|value| value.is_finite().then_some(value));
                self.count(array, &finite);
                Ok(Arc::new(finite))
            }
            (kind, _) => {
                let converted = self.cast(array, &kind.arrow())?;
                self.count(array, &converted);
                Ok(converted)
            }
        }
    }

    fn cast(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ReadError> {
        let options = CastOptions {
            safe: true,
            ..CastOptions::default()
        };
        cast_with_options(array, to, &options).map_err(|_| {
            let found = array.data_type();
            wrong_type(&self.column.name, self.column.kind, found).into()
        })
    }

    fn parse(&mut self, array: &ArrayRef) -> Result<ArrayRef, ReadError> {
        let mut builder = ColumnBuilder::new(self.column.kind);
        for (row, text) in (self.first_row..).zip(array.as_string_view()) {
            let Some(text) = text else {
                builder.append_null();
                continue;
            };
            if text.as_bytes().contains(&0) {
                return Err(zero(row, &self.column.name).into());
            }
            let parsed = builder.append(text, true);
            self.tally.add(self.index, parsed);
            if parsed == Parsed::Failed {
                self.problems
                    .push(type_problem(row, &self.column.name, self.column.kind, text));
            }
        }
        Ok(builder.finish())
    }

    /// Counts values, and as problems those that were lost on the way.
    fn count(&mut self, before: &dyn Array, after: &dyn Array) {
        for (offset, row) in (0..before.len()).zip(self.first_row..) {
            if before.is_null(offset) {
                continue;
            }
            let lost = after.is_null(offset);
            self.tally.add(
                self.index,
                if lost { Parsed::Failed } else { Parsed::Value },
            );
            if lost {
                self.problems
                    .push(type_problem(row, &self.column.name, self.column.kind, ""));
            }
        }
    }
}

/// A decoder that meets bytes nobody foresaw may panic; that is the file's fault, not ours.
pub(super) fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, IntakeFault> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| damaged())
}

pub(super) fn match_schema(found: &Schema, columns: &[Column]) -> Result<Vec<usize>, ReadError> {
    let mut positions = Vec::with_capacity(columns.len());
    for column in columns {
        let mut named = found.fields().iter().enumerate().filter(|(_, field)| {
            field.name().eq_ignore_ascii_case(&column.name) || field.name() == &column.comment
        });
        let (position, field) = named
            .next()
            .ok_or_else(|| super::missing_column(&column.name))?;
        if named.next().is_some() {
            return Err(duplicate(&column.name).into());
        }
        if !readable(column.kind, field.data_type()) {
            return Err(wrong_type(&column.name, column.kind, field.data_type()).into());
        }
        positions.push(position);
    }
    let surplus = (0..found.fields().len()).find(|position| !positions.contains(position));
    match surplus {
        Some(position) => Err(unknown(found.field(position)).into()),
        None => Ok(positions),
    }
}

/// Whether values of a file's type can be read as a column's type without a loss that depends
/// on the type alone; text can always be parsed.
fn readable(wanted: ColumnType, found: &DataType) -> bool {
    use DataType::{
        Boolean, Date32, Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16,
        UInt32, Utf8,
    };
    if *found == Utf8 {
        return true;
    }
    match wanted {
        ColumnType::String => false,
        ColumnType::Int64 => matches!(
            found,
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32
        ),
        ColumnType::Float64 => {
            matches!(
                found,
                Float16 | Float32 | Float64 | Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32
            )
        }
        ColumnType::Bool => matches!(found, Boolean),
        ColumnType::Date => matches!(found, Date32),
        ColumnType::Timestamp => matches!(found, Date32 | DataType::Timestamp(_, _)),
    }
}
