//! Inputs of a guest: Parquet, batch by batch, in the types that cross the interface.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

use crate::order::{ColumnType, OutputField};
use crate::outcome::{Fault, Outcome};
use crate::staged_file::StagedFile;

/// Columns that staging makes for the engine alone; no guest may ever see one.
const RESERVED_PREFIX: &str = "__egret";

const INVALID: Outcome = Outcome::Faulted(Fault::InputInvalid);
const UNSUPPORTED: Outcome = Outcome::Faulted(Fault::InputUnsupported);

/// One input, read in batches from its start or from a given row.
pub(super) struct GuestInput {
    file: StagedFile,
    metadata: ArrowReaderMetadata,
    batch_rows: usize,
    reader: ParquetRecordBatchReader,
    types: Vec<ColumnType>,
    schema: SchemaRef,
    rows: u64,
    /// Positions in the file of the columns that cross.
    columns: Vec<usize>,
}

impl GuestInput {
    /// These columns of a file, in this order; each must be there with a type that crosses as declared.
    pub(super) fn open_columns(
        file: StagedFile,
        batch_rows: usize,
        declared: &[OutputField],
    ) -> Result<Self, Outcome> {
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(|_| INVALID)?;
        let stored = Arc::clone(metadata.schema());
        let mut columns = Vec::with_capacity(declared.len());
        for field in declared {
            let position = stored.index_of(&field.name).map_err(|_| INVALID)?;
            if crossing(stored.field(position).data_type()) != Some(field.data_type) {
                return Err(UNSUPPORTED);
            }
            columns.push(position);
        }
        let fields: Vec<_> = declared
            .iter()
            .map(|field| Field::new(&field.name, field.data_type.arrow(), true))
            .collect();
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = reader(&file, &metadata, batch_rows, 0)?;
        Ok(Self {
            file,
            metadata,
            batch_rows,
            reader,
            types: declared.iter().map(|field| field.data_type).collect(),
            schema: Arc::new(Schema::new(fields)),
            rows,
            columns,
        })
    }

    pub(super) fn open(file: StagedFile, batch_rows: usize) -> Result<Self, Outcome> {
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(|_| INVALID)?;
        let stored = Arc::clone(metadata.schema());
        if stored
            .fields()
            .iter()
            .any(|field| field.name().starts_with(RESERVED_PREFIX))
        {
            return Err(INVALID);
        }
        let types = stored
            .fields()
            .iter()
            .map(|field| crossing(field.data_type()).ok_or(UNSUPPORTED))
            .collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<_> = stored
            .fields()
            .iter()
            .zip(&types)
            .map(|(field, column)| Field::new(field.name(), column.arrow(), true))
            .collect();
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = reader(&file, &metadata, batch_rows, 0)?;
        Ok(Self {
            file,
            metadata,
            batch_rows,
            reader,
            types,
            schema: Arc::new(Schema::new(fields)),
            rows,
            columns: (0..stored.fields().len()).collect(),
        })
    }

    /// Rows of the file, whether they are asked for or not.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn types(&self) -> &[ColumnType] {
        &self.types
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Makes the batch that starts at this row the next one.
    pub(super) fn go_to(&mut self, row: u64) -> Result<(), Outcome> {
        self.reader = reader(&self.file, &self.metadata, self.batch_rows, row)?;
        Ok(())
    }

    /// The next batch with rows, in the crossing types.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, Outcome> {
        loop {
            let Some(batch) = self.reader.next() else {
                return Ok(None);
            };
            let batch = batch.map_err(|_| INVALID)?;
            if batch.num_rows() > 0 {
                return self.convert(&batch).map(Some);
            }
        }
    }

    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, Outcome> {
        let exact = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let columns = self
            .columns
            .iter()
            .zip(&self.types)
            .map(|(position, column)| {
                cast_with_options(batch.column(*position), &column.arrow(), &exact)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| UNSUPPORTED)?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|_| INVALID)
    }
}

/// A reader of everything from a row on, which does not touch the row groups before it.
fn reader(
    file: &StagedFile,
    metadata: &ArrowReaderMetadata,
    batch_rows: usize,
    row: u64,
) -> Result<ParquetRecordBatchReader, Outcome> {
    let groups = metadata.metadata().row_groups();
    let mut skipped = 0;
    let mut before = 0;
    for group in groups {
        let rows = u64::try_from(group.num_rows()).map_err(|_| INVALID)?;
        let end = u64::saturating_add(before, rows);
        if end > row {
            break;
        }
        before = end;
        skipped += 1;
    }
    let offset = usize::try_from(row.saturating_sub(before)).map_err(|_| INVALID)?;
    ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone())
        .with_batch_size(batch_rows)
        .with_row_groups((skipped..groups.len()).collect())
        .with_offset(offset)
        .build()
        .map_err(|_| INVALID)
}

/// The type as which a stored type crosses without loss.
fn crossing(stored: &DataType) -> Option<ColumnType> {
    Some(match stored {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            ColumnType::Int32
        }
        // Numbers above 2^63 end the run rather than change.
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ColumnType::Int64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Utf8,
        DataType::Date32 => ColumnType::Date32,
        DataType::Timestamp(_, None) => ColumnType::TimestampMicros,
        DataType::Dictionary(_, value) => crossing(value)?,
        _ => return None,
    })
}
