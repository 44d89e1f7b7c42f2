//! The result of a command: bytes of a guest, read as an Arrow IPC file or stream.
//!
//! They are hostile. Messages are decoded out of the bytes that are there (no length is believed
//! before it was compared), every array is validated in full, compression and dictionaries are not
//! known, and the columns must be those that were declared.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{StreamDecoder, read_footer_length};

use crate::guest::memory::BROKEN;
use crate::outcome::Outcome;
use crate::output::OutputStream;

const MAGIC: &[u8] = b"ARROW1";
/// Length of the footer and the magic bytes after it.
const TRAILER_BYTES: usize = 10;
/// Writers pad the magic bytes at the start to a multiple of 8, at most of 64.
const PADDED_MAGIC_BYTES_MAX: usize = 64;

/// Copies the batches of a result to the output. No bytes at all are a table without rows.
pub(super) fn copy(
    bytes: Vec<u8>,
    schema: &SchemaRef,
    output: &mut OutputStream,
) -> Result<(), Outcome> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut stream = stream(Buffer::from_vec(bytes))?;
    let mut decoder = StreamDecoder::new();
    while let Some(batch) = next(&mut decoder, &mut stream)? {
        let batch = declared(&batch, schema)?;
        if batch.num_rows() > 0 {
            output.write(&batch)?;
        }
    }
    let told = decoder.schema().ok_or(BROKEN)?;
    if !same_columns(&told, schema) {
        return Err(BROKEN);
    }
    decoder.finish().map_err(|_| BROKEN)
}

/// The messages of a file are a stream between its magic bytes and its footer. They are read in
/// their order; what the footer says of them is not.
fn stream(bytes: Buffer) -> Result<Buffer, Outcome> {
    if !bytes.starts_with(MAGIC) {
        return Ok(bytes);
    }
    let trailer: [u8; TRAILER_BYTES] = *bytes.last_chunk().ok_or(BROKEN)?;
    let footer = read_footer_length(trailer).map_err(|_| BROKEN)?;
    let end = bytes
        .len()
        .checked_sub(TRAILER_BYTES)
        .and_then(|end| end.checked_sub(footer))
        .ok_or(BROKEN)?;
    let padding = bytes[MAGIC.len()..end.max(MAGIC.len())]
        .iter()
        .take_while(|byte| **byte == 0)
        .count();
    let start = MAGIC.len() + padding;
    if start > PADDED_MAGIC_BYTES_MAX || start > end {
        return Err(BROKEN);
    }
    Ok(bytes.slice_with_length(start, end - start))
}

/// The next batch. The decoder may panic on what it does not expect; that is the guest's doing too.
fn next(decoder: &mut StreamDecoder, stream: &mut Buffer) -> Result<Option<RecordBatch>, Outcome> {
    catch_unwind(AssertUnwindSafe(|| decoder.decode(stream)))
        .map_err(|_| BROKEN)?
        .map_err(|_| BROKEN)
}

/// The batch under the declared schema: same names, same types; whether nulls are permitted and
/// what else a schema can say does not matter.
fn declared(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Outcome> {
    if !same_columns(&batch.schema(), schema) {
        return Err(BROKEN);
    }
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(|_| BROKEN)
}

fn same_columns(told: &SchemaRef, declared: &SchemaRef) -> bool {
    told.fields().len() == declared.fields().len()
        && told
            .fields()
            .iter()
            .zip(declared.fields())
            .all(|(told, declared)| {
                told.name() == declared.name() && told.data_type() == declared.data_type()
            })
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
