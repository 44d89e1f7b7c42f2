//! The API as raw requests and JSON.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

/// A client with one identity.
#[derive(Clone)]
pub struct Api {
    base: Arc<str>,
    http: reqwest::Client,
    token: Option<Arc<str>>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Location`, where there is one.
    pub location: Option<String>,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body of a success.
    ///
    /// # Panics
    /// When the status is none of 2xx.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "the server answered {}: {}",
            self.status,
            self.text()
        );
        self.json()
    }

    /// The problem of a failure with this status and code.
    ///
    /// # Panics
    /// When the answer is another one.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "the server answered: {}", self.text());
        let body = self.json();
        assert_eq!(body["code"], code, "the server answered: {}", self.text());
        for member in ["title", "detail", "trace_id"] {
            assert!(
                body[member].as_str().is_some_and(|text| !text.is_empty()),
                "a problem without `{member}`: {body}"
            );
        }
        for language in ["zh", "en"] {
            assert!(
                body["titles"][language]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "a problem without a title in {language}: {body}"
            );
        }
        body
    }
}

impl Api {
    /// A client that has not signed in.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .build()
            .expect("an HTTP client");
        Self {
            base: base.into(),
            http,
            token: None,
        }
    }

    /// The same client with another identity.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
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

    /// Signs in.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn sign_in(&self, account: &str, password: &str) -> Self {
        let body = json!({ "account": account, "password": password });
        let session = self.anonymous().post("/sessions", &body).await.ok();
        self.with_token(session["token"].as_str().expect("a token"))
    }

    /// One request below `/api/v1`; a path of another kind is taken as it is.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Answer {
        self.try_send(method, path, content_type, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Like [`Api::send`], for requests that the death of the server may end.
    ///
    /// # Errors
    /// When no whole answer arrived.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let prefix = if path.starts_with("/api/") || path == "/" || path == "/healthz" {
            ""
        } else {
            "/api/v1"
        };
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("an HTTP method");
        let mut request = self
            .http
            .request(method, format!("{}{prefix}{path}", self.base))
            .header("Accept-Language", "en");
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type).body(body);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let location = response
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Answer {
            status,
            location,
            bytes: response.bytes().await?.to_vec(),
        })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", Vec::new()).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", Vec::new()).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "PUT",
            path,
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    /// PUT with a piece of raw bytes, as `Content-Range` counts them.
    ///
    /// # Errors
    /// When no whole answer arrived.
    pub async fn try_upload_piece(
        &self,
        path: &str,
        range: &str,
        bytes: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .http
            .put(format!("{}/api/v1{path}", self.base))
            .header("Accept-Language", "en")
            .header("Content-Range", range)
            .body(bytes);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            location: None,
            bytes: response.bytes().await?.to_vec(),
        })
    }

    /// PUT with raw bytes.
    pub async fn upload(&self, path: &str, bytes: Vec<u8>) -> Answer {
        self.send("PUT", path, "application/octet-stream", bytes)
            .await
    }
}
