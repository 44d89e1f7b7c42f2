//! Arrow IPC pushes, file or stream: every message is checked before one is decoded.
//!
//! The file format is the stream between two magics, so both are read as streams.

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::{Message, MessageHeader, root_as_message};
use arrow::record_batch::RecordBatch;
use parquet::file::reader::ChunkReader;

use super::columnar::{ColumnarReader, guarded, match_schema};
use super::fault::{IntakeFault, ReadError, both};
use super::parquet_fault::too_large;
use crate::catalogue::Column;
use crate::intake::limits::IntakeLimits;

const MAGIC: &[u8] = b"ARROW1";
/// The magic and its padding.
const MAGIC_BYTES: u64 = 8;
/// The most that a writer pads the magic to.
const PADDED_BYTES_MAX: u64 = 64;
/// Marker and length before each message.
const PREFIX_BYTES: u64 = 8;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Validates `file` against `columns` and the limits.
///
/// # Errors
/// A file that is no Arrow IPC, is cut off, compressed or damaged, has other columns or types, or holds too much.
pub(crate) fn open<R: ChunkReader + 'static>(
    file: R,
    columns: &[Column],
    limits: &IntakeLimits,
) -> Result<ColumnarReader, ReadError> {
    let start = begin(&file)?;
    check_messages(&file, start, limits)?;
    let source = BufReader::new(file.get_read(start)?);
    let batches = guarded(|| StreamReader::try_new(source, None))?.map_err(|_| damaged())?;
    let schema = with_plain_texts(&batches.schema());
    let positions = match_schema(&schema, columns)?;
    let mut batches = batches;
    let batches = std::iter::from_fn(move || match guarded(|| batches.next()) {
        Ok(next) => next.map(|batch| as_views(&batch?)),
        // A decoder that meets bytes nobody foresaw may panic; that is the file's fault, not ours.
        Err(_) => Some(Err(ArrowError::IpcError("damaged".to_owned()))),
    });
    Ok(ColumnarReader::new(
        Box::new(batches),
        positions,
        columns,
        limits,
        damaged,
    ))
}

/// The schema of a file, its messages checked.
///
/// # Errors
/// As [`open`].
pub(super) fn schema_of<R: ChunkReader + 'static>(
    file: &R,
    limits: &IntakeLimits,
) -> Result<Schema, ReadError> {
    let start = begin(file)?;
    check_messages(file, start, limits)?;
    let source = BufReader::new(file.get_read(start)?);
    let reader = guarded(|| StreamReader::try_new(source, None))?.map_err(|_| damaged())?;
    Ok(reader.schema().as_ref().clone())
}

/// Where the stream begins.
fn begin<R: ChunkReader>(file: &R) -> Result<u64, ReadError> {
    let size = file.len();
    if size < MAGIC_BYTES {
        return Err(not_arrow().into());
    }
    let head = file.get_bytes(0, 8)?;
    if head.starts_with(MAGIC) {
        let tail = file.get_bytes(size - 6, 6)?;
        return if tail == MAGIC {
            after_padding(file)
        } else {
            Err(cut_off().into())
        };
    }
    if head.starts_with(&CONTINUATION) {
        Ok(0)
    } else {
        Err(not_arrow().into())
    }
}

/// The first message after the magic: writers pad to 8 bytes, as the format says, or to 64.
fn after_padding<R: ChunkReader>(file: &R) -> Result<u64, ReadError> {
    let mut at = MAGIC_BYTES;
    while at <= PADDED_BYTES_MAX && at + PREFIX_BYTES <= file.len() {
        let next = file.get_bytes(at, 8)?;
        if next.starts_with(&CONTINUATION) {
            return Ok(at);
        }
        if next.iter().any(|&byte| byte != 0) {
            break;
        }
        at += 8;
    }
    Err(damaged().into())
}

