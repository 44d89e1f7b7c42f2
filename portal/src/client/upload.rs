//! What is sent as the body of an upload: bytes at hand, or a file that is read as it is sent.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_LENGTH;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// A file is read in pieces of this size.
const CHUNK_BYTES: usize = 256 << 10;

/// The body of an upload.
pub struct Upload {
    bytes: u64,
    body: Body,
}

enum Body {
    Whole(Vec<u8>),
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

impl Upload {
    /// Opens a file; `sent` hears how many bytes went out, piece by piece.
    ///
    /// # Errors
    /// When the file cannot be opened or is none.
    pub async fn open(path: &Path, sent: impl Fn(u64) + Send + Sync + 'static) -> io::Result<Self> {
        let file = tokio::fs::File::open(path).await?;
        let facts = file.metadata().await?;
        if !facts.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let pieces = futures::stream::try_unfold(file, |mut file| async move {
            let mut piece = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut file)
                .take(u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX))
                .read_to_end(&mut piece)
                .await?;
            Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
        });
        let counted = pieces.inspect(move |piece| {
            if let Ok(piece) = piece {
                sent(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            }
        });
        Ok(Self {
            bytes: facts.len(),
            body: Body::Stream(counted.boxed()),
        })
    }

    /// How many bytes will be sent.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing will be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn into_request(self, request: RequestBuilder) -> RequestBuilder {
        match self.body {
            Body::Whole(bytes) => request.body(bytes),
            Body::Stream(stream) => request
                .header(CONTENT_LENGTH, self.bytes)
                .body(reqwest::Body::wrap_stream(stream)),
        }
    }
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            body: Body::Whole(bytes),
        }
    }
}
