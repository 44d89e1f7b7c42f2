//! Where a query puts what does not fit into its memory: one file without a name, in blocks that are encrypted with a key
//! which dies with the process, under a quota.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of one block: a few pages of a batch, and little for a short file to waste.
const BLOCK_BYTES: usize = 64 * 1024;
/// What a block takes in the file: its bytes and the tag of AES-GCM.
const SEALED_BYTES: usize = BLOCK_BYTES + 16;
const SLOT_BYTES: u64 = SEALED_BYTES as u64;

/// The one file of a run, shared by everything in the query that spills.
pub(crate) struct Scratch {
    file: File,
    key: LessSafeKey,
    slots_max: u64,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    /// Given back by files that are gone.
    free: Vec<u64>,
    /// Given out so far, at the end of the file.
    made: u64,
    /// Blocks written so far: no two are encrypted under the same number.
    written: u64,
    /// Whether a block was refused.
    full: bool,
}

/// Where a block is and under which number it was encrypted.
#[derive(Clone, Copy)]
struct Block {
    slot: u64,
    number: u64,
    bytes: usize,
}

impl Scratch {
    /// A scratch in this file, of at most so many bytes; none without a key.
    pub(crate) fn new(file: File, bytes_max: u64) -> Option<Arc<Self>> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &key).ok()?;
        Some(Arc::new(Self {
            file,
            key: LessSafeKey::new(key),
            slots_max: bytes_max / SLOT_BYTES,
            slots: Mutex::default(),
        }))
    }

    /// Whether the quota refused something.
    pub(crate) fn is_full(&self) -> bool {
        self.slots().full
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, plain: &mut Vec<u8>) -> io::Result<Block> {
        let bytes = plain.len();
        let mut slots = self.slots();
        let slot = match slots.free.pop() {
            Some(slot) => slot,
            None if slots.made < self.slots_max => {
                slots.made += 1;
                slots.made - 1
            }
            None => {
                slots.full = true;
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
        };
        let number = slots.written;
        slots.written += 1;
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), plain)
            .map_err(|_| io::ErrorKind::Other)?;
        // Under the lock: the file has one position, and writing at another is no call of the jail's.
        let mut file = &self.file;
        file.seek(SeekFrom::Start(slot.saturating_mul(SLOT_BYTES)))?;
        file.write_all(plain)?;
        plain.clear();
        Ok(Block {
            slot,
            number,
            bytes,
        })
    }

    fn read(&self, block: Block) -> io::Result<Bytes> {
        let mut sealed = vec![0; block.bytes + AES_256_GCM.tag_len()];
        let at = block.slot.saturating_mul(SLOT_BYTES);
        self.file.read_exact_at(&mut sealed, at)?;
        self.key
            .open_in_place(nonce(block.number), Aad::empty(), &mut sealed)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        sealed.truncate(block.bytes);
        Ok(sealed.into())
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Gives the engine its files.
pub(super) struct SpillFiles(pub(super) Arc<Scratch>);

impl TempFileFactory for SpillFiles {
    fn create_temp_file(&self, _: &str) -> Result<Arc<dyn SpillFile>> {
        Ok(Arc::new(Spilled(Arc::new(Blocks {
            scratch: Arc::clone(&self.0),
            blocks: Mutex::default(),
        }))))
    }
}

/// What was written of a file; its slots go back when nobody reads it any more.
struct Blocks {
    scratch: Arc<Scratch>,
    blocks: Mutex<Vec<Block>>,
}

impl Blocks {
    fn blocks(&self) -> MutexGuard<'_, Vec<Block>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, index: usize) -> Option<Result<Bytes>> {
        let block = *self.blocks().get(index)?;
        Some(self.scratch.read(block).map_err(DataFusionError::from))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let slots = self
            .blocks()
            .iter()
            .map(|block| block.slot)
            .collect::<Vec<_>>();
        self.scratch.slots().free.extend(slots);
    }
}

struct Spilled(Arc<Blocks>);

impl SpillFile for Spilled {
    fn size(&self) -> Option<u64> {
        let blocks = self.0.blocks();
        Some(blocks.iter().map(|block| block.bytes as u64).sum())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let blocks = Arc::clone(&self.0);
        let chunks = (0..).map_while(move |index| blocks.at(index));
        Ok(Box::pin(futures::stream::iter(chunks)))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(BlockWriter {
            blocks: Arc::clone(&self.0),
            pending: Vec::with_capacity(SEALED_BYTES),
        }))
    }
}

