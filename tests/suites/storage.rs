//! Storage: the same acts leave the same state and the same kinds of leaves, whatever keeps them.

use std::path::Path;

use harness::{Bucket, Database, Objects, Postgres, S3, Setup, World};
use serde_json::{Value, json};

#[tokio::test]
async fn both_databases_tell_the_same_story() {
    let postgres = Postgres::start();
    let on_sqlite = story(Database::Sqlite, Objects::Folder).await;
    let database = Database::Postgres(postgres.database("story"));
    let on_postgres = story(database, Objects::Folder).await;
    assert_eq!(on_sqlite, on_postgres);
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_at_once() {
    let postgres = Postgres::start();
    let world = World::with(Setup {
        database: Database::Postgres(postgres.database("gone")),
        ..Setup::default()
    })
    .await;
    let health = || async {
        let nobody = world.server.api();
        let answer = nobody.get("/healthz").await;
        (answer.status, answer.json()["status"].clone())
    };
    assert_eq!(health().await, (200, "ok".into()));
    drop(postgres);
    let begun = std::time::Instant::now();
    let told = loop {
        let told = health().await;
        if told.0 != 200 || begun.elapsed().as_secs() > 30 {
            break told;
        }
    };
    assert_eq!(told, (503, "database_unavailable".into()));
    // Once that is known nobody waits for it: a hundred requests take less than one did.
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        world
            .developer
            .get("/me")
            .await
            .problem(503, "database_unavailable");
    }
    assert!(
        begun.elapsed().as_secs() < 100,
        "each request waited: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_s3_store_tells_the_same_story_and_sees_no_plain_text() {
    let s3 = S3::start();
    let in_a_folder = story(Database::Sqlite, Objects::Folder).await;
    let in_a_bucket = story(Database::Sqlite, Objects::S3(s3.bucket())).await;
    assert_eq!(in_a_folder, in_a_bucket);
    let (mut areas, mut objects) = (Vec::new(), 0);
    for area in std::fs::read_dir(s3.objects()).unwrap().map(Result::unwrap) {
        if area.path().is_dir() {
            areas.push(area.file_name().into_string().unwrap());
        }
    }
    areas.sort();
    for area in ["released", "staged", "units", "version"] {
        assert!(areas.iter().any(|found| found == area), "{area}: {areas:?}");
    }
    each_file(&s3.objects(), &mut |file| {
        objects += 1;
        let bytes = std::fs::read(file).unwrap();
        for plain in ["PAR1", "湖里", "district,n", "resident_id"] {
            assert!(!holds(&bytes, plain.as_bytes()), "`{plain}` in {file:?}");
        }
    });
    assert!(objects >= 4, "{objects} objects");
}

#[tokio::test]
async fn a_bucket_that_is_away_costs_no_job() {
    let mut s3 = S3::start();
    let world = World::with(Setup {
        objects: Objects::S3(s3.bucket()),
        ..Setup::default()
    })
    .await;
    s3.stop();
    let job = world
        .submit_sql("select district, count(*) as n from residents group by district")
        .await
        .ok();
    let run = format!("/runs/{}", job["run"].as_str().unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let state = world.developer.get(&run).await.ok()["state"].clone();
    assert!(state == "admitted" || state == "running", "{state}");
    s3.start_again();
    let ended = world
        .developer
        .get(&format!("{run}?wait_ms=30000"))
        .await
        .ok();
    assert_eq!(ended["state"], "released", "{ended}");
}

#[tokio::test]
async fn a_bucket_that_does_not_let_in_is_named_at_the_start() {
    let s3 = S3::start();
    let good = s3.bucket();
    for (wrong, word) in [
        (
            Bucket {
                secret_access_key: "not-the-secret".to_owned(),
                ..good.clone()
            },
            "secret_access_key_file",
        ),
        (
            Bucket {
                endpoint: "http://127.0.0.1:1".to_owned(),
                ..good.clone()
            },
            "127.0.0.1:1",
        ),
    ] {
        let said = harness::refused_start(&Database::Sqlite, &Objects::S3(wrong.clone()));
        assert!(said.contains(word), "no `{word}` in: {said}");
        assert!(!said.contains(&wrong.secret_access_key), "{said}");
    }
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            each_file(&entry.path(), visit);
        } else {
            visit(&entry.path());
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A walk through every aggregate; what can be compared of it.
async fn story(database: Database, objects: Objects) -> Value {
    let world = World::with(Setup {
        database,
        objects,
        ..Setup::default()
    })
    .await;
    let released = world
        .sql("select district, count(*) as n, avg(income) as mean from residents group by district")
        .await;
    let refused = world
        .submit_sql("select income from residents")
        .await
        .problem(422, "not_admitted");
    let rules: Vec<Value> = refused["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].clone())
        .collect();
    let token = world
        .developer
        .post("/tokens", &json!({ "name": "ci", "days": 1 }))
        .await
        .ok();
    let tools = world.developer.with_token(token["token"].as_str().unwrap());
    let me = tools.get("/me").await.ok();
    let id = token["id"].as_str().unwrap();
    assert_eq!(
        world
            .developer
            .delete(&format!("/tokens/{id}"))
            .await
            .status,
        204
    );
    assert_eq!(
        tools.get("/me").await.status,
        401,
        "a revoked token still works"
    );
    let clash = world
        .developer
        .post(
            "/scenarios",
            &json!({ "name": "city-statistics", "contract": {} }),
        )
        .await;
    let path = format!("/scenarios/{}:revoke", world.scenario);
    let _ = world.reviewers[1]
        .post(&path, &json!({ "reason": "end" }))
        .await
        .ok();
    let feedback = feedback(&world).await;
    let pieces = pieces(&world).await;
    let run = released.run["id"].as_str().unwrap();
    let kinds = leaf_kinds(&world).await;
    json!({
        "released": released.csv,
        "refused": rules,
        "roles": me["roles"],
        "clash": clash.status,
        "feedback": feedback,
        "pieces": pieces,
        "scenario": world.developer.get(&format!("/scenarios/{}", world.scenario)).await.ok()["state"],
        "grant": world.developer.get(&format!("/grants/{}", world.grant)).await.ok()["state"],
        "run": world.developer.get(&format!("/runs/{run}")).await.ok()["state"],
        "leaves": kinds,
    })
}

/// Two items of the feedback list: one that a later push closes, one that the operator does.
async fn feedback(world: &World) -> Value {
    let csv = |income: &str| {
        let people = harness::people::csv(&harness::people::people(100));
        let text = String::from_utf8(people).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let broken = rest.lines().next().unwrap().rsplit_once(',').unwrap().0;
        format!("{first}\n{rest}{broken},{income}\n").into_bytes()
    };
    let manifest = json!({ "format": "csv" });
    let _ = world
        .try_push("residents", manifest.clone(), csv("many"))
        .await;
    let _ = world
        .try_push("residents", manifest, b"1,2\n".to_vec())
        .await;
    let items = world.provider.get("/feedback?state=open").await.ok();
    let path = |at: usize| format!("/feedback/{}", items["items"][at]["id"].as_str().unwrap());
    let answer = json!({ "text": "已更正" });
    let _ = world
        .provider
        .post(&format!("{}:answer", path(1)), &answer)
        .await
        .ok();
    let closes = json!({ "format": "csv", "closes": [items["items"][1]["id"]] });
    let _ = world.try_push("residents", closes, csv("1")).await;
    let reason = json!({ "reason": "a test file" });
    let _ = world
        .system_admin
        .post(&format!("{}:close", path(0)), &reason)
        .await
        .ok();
    let mut seen = Vec::new();
    for at in [0, 1] {
        let item = world.provider.get(&path(at)).await.ok();
        seen.push(json!([
            item["state"],
            item["push_state"],
            item["causes"],
            item["problems"],
            item["answer"]["text"],
            item["closing"]["reason"],
        ]));
    }
    json!(seen)
}

/// A push in two pieces, and the scores of all pushes after it.
async fn pieces(world: &World) -> Value {
    let admin = &world.system_admin;
    let csv = harness::people::csv(&harness::people::people(200));
    let manifest = json!({ "format": "csv", "bytes": csv.len() });
    let push = admin
        .post("/datasets/residents/pushes", &manifest)
        .await
        .ok();
    let id = push["id"].as_str().unwrap();
    let path = format!("/pushes/{id}/data");
    let mut stored = Vec::new();
    for (from, to) in [(0, 1_000), (500, 2_000), (1_000, csv.len())] {
        let range = format!("bytes {from}-{}/{}", to - 1, csv.len());
        let piece = csv[from..to].to_vec();
        let answer = admin.try_upload_piece(&path, &range, piece).await.unwrap();
        stored.push(json!([
            answer.status,
            answer.json()["bytes"],
            answer.json()["sha256"]
        ]));
    }
    let _ = admin
        .post(&format!("/pushes/{id}:commit"), &json!({}))
        .await
        .ok();
    let mut state = Value::Null;
    while state != "version" {
        let view = admin.get(&format!("/pushes/{id}")).await.ok();
        assert!(
            view["state"] != "rejected" && view["state"] != "quarantined",
            "{view}"
        );
        state = view["state"].clone();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut scores = Vec::new();
    for person in [admin, &world.developer] {
        let points = person.get("/datasets/residents/quality").await.ok();
        let items = points["items"].as_array().unwrap();
        scores.push(
            items
                .iter()
                .map(|point| json!([point["state"], point["version"], point["score"]]))
                .collect(),
        );
    }
    json!({ "stored": stored, "scores": Value::Array(scores) })
}

async fn leaf_kinds(world: &World) -> Vec<String> {
    let page = world.auditor.get("/ledger/leaves?limit=200").await.ok();
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leaf| leaf["kind"].as_str().unwrap().to_owned())
        .collect()
}
