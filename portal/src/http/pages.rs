//! The root page: what is there, in both languages. One static document, no script.

use super::Portal;
use super::error::Failure;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const PAGE: &str = include_str!("pages/root.html");
const PROBLEM: &str = include_str!("pages/problem.html");
const STYLE: &str = include_str!("pages/root.css");
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> axum::Router<Portal> {
    axum::Router::new()
        .route("/", get(root))
        .route("/assets/root.css", get(style))
        .route("/problems/{code}", get(problem))
}

async fn root() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        ],
        PAGE,
    )
}

/// What a problem document's `type` leads to: how such a document is read.
async fn problem(Path(code): Path<String>) -> Response {
    let is_code = (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_code {
        return Failure::no_route().into_response();
    }
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        ],
        PROBLEM.replace("{code}", &code),
    )
        .into_response()
}

async fn style() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ],
        STYLE,
    )
}
