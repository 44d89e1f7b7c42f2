//! What happens to every request: trace id, language, bounds, one log line, security headers, problem documents.

use super::error::Failure;
use super::extract::{is_json, whole_body};
use super::linger::lingering;
use super::session::Language;
use super::share::{Client, Peer, Shares};
use super::state::Bounds;
use super::verbs::documented;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use sandbox::{Entropy, Lang};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;

/// The response header that names the request in the server's log.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Where one signs in: the one address that reads a body of somebody who is nobody yet.
const SIGN_IN: &str = "/api/v1/sessions";
/// Documents of the API load nothing and are framed by nobody.
const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Unfinished bodies of one address at once: they cost a connection each, and no permit.
const READING_MAX: usize = 64;

/// What the edge needs: where trace ids come from, the bounds, one permit per request at work.
#[derive(Clone)]
pub(crate) struct Edge {
    entropy: Arc<dyn Entropy>,
    bounds: Arc<Bounds>,
    permits: Arc<Semaphore>,
    /// Requests at work, by address.
    working: Shares,
    /// Bodies that are being read, by address.
    reading: Shares,
}

impl Edge {
    pub(crate) fn new(entropy: Arc<dyn Entropy>, bounds: Bounds) -> Self {
        Self {
            entropy,
            permits: Arc::new(Semaphore::new(bounds.requests_max)),
            bounds: Arc::new(bounds),
            working: Shares::default(),
            reading: Shares::default(),
        }
    }

    fn trace_id(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        hex::encode(bytes)
    }
}

/// Runs a request inside its bounds and completes its answer.
pub(crate) async fn guard(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let trace_id = edge.trace_id();
    let language = Language::of(request.headers());
    let method = known_method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| documented(path.as_str()));
    let peer = request.extensions().get::<Peer>().copied();
    let client = Client::of(peer, request.headers(), &edge.bounds.proxies);
    request.extensions_mut().insert(language);
    request.extensions_mut().insert(client);
    let request = lingering(request);

    let span = tracing::info_span!("request", trace.id = %trace_id);
    let response = bounded(&edge, client, request, next, &route)
        .instrument(span)
        .await;
    let response = finished(response, language.0, &trace_id);

    let latency_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        http.method = method,
        http.route = %route,
        http.status = response.status().as_u16(),
        latency_us,
        trace.id = %trace_id,
        "request answered"
    );
    response
}

/// The handler's answer, or the bound that it met.
async fn bounded(
    edge: &Edge,
    client: Client,
    request: Request,
    next: Next,
    route: &str,
) -> Response {
    // The body first: whoever sends it slowly holds nothing that others need.
    let request = match read(edge, client, request, route).await {
        Ok(request) => request,
        Err(failure) => return failure.into_response(),
    };
    // Nobody has more than half of the server.
    let half = edge.bounds.requests_max.div_ceil(2);
    let Some(_share) = edge.working.take(client, half) else {
        return Failure::busy().into_response();
    };
    let Ok(_permit) = edge.permits.try_acquire() else {
        return Failure::busy().into_response();
    };
    let timeout_ms = if takes_upload(request.method(), route) {
        edge.bounds.upload_timeout_ms
    } else {
        edge.bounds.request_timeout_ms
    };
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(Duration::from_millis(timeout_ms), answer).await {
        Ok(Ok(response)) => response,
        // The hook of the process has logged where; what the panic says may hold values and is dropped.
        Ok(Err(_payload)) => Failure::internal().into_response(),
        Err(_elapsed) => Failure::timed_out(timeout_ms).into_response(),
    }
}

/// The request with its JSON body in memory. Uploads are streams of people who are signed in, and what nobody will
/// read is left to the handler that refuses it.
async fn read(
    edge: &Edge,
    client: Client,
    request: Request,
    route: &str,
) -> Result<Request, Failure> {
    let signs_in = route == SIGN_IN;
    let presents = request.headers().contains_key(header::AUTHORIZATION);
    let is_read = is_json(request.headers())
        && (signs_in || presents)
        && !axum::body::HttpBody::is_end_stream(request.body());
    if !is_read {
        return Ok(request);
    }
    let _share = edge
        .reading
        .take(client, READING_MAX)
        .ok_or_else(Failure::busy)?;
    let time = Duration::from_millis(if signs_in {
        edge.bounds.sign_in_timeout_ms
    } else {
        edge.bounds.body_timeout_ms
    });
    let (parts, body) = request.into_parts();
    let probe = Request::from_parts(parts.clone(), body);
    let bytes = tokio::time::timeout(time, whole_body(probe, edge.bounds.body_bytes_max))
        .await
        .map_err(|_elapsed| Failure::slow_body(time))??;
    Ok(Request::from_parts(parts, axum::body::Body::from(bytes)))
}