/// Walks all messages: lengths inside the file and the limits, kinds that a table has, no compression.
fn check_messages<R: ChunkReader>(
    file: &R,
    start: u64,
    limits: &IntakeLimits,
) -> Result<(), ReadError> {
    let (mut at, mut rows) = (start, 0_u64);
    loop {
        let left = file.len().saturating_sub(at);
        if left < PREFIX_BYTES {
            return Err(cut_off().into());
        }
        let prefix = file.get_bytes(at, 8)?;
        let (marker, length) = prefix.split_at(4);
        if marker != CONTINUATION {
            return Err(damaged().into());
        }
        let length = length.try_into().map(u32::from_le_bytes).unwrap_or(0);
        if length == 0 {
            return Ok(());
        }
        let length = u64::from(length);
        if length > limits.footer_bytes_max {
            return Err(too_large("message_too_large", "message", limits.footer_bytes_max).into());
        }
        if length > left - PREFIX_BYTES {
            return Err(cut_off().into());
        }
        let bytes = file.get_bytes(at + PREFIX_BYTES, usize::try_from(length).unwrap_or(0))?;
        let message = root_as_message(&bytes).map_err(|_| damaged())?;
        rows = rows.saturating_add(check_header(message)?);
        if rows > limits.rows_max {
            return Err(super::too_many_rows(limits.rows_max).into());
        }
        let body = u64::try_from(message.bodyLength()).map_err(|_| damaged())?;
        if body > limits.arrow_body_bytes_max {
            let most = limits.arrow_body_bytes_max;
            return Err(too_large("batch_too_large", "record batch", most).into());
        }
        at = at
            .saturating_add(PREFIX_BYTES + length)
            .saturating_add(body);
        if at > file.len() {
            return Err(cut_off().into());
        }
    }
}

/// Rows that a message brings.
fn check_header(message: Message<'_>) -> Result<u64, IntakeFault> {
    let batch = match message.header_type() {
        MessageHeader::Schema => return Ok(0),
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message
            .header_as_dictionary_batch()
            .and_then(|dictionary| dictionary.data()),
        _ => None,
    };
    let batch = batch.ok_or_else(damaged)?;
    if batch.compression().is_some() {
        return Err(compressed());
    }
    u64::try_from(batch.length()).map_err(|_| damaged())
}

/// Texts of any layout count as texts.
fn with_plain_texts(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::LargeUtf8 | DataType::Utf8View => {
                field.as_ref().clone().with_data_type(DataType::Utf8)
            }
            _ => field.as_ref().clone(),
        })
        .collect();
    Schema::new(fields)
}

fn as_views(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => cast(column, &DataType::Utf8View),
            _ => Ok(Arc::clone(column)),
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| {
            let field = field.as_ref().clone().with_nullable(true);
            field.with_data_type(column.data_type().clone())
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn not_arrow() -> IntakeFault {
    IntakeFault::new(
        "not_arrow",
        both(
            "不是 Arrow IPC 文件或数据流",
            "neither an Arrow IPC file nor a stream",
        ),
        both(
            "推送 Arrow IPC（文件或流），或声明正确的 format",
            "push Arrow IPC (file or stream), or declare the right format",
        ),
    )
}

fn cut_off() -> IntakeFault {
    IntakeFault::new(
        "arrow_truncated",
        both("Arrow 数据不完整", "the Arrow data are cut off"),
        both("重新传输完整文件", "send the whole file again"),
    )
}

fn damaged() -> IntakeFault {
    IntakeFault::new(
        "arrow_damaged",
        both("Arrow 数据已损坏", "the Arrow data are damaged"),
        both("重新导出后推送", "export the data again and push them"),
    )
}

fn compressed() -> IntakeFault {
    IntakeFault::new(
        "arrow_compressed",
        both(
            "不支持压缩的 Arrow 数据",
            "compressed Arrow data are not read",
        ),
        both(
            "不压缩地写出，或改用 Parquet",
            "write them without compression, or use Parquet",
        ),
    )
}