struct BlockWriter {
    blocks: Arc<Blocks>,
    pending: Vec<u8>,
}

impl BlockWriter {
    fn put(&mut self) -> io::Result<()> {
        let block = self.blocks.scratch.write(&mut self.pending)?;
        self.blocks.blocks().push(block);
        Ok(())
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(BLOCK_BYTES - self.pending.len());
        self.pending.extend_from_slice(&bytes[..take]);
        if self.pending.len() == BLOCK_BYTES {
            self.put()?;
        }
        Ok(take)
    }

    /// Only whole blocks are worth writing; the rest goes with [`SpillWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for BlockWriter {
    fn finish(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.put()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use futures::StreamExt;

    use super::*;

    fn scratch(slots: u64) -> (Arc<Scratch>, File) {
        let file = tempfile::tempfile().unwrap();
        let seen = file.try_clone().unwrap();
        (Scratch::new(file, slots * SLOT_BYTES).unwrap(), seen)
    }

    fn write(file: &Arc<dyn SpillFile>, bytes: &[u8]) -> Result<()> {
        let mut writer = file.open_writer()?;
        for piece in bytes.chunks(9_973) {
            writer.write_all(piece)?;
        }
        writer.finish()
    }

    fn read(file: &Arc<dyn SpillFile>) -> Vec<u8> {
        let chunks = futures::executor::block_on(file.read_stream().unwrap().collect::<Vec<_>>());
        chunks
            .into_iter()
            .flat_map(|chunk| chunk.unwrap())
            .collect()
    }

    fn bytes(count: usize, seed: u8) -> Vec<u8> {
        (0..=250)
            .cycle()
            .take(count)
            .map(|byte: u8| byte ^ seed)
            .collect()
    }

    #[test]
    fn what_was_written_is_read_by_many_and_twice() {
        let (scratch, _) = scratch(100);
        let files = SpillFiles(scratch);
        for count in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 400_000] {
            let (one, other) = (bytes(count, 0), bytes(count, 7));
            let first = files.create_temp_file("a").unwrap();
            let second = files.create_temp_file("b").unwrap();
            write(&first, &one).unwrap();
            write(&second, &other).unwrap();
            write(&first, &other).unwrap();
            assert_eq!(first.size().unwrap(), 2 * count as u64);
            assert_eq!(read(&first), [one.clone(), other.clone()].concat());
            assert_eq!(read(&second), other);
            assert_eq!(read(&first).len(), 2 * count);
        }
    }

    #[test]
    fn the_quota_holds_and_what_is_dropped_makes_room() {
        let (scratch, seen) = scratch(3);
        let files = SpillFiles(Arc::clone(&scratch));
        let three = bytes(3 * BLOCK_BYTES, 0);
        for _ in 0..5 {
            let file = files.create_temp_file("a").unwrap();
            write(&file, &three).unwrap();
            // A reader holds on to it.
            let stream = file.read_stream().unwrap();
            drop(file);
            let other = files.create_temp_file("b").unwrap();
            assert!(write(&other, &three[..1]).is_err());
            drop(stream);
            write(&other, &three[..1]).unwrap();
        }
        assert!(scratch.is_full());
        assert_eq!(seen.metadata().unwrap().len(), 3 * SLOT_BYTES);
    }

    #[test]
    fn nothing_readable_is_in_the_file_and_nothing_changed_is_read() {
        let (scratch, mut seen) = scratch(3);
        let files = SpillFiles(scratch);
        let file = files.create_temp_file("a").unwrap();
        write(&file, &vec![b'x'; BLOCK_BYTES]).unwrap();
        let mut stored = vec![0; SEALED_BYTES];
        seen.read_exact_at(&mut stored, 0).unwrap();
        assert!(!stored.windows(8).any(|part| part == b"xxxxxxxx"));
        seen.seek(SeekFrom::Start(100)).unwrap();
        seen.write_all(&[stored[100] ^ 1]).unwrap();
        let chunks = futures::executor::block_on(file.read_stream().unwrap().collect::<Vec<_>>());
        assert!(chunks[0].is_err());
    }
}
