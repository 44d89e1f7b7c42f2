//! The output of a run inside the worker: a descriptor with a limit.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;

use crate::outcome::{Fault, Limit, Outcome};

/// Collected before it is written: one system call for many small messages.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that takes so many bytes and no more.
#[derive(Debug)]
struct CappedFile {
    file: File,
    left: u64,
    full: Arc<AtomicBool>,
}

impl Write for CappedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let asked = bytes.len() as u64;
        if asked > self.left {
            self.full.store(true, Ordering::Relaxed);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.left = self.left.saturating_sub(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes all of an answer, or says which limit it exceeds.
pub(crate) fn write_answer(file: File, bytes: &[u8], bytes_max: u64) -> Result<(), Outcome> {
    if bytes.len() as u64 > bytes_max {
        return Err(Outcome::LimitExceeded(Limit::OutputBytes));
    }
    let mut file = file;
    file.write_all(bytes)
        .map_err(|_| Outcome::LimitExceeded(Limit::OutputBytes))
}

/// An Arrow IPC stream with limits on rows and bytes.
pub(crate) struct OutputStream {
    writer: StreamWriter<io::BufWriter<CappedFile>>,
    full: Arc<AtomicBool>,
    rows: u64,
    rows_max: u64,
}

impl OutputStream {
    pub(crate) fn new(
        file: File,
        schema: &SchemaRef,
        bytes_max: u64,
        rows_max: u64,
    ) -> Result<Self, Outcome> {
        let full = Arc::new(AtomicBool::new(false));
        let file = CappedFile {
            file,
            left: bytes_max,
            full: Arc::clone(&full),
        };
        let buffered = io::BufWriter::with_capacity(BUFFER_BYTES, file);
        let writer = StreamWriter::try_new(buffered, schema).map_err(|_| fault(&full))?;
        Ok(Self {
            writer,
            full,
            rows: 0,
            rows_max,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Outcome> {
        self.rows = self.rows.saturating_add(batch.num_rows() as u64);
        if self.rows > self.rows_max {
            return Err(Outcome::LimitExceeded(Limit::OutputRows));
        }
        self.writer.write(batch).map_err(|_| fault(&self.full))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn finish(mut self) -> Result<u64, Outcome> {
        self.writer.finish().map_err(|_| fault(&self.full))?;
        self.writer
            .get_mut()
            .flush()
            .map_err(|_| fault(&self.full))?;
        Ok(self.rows)
    }
}

fn fault(full: &AtomicBool) -> Outcome {
    if full.load(Ordering::Relaxed) {
        Outcome::LimitExceeded(Limit::OutputBytes)
    } else {
        Outcome::Faulted(Fault::EngineFailed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::ipc::reader::StreamReader;
    use std::io::{Read, Seek};

    fn batch(rows: i64) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
        RecordBatch::try_new(
            schema,
            vec![Arc::new(Int64Array::from_iter_values(0..rows))],
        )
        .unwrap()
    }

    #[test]
    fn what_is_written_can_be_read_and_limits_are_named() {
        let file = tempfile::tempfile().unwrap();
        let mut reader = file.try_clone().unwrap();
        let batch = batch(1000);
        let mut output = OutputStream::new(file, &batch.schema(), 100_000, 2000).unwrap();
        output.write(&batch).unwrap();
        output.write(&batch).unwrap();
        assert_eq!(
            output.write(&batch),
            Err(Outcome::LimitExceeded(Limit::OutputRows))
        );

        let file = tempfile::tempfile().unwrap();
        let mut again = file.try_clone().unwrap();
        let mut output = OutputStream::new(file, &batch.schema(), 100_000, 2000).unwrap();
        output.write(&batch).unwrap();
        assert_eq!(output.finish(), Ok(1000));
        again.rewind().unwrap();
        let read: Vec<_> = StreamReader::try_new(again, None).unwrap().collect();
        assert_eq!(read[0].as_ref().unwrap(), &batch);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();

        let file = tempfile::tempfile().unwrap();
        let mut output = OutputStream::new(file, &batch.schema(), 4000, 2000).unwrap();
        output.write(&batch).unwrap();
        assert_eq!(
            output.finish(),
            Err(Outcome::LimitExceeded(Limit::OutputBytes))
        );
    }
}
