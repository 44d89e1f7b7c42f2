//! An object as a file that is read at any place: what a Parquet reader needs, without ever having
//! the plain bytes on a disk.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path as Key};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

use super::envelope::{CHUNK_BYTES, HEADER_BYTES, Opener, SEALED_CHUNK_BYTES, TAG_BYTES};
use super::{ObjectArea, ObjectVault, failed, of_store, path, place};
use crate::error::Error;

/// Chunks that are fetched at once when an object is read from one end to the other.
const READ_AHEAD_CHUNKS: u64 = 16;
/// Bytes of a piece when an object is streamed.
const STREAM_PIECE_BYTES: usize = 1 << 20;
const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED: u64 = SEALED_CHUNK_BYTES as u64;

/// An object that is read at any place, from a thread that may block.
///
/// Each chunk says its number and whether it is the last, so a cut or reordered object is an error
/// wherever it is read.
#[derive(Clone)]
pub(crate) struct ObjectFile(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    location: Key,
    opener: Opener,
    chunks: u64,
    sealed_bytes: u64,
    bytes: u64,
    handle: Handle,
}

impl ObjectVault {
    /// Opens an object for reading at any place.
    ///
    /// # Errors
    /// No such object, one under another key, or the store fails.
    pub(crate) async fn open_file(&self, area: ObjectArea, key: &str) -> Result<ObjectFile, Error> {
        let place = place(area, key);
        let location = path(&place)?;
        let of = |source| of_store(&place, source);
        let size = self.store.head(&location).await.map_err(of)?.size;
        let header_bytes = HEADER_BYTES as u64;
        let header = self
            .store
            .get_range(&location, 0..header_bytes.min(size))
            .await
            .map_err(of)?;
        let opener = Opener::new(&self.kek, &place, &header)
            .map_err(|source| Error::internal("decrypt an object", source))?;
        let body = size.saturating_sub(header_bytes);
        let chunks = body.div_ceil(SEALED);
        let bytes = body
            .checked_sub(chunks * TAG_BYTES as u64)
            .filter(|_| chunks > 0)
            .ok_or_else(|| failed(&place, io::ErrorKind::UnexpectedEof.into()))?;
        let store = Arc::clone(&self.store);
        let handle = Handle::current();
        Ok(ObjectFile(Arc::new(Inner {
            store,
            location,
            opener,
            chunks,
            sealed_bytes: size,
            bytes,
            handle,
        })))
    }
}

impl ObjectFile {
    /// The plain bytes of `count` chunks from `first`, fewer at the end.
    fn chunks(&self, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let inner = &self.0;
        let end = first.saturating_add(count).min(inner.chunks);
        if first >= end {
            return Ok(Vec::new());
        }
        let start = HEADER_BYTES as u64 + first * SEALED;
        let stop = (HEADER_BYTES as u64 + end * SEALED).min(inner.sealed_bytes);
        let fetch = inner.store.get_range(&inner.location, start..stop);
        let mut sealed = Vec::from(inner.handle.block_on(fetch).map_err(io::Error::other)?);
        let mut plain = Vec::with_capacity(sealed.len());
        for (number, chunk) in (first..end).zip(sealed.chunks_mut(SEALED_CHUNK_BYTES)) {
            let last = number + 1 == inner.chunks;
            plain.extend_from_slice(
                inner
                    .opener
                    .open_at(number, chunk, last)
                    .map_err(io::Error::other)?,
            );
        }
        Ok(plain)
    }

    /// All of it from the beginning, in pieces.
    pub(crate) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures::stream::try_unfold(self.read_from(0), |mut read| async {
            let piece = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; STREAM_PIECE_BYTES];
                let length = read.read(&mut piece)?;
                piece.truncate(length);
                Ok::<_, io::Error>((Bytes::from(piece), read))
            });
            let (piece, read) = piece.await.map_err(io::Error::other)??;
            Ok((!piece.is_empty()).then_some((piece, read)))
        })
    }

    fn read_from(&self, start: u64) -> ObjectRead {
        ObjectRead {
            file: self.clone(),
            chunk: start / CHUNK,
            skip: usize::try_from(start % CHUNK).unwrap_or(0),
            ahead: 1,
            plain: Vec::new(),
            at: 0,
        }
    }

    fn range(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let length = u64::try_from(length).map_err(io::Error::other)?;
        let end = start.checked_add(length).filter(|end| *end <= self.0.bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let first = start / CHUNK;
        let plain = Bytes::from(self.chunks(first, end.div_ceil(CHUNK) - first)?);
        let skip = usize::try_from(start - first * CHUNK).map_err(io::Error::other)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let inside = skip.checked_add(length).filter(|end| *end <= plain.len());
        let inside = inside.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(plain.slice(skip..inside))
    }
}

impl Length for ObjectFile {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for ObjectFile {
    type T = ObjectRead;

    fn get_read(&self, start: u64) -> parquet::errors::Result<ObjectRead> {
        Ok(self.read_from(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.range(start, length)
            .map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// An object read from a place onwards.
pub(crate) struct ObjectRead {
    file: ObjectFile,
    /// The next chunk.
    chunk: u64,
    /// Bytes of it that come before the place where reading began.
    skip: usize,
    /// Chunks to fetch next: a page header wants one, a text wants many.
    ahead: u64,
    plain: Vec<u8>,
    at: usize,
}

impl Read for ObjectRead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.plain.len() {
            self.plain = self.file.chunks(self.chunk, self.ahead)?;
            self.at = std::mem::take(&mut self.skip);
            self.chunk += self.ahead;
            self.ahead = (self.ahead * 4).min(READ_AHEAD_CHUNKS);
        }
        let rest = self.plain.get(self.at..).unwrap_or_default();
        let length = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        self.at += length;
        Ok(length)
    }
}
