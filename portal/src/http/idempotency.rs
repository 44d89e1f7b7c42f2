//! `Idempotency-Key` on POST: a request that is sent twice is done once and answered twice.
//!
//! A request under a key is carried to its end even when its client has gone, so that the answer is there when the
//! client asks again. Only successes are kept: a failure may be mended by trying again. An answer that holds a secret is
//! never kept.

use super::error::Failure;
use super::extract::whole_body;
use super::session::{Bearer, Signed};
use super::state::Portal;
use super::verbs::documented;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sandbox::{Idempotency, IdempotencyClaim, KeptAnswer};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

/// The request header with the key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Answers that are kept are not larger.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Operations whose answers hold a secret, or that are done by nobody yet.
const NOT_KEPT: [&str; 2] = ["/api/v1/sessions", "/api/v1/tokens"];

/// What is kept of an answer, beside its status.
#[derive(Serialize, Deserialize)]
struct Kept {
    location: Option<String>,
    content_type: Option<String>,
    body: String,
}

/// Does a POST under a key once.
pub(crate) async fn once(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| documented(path.as_str()));
    let is_kept = path
        .as_deref()
        .is_some_and(|path| !NOT_KEPT.contains(&path));
    if request.method() != Method::POST
        || !request.headers().contains_key(IDEMPOTENCY_KEY)
        || !is_kept
    {
        return next.run(request).await;
    }
    match claimed(&portal, request).await {
        Ok((claim, request)) => {
            let done = tokio::spawn(kept(portal, claim, request, next).in_current_span());
            done.await
                .unwrap_or_else(|_panicked| Failure::internal().into_response())
        }
        Err(answer) => *answer,
    }
}

/// Takes the key; the answer is an earlier one or says why the key cannot be taken.
async fn claimed(
    portal: &Portal,
    request: Request,
) -> Result<(IdempotencyClaim, Request), Box<Response>> {
    let refused = |failure: Failure| Box::new(failure.into_response());
    let key = key(&request).map_err(refused)?;
    let Bearer(token) = Bearer::of(request.headers()).map_err(refused)?;
    let actor = portal
        .platform
        .authenticate(&token)
        .await
        .map_err(|error| refused(error.into()))?;
    let bytes_max = portal
        .bounds
        .body_bytes_max
        .max(portal.bounds.module_bytes_max);
    let (mut parts, body) = request.into_parts();
    let probe = Request::from_parts(parts.clone(), body);
    let bytes = whole_body(probe, bytes_max).await.map_err(refused)?;
    // Method, address and body make two requests the same; the body stands last, so nothing can be shifted.
    let mut same = format!("POST {}\n", parts.uri).into_bytes();
    same.extend_from_slice(&bytes);
    let found = portal
        .platform
        .idempotency(&actor, &key, &same)
        .await
        .map_err(|error| refused(error.into()))?;
    match found {
        Idempotency::Fresh(claim) => {
            parts.extensions.insert(Signed(actor));
            Ok((claim, Request::from_parts(parts, Body::from(bytes))))
        }
        Idempotency::Done(answer) => Err(Box::new(replayed(&answer))),
    }
}

fn key(request: &Request) -> Result<String, Failure> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    let only = value.filter(|_value| values.next().is_none());
    only.map(str::to_owned)
        .ok_or_else(|| Failure::invalid_header("Idempotency-Key"))
}

/// Does the request and keeps its answer, or gives the key back.
async fn kept(portal: Portal, claim: IdempotencyClaim, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if !response.status().is_success() {
        give_back(&portal, claim).await;
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await else {
        give_back(&portal, claim).await;
        return Failure::internal().into_response();
    };
    let text = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let kept = Kept {
        location: text(header::LOCATION),
        content_type: text(header::CONTENT_TYPE),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let body = serde_json::to_string(&kept).unwrap_or_default();
    let answer = KeptAnswer {
        status: parts.status.as_u16(),
        body,
    };
    // It is done all the same; only a repetition would be done again.
    if let Err(error) = portal.platform.idempotency_complete(claim, answer).await {
        tracing::warn!(%error, "the answer to a keyed request was not kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

async fn give_back(portal: &Portal, claim: IdempotencyClaim) {
    if let Err(error) = portal.platform.idempotency_release(claim).await {
        tracing::warn!(%error, "an idempotency key was not given back");
    }
}

fn replayed(answer: &KeptAnswer) -> Response {
    let (Ok(status), Ok(kept)) = (
        StatusCode::from_u16(answer.status),
        serde_json::from_str::<Kept>(&answer.body),
    ) else {
        return Failure::internal().into_response();
    };
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [
        (header::LOCATION, kept.location),
        (header::CONTENT_TYPE, kept.content_type),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
