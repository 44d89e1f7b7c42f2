//! An input as an Arrow IPC file that exists nowhere: its parts are made when they are read.
//!
//! The first look at a file encodes it once and keeps only how long each part is, so that its
//! length is known and its footer can be read first. Reading encodes the batch asked for again.
//! What is held is one batch, whatever the size of the file.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::MetadataVersion;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use crate::guest::input::GuestInput;
use crate::outcome::{Fault, Outcome};

const FAILED: Outcome = Outcome::Faulted(Fault::EngineFailed);
const INVALID: Outcome = Outcome::Faulted(Fault::InputInvalid);
/// The magic bytes with their padding, before the stream that a file holds.
pub(super) const MAGIC_BYTES: u64 = 8;
/// The marker that ends this stream, after the last batch.
const END_BYTES: u64 = 8;
const ALIGN: usize = 8;

/// One input as a file.
pub(super) struct TableFile {
    input: GuestInput,
    layout: Option<Layout>,
    /// The batch that was read last, encoded.
    current: Option<(usize, Vec<u8>)>,
    /// The batch that the input gives next.
    next: usize,
}

/// Where the parts of a file lie.
struct Layout {
    head: Vec<u8>,
    batches: Vec<Place>,
    /// Where the last batch ends.
    batches_end: u64,
    tail: Vec<u8>,
}

/// Where a batch starts, in the file and in the table.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    row: u64,
}

/// A part of the file.
enum Part {
    Head,
    Batch(usize),
    Tail,
}

impl TableFile {
    pub(super) fn new(input: GuestInput) -> Self {
        Self {
            input,
            layout: None,
            current: None,
            next: 0,
        }
    }

    /// Length of the file.
    pub(super) fn len(&mut self) -> Result<u64, Outcome> {
        let layout = self.layout()?;
        Ok(layout.batches_end + layout.tail.len() as u64)
    }

    /// Where the stream inside the file ends.
    pub(super) fn stream_end(&mut self) -> Result<u64, Outcome> {
        Ok(self.layout()?.batches_end + END_BYTES)
    }

    /// Reads from a position: how many bytes came.
    pub(super) fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, Outcome> {
        let mut filled = 0;
        while filled < buffer.len() {
            let part = self.part(at.saturating_add(filled as u64))?;
            if part.is_empty() {
                break;
            }
            let rest = &mut buffer[filled..];
            let take = part.len().min(rest.len());
            rest[..take].copy_from_slice(&part[..take]);
            filled += take;
        }
        Ok(filled)
    }

    /// What follows a position, up to the end of the part that holds it.
    fn part(&mut self, at: u64) -> Result<&[u8], Outcome> {
        let (part, offset) = self.layout()?.find(at);
        if let Part::Batch(index) = part {
            self.load(index)?;
        }
        let layout = self.layout.as_ref().ok_or(FAILED)?;
        let bytes = match part {
            Part::Head => &layout.head,
            Part::Tail => &layout.tail,
            Part::Batch(_) => self
                .current
                .as_ref()
                .map(|(_, batch)| batch)
                .ok_or(FAILED)?,
        };
        let offset = usize::try_from(offset).map_err(|_| FAILED)?;
        Ok(bytes.get(offset..).unwrap_or_default())
    }

    fn layout(&mut self) -> Result<&mut Layout, Outcome> {
        let layout = match self.layout.take() {
            Some(layout) => layout,
            None => {
                let layout = Layout::measure(&mut self.input)?;
                self.next = layout.batches.len();
                layout
            }
        };
        Ok(self.layout.insert(layout))
    }

    /// Encodes a batch, unless it is there.
    fn load(&mut self, index: usize) -> Result<(), Outcome> {
        if self
            .current
            .as_ref()
            .is_some_and(|(held, _)| *held == index)
        {
            return Ok(());
        }
        // What was held makes room first.
        self.current = None;
        let layout = self.layout.as_ref().ok_or(FAILED)?;
        let end = layout.batches.get(index + 1).map(|next| next.start);
        let end = end.unwrap_or(layout.batches_end);
        let place = layout.batches.get(index).ok_or(FAILED)?;
        if self.next != index {
            self.input.go_to(place.row)?;
        }
        let batch = self.input.next()?.ok_or(INVALID)?;
        self.next = index + 1;
        let mut writer = writer(self.input.schema())?;
        writer.get_mut().clear();
        writer.write(&batch).map_err(|_| FAILED)?;
        let bytes = std::mem::take(writer.get_mut());
        if bytes.len() as u64 != end - place.start {
            return Err(INVALID);
        }
        self.current = Some((index, bytes));
        Ok(())
    }
}

impl Layout {
    fn measure(input: &mut GuestInput) -> Result<Self, Outcome> {
        let mut writer = writer(input.schema())?;
        let head = std::mem::take(writer.get_mut());
        let mut at = head.len() as u64;
        let mut row = 0;
        let mut batches = Vec::new();
        while let Some(batch) = input.next()? {
            batches.push(Place { start: at, row });
            row += batch.num_rows() as u64;
            at += encoded_bytes(&mut writer, &batch)?;
        }
        writer.finish().map_err(|_| FAILED)?;
        Ok(Self {
            head,
            batches,
            batches_end: at,
            tail: std::mem::take(writer.get_mut()),
        })
    }

    /// The part that holds a position, and how far into it the position is.
    fn find(&self, at: u64) -> (Part, u64) {
        if at < self.head.len() as u64 {
            return (Part::Head, at);
        }
        if at >= self.batches_end {
            return (Part::Tail, at - self.batches_end);
        }
        let index = self.batches.partition_point(|place| place.start <= at) - 1;
        (Part::Batch(index), at - self.batches[index].start)
    }
}

/// Encodes a batch for its length alone.
fn encoded_bytes(writer: &mut FileWriter<Vec<u8>>, batch: &RecordBatch) -> Result<u64, Outcome> {
    writer.write(batch).map_err(|_| FAILED)?;
    let bytes = writer.get_ref().len() as u64;
    writer.get_mut().clear();
    Ok(bytes)
}

fn writer(schema: &SchemaRef) -> Result<FileWriter<Vec<u8>>, Outcome> {
    let options =
        IpcWriteOptions::try_new(ALIGN, false, MetadataVersion::V5).map_err(|_| FAILED)?;
    FileWriter::try_new_with_options(Vec::new(), schema, options).map_err(|_| FAILED)
}

#[cfg(test)]
#[path = "table_file_tests.rs"]
mod tests;
