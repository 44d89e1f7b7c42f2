//! Starting, answering and stopping.

use crate::world::{World, config, host, problem};
use portal::server::Server;
use reqwest::{Method, StatusCode};
use sandbox::Lang;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
