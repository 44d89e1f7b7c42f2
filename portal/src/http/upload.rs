//! Uploads: a body is handed on as it arrives, inside its bounds, and never held as a whole.

use super::error::{Failure, text};
use super::state::Bounds;
use axum::body::{BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An upload: the stream for the platform, and what went wrong inside it.
pub(crate) struct Upload {
    stream: BoxStream<'static, io::Result<Bytes>>,
    failure: Arc<OnceLock<Failure>>,
}

impl Upload {
    /// The body of a request as an upload; one that says it is too large is refused at once.
    pub(crate) fn of(request: Request, bounds: &Bounds) -> Result<Self, Failure> {
        let bytes_max = bounds.upload_bytes_max;
        let too_large = Failure::too_large(&text("上传的数据", "the upload"), bytes_max);
        let declared = declared_length(request.headers());
        if declared.is_some_and(|length| length > bytes_max) {
            return Err(too_large);
        }
        let body = request.into_body().into_data_stream();
        let failure = Arc::new(OnceLock::new());
        let limits = Limits {
            bytes_max,
            idle_timeout_ms: bounds.upload_idle_timeout_ms,
            too_large,
        };
        let stream = limited(body, limits, Arc::clone(&failure)).boxed();
        Ok(Self { stream, failure })
    }

    /// Hands the stream to `write`. What ended the stream is what is answered, not what it led to.
    pub(crate) async fn write<T, F>(
        self,
        write: impl FnOnce(BoxStream<'static, io::Result<Bytes>>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, sandbox::Error>>,
    {
        let Self { stream, failure } = self;
        write(stream).await.map_err(|error| match failure.get() {
            Some(failure) => failure.clone(),
            None => error.into(),
        })
    }
}

struct Limits {
    bytes_max: u64,
    idle_timeout_ms: u64,
    too_large: Failure,
}

/// Chunks until the body ends, stalls, breaks off or grows beyond its bound; after an error comes nothing.
fn limited(
    body: BodyDataStream,
    limits: Limits,
    failure: Arc<OnceLock<Failure>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let idle = Duration::from_millis(limits.idle_timeout_ms);
    futures::stream::unfold(Some((body, 0_u64)), move |state| {
        let failure = Arc::clone(&failure);
        let too_large = limits.too_large.clone();
        let (bytes_max, idle_timeout_ms) = (limits.bytes_max, limits.idle_timeout_ms);
        async move {
            let (mut body, seen) = state?;
            let broken = match tokio::time::timeout(idle, body.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(chunk))) => {
                    let seen = seen.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    if seen <= bytes_max {
                        return Some((Ok(chunk), Some((body, seen))));
                    }
                    too_large
                }
                Ok(Some(Err(_error))) => Failure::incomplete(),
                Err(_elapsed) => Failure::stalled(idle_timeout_ms),
            };
            // The first failure counts; there is only one, as the stream ends with it.
            let _ = failure.set(broken);
            Some((Err(io::Error::other("the upload broke off")), None))
        }
    })
}

/// The declared length of a body.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
