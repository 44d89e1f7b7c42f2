//! A server of the suite's own, and what every answer of it has.

use portal::config::Config;
use portal::server::{Host, Server};
use reqwest::{Method, StatusCode};
use sandbox::{Lang, SystemClock, SystemEntropy};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A server on a free port with a data folder of its own.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) data: tempfile::TempDir,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn config(data: &std::path::Path) -> Config {
    let mut config = Config::parse("listen = \"127.0.0.1:0\"\n[workers]\ncount = 1\n").unwrap();
    config.data_dir = data.join("data");
    config
}

pub(crate) fn host() -> Host {
    Host {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker: env!("CARGO_BIN_EXE_egret").into(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        change(&mut config);
        let server = match Server::start(&config, host()).await {
            Ok(server) => server,
            Err(failure) => panic!("{}", failure.text(Lang::En)),
        };
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self { server, data, http }
    }

    /// Stops the server and starts another on the same data.
    pub(crate) async fn restarted(self) -> Self {
        let Self { server, data, http } = self;
        server.stop().await;
        let server = match Server::start(&config(data.path()), host()).await {
            Ok(server) => server,
            Err(failure) => panic!("{}", failure.text(Lang::En)),
        };
        Self { server, data, http }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, self.url(path))
            .header("accept-language", "en")
    }

    pub(crate) fn password(&self, account: &str) -> String {
        let text =
            std::fs::read_to_string(self.data.path().join("data/initial-sign-ins.txt")).unwrap();
        text.lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(name, _)| name.trim_end_matches(':') == account)
            .map(|(_, password)| password.trim().to_owned())
            .unwrap()
    }

    pub(crate) async fn sign_in(&self, account: &str) -> String {
        let body = json!({ "account": account, "password": self.password(account) });
        let response = self
            .request(Method::POST, "/api/v1/sessions")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let session: Value = response.json().await.unwrap();
        session["token"].as_str().unwrap().to_owned()
    }
}

/// The problem of an answer, with what every problem has.
pub(crate) async fn problem(response: reqwest::Response, status: u16, code: &str) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let trace_id = response.headers()["x-trace-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let got = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        (got, problem["code"].as_str().unwrap()),
        (status, code),
        "{problem}"
    );
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("/problems/{code}"));
    assert_eq!(problem["trace_id"], trace_id);
    for text in [
        &problem["title"],
        &problem["detail"],
        &problem["titles"]["zh"],
        &problem["titles"]["en"],
    ] {
        assert!(
            text.as_str().is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
    problem
}
