//! Parquet pushes: footer, schema and page headers are checked before a page is decoded.

use std::io;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::columnar::{ColumnarReader, guarded, match_schema};
use super::fault::{IntakeFault, ReadError, both};
use super::pages;
use super::parquet_fault::{codec_unknown, damaged, encrypted, too_large};
use crate::catalogue::Column;
use crate::intake::limits::IntakeLimits;

/// A batch may not hold more decoded bytes than this, whatever its pages hold.
const BATCH_DECODED_BYTES_MAX: u64 = 128 << 20;

/// Validates `file` against `columns` and the limits.
///
/// # Errors
/// A file that is no Parquet, is damaged, has other columns or types, or unpacks to too much.
pub(crate) fn open<R: ChunkReader + 'static>(
    file: R,
    columns: &[Column],
    limits: &IntakeLimits,
) -> Result<ColumnarReader, ReadError> {
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
    Ok(ColumnarReader::new(
        Box::new(batches),
        positions,
        columns,
        limits,
        damaged,
    ))
}

/// The schema of a file, its footer checked.
///
/// # Errors
/// A file that is no Parquet or is damaged.
pub(super) fn schema_of<R: ChunkReader + 'static>(
    file: R,
    limits: &IntakeLimits,
) -> Result<Schema, ReadError> {
    let file = Shared(Arc::new(file));
    check_ends(&file, limits)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = guarded(|| ArrowReaderMetadata::load(&file, options))??;
    Ok(metadata.schema().as_ref().clone())
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
