//! Crashes: `kill -9` at every step. What was acknowledged is there afterwards; what was not released is not readable.

use std::time::Duration;

use harness::{Answer, Database, Postgres, Setup, World, people};
use serde_json::{Value, json};

/// Moments after the first request at which the server is killed: before, within and after each stage of a small run.
const MOMENTS_MS: [u64; 8] = [0, 3, 8, 15, 25, 40, 70, 150];

#[tokio::test]
async fn acknowledged_jobs_survive_the_death_of_the_server() {
    let world = World::new().await;
    survive(world).await;
}

#[tokio::test]
async fn acknowledged_jobs_survive_the_death_of_the_server_on_postgres() {
    let postgres = Postgres::start();
    let database = Database::Postgres(postgres.database("crash"));
    let world = World::with(Setup {
        database,
        ..Setup::default()
    })
    .await;
    survive(world).await;
}

async fn survive(mut world: World) {
    let mut acknowledged = Vec::new();
    for (round, moment) in MOMENTS_MS.into_iter().enumerate() {
        let dimension = ["district", "sex", "age_band", "occupation"][round % 4];
        let sql = format!("select {dimension}, count(*) as n from residents group by {dimension}");
        let body = json!({ "grant": world.grant, "program": { "kind": "sql", "sql": sql } });
        let requests: Vec<_> = (0..3)
            .map(|_| {
                let (api, body) = (world.developer.clone(), body.to_string().into_bytes());
                tokio::spawn(async move {
                    api.try_send("POST", "/jobs", "application/json", body)
                        .await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.server.kill();
        for request in requests {
            if let Ok(Ok(Answer {
                status: 202, bytes, ..
            })) = request.await
            {
                let job: Value = serde_json::from_slice(&bytes).expect("a job");
                acknowledged.push((job["run"].as_str().expect("a run").to_owned(), dimension));
            }
        }
        world.server.restart().await;
    }
    assert!(
        !acknowledged.is_empty(),
        "no job was acknowledged before any kill"
    );
    for (run, dimension) in &acknowledged {
        let ran = world.ran(run).await;
        assert_eq!(
            ran.run["state"], "released",
            "an acknowledged run was lost: {}",
            ran.run
        );
        assert!(ran.csv.is_some(), "run {} release {}", ran.run, ran.release);
        assert!(ran.csv.unwrap().starts_with(&format!("{dimension},n\n")));
    }
    ledger_holds(&world).await;
}

#[tokio::test]
async fn a_dead_worker_is_a_failed_or_repeated_run_and_never_a_hang() {
    let world = World::new().await;
    let mut ended = 0;
    for moment in [0_u64, 5, 15, 40] {
        let job = world
            .submit_sql("select occupation, count(*) as n from residents group by occupation")
            .await
            .ok();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        for pid in workers_of(world.server.pid()) {
            let pid = rustix::process::Pid::from_raw(pid).expect("a process number");
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let ran = world.ran(job["run"].as_str().unwrap()).await;
        let state = ran.run["state"].as_str().unwrap();
        assert!(matches!(state, "released" | "failed"), "{}", ran.run);
        assert_eq!(
            state == "released",
            ran.csv.is_some(),
            "{} {}",
            ran.run,
            ran.release
        );
        ended += 1;
    }
    assert_eq!(ended, 4);
    let after = world
        .sql("select district, count(*) as n from residents group by district")
        .await;
    assert!(
        after.csv.is_some(),
        "new workers took the place of the dead: {}",
        after.run
    );
}

/// All processes below the server: nothing but workers.
fn workers_of(server: u32) -> Vec<i32> {
    let mut parents = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("a /proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        if let Some(parent) = parent {
            parents.insert(pid, parent);
        }
    }
    let server = i32::try_from(server).expect("a process number");
    let below = |mut pid: i32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == server {
                return true;
            }
            pid = *parent;
        }
        false
    };
    parents.keys().copied().filter(|pid| below(*pid)).collect()
}

#[tokio::test]
async fn a_push_that_was_committed_becomes_one_version_whenever_the_server_dies() {
    let mut world = World::new().await;
    let csv = people::csv(&people::people(1_200));
    let mut expected = 1;
    for moment in [0_u64, 10, 40, 120] {
        let push = world
            .system_admin
            .post("/datasets/residents/pushes", &json!({ "format": "csv" }))
            .await
            .ok();
        let id = push["id"].as_str().unwrap().to_owned();
        let _ = world
            .system_admin
            .upload(&format!("/pushes/{id}/data"), csv.clone())
            .await
            .ok();
        let _ = world
            .system_admin
            .post(&format!("/pushes/{id}:commit"), &json!({}))
            .await
            .ok();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.server.crash_and_restart().await;
        let mut push = Value::Null;
        for _ in 0..600 {
            push = world.system_admin.get(&format!("/pushes/{id}")).await.ok();
            if push["state"] == "version" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            push["state"], "version",
            "a committed push was lost: {push}"
        );
        expected += 1;
        let versions = world
            .system_admin
            .get("/datasets/residents/versions")
            .await
            .ok();
        assert_eq!(
            versions["items"].as_array().unwrap().len(),
            expected,
            "one push, one version"
        );
    }
    ledger_holds(&world).await;
}

/// A piece is on its way when the server dies; afterwards the upload goes on behind what was acknowledged.
#[tokio::test]
async fn an_upload_in_pieces_goes_on_whenever_the_server_dies() {
    let mut world = World::new().await;
    let csv = people::csv(&people::people(1_200));
    let manifest = json!({ "format": "csv", "bytes": csv.len() });
    let push = world
        .system_admin
        .post("/datasets/residents/pushes", &manifest)
        .await
        .ok();
    let id = push["id"].as_str().unwrap().to_owned();
    let path = format!("/pushes/{id}/data");
    let mut acknowledged = 0;
    for moment in [2_u64, 5, 10, 20, 40, 80] {
        let piece = |first: usize| {
            let last = (first + csv.len() / 8).min(csv.len() - 1);
            let range = format!("bytes {first}-{last}/{}", csv.len());
            (range, csv[first..=last].to_vec(), last + 1)
        };
        let (range, bytes, end) = piece(acknowledged);
        let (api, path) = (world.system_admin.clone(), path.clone());
        let sending = tokio::spawn(async move { api.try_upload_piece(&path, &range, bytes).await });
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.server.crash_and_restart().await;
        let heard = matches!(sending.await, Ok(Ok(answer)) if answer.status == 200);
        let push = world.system_admin.get(&format!("/pushes/{id}")).await.ok();
        let stored = usize::try_from(push["bytes"].as_u64().unwrap()).unwrap();
        assert!(
            stored == end || (stored == acknowledged && !heard),
            "{push}"
        );
        acknowledged = stored;
    }
    let range = format!("bytes {acknowledged}-{}/{}", csv.len() - 1, csv.len());
    let rest = csv[acknowledged..].to_vec();
    let sent = world
        .system_admin
        .try_upload_piece(&path, &range, rest)
        .await;
    let sent = sent.expect("an answer").ok();
    assert_eq!(sent["bytes"], csv.len());
    let commit = format!("/pushes/{id}:commit");
    let _ = world.system_admin.post(&commit, &json!({})).await.ok();
    let mut state = Value::Null;
    while state != "version" {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let push = world.system_admin.get(&format!("/pushes/{id}")).await.ok();
        assert!(push["state"] != "rejected", "{push}");
        state = push["state"].clone();
    }
    ledger_holds(&world).await;
}

/// The log verifies, and the checkpoint covers every leaf that can be listed.
async fn ledger_holds(world: &World) {
    let checkpoint = world.auditor.get("/ledger/checkpoint").await.ok();
    let size = checkpoint["size"].as_u64().expect("a size");
    let mut seen = 0;
    let mut after: Option<u64> = None;
    loop {
        let cursor = after.map_or(String::new(), |after| format!("&after={after}"));
        let page = world
            .auditor
            .get(&format!("/ledger/leaves?limit=200{cursor}"))
            .await
            .ok();
        let leaves = page["items"].as_array().expect("leaves").clone();
        let Some(last) = leaves.last() else { break };
        for leaf in &leaves {
            assert_eq!(leaf["index"].as_u64(), Some(seen), "a gap in the log");
            seen += 1;
        }
        after = last["index"].as_u64();
    }
    assert!(
        seen >= size,
        "the checkpoint promises {size} leaves, {seen} are there"
    );
}
