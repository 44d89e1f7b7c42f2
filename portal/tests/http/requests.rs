//! Requests that do not fit: each is answered with a problem that says what is wrong and where.

use crate::world::{World, problem};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
async fn the_type_of_a_problem_leads_to_a_page() {
    let world = World::new().await;
    let refused = world
        .request(Method::GET, "/api/v1/me")
        .send()
        .await
        .unwrap();
    let refused = problem(refused, 401, "unauthenticated").await;
    let get = |path: &str| world.request(Method::GET, path).send();
    let page = get(refused["type"].as_str().unwrap()).await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("<code>unauthenticated</code>"), "{page}");
    for odd in ["%3Cscript%3E", "A", "a-b", &"a".repeat(65)] {
        let odd = get(&format!("/problems/{odd}")).await.unwrap();
        problem(odd, 404, "no_such_route").await;
    }
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
        "[\"system-admin\", \"password\"]",
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
    let deep = sign_in("application/json", deep).await.unwrap();
    problem(deep, 400, "malformed_json").await;
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
async fn a_wish_for_a_policy_is_checked_before_anything_is_searched() {
    let world = World::new().await;
    let token = world.sign_in("security-admin").await;
    let wished = async |body: Value| {
        let address = "/api/v1/datasets/nothing/policy:suggest";
        let request = world.request(Method::POST, address).bearer_auth(&token);
        request.json(&body).send().await.unwrap()
    };
    for (wish, word) in [
        (json!({ "measure": { "k_min": 1 } }), "k_min"),
        (json!({ "measure": { "k_min": 5, "t_max": 2.0 } }), "t_max"),
        (
            json!({ "measure": { "k_min": 5, "beta_max": -1.0 } }),
            "beta_max",
        ),
        (
            json!({ "measure": { "k_min": 5 }, "seconds": 99 }),
            "seconds",
        ),
        (
            json!({ "measure": { "k_min": 5 }, "loss": "time" }),
            "discernibility",
        ),
    ] {
        let told = problem(wished(wish).await, 422, "invalid_field").await;
        assert!(told.to_string().contains(word), "no {word}: {told}");
    }
    // What is well formed, and what asks for nothing, gets as far as the data set.
    problem(
        wished(json!({ "measure": { "k_min": 5 } })).await,
        404,
        "not_found",
    )
    .await;
    problem(wished(json!({})).await, 404, "not_found").await;
    let address = "/api/v1/datasets/nothing/policy:suggest";
    let bare = world.request(Method::POST, address).bearer_auth(&token);
    problem(bare.send().await.unwrap(), 404, "not_found").await;
    world.server.stop().await;
}