fn takes_upload(method: &Method, route: &str) -> bool {
    method == Method::PUT && route.ends_with("/data")
}

/// Renders a pending failure and adds the headers that every answer has.
fn finished(mut response: Response, lang: Lang, trace_id: &str) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = failure.render(lang, trace_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert(TRACE_ID, value);
    }
    secure(headers);
    response
}

fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (header::VARY, "accept-language, authorization"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages bring their own; nothing of the API is to be kept by a cache.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NO_CONTENT_POLICY));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The method's name for the log; what a client invents is not written there.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use serde_json::Value;

    /// A server with one route of each kind of misbehaviour.
    fn app(bounds: Bounds) -> axum::Router {
        let panics = || async {
            if true {
                panic!("resident 350203199001011234");
            }
        };
        let edge = Edge::new(Arc::new(sandbox::SystemEntropy), bounds);
        axum::Router::new()
            .route("/fine", get(|| async { "fine" }))
            .route(
                "/api/v1/sessions",
                axum::routing::post(|body: String| async { body }),
            )
            .route("/panics", get(panics))
            .route("/hangs", get(std::future::pending::<()>))
            .route("/fails", get(|| async { Failure::not_found() }))
            .fallback(|| async { Failure::no_route() })
            .method_not_allowed_fallback(|| async { Failure::wrong_method() })
            .layer(axum::middleware::from_fn_with_state(edge, guard))
    }

    async fn call(app: &axum::Router, request: Request) -> Response {
        TowerToHyperService::new(app.clone())
            .call(request)
            .await
            .unwrap()
    }

    fn request(path: &str) -> axum::http::request::Builder {
        Request::builder().uri(path)
    }

    async fn problem(app: &axum::Router, path: &str, language: &str) -> (u16, Value, HeaderMap) {
        let request = request(path)
            .header(header::ACCEPT_LANGUAGE, language)
            .body(Body::empty());
        let response = call(app, request.unwrap()).await;
        let (parts, body) = response.into_parts();
        assert_eq!(
            parts.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (
            parts.status.as_u16(),
            serde_json::from_slice(&body).unwrap(),
            parts.headers,
        )
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_says_nothing_of_it() {
        let (status, problem, headers) = problem(&app(Bounds::default()), "/panics", "en").await;
        assert_eq!((status, &problem["code"]), (500, &Value::from("internal")));
        assert!(!problem.to_string().contains("3502"), "{problem}");
        assert_eq!(problem["trace_id"].as_str().unwrap(), headers[TRACE_ID]);
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_a_503() {
        let bounds = Bounds {
            request_timeout_ms: 20,
            ..Bounds::default()
        };
        let (status, problem, headers) = problem(&app(bounds), "/hangs", "en").await;
        assert_eq!((status, &problem["code"]), (503, &Value::from("timed_out")));
        assert!(headers.contains_key(header::RETRY_AFTER));
    }

    #[tokio::test]
    async fn more_requests_than_permitted_are_a_503_and_permits_come_back() {
        let app = app(Bounds {
            requests_max: 1,
            ..Bounds::default()
        });
        let hanging = tokio::spawn({
            let app = app.clone();
            async move {
                call(&app, request("/hangs").body(Body::empty()).unwrap())
                    .await
                    .status()
            }
        });
        loop {
            let response = call(&app, request("/fine").body(Body::empty()).unwrap()).await;
            if response.status() == 503 {
                break;
            }
            tokio::task::yield_now().await;
        }
        hanging.abort();
        assert!(hanging.await.unwrap_err().is_cancelled());
        let response = call(&app, request("/fine").body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
    }

    /// A body of which the first byte came and the rest does not.
    fn unfinished(peer: [u8; 4]) -> Request {
        use futures::StreamExt;
        let first = futures::stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = Body::from_stream(first.chain(futures::stream::pending()));
        request("/api/v1/sessions")
            .method("POST")
            .header(header::CONTENT_TYPE, "application/json")
            .extension(Peer(peer.into()))
            .body(body)
            .unwrap()
    }

    #[tokio::test]
    async fn bodies_that_do_not_end_take_no_permit_and_are_given_up_soon() {
        let app = app(Bounds {
            requests_max: 4,
            sign_in_timeout_ms: 1_000,
            ..Bounds::default()
        });
        let mut hanging = tokio::task::JoinSet::new();
        for number in 0..300_u16 {
            let app = app.clone();
            let [_, low] = number.to_be_bytes();
            hanging
                .spawn(async move { call(&app, unfinished([10, 0, 0, low % 4])).await.status() });
        }
        for _ in 0..400 {
            tokio::task::yield_now().await;
        }
        let fine = request("/fine").extension(Peer([10, 0, 0, 1].into()));
        let response = call(&app, fine.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200, "slow senders shut others out");
        let mut answers = std::collections::BTreeMap::new();
        while let Some(status) = hanging.join_next().await {
            *answers.entry(status.unwrap().as_u16()).or_insert(0) += 1;
        }
        // 64 of each of four addresses wait for their deadline, the others are refused at once.
        assert_eq!(answers, [(408, 256), (503, 44)].into());
    }

    #[tokio::test]
    async fn one_address_has_half_of_the_permits() {
        let app = app(Bounds {
            requests_max: 4,
            ..Bounds::default()
        });
        let ask = |path: &str, peer: [u8; 4]| {
            let request = request(path).extension(Peer(peer.into()));
            let (app, request) = (app.clone(), request.body(Body::empty()).unwrap());
            async move { call(&app, request).await.status().as_u16() }
        };
        let mut hanging = tokio::task::JoinSet::new();
        for _ in 0..2 {
            hanging.spawn(ask("/hangs", [10, 0, 0, 1]));
        }
        while ask("/fine", [10, 0, 0, 1]).await != 503 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask("/fine", [10, 0, 0, 2]).await, 200);
    }

    #[tokio::test]
    async fn a_failure_speaks_the_language_of_the_request_and_titles_both() {
        let app = app(Bounds::default());
        let (_, zh, zh_headers) = problem(&app, "/fails", "zh-CN").await;
        let (_, en, en_headers) = problem(&app, "/fails", "en").await;
        assert_eq!(zh["titles"], en["titles"]);
        assert_eq!(
            (&zh["title"], &en["title"]),
            (&en["titles"]["zh"], &en["titles"]["en"])
        );
        assert_ne!(zh["detail"], en["detail"]);
        assert_eq!(zh_headers[header::CONTENT_LANGUAGE], "zh-CN");
        assert_eq!(en_headers[header::CONTENT_LANGUAGE], "en");
        assert_ne!(zh["trace_id"], en["trace_id"]);
    }

    #[tokio::test]
    async fn an_unknown_route_and_a_wrong_method_are_problems() {
        let app = app(Bounds::default());
        let (status, unknown, _) = problem(&app, "/nowhere", "en").await;
        assert_eq!(
            (status, &unknown["code"]),
            (404, &Value::from("no_such_route"))
        );
        let response = call(
            &app,
            request("/fine")
                .method("DELETE")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }

    #[tokio::test]
    async fn every_answer_has_the_security_headers_and_none_opens_another_origin() {
        let app = app(Bounds::default());
        for path in ["/fine", "/fails", "/panics", "/nowhere"] {
            let request = request(path)
                .header(header::ORIGIN, "https://elsewhere.example")
                .body(Body::empty());
            let response = call(&app, request.unwrap()).await;
            let headers = response.headers();
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            assert_eq!(
                headers[header::CONTENT_SECURITY_POLICY],
                NO_CONTENT_POLICY,
                "{path}"
            );
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
            assert!(headers.contains_key(TRACE_ID), "{path}");
            assert!(
                !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN),
                "{path}"
            );
        }
    }
}
