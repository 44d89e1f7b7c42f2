//! Parquet pushes: footer, schema and page headers are checked before a page is decoded.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use masking::Problem;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::column::{ColumnBuilder, Parsed, Tally, type_problem};
use super::fault::{IntakeFault, ReadError, both};
use super::parquet_fault::{
    codec_unknown, damaged, duplicate, encrypted, too_large, too_long, unknown, wrong_type, zero,
};
use super::{TypedBatch, pages};
use crate::catalogue::{Column, ColumnType, arrow_schema};
use crate::intake::limits::IntakeLimits;

/// A batch may not hold more decoded bytes than this, whatever its pages hold.
const BATCH_DECODED_BYTES_MAX: u64 = 128 << 20;

/// Typed batches of a Parquet file.
pub(crate) struct ParquetReader {
    batches: ParquetRecordBatchReader,
    columns: Vec<Column>,
    /// Position in the file of each column.
    positions: Vec<usize>,
    schema: SchemaRef,
    /// A decoded batch and how many of its rows were handed out.
    pending: Option<(RecordBatch, usize)>,
    row: u64,
    tally: Tally,
    limits: IntakeLimits,
}

impl ParquetReader {
    /// Validates `file` against `columns` and the limits.
    ///
    /// # Errors
    /// A file that is no Parquet, is damaged, has other columns or types, or unpacks to too much.
    pub(crate) fn open<R: ChunkReader + 'static>(
        file: R,
        columns: &[Column],
        limits: &IntakeLimits,
    ) -> Result<Self, ReadError> {
        let file = Shared(Arc::new(file));
        check_ends(&file, limits)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, options))??;
        check_size(metadata.metadata(), limits)?;
        let positions = match_schema(metadata.schema(), columns)?;
        let batch_rows = guarded(|| check_pages(&file, metadata.metadata(), limits))??;
        let viewed = Arc::new(as_views(metadata.schema()));
        let options = ArrowReaderOptions::new().with_schema(viewed);
        let metadata = Arc::clone(metadata.metadata());
        let batches = guarded(|| {
            let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_batch_size(batch_rows)
                .build()
        })??;
        Ok(ParquetReader {
            batches,
            positions,
            schema: arrow_schema(columns),
            pending: None,
            row: 1,
            tally: Tally::new(columns.len()),
            columns: columns.to_vec(),
            limits: limits.clone(),
        })
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

    fn at_damage(&self, error: arrow::error::ArrowError) -> ReadError {
        match error {
            arrow::error::ArrowError::IoError(_, inner) => ReadError::Source(inner),
            _ => damaged().at_row(self.row).into(),
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

/// One file for the footer, the page walk and the decoder.
struct Shared<R>(Arc<R>);

impl<R: ChunkReader> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Shared<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> parquet::errors::Result<R::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // A length that came from the file: do not let it reach an allocation.
        let end = start.checked_add(u64::try_from(length).unwrap_or(u64::MAX));
        if end.is_none_or(|end| end > self.0.len()) {
            return Err(ParquetError::EOF("a range outside the file".to_owned()));
        }
        self.0.get_bytes(start, length)
    }
}

/// A decoder that meets bytes nobody foresaw may panic; that is the file's fault, not ours.
fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, IntakeFault> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| damaged())
}

impl From<ParquetError> for ReadError {
    fn from(error: ParquetError) -> Self {
        source(error)
    }
}

/// Tells storage that failed from a file that is damaged.
pub(crate) fn source(error: ParquetError) -> ReadError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => ReadError::Source(*inner),
            Err(_) => damaged().into(),
        },
        _ => damaged().into(),
    }
}

fn check_ends<R: ChunkReader>(file: &R, limits: &IntakeLimits) -> Result<(), ReadError> {
    let size = file.len();
    let not_parquet = || {
        IntakeFault::new(
            "not_parquet",
            both(
                "不是 Parquet 文件，或被截断",
                "not a Parquet file, or a truncated one",
            ),
            both(
                "推送完整的 Parquet 文件，或声明 format = csv",
                "push a whole Parquet file, or declare the format csv",
            ),
        )
    };
    if size < 12 {
        return Err(not_parquet().into());
    }
    let head = file.get_bytes(0, 4)?;
    let tail = file.get_bytes(size - 8, 8)?;
    if tail.ends_with(b"PARE") {
        return Err(encrypted().into());
    }
    if !head.starts_with(b"PAR1") || !tail.ends_with(b"PAR1") {
        return Err(not_parquet().into());
    }
    let length: [u8; 4] = tail
        .get(..4)
        .and_then(|b| b.try_into().ok())
        .unwrap_or_default();
    let footer = u64::from(u32::from_le_bytes(length));
    if footer > size - 12 {
        return Err(damaged().into());
    }
    if footer > limits.footer_bytes_max {
        return Err(too_large("footer_too_large", "footer", limits.footer_bytes_max).into());
    }
    Ok(())
}

fn check_size(metadata: &ParquetMetaData, limits: &IntakeLimits) -> Result<(), ReadError> {
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        rows = rows.saturating_add(u64::try_from(group.num_rows()).map_err(|_| damaged())?);
        for column in group.columns() {
            let codec = column.compression();
            if !matches!(
                codec,
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)
            ) {
                return Err(codec_unknown(&codec.to_string()).into());
            }
        }
    }
    if rows > limits.rows_max {
        return Err(super::too_many_rows(limits.rows_max).into());
    }
    Ok(())
}

/// Walks all page headers; says how many rows a batch may have.
fn check_pages<R: ChunkReader>(
    file: &R,
    metadata: &ParquetMetaData,
    limits: &IntakeLimits,
) -> Result<usize, ReadError> {
    let mut row_bytes_max = 1;
    for group in metadata.row_groups() {
        let (mut total, mut row_bytes) = (0_u64, 0_u64);
        for column in group.columns() {
            let cost = pages::walk(file, column, limits)?;
            total += cost.total_bytes;
            row_bytes += cost.value_bytes_max;
        }
        if total > limits.row_group_bytes_max {
            return Err(too_large(
                "row_group_too_large",
                "row group",
                limits.row_group_bytes_max,
            )
            .into());
        }
        row_bytes_max = row_bytes_max.max(row_bytes);
    }
    let rows = usize::try_from(BATCH_DECODED_BYTES_MAX / row_bytes_max).unwrap_or(usize::MAX);
    Ok(rows.clamp(1, limits.batch_rows))
}

fn match_schema(found: &Schema, columns: &[Column]) -> Result<Vec<usize>, ReadError> {
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

/// The schema with texts as views: a view points into its page, so a dictionary of long texts is
/// not copied once for every row.
fn as_views(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        })
        .collect();
    Schema::new(fields)
}
