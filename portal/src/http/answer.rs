//! Answers of what went well.

use super::error::Failure;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a handler answers.
pub(crate) type Answer = Result<Response, Failure>;

/// 200: here it is.
pub(crate) fn ok(view: &impl Serialize) -> Answer {
    json(StatusCode::OK, view)
}

/// 201: made, and where it is now.
pub(crate) fn created(path: &str, view: &impl Serialize) -> Answer {
    located(StatusCode::CREATED, path, view)
}

/// 202: taken on, and where to see what becomes of it.
pub(crate) fn accepted(path: &str, view: &impl Serialize) -> Answer {
    located(StatusCode::ACCEPTED, path, view)
}

/// 204: done, with nothing to say.
pub(crate) fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn located(status: StatusCode, path: &str, view: &impl Serialize) -> Answer {
    let mut response = json(status, view)?;
    let location = HeaderValue::from_str(&format!("{}{path}", super::API));
    response.headers_mut().insert(
        header::LOCATION,
        location.map_err(|_error| Failure::internal())?,
    );
    Ok(response)
}

fn json(status: StatusCode, view: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(view).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Failure::internal()
    })?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
