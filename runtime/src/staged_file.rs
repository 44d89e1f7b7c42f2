//! An input of a run, as engine and guests read it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

type Result<T> = std::result::Result<T, ParquetError>;

/// A page header is a few hundred bytes; statistics in it can be longer.
const READ_AHEAD_BYTES: u64 = 256 * 1024;

/// A staged file: a descriptor that is read by position, and its length.
#[derive(Clone, Debug)]
pub(crate) struct StagedFile {
    file: Arc<File>,
    bytes: u64,
}

impl StagedFile {
    pub(crate) fn new(file: File, bytes: u64) -> Self {
        Self {
            file: Arc::new(file),
            bytes,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn read(&self, range: Range<u64>) -> std::io::Result<Bytes> {
        let end = range.end.min(self.bytes);
        let length = usize::try_from(end.saturating_sub(range.start))
            .map_err(|_| std::io::ErrorKind::InvalidInput)?;
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, range.start)?;
        Ok(buffer.into())
    }
}

impl Length for StagedFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for StagedFile {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        // Readers of pages ask for the rest of the file; they are given it in one piece only where
        // it is small, and by ranges otherwise.
        let end = self.bytes.min(start.saturating_add(READ_AHEAD_BYTES));
        Ok(std::io::Cursor::new(self.read(start..end)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.bytes {
            return Err(ParquetError::EOF("beyond the end of the file".to_owned()));
        }
        Ok(self.read(start..end)?)
    }
}
