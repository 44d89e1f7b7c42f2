//! `Idempotency-Key`: what is sent twice is done once.

use crate::world::{World, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn organisation(name: &str) -> Value {
    json!({ "name": name, "title": "厦门", "kind": "tenant" })
}

impl World {
    async fn keyed(&self, token: &str, path: &str, key: &str, body: &Value) -> reqwest::Response {
        self.request(Method::POST, path)
            .bearer_auth(token)
            .header("idempotency-key", key)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    async fn organisations(&self, token: &str) -> Vec<String> {
        let list = self
            .request(Method::GET, "/api/v1/organisations")
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let list: Value = list.json().await.unwrap();
        let names = list["items"].as_array().unwrap().iter();
        names
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let path = "/api/v1/organisations";
    let first = world
        .keyed(&token, path, "key-1", &organisation("acme"))
        .await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let location = first.headers()["location"].clone();
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first: Value = first.json().await.unwrap();

    let again = world
        .keyed(&token, path, "key-1", &organisation("acme"))
        .await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.headers()["location"], location);
    assert_eq!(again.headers()["content-type"], "application/json");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(world.organisations(&token).await, ["acme", "operator"]);

    let other = world
        .keyed(&token, path, "key-1", &organisation("rival"))
        .await;
    problem(other, 422, "idempotency_reused").await;
    let elsewhere = world
        .keyed(&token, "/api/v1/scenarios", "key-1", &organisation("acme"))
        .await;
    problem(elsewhere, 422, "idempotency_reused").await;
    assert_eq!(world.organisations(&token).await, ["acme", "operator"]);
    world.server.stop().await;
}

#[tokio::test]
async fn a_failure_is_not_kept_and_a_key_belongs_to_its_account() {
    let world = World::new().await;
    let system = world.sign_in("system-admin").await;
    let security = world.sign_in("security-admin").await;
    let path = "/api/v1/organisations";
    let denied = world
        .keyed(&security, path, "key-1", &organisation("acme"))
        .await;
    problem(denied, 403, "not_permitted").await;
    let bad = world
        .keyed(&system, path, "key-1", &organisation("NO NAME"))
        .await;
    problem(bad, 422, "invalid_name").await;
    let mended = world
        .keyed(&system, path, "key-1", &organisation("acme"))
        .await;
    assert_eq!(mended.status(), StatusCode::CREATED);
    world.server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_none_and_a_stranger_are_refused_before_anything_is_done() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let path = "/api/v1/organisations";
    let long = "k".repeat(129);
    for key in ["", "two words", &long] {
        let answer = world.keyed(&token, path, key, &organisation("acme")).await;
        problem(answer, 422, "idempotency_key").await;
    }
    let twice = world
        .request(Method::POST, path)
        .bearer_auth(&token)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .json(&organisation("acme"))
        .send()
        .await
        .unwrap();
    problem(twice, 400, "invalid_header").await;
    let nobody = world
        .keyed("no-token", path, "key-1", &organisation("acme"))
        .await;
    problem(nobody, 401, "unauthenticated").await;
    assert_eq!(world.organisations(&token).await, ["operator"]);
    world.server.stop().await;
}

#[tokio::test]
async fn of_requests_at_the_same_time_one_is_done() {
    let world = World::new().await;
    let token = world.sign_in("system-admin").await;
    let body = organisation("acme");
    let all = (0..12).map(|_| world.keyed(&token, "/api/v1/organisations", "key-1", &body));
    let mut made = 0;
    for answer in futures::future::join_all(all).await {
        match answer.status().as_u16() {
            201 => made += 1,
            409 => drop(problem(answer, 409, "idempotency_in_progress").await),
            other => panic!("{other}"),
        }
    }
    assert!(made >= 1);
    assert_eq!(world.organisations(&token).await, ["acme", "operator"]);
    world.server.stop().await;
}

#[tokio::test]
async fn a_secret_is_answered_once_and_never_kept() {
    let world = World::new().await;
    let token = world.sign_in("auditor").await;
    let body = json!({ "name": "script", "days": 1 });
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let made = world.keyed(&token, "/api/v1/tokens", "key-1", &body).await;
        assert!(!made.headers().contains_key("idempotent-replayed"));
        let made: Value = made.json().await.unwrap();
        secrets.push(made["token"].as_str().unwrap().to_owned());
    }
    assert_ne!(secrets[0], secrets[1]);
    world.server.stop().await;
}
