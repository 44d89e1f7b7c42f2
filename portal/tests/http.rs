//! The HTTP server as a client sees it, over real connections, with a real platform on SQLite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use portal::config::Config;
use portal::server::{Host, Server};
use reqwest::{Method, StatusCode};
use sandbox::{Lang, SystemClock, SystemEntropy};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server on a free port with a data folder of its own.
struct World {
    server: Server,
    data: tempfile::TempDir,
    http: reqwest::Client,
}

fn config(data: &std::path::Path) -> Config {
    let mut config = Config::parse("listen = \"127.0.0.1:0\"\n[workers]\ncount = 1\n").unwrap();
    config.data_dir = data.join("data");
    config
}

fn host() -> Host {
    Host {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker: env!("CARGO_BIN_EXE_egret").into(),
    }
}

impl World {
    async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
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

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, self.url(path))
            .header("accept-language", "en")
    }

    fn password(&self, account: &str) -> String {
        let text =
            std::fs::read_to_string(self.data.path().join("data/initial-sign-ins.txt")).unwrap();
        text.lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(name, _)| name.trim_end_matches(':') == account)
            .map(|(_, password)| password.trim().to_owned())
            .unwrap()
    }

    async fn sign_in(&self, account: &str) -> String {
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
async fn problem(response: reqwest::Response, status: u16, code: &str) -> Value {
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

#[tokio::test]
async fn the_way_in_works_and_ends() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let me = world
        .request(Method::GET, "/api/v1/me")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let me: Value = me.json().await.unwrap();
    assert_eq!(me["organisation_kind"], "operator");
    assert_eq!(me["roles"], json!(["system_admin"]));

    let out = world
        .request(Method::DELETE, "/api/v1/sessions/current")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let me = world
        .request(Method::GET, "/api/v1/me")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert!(
        me.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
    problem(me, 401, "unauthenticated").await;
    world.server.stop().await;
}

#[tokio::test]
async fn nobody_signed_in_is_a_401_on_every_operation_that_needs_it() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(&portal::http::openapi::document_json()).unwrap();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            if portal::http::openapi::PUBLIC_OPERATIONS.contains(&id) {
                continue;
            }
            let path = path
                .replace("{id}", "x")
                .replace("{name}", "x")
                .replace("{index}", "0");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = world.request(method, &path).send().await.unwrap();
            assert_eq!(
                response.headers()["www-authenticate"],
                "Bearer realm=\"egret\"",
                "{id}"
            );
            problem(response, 401, "unauthenticated").await;
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
    world.server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_a_problem_with_its_place() {
    let world = World::new().await;
    let sign_in = |kind: &str, body: &'static str| {
        world
            .request(Method::POST, "/api/v1/sessions")
            .header("content-type", kind.to_owned())
            .body(body)
            .send()
    };
    let cut = sign_in("application/json", "{\"account\": \"a\",\n \"password\": ")
        .await
        .unwrap();
    let cut = problem(cut, 400, "malformed_json").await;
    assert_eq!(
        (&cut["spans"][0]["line"], &cut["spans"][0]["column"]),
        (&json!(2), &json!(13)),
        "{cut}"
    );
    let wide = sign_in("application/json", "{\"account\": \"白鹭\", x}")
        .await
        .unwrap();
    let wide = problem(wide, 400, "malformed_json").await;
    assert_eq!(
        wide["spans"][0]["column"], 19,
        "columns count characters: {wide}"
    );
    let unknown = sign_in(
        "application/json",
        "{\"account\": \"a\", \"password\": \"b\", \"role\": 1}",
    )
    .await
    .unwrap();
    let unknown = problem(unknown, 400, "invalid_body").await;
    assert!(
        unknown["detail"].as_str().unwrap().contains("`role`"),
        "{unknown}"
    );
    for body in [
        "",
        "null",
        "[]",
        "{\"account\": 1, \"password\": 2}",
        "{\"account\": \"\u{fffd}\"}",
    ] {
        let response = sign_in("application/json; charset=utf-8", body)
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{body}");
    }
    problem(
        sign_in("text/plain", "{}").await.unwrap(),
        415,
        "unsupported_media_type",
    )
    .await;
    let deep: &'static str = Box::leak("[".repeat(100_000).into_boxed_str());
    problem(
        sign_in("application/json", deep).await.unwrap(),
        400,
        "malformed_json",
    )
    .await;
    world.server.stop().await;
}

#[tokio::test]
async fn addresses_methods_and_parameters_that_do_not_fit_are_problems() {
    let world = World::new().await;
    let token = world.sign_in("auditor").await;
    let get = |path: &str| world.request(Method::GET, path).bearer_auth(&token).send();
    problem(get("/api/v1/nothing").await.unwrap(), 404, "no_such_route").await;
    problem(
        get("/api/v1/me/~password").await.unwrap(),
        404,
        "no_such_route",
    )
    .await;
    problem(get("/api/v1/runs/run_1").await.unwrap(), 404, "not_found").await;
    problem(get("/api/v1/runs/%FF").await.unwrap(), 404, "not_found").await;
    problem(
        get("/api/v1/jobs?limit=0").await.unwrap(),
        400,
        "invalid_query",
    )
    .await;
    problem(
        get("/api/v1/jobs?limit=201").await.unwrap(),
        400,
        "invalid_query",
    )
    .await;
    problem(
        get("/api/v1/jobs?limit=many").await.unwrap(),
        400,
        "invalid_query",
    )
    .await;
    problem(
        get("/api/v1/jobs?page=2").await.unwrap(),
        400,
        "invalid_query",
    )
    .await;
    problem(
        get("/api/v1/jobs?cursor=%00").await.unwrap(),
        400,
        "invalid_query",
    )
    .await;
    let verb = get("/api/v1/me:password").await.unwrap();
    assert_eq!(verb.headers()["allow"], "POST");
    problem(verb, 405, "method_not_allowed").await;
    for (method, path) in [
        ("PATCH", "/api/v1/me"),
        ("OPTIONS", "/api/v1/me"),
        ("BREW", "/api/v1/me"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = world.request(method, path).send().await.unwrap();
        assert!(
            response.headers()["allow"]
                .to_str()
                .unwrap()
                .contains("GET")
        );
        problem(response, 405, "method_not_allowed").await;
    }
    world.server.stop().await;
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_at_once_and_the_client_reads_why() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let size = 100 << 20;
    let head = format!(
        "POST /api/v1/sql:check HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\naccept-language: en\r\ncontent-length: {size}\r\n\r\n"
    );
    // A simple client: it sends everything before it reads anything.
    let started = Instant::now();
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        stream.write_all(&chunk).await.unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("\"body_too_large\"") && answer.contains("1048576"),
        "{answer}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );

    // Another waits for leave and gets none, nor does the server wait for its body.
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    let waiting = head.replace("host: x", "host: x\r\nexpect: 100-continue");
    stream.write_all(waiting.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 413 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );

    // A third does not say how much will come.
    let body = reqwest::Body::wrap_stream(futures::stream::iter(
        (0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 20])),
    ));
    let response = world
        .request(Method::POST, "/api/v1/sql:check")
        .bearer_auth(&token)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    problem(response, 413, "body_too_large").await;
    world.server.stop().await;
}

