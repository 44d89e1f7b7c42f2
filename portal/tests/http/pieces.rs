//! Uploads in pieces: what was acknowledged stays, and the upload goes on behind it.

use crate::world::{World, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const POLICY: &str =
    "version = 1\n[columns.place]\ntransform = \"keep\"\n[columns.n]\ntransform = \"keep\"\n";

impl World {
    async fn json(&self, token: &str, method: Method, path: &str, body: &Value) -> Value {
        let request = self.request(method, path).bearer_auth(token).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A data set of two columns with a policy.
    async fn places(&self, token: &str) {
        let provider = json!({ "name": "bureau", "title": "bureau", "kind": "provider" });
        let path = "/api/v1/organisations";
        let provider = self.json(token, Method::POST, path, &provider).await;
        let entry = json!({
            "name": "places", "title": { "zh": "地点", "en": "places" }, "provider": provider["id"],
            "industry": "交通运输",
            "columns": [{ "name": "place", "type": "string" }, { "name": "n", "type": "int64" }],
        });
        self.json(token, Method::POST, "/api/v1/datasets", &entry)
            .await;
        let security = self.sign_in("security-admin").await;
        let path = "/api/v1/datasets/places/policy";
        self.json(&security, Method::PUT, path, &json!({ "toml": POLICY }))
            .await;
    }

    async fn open(&self, token: &str, csv: &str) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, csv.as_bytes());
        let manifest =
            json!({ "format": "csv", "bytes": csv.len(), "sha256": hex::encode(digest) });
        let path = "/api/v1/datasets/places/pushes";
        let push = self.json(token, Method::POST, path, &manifest).await;
        push["id"].as_str().unwrap().to_owned()
    }

    async fn piece(&self, token: &str, push: &str, range: &str, body: &str) -> Response {
        self.request(Method::PUT, &format!("/api/v1/pushes/{push}/data"))
            .bearer_auth(token)
            .header("content-range", range)
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    /// The stored length, as a HEAD tells it.
    async fn offset(&self, token: &str, push: &str) -> usize {
        let request = self.request(Method::HEAD, &format!("/api/v1/pushes/{push}"));
        let answer = request.bearer_auth(token).send().await.unwrap();
        offset_of(&answer)
    }

    /// Commits and waits for the version.
    async fn version(&self, token: &str, push: &str) {
        let path = format!("/api/v1/pushes/{push}:commit");
        self.json(token, Method::POST, &path, &json!({})).await;
        let path = format!("/api/v1/pushes/{push}");
        for _ in 0..600 {
            let request = self.request(Method::GET, &path).bearer_auth(token);
            let view: Value = request.send().await.unwrap().json().await.unwrap();
            match view["state"].as_str() {
                Some("version") => return,
                Some("received" | "checking") => {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
                _ => panic!("{view}"),
            }
        }
        panic!("the push is not decided");
    }
}

fn offset_of(answer: &Response) -> usize {
    answer.headers()["upload-offset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn csv(rows: usize) -> String {
    (0..rows).fold("place,n\n".to_owned(), |text, row| {
        text + &format!("{},{row}\n", ["思明", "湖里", "集美"][row % 3])
    })
}

#[tokio::test]
async fn a_broken_upload_goes_on_after_a_restart_and_makes_the_same_version() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    world.places(&token).await;
    let csv = csv(60_000);
    let total = csv.len();
    let whole = world.open(&token, &csv).await;
    let path = format!("/api/v1/pushes/{whole}/data");
    let put = world.request(Method::PUT, &path).bearer_auth(&token);
    let sent = put.body(csv.clone()).send().await.unwrap();
    assert_eq!(offset_of(&sent), total);
    world.version(&token, &whole).await;

    let push = world.open(&token, &csv).await;
    let first = 300_000;
    let bytes = csv.as_bytes();
    let piece = |from: usize, to: usize| {
        (
            format!("bytes {from}-{}/{total}", to - 1),
            bytes[from..to].to_vec(),
        )
    };
    let put = |world: &World, (range, body): (String, Vec<u8>)| {
        world
            .request(Method::PUT, &format!("/api/v1/pushes/{push}/data"))
            .bearer_auth(&token)
            .header("content-range", range)
            .body(body)
            .send()
    };
    let sent = put(&world, piece(0, first)).await.unwrap();
    assert_eq!((sent.status().as_u16(), offset_of(&sent)), (200, first));

    // The connection is cut in the middle of the second piece.
    let mut cut = TcpStream::connect(world.server.address()).await.unwrap();
    let (range, body) = piece(first, first + 200_000);
    let head = format!(
        "PUT /api/v1/pushes/{push}/data HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-range: {range}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.write_all(&body[..100_000]).await.unwrap();
    drop(cut);
    assert_eq!(
        world.offset(&token, &push).await,
        first,
        "what was acknowledged"
    );

    let world = world.restarted().await;
    assert_eq!(world.offset(&token, &push).await, first, "after a restart");
    for wrong in [0, first - 1, first + 1] {
        let refused = put(&world, piece(wrong, total)).await.unwrap();
        assert_eq!(offset_of(&refused), first);
        let refused = problem(refused, 409, "piece_does_not_fit").await;
        assert!(
            refused["detail"].as_str().unwrap().contains("300000 bytes"),
            "{refused}"
        );
    }
    let commit = world.request(Method::POST, &format!("/api/v1/pushes/{push}:commit"));
    let early = commit.bearer_auth(&token).send().await.unwrap();
    problem(early, 409, "data_incomplete").await;
    let sent = put(&world, piece(first, first + 200_000)).await.unwrap();
    assert_eq!(offset_of(&sent), first + 200_000);
    let sent = put(&world, piece(first + 200_000, total)).await.unwrap();
    assert_eq!((sent.status().as_u16(), offset_of(&sent)), (200, total));
    world.version(&token, &push).await;

    let versions = world.request(Method::GET, "/api/v1/datasets/places/versions");
    let versions: Value = versions
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let versions = versions["items"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["sha256"], versions[1]["sha256"]);
    world.server.stop().await;
}

#[tokio::test]
async fn a_piece_that_is_not_what_it_says_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    world.places(&token).await;
    let csv = csv(100);
    let total = csv.len();
    let push = world.open(&token, &csv).await;
    let whole = world.open(&token, &csv).await;
    for wrong in [
        "bytes 0-9",
        "bytes 0-9/*",
        "bytes 9-0/20",
        "bytes 0-20/20",
        "items 0-9/20",
        "bytes 0-9/99999999999999999999",
    ] {
        let refused = world.piece(&token, &push, wrong, "place,n\n1,").await;
        problem(refused, 400, "invalid_header").await;
    }
    let other = world
        .piece(&token, &push, "bytes 0-9/20", "place,n\n1,")
        .await;
    problem(other, 422, "size_mismatch").await;
    let range = format!("bytes 0-9/{total}");
    let short = world.piece(&token, &push, &range, "place").await;
    problem(short, 422, "piece_short").await;
    let long = world
        .piece(&token, &push, &range, "place,n\nand more")
        .await;
    problem(long, 413, "data_too_large").await;
    assert_eq!(world.offset(&token, &push).await, 0);

    // The whole is not what the manifest says: it begins anew.
    let first = world.piece(&token, &push, &range, "place,m\nxx").await;
    assert_eq!(first.status(), 200);
    let range = format!("bytes 10-{}/{total}", total - 1);
    let rest = "x".repeat(total - 10);
    let refused = world.piece(&token, &push, &range, &rest).await;
    problem(refused, 422, "digest_mismatch").await;
    assert_eq!(world.offset(&token, &push).await, 0);

    // Sent whole, the data take the place of pieces; and no piece fits behind the whole.
    let first = world
        .piece(&token, &whole, &format!("bytes 0-7/{total}"), &csv[..8])
        .await;
    assert_eq!(first.status(), 200);
    let path = format!("/api/v1/pushes/{whole}/data");
    let put = world.request(Method::PUT, &path).bearer_auth(&token);
    assert_eq!(put.body(csv.clone()).send().await.unwrap().status(), 200);
    let refused = world.piece(&token, &whole, &range, &rest).await;
    problem(refused, 409, "piece_does_not_fit").await;
    let raw = world.data.path().join("data/objects/raw");
    let kept: usize = std::fs::read_dir(raw)
        .unwrap()
        .map(|push| std::fs::read_dir(push.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(kept, 1, "raw objects");
    world.version(&token, &whole).await;
    world.server.stop().await;
}
