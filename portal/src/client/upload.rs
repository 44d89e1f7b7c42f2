//! What is sent as the body of an upload: bytes at hand, or a file or a part of one that is read as it is sent.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};
use std::io::{self, SeekFrom};
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A file is read in pieces of this size.
const CHUNK_BYTES: u64 = 256 << 10;

/// The body of an upload.
pub struct Upload {
    bytes: u64,
    /// The first byte and the bytes of the whole, for a part.
    part_of: Option<(u64, u64)>,
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
        let (file, total) = opened(path).await?;
        Ok(Self {
            bytes: total,
            part_of: None,
            body: read(file, total, sent),
        })
    }

    /// Opens a part of a file, to be sent with the range that it is.
    ///
    /// # Errors
    /// When the file cannot be opened, is none, or ends before the part does.
    pub async fn part(
        path: &Path,
        first: u64,
        bytes: u64,
        sent: impl Fn(u64) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (mut file, total) = opened(path).await?;
        if bytes == 0 || first.saturating_add(bytes) > total {
            let message = "the file is shorter than it was";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        file.seek(SeekFrom::Start(first)).await?;
        Ok(Self {
            bytes,
            part_of: Some((first, total)),
            body: read(file, bytes, sent),
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
        let request = match self.part_of {
            None => request,
            Some((first, total)) => {
                let last = first + self.bytes.saturating_sub(1);
                request.header(CONTENT_RANGE, format!("bytes {first}-{last}/{total}"))
            }
        };
        match self.body {
            Body::Whole(bytes) => request.body(bytes),
            Body::Stream(stream) => request
                .header(CONTENT_LENGTH, self.bytes)
                .body(reqwest::Body::wrap_stream(stream)),
        }
    }
}

async fn opened(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let facts = file.metadata().await?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok((file, facts.len()))
}

/// The next `bytes` of a file, as it is read.
fn read(file: File, bytes: u64, sent: impl Fn(u64) + Send + Sync + 'static) -> Body {
    let pieces = futures::stream::try_unfold((file, bytes), |(mut file, left)| async move {
        let mut piece = Vec::new();
        let wanted = left.min(CHUNK_BYTES);
        let length = (&mut file).take(wanted).read_to_end(&mut piece).await?;
        let left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        Ok::<_, io::Error>((length > 0).then(|| (Bytes::from(piece), (file, left))))
    });
    let counted = pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            sent(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
    });
    Body::Stream(counted.boxed())
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            part_of: None,
            body: Body::Whole(bytes),
        }
    }
}