#[tokio::test]
async fn an_unknown_client_learns_nothing_from_what_it_sends() {
    let world = World::new().await;
    let size = 1 << 30;
    let head = format!(
        "PUT /api/v1/pushes/psh_0/data HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\nexpect: 100-continue\r\n\r\n"
    );
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    assert!(
        answer[..read].starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    world.server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_cut_off() {
    let world = World::with(|config| config.http.header_timeout_ms = 200).await;
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is still open");
    world.server.stop().await;
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_the_description_is_served() {
    let world = World::new().await;
    let page = world.request(Method::GET, "/").send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    assert!(
        page.contains("白鹭") && page.contains("privacy-preserving"),
        "{page}"
    );
    for foreign in ["<script", "style=", "src=", "href=\"http", "href=\"//"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let style = world
        .request(Method::GET, "/assets/root.css")
        .send()
        .await
        .unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    let document: Value = world
        .request(Method::GET, "/api/v1/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let health: Value = world
        .request(Method::GET, "/healthz")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(health["status"], "ok");
    let keys: Value = world
        .request(Method::GET, "/api/v1/ledger/keys")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(!keys["keys"].as_array().unwrap().is_empty(), "{keys}");
    world.server.stop().await;
}

#[tokio::test]
async fn stopping_finishes_what_is_at_work_and_frees_port_and_folder() {
    let world = World::new().await;
    let address = world.server.address();
    let token = world.sign_in("system-admin").await;
    let request = world.request(Method::GET, "/api/v1/me").bearer_auth(&token);
    let (answered, ()) = tokio::join!(request.send(), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
    assert_eq!(answered.unwrap().status(), 200);
    let World { server, data, .. } = world;
    server.stop().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the port still answers"
    );
    let mut again = config(data.path());
    again.listen = address;
    let server = match Server::start(&again, host()).await {
        Ok(server) => server,
        Err(failure) => panic!("{}", failure.text(Lang::En)),
    };
    assert_eq!(server.address(), address);
    server.stop().await;
}

#[tokio::test]
async fn what_keeps_a_server_from_starting_is_named_in_both_languages() {
    let world = World::new().await;
    let other = tempfile::tempdir().unwrap();

    let mut taken = config(other.path());
    taken.listen = world.server.address();
    let failure = Server::start(&taken, host())
        .await
        .err()
        .expect("the port is taken");
    assert!(
        failure
            .text(Lang::En)
            .contains(&world.server.address().to_string())
    );
    assert!(failure.text(Lang::Zh).contains("已被其他程序占用"));
    assert!(
        !other.path().join("data").exists(),
        "something half-made was left behind"
    );

    let locked = config(world.data.path());
    let failure = Server::start(&locked, host())
        .await
        .err()
        .expect("the folder is locked");
    let folder = world.data.path().join("data");
    assert!(
        failure.text(Lang::En).contains(&*folder.to_string_lossy()),
        "{}",
        failure.text(Lang::En)
    );
    assert_ne!(failure.text(Lang::En), failure.text(Lang::Zh));

    let url_file = other.path().join("url");
    std::fs::write(&url_file, "postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let mut postgres = config(other.path());
    postgres.database.kind = portal::config::DatabaseKind::Postgres;
    let failure = Server::start(&postgres, host())
        .await
        .err()
        .expect("no URL is named");
    assert!(failure.text(Lang::En).contains("database.url_file"));
    postgres.database.url_file = Some(url_file.clone());
    mode(&url_file, 0o644);
    let failure = Server::start(&postgres, host())
        .await
        .err()
        .expect("others may read the URL");
    assert!(
        failure.text(Lang::En).contains("chmod 600"),
        "{}",
        failure.text(Lang::En)
    );
    mode(&url_file, 0o600);
    let failure = Server::start(&postgres, host())
        .await
        .err()
        .expect("no server answers");
    assert_ne!(failure.text(Lang::En), failure.text(Lang::Zh));
    world.server.stop().await;
}

fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
