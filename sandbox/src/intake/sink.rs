//! A blocking writer into the object store: the object appears when it is finished, or never.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::sync::mpsc;

use crate::error::Error;

/// Bytes that are handed over at once.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that may wait: what bounds the memory between writer and store.
const PIECES_WAITING: usize = 4;

/// The writing end, for a thread that may block.
pub(crate) struct ObjectSink {
    pieces: mpsc::Sender<Bytes>,
    waiting: BytesMut,
    finished: Arc<AtomicBool>,
}

impl ObjectSink {
    /// A sink, and the stream that the object store takes.
    pub(crate) fn new() -> (Self, impl Stream<Item = Result<Bytes, Error>> + Send) {
        let (pieces, receiver) = mpsc::channel(PIECES_WAITING);
        let finished = Arc::new(AtomicBool::new(false));
        let sink = ObjectSink {
            pieces,
            waiting: BytesMut::new(),
            finished: Arc::clone(&finished),
        };
        // A stream that only ends would be a whole object; one that fails leaves none.
        let stream = futures::stream::unfold(Some((receiver, finished)), |state| async move {
            let (mut receiver, finished) = state?;
            match receiver.recv().await {
                Some(piece) => Some((Ok(piece), Some((receiver, finished)))),
                None if finished.load(Ordering::Acquire) => None,
                None => Some((Err(abandoned()), None)),
            }
        });
        (sink, stream)
    }

    /// Ends the object: what was written is all of it.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.hand_over()?;
        self.finished.store(true, Ordering::Release);
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = self.waiting.split().freeze();
        self.pieces.blocking_send(piece).map_err(|_| {
            io::Error::new(io::ErrorKind::BrokenPipe, "the object store stopped taking")
        })
    }
}

impl Write for ObjectSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn abandoned() -> Error {
    Error::unavailable("write_abandoned", "写入已放弃。", "the write was given up.")
}
