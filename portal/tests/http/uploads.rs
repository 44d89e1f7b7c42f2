//! Uploads: handed on as they arrive, inside their bounds, and never half taken.

use crate::world::{World, problem};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

impl World {
    async fn post(&self, token: &str, path: &str, body: &Value) -> Value {
        let answer = self
            .request(Method::POST, path)
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }

    /// An open push into a data set of two columns.
    async fn push(&self, token: &str) -> String {
        let provider = json!({ "name": "bureau", "title": "bureau", "kind": "provider" });
        let provider = self.post(token, "/api/v1/organisations", &provider).await;
        let entry = json!({
            "name": "places", "title": { "zh": "地点", "en": "places" }, "provider": provider["id"],
            "industry": "交通运输",
            "columns": [{ "name": "place", "type": "string" }, { "name": "n", "type": "int64" }],
        });
        self.post(token, "/api/v1/datasets", &entry).await;
        let push = self
            .post(
                token,
                "/api/v1/datasets/places/pushes",
                &json!({ "format": "csv" }),
            )
            .await;
        push["id"].as_str().unwrap().to_owned()
    }

    /// The head of an upload, for a client that speaks HTTP by hand.
    fn head(&self, token: &str, push: &str, rest: &str) -> String {
        format!(
            "PUT /api/v1/pushes/{push}/data HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             accept-language: en\r\n{rest}\r\n"
        )
    }

    async fn has_no_data(&self, token: &str, push: &str) {
        let commit = self
            .request(Method::POST, &format!("/api/v1/pushes/{push}:commit"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(commit.status(), 409, "{}", commit.text().await.unwrap());
    }
}

#[tokio::test]
async fn an_upload_arrives_whole_whatever_its_pieces() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let push = world.push(&token).await;
    let csv = "place,n\n思明,1\n".repeat(1_000);
    let pieces: Vec<_> = csv
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let sent = world
        .request(Method::PUT, &format!("/api/v1/pushes/{push}/data"))
        .bearer_auth(&token)
        .body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)))
        .send()
        .await
        .unwrap();
    let sent: Value = sent.json().await.unwrap();
    assert_eq!(sent["bytes"], csv.len());
    let digest = ring::digest::digest(&ring::digest::SHA256, csv.as_bytes());
    assert_eq!(sent["sha256"], hex::encode(digest));
    world.server.stop().await;
}

#[tokio::test]
async fn an_upload_beyond_its_bound_is_refused_said_or_not() {
    let world = World::with(|config| config.http.upload_bytes_max = 1 << 20).await;
    let token = world.sign_in("system-admin").await;
    let push = world.push(&token).await;
    let path = format!("/api/v1/pushes/{push}/data");
    let put = || world.request(Method::PUT, &path).bearer_auth(&token);
    let said = put().body(vec![b'x'; 2 << 20]).send().await.unwrap();
    let said = problem(said, 413, "body_too_large").await;
    assert!(
        said["detail"].as_str().unwrap().contains("1048576"),
        "{said}"
    );
    let pieces = (0..64).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 16]));
    let unsaid = put().body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)));
    problem(unsaid.send().await.unwrap(), 413, "body_too_large").await;
    world.has_no_data(&token, &push).await;
    world.server.stop().await;
}

#[tokio::test]
async fn an_upload_that_stalls_or_breaks_off_leaves_nothing() {
    let world = World::with(|config| config.http.upload_idle_timeout_ms = 300).await;
    let token = world.sign_in("system-admin").await;
    let push = world.push(&token).await;
    let mut stalled = TcpStream::connect(world.server.address()).await.unwrap();
    let head = world.head(&token, &push, "content-length: 1000\r\n");
    stalled
        .write_all(format!("{head}place,n\n").as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let read = stalled.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("upload_stalled"),
        "{answer}"
    );
    world.has_no_data(&token, &push).await;

    let mut broken = TcpStream::connect(world.server.address()).await.unwrap();
    broken
        .write_all(format!("{head}place,n\n").as_bytes())
        .await
        .unwrap();
    drop(broken);
    world.has_no_data(&token, &push).await;
    world.server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_comes_to_read_why() {
    let world = World::new().await;
    let size = 64 << 20;
    let head = world.head("no-token", "psh_0", &format!("content-length: {size}\r\n"));
    let started = Instant::now();
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        stream.write_all(&piece).await.unwrap();
    }
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    world.server.stop().await;
}
