//! The only place that knows status codes: what went wrong, as an `application/problem+json` document (RFC 9457).
//!
//! A handler answers with a [`Failure`] in both languages; the edge renders it in the request's language with the
//! request's trace id ([`Failure::problem`]), so no handler carries either around.

use super::dto::{Finding, Problem, Span, Text};
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use sandbox::{ErrorKind, Lang};
use std::sync::Arc;

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not done, in both languages.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    title: Text,
    detail: Text,
    remedy: Option<Text>,
    spans: Vec<Span>,
    findings: Vec<Finding>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, title: Text, detail: Text) -> Self {
        Self(Arc::new(Inner {
            status,
            code,
            title,
            detail,
            remedy: None,
            spans: Vec::new(),
            findings: Vec::new(),
            headers: Vec::new(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn remedied(self, zh: &str, en: &str) -> Self {
        self.with(|inner| inner.remedy = Some(text(zh, en)))
    }

    /// The stable name of the kind of problem.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// Adds a header to the answer.
    pub(crate) fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|inner| inner.headers.push((name, value)))
    }

    /// Nothing is routed here.
    pub(crate) fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_route",
            text("没有这个地址", "no such address"),
            text(
                "此地址没有任何资源或操作。",
                "there is no resource and no action at this address.",
            ),
        )
        .remedied("查看 /api/v1/openapi.json。", "see /api/v1/openapi.json.")
    }

    /// An identifier or a name that cannot be one, or that the asker may not see.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            title_of(ErrorKind::NotFound),
            text(
                "没有这个对象，或您无权看到它。",
                "there is no such object, or you may not see it.",
            ),
        )
    }

    /// The address exists, but not with this method.
    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            text("此地址不支持该方法", "method not allowed here"),
            text(
                "此地址不支持该请求方法。",
                "this address does not answer to this method.",
            ),
        )
        .remedied(
            "可用的方法见 Allow 响应头。",
            "the header Allow names the methods that it answers to.",
        )
    }

    /// Nobody, or nobody any more, is signed in with this request.
    pub(crate) fn unauthenticated(presented: bool) -> Self {
        let (detail, challenge) = if presented {
            (
                text(
                    "令牌无效或已过期。",
                    "the token is not valid, or not any more.",
                ),
                r#"Bearer realm="egret", error="invalid_token""#,
            )
        } else {
            (
                text("请求没有携带令牌。", "the request carries no token."),
                r#"Bearer realm="egret""#,
            )
        };
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            title_of(ErrorKind::Unauthenticated),
            detail,
        )
        .remedied(
            "先在 POST /api/v1/sessions 登录，再发送 Authorization: Bearer 请求头。",
            "sign in at POST /api/v1/sessions, then send the header Authorization: Bearer.",
        )
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        )
    }

    /// A body that is not the media type that the endpoint reads.
    pub(crate) fn media_type(wanted: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            text("不支持的媒体类型", "unsupported media type"),
            text(
                &format!("此处的请求体必须是 {wanted}。"),
                &format!("the body here has to be {wanted}."),
            ),
        )
        .remedied(
            &format!("设置 Content-Type: {wanted}。"),
            &format!("set Content-Type: {wanted}."),
        )
    }

    /// A body that is no JSON, or not the JSON that the endpoint reads.
    pub(crate) fn json(error: &serde_json::Error, body: &[u8]) -> Self {
        let (code, title) = if error.is_data() {
            (
                "invalid_body",
                text("请求体与接口不符", "the body does not fit"),
            )
        } else {
            (
                "malformed_json",
                text("请求体不是合法的 JSON", "the body is no valid JSON"),
            )
        };
        let span = place(body, error.line(), error.column());
        let Span { line, column, .. } = span;
        // The parser ends its message with a place of its own, which counts bytes.
        let message = error.to_string();
        let said = sandbox::parse_error(&message);
        let message = &said.en;
        Self::new(
            StatusCode::BAD_REQUEST,
            code,
            title,
            text(
                &format!("第 {line} 行第 {column} 列：{}。", said.zh),
                &format!("line {line}, column {column}: {message}."),
            ),
        )
        .with(|inner| inner.spans.push(span))
    }

    /// A body with NUL in a text.
    pub(crate) fn nul(body: &[u8], at: usize) -> Self {
        let before = body.get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count()
            + 1;
        let span = place(body, line, column);
        let Span { line, column, .. } = span;
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            text("请求体与接口不符", "the body does not fit"),
            text(
                &format!("第 {line} 行第 {column} 列：文本不能含 NUL 字符。"),
                &format!("line {line}, column {column}: a text holds no NUL character."),
            ),
        )
        .with(|inner| inner.spans.push(span))
    }

    /// A query string that does not fit.
    pub(crate) fn query(reason: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_query",
            text("查询参数无效", "invalid query parameters"),
            text(
                &format!("查询参数无效：{}。", sandbox::parse_error(reason).zh),
                &format!("query parameters: {reason}."),
            ),
        )
    }

    /// A query parameter outside of its range.
    pub(crate) fn parameter(name: &str, zh: &str, en: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_query",
            text("查询参数无效", "invalid query parameters"),
            text(
                &format!("查询参数 {name}：{zh}。"),
                &format!("query parameter {name}: {en}."),
            ),
        )
    }

    /// A header that cannot be read.
    pub(crate) fn invalid_header(name: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_header",
            text("请求头无效", "invalid header"),
            text(
                &format!("请求头 {name} 的值无效。"),
                &format!("the value of the header {name} is not valid."),
            ),
        )
    }

    /// A field of a body that no domain type can hold.
    pub(crate) fn field(name: &str, zh: &str, en: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            title_of(ErrorKind::Invalid),
            text(
                &format!("字段 {name}：{zh}。"),
                &format!("field {name}: {en}."),
            ),
        )
    }

    /// A body beyond its limit.
    pub(crate) fn too_large(what: &Text, bytes_max: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            title_of(ErrorKind::TooLarge),
            text(
                &format!("{}超过上限 {bytes_max} 字节。", what.zh),
                &format!("{} exceeds the limit of {bytes_max} bytes.", what.en),
            ),
        )
        .remedied("发送更小的内容。", "send less.")
        .header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The body ended before it was complete.
    pub(crate) fn incomplete() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "incomplete_body",
            text("请求体不完整", "incomplete body"),
            text(
                "连接在请求体传完之前中断。",
                "the connection ended before the body was complete.",
            ),
        )
    }

    /// The body takes too long.
    pub(crate) fn slow_body(time: std::time::Duration) -> Self {
        let seconds = time.as_secs();
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            text("请求体传送过慢", "the body comes too slowly"),
            text(
                &format!("{seconds} 秒内没有收完请求体。"),
                &format!("the body was not complete within {seconds} seconds."),
            ),
        )
        .remedied("重新发送整个请求。", "send the whole request again.")
        .header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The client sends nothing any more.
    pub(crate) fn stalled(idle_ms: u64) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "upload_stalled",
            text("上传停顿", "upload stalled"),
            text(
                &format!("{idle_ms} 毫秒内没有收到数据。"),
                &format!("no data arrived for {idle_ms} ms."),
            ),
        )
        .header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The server did not get it done in time.
    pub(crate) fn timed_out(timeout_ms: u64) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timed_out",
            text("处理超时", "timed out"),
            text(
                &format!("服务器未能在 {timeout_ms} 毫秒内完成。"),
                &format!("the server did not finish within {timeout_ms} ms."),
            ),
        )
        .remedied("稍后重试。", "try again later.")
        .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Too many requests at once.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            title_of(ErrorKind::Unavailable),
            text(
                "同时处理的请求过多。",
                "too many requests at the same time.",
            ),
        )
        .remedied("稍后重试。", "try again later.")
        .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Something that must not happen did; the log knows more under the trace id.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            title_of(ErrorKind::Internal),
            text(
                "服务器内部错误，详情见服务器日志中的 trace_id。",
                "an error inside the server; its log knows more under the trace_id.",
            ),
        )
    }

    /// The document to answer with.
    pub(crate) fn problem(&self, lang: Lang, trace_id: &str) -> Problem {
        let inner = &self.0;
        let pick = |text: &Text| match lang {
            Lang::Zh => text.zh.clone(),
            Lang::En => text.en.clone(),
        };
        Problem {
            kind: format!("/problems/{}", inner.code),
            status: inner.status.as_u16(),
            code: inner.code.to_owned(),
            title: pick(&inner.title),
            titles: inner.title.clone(),
            detail: pick(&inner.detail),
            remedy: inner.remedy.as_ref().map(pick),
            spans: inner.spans.clone(),
            findings: inner.findings.clone(),
            trace_id: trace_id.to_owned(),
        }
    }

    /// The answer with the document as its body.
    pub(crate) fn render(&self, lang: Lang, trace_id: &str) -> Response<Body> {
        let body = serde_json::to_vec(&self.problem(lang, trace_id)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        let language = match lang {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Self {
        let kind = error.kind();
        if kind == ErrorKind::Internal {
            // Logged where it arose, inside this request's span; the answer carries the trace id and no more.
            return Self::internal();
        }
        if kind == ErrorKind::Unauthenticated {
            let failure = Self::unauthenticated(true);
            return failure.with(|inner| {
                inner.code = error.code();
                inner.detail = error.message().into();
                inner.remedy = error.remedy().map(Into::into).or(inner.remedy.take());
            });
        }
        let findings: Vec<Finding> = error.findings().iter().map(Into::into).collect();
        let mut failure = Self::new(
            status_of(kind),
            error.code(),
            title_of(kind),
            error.message().into(),
        );
        if kind == ErrorKind::Unavailable {
            failure = failure.header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        failure.with(|inner| {
            inner.remedy = error.remedy().map(Into::into);
            inner.spans = findings
                .iter()
                .filter_map(|finding| finding.place)
                .collect();
            inner.findings = findings;
        })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(self);
        response
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title_of(kind: ErrorKind) -> Text {
    match kind {
        ErrorKind::Unauthenticated => text("未登录", "not signed in"),
        ErrorKind::Denied => text("无权操作", "not allowed"),
        ErrorKind::NotFound => text("没有找到", "not found"),
        ErrorKind::Conflict => text("状态冲突", "conflict"),
        ErrorKind::Invalid => text("内容无效", "not valid"),
        ErrorKind::TooLarge => text("内容过大", "too large"),
        ErrorKind::Unavailable => text("暂不可用", "unavailable"),
        ErrorKind::Internal => text("内部错误", "internal error"),
    }
}

/// Where a JSON body went wrong, in characters.
fn place(body: &[u8], line: usize, column: usize) -> Span {
    let line = line.max(1);
    let read = body
        .split(|byte| *byte == b'\n')
        .nth(line - 1)
        .unwrap_or_default();
    let read = read.get(..column.min(read.len())).unwrap_or_default();
    let column = String::from_utf8_lossy(read).chars().count().max(1);
    let (line, column) = (
        u64::try_from(line).unwrap_or(u64::MAX),
        u64::try_from(column).unwrap_or(u64::MAX),
    );
    Span {
        line,
        column,
        end_line: line,
        end_column: column.saturating_add(1),
    }
}

pub(crate) fn text(zh: &str, en: &str) -> Text {
    Text {
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}
