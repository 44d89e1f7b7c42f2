//! Bodies that nobody reads to their end.
//!
//! A connection that is closed with unread data is reset, and a client that is still sending would never see the answer
//! that it is refused with. So what is left of a body is read for a while and thrown away; the answer does not wait for it.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long, and how much, is read and thrown away.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_BYTES_MAX: usize = 256 << 20;

/// The request with a body that lingers when it is let go too early.
pub(crate) fn lingering(request: Request) -> Request {
    // A client that waits for leave to send gets none from an answer, and sends nothing.
    if request.headers().contains_key(header::EXPECT) || request.body().is_end_stream() {
        return request;
    }
    request.map(|body| Body::new(Lingering(Some(body))))
}

/// A body; none once it has ended.
struct Lingering(Option<Body>);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let Some(body) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| hyper::body::SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) {
            let mut body = body.into_data_stream();
            runtime.spawn(tokio::time::timeout(LINGER, async move {
                let mut seen = 0_usize;
                while let Some(Ok(chunk)) = body.next().await {
                    seen = seen.saturating_add(chunk.len());
                    if seen > LINGER_BYTES_MAX {
                        return;
                    }
                }
            }));
        }
    }
}
