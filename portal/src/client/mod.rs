//! The API as a client sees it: typed calls over HTTP, problem documents as typed errors, uploads as streams.
//!
//! The command line and the demonstration know the platform through this alone.

mod calls;
mod error;
mod upload;

pub use error::ClientError;
pub use upload::Upload;

use crate::http::dto::Problem;
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use sandbox::{Entropy, Lang, SystemEntropy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Answers that are held in memory are not larger than this; released results are bounded far below.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may stay silent inside an answer; waits for runs are shorter.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// The same for an upload: the time begins with its first byte, and the server answers after the last.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3600);
/// How soon a connection whose other end is gone is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client of one server, with or without an identity. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    uploads: reqwest::Client,
    server: String,
    token: Option<String>,
    lang: Lang,
}

impl Client {
    /// A client of the server at `server`, an origin such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When `server` is no HTTP origin, or TLS cannot be set up.
    pub fn new(server: &str, lang: Lang) -> Result<Self, ClientError> {
        let server = server.trim_end_matches('/');
        let url = reqwest::Url::parse(server).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if url.is_none() {
            return Err(ClientError::local(
                format!("{server} 不是服务器地址（例：http://127.0.0.1:8080）"),
                format!("{server} is no server address (such as http://127.0.0.1:8080)"),
            ));
        }
        // A second client in one process finds the provider installed; both installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connections = |read_timeout| {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(read_timeout)
                .tcp_keepalive(KEEPALIVE)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|source| ClientError::Unreachable {
                    server: server.to_owned(),
                    source,
                })
        };
        Ok(Self {
            http: connections(READ_TIMEOUT)?,
            uploads: connections(UPLOAD_TIMEOUT)?,
            server: server.to_owned(),
            token: None,
            lang,
        })
    }

    /// The same client with an identity: a session's token or a personal one.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The same client without an identity.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    /// The server's origin.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        parsed(self.answer(self.request(Method::GET, path)).await?).await
    }

    pub(crate) async fn read_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        parsed(
            self.answer(self.request(Method::GET, path).query(query))
                .await?,
        )
        .await
    }

    pub(crate) async fn read_bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        body(self.answer(self.request(Method::GET, path)).await?).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        parsed(self.answer(self.keyed(path)?.json(body)).await?).await
    }

    /// A POST whose answer says nothing more.
    pub(crate) async fn act(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<(), ClientError> {
        self.answer(self.keyed(path)?.json(body)).await.map(drop)
    }

    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
        bytes: Vec<u8>,
    ) -> Result<T, ClientError> {
        let request = self
            .keyed(path)?
            .query(query)
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .body(bytes);
        parsed(self.answer(request).await?).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<T, ClientError> {
        parsed(
            self.answer(self.request(Method::PUT, path).json(body))
                .await?,
        )
        .await
    }

    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
        upload: Upload,
    ) -> Result<T, ClientError> {
        let request = self
            .request_by(&self.uploads, Method::PUT, path)
            .query(query)
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
        parsed(self.answer(upload.into_request(request)).await?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.answer(self.request(Method::DELETE, path))
            .await
            .map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_by(&self.http, method, path)
    }

    fn request_by(&self, http: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        let language = match self.lang {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        let request = http
            .request(method, format!("{}/api/v1{path}", self.server))
            .header(ACCEPT_LANGUAGE, HeaderValue::from_static(language));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A POST under a key of its own, so that the server does it once however often it arrives.
    fn keyed(&self, path: &str) -> Result<RequestBuilder, ClientError> {
        let mut key = [0_u8; 16];
        SystemEntropy.fill(&mut key);
        let key = HeaderValue::from_str(&hex::encode(key)).map_err(|error| {
            ClientError::local(
                format!("无法生成请求标识：{error}"),
                format!("no key for the request: {error}"),
            )
        })?;
        Ok(self
            .request(Method::POST, path)
            .header(IDEMPOTENCY_KEY, key))
    }

    /// Sends, and tells success from failure.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let sent = request.send().await;
        let response = sent.map_err(|source| ClientError::Unreachable {
            server: self.server.clone(),
            source,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let status = status.as_u16();
        let bytes = body(response).await?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_no_problem) => Err(ClientError::Unreadable {
                status,
                detail: excerpt(&bytes),
            }),
        }
    }
}

/// One segment of a path: what a person typed may hold a slash or a question mark.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

async fn parsed<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let status = response.status().as_u16();
    let bytes = body(response).await?;
    // An answer without a body is the document `null`.
    let document: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    serde_json::from_slice(document).map_err(|error| ClientError::Unreadable {
        status,
        detail: error.to_string(),
    })
}

async fn body(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                bytes.extend_from_slice(&chunk)
            }
            Ok(Some(_more)) => {
                let detail = format!("more than {ANSWER_BYTES_MAX} bytes");
                return Err(ClientError::Unreadable { status, detail });
            }
            Ok(None) => return Ok(bytes),
            Err(error) => {
                return Err(ClientError::Unreadable {
                    status,
                    detail: error.to_string(),
                });
            }
        }
    }
}

/// The beginning of an answer that is no problem document, fit for a terminal.
fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(200)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn a_segment_cannot_change_the_path() {
        assert_eq!(segment("job_0192"), "job_0192");
        assert_eq!(segment("../x?y=1#z"), "..%2Fx%3Fy%3D1%23z");
        assert_eq!(segment("企"), "%E4%BC%81");
        assert_eq!(segment("a:cancel"), "a%3Acancel");
    }

    #[test]
    fn only_an_origin_is_a_server() {
        for good in [
            "http://127.0.0.1:8080",
            "https://egret.example/",
            "http://[::1]:1",
        ] {
            assert!(Client::new(good, Lang::En).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:8080",
            "ftp://x",
            "http://",
            "http://x/?a=1",
            "http://x/#a",
        ] {
            assert!(Client::new(bad, Lang::En).is_err(), "{bad}");
        }
        assert_eq!(
            Client::new("https://egret.example/", Lang::En)
                .unwrap()
                .server(),
            "https://egret.example"
        );
    }
}
