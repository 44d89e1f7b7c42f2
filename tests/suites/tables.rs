//! Tables of numbers, places and words are read anew with a signal, and a fault in them changes nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::World;
use serde_json::{Value, json};

const HINTS: &str = include_str!("../../masking/data/hints.csv");

#[tokio::test]
async fn a_hang_up_reads_the_tables_anew() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let hints = folder.path().join("hints.csv");
    std::fs::write(&hints, HINTS).unwrap();
    let tables = format!("tables_dir = {:?}\n", folder.path());
    world.server.restart_with(&tables).await;
    let organisations = world
        .system_admin
        .get("/organisations?limit=200")
        .await
        .ok();
    let bureau = organisations["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|each| each["kind"] == "provider")
        .unwrap();
    let entry = json!({
        "name": "calls",
        "title": { "zh": "通话", "en": "Calls" },
        "provider": bureau["id"],
        "industry": "交通运输",
        "columns": [{ "name": "zzqx", "type": "string" }],
    });
    let _ = world.system_admin.post("/datasets", &entry).await.ok();
    assert_eq!(class(&world).await["class"], "public");

    std::fs::write(&hints, format!("mobile,zzqx\n{HINTS}")).unwrap();
    hang_up(&world, "tables were read anew").await;
    let found = class(&world).await;
    assert_eq!(
        (&found["class"], &found["identifier"]),
        (&json!("direct_identifier"), &json!("mobile"))
    );

    std::fs::write(&hints, "no meaning of ours,zzqx\n").unwrap();
    hang_up(&world, "tables were not read anew").await;
    assert_eq!(
        class(&world).await["identifier"],
        "mobile",
        "a fault changes nothing"
    );
    assert!(
        world.server.log().contains("hints.csv"),
        "the fault names its file"
    );
}

#[tokio::test]
async fn a_hang_up_without_tables_ends_nothing() {
    let world = World::new().await;
    hang_up(&world, "nothing to read anew").await;
    assert_eq!(world.developer.get("/me").await.status, 200);
}

/// Sends the signal and waits for what the server says to it.
async fn hang_up(world: &World, said: &str) {
    assert!(
        Path::new("/proc")
            .join(world.server.pid().to_string())
            .exists()
    );
    let sent = Command::new("kill")
        .args(["-HUP", &world.server.pid().to_string()])
        .status();
    assert!(sent.unwrap().success());
    for _ in 0..200 {
        if world.server.log().contains(said) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no `{said}` in: {}", world.server.log());
}

/// What the column is taken for.
async fn class(world: &World) -> Value {
    let suggested = world
        .system_admin
        .post("/datasets/calls/policy:suggest", &json!({}))
        .await
        .ok();
    suggested["classes"][0].clone()
}
