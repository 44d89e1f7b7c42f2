//! Keys: two people rotate and destroy them, every token changes, what was certified stays so, and nothing is told of what is gone.

use std::collections::BTreeSet;

use harness::{Database, Postgres, Setup, World, people};
use serde_json::{Value, json};

const JOIN: &str = "select c.segment, count(*) as n from residents r \
                    join customers c on r.resident_id = c.id_number group by c.segment";
const COUNT: &str = "select district, count(*) as n from residents group by district";

#[tokio::test]
async fn keys_are_rotated_and_destroyed_on_sqlite() {
    walk(Database::Sqlite).await;
}

#[tokio::test]
async fn keys_are_rotated_and_destroyed_on_postgres() {
    let postgres = Postgres::start();
    walk(Database::Postgres(postgres.database("keys"))).await;
}

async fn walk(database: Database) {
    let world = World::with(Setup {
        database,
        ..Setup::default()
    })
    .await;
    let private = customers(&world).await;
    let before = world.sql(JOIN).await;
    assert_eq!(
        before.cell("segment", "gold", "n"),
        Some(600.0),
        "{before:?}"
    );
    let old = certificate(&world, &before.release).await;
    let [intake, scenario] = [
        key(&world, "intake").await,
        key(&world, &world.scenario).await,
    ];
    assert_eq!(
        named(&old, &world.scenario)["commitment"],
        scenario["commitment"]
    );
    assert_eq!(named(&old, "intake")["commitment"], intake["commitment"]);

    rotate_the_scenario(&world, &scenario).await;
    rotate_intake(&world, &private, &intake).await;
    destroy_intake(&world, &intake, &private).await;
    destroy_the_scenario(&world).await;

    // What was certified under keys that are gone is as true as before.
    let after = certificate(&world, &before.release).await;
    assert_eq!(after, old);
    let audit = world.auditor.get("/ledger/leaves?limit=200").await.ok();
    let kinds: BTreeSet<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|leaf| leaf["kind"].as_str().or(leaf["leaf"]["kind"].as_str()))
        .collect();
    for kind in [
        "key.create",
        "key.request",
        "key.rotate",
        "key.destroy",
        "key.withdraw",
    ] {
        assert!(kinds.contains(kind), "{kind} is in no leaf: {kinds:?}");
    }
    let verified = world.auditor.post("/ledger:verify", &json!({})).await;
    assert_eq!(verified.status, 200, "{}", verified.text());
    let log = world.server.log();
    assert!(
        !log.contains("keeps what was deleted") && !log.contains("could not be erased"),
        "{log}"
    );
}

async fn rotate_the_scenario(world: &World, before: &Value) {
    let staged = staged(world);
    assert!(!staged.is_empty(), "nothing was staged");
    act(
        world,
        json!({ "act": "rotate", "owner": world.scenario, "reason": "a new year" }),
    )
    .await;
    assert!(
        self::staged(world).is_empty(),
        "staged files outlived their key"
    );
    let now = key(world, &world.scenario).await;
    assert_eq!(now["epoch"], before["epoch"].as_u64().unwrap() + 1);
    assert_ne!(now["commitment"], before["commitment"]);
    let ran = world.sql(JOIN).await;
    assert_eq!(ran.cell("segment", "gold", "n"), Some(600.0), "{ran:?}");
    let certificate = certificate(world, &ran.release).await;
    assert_eq!(named(&certificate, &world.scenario)["epoch"], now["epoch"]);
    let fresh = self::staged(world);
    assert!(!fresh.is_empty() && fresh.is_disjoint(&staged));
}

async fn rotate_intake(world: &World, private: &str, before: &Value) {
    act(
        world,
        json!({ "act": "rotate", "owner": "intake", "reason": "a new year" }),
    )
    .await;
    let now = key(world, "intake").await;
    assert_eq!(now["epoch"], 2);
    assert_ne!(now["commitment"], before["commitment"]);
    // Both tables are still of the old epoch, and join.
    assert!(world.sql(JOIN).await.csv.is_some());
    world
        .push("residents", people::csv(&people::people(1_200)))
        .await;
    let versions = world
        .developer
        .get("/datasets/residents/versions")
        .await
        .ok();
    assert_eq!(versions["items"][0]["intake_epoch"], 2, "{versions}");
    assert_eq!(
        versions["items"][0]["key_commitments"]["intake"],
        now["commitment"]
    );
    let refused = world.submit_sql(JOIN).await;
    let refused = refused.problem(409, "intake_epochs_differ");
    assert!(refused.to_string().contains("customers"), "{refused}");
    // A table alone needs no other.
    assert!(world.sql(COUNT).await.csv.is_some());
    upload(world, private).await;
    let ran = world.sql(JOIN).await;
    assert_eq!(ran.cell("segment", "gold", "n"), Some(600.0), "{ran:?}");
    let certificate = certificate(world, &ran.release).await;
    assert_eq!(named(&certificate, "intake")["epoch"], 2);
}

async fn destroy_intake(world: &World, first: &Value, private: &str) {
    let destroy = |epoch: u32| json!({ "act": "destroy", "owner": "intake", "epoch": epoch, "reason": "PIPL" });
    let ask = |body: Value| async move { world.security_admin.post("/key-requests", &body).await };
    ask(destroy(2)).await.problem(409, "key_active");
    ask(destroy(9)).await.problem(404, "not_found");
    assert_eq!(first["epoch"], 1);
    act(world, destroy(1)).await;
    ask(destroy(1)).await.problem(409, "key_destroyed");
    let keys = world.auditor.get("/keys?limit=200").await.ok();
    let gone = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["owner"] == "intake" && key["epoch"] == 1)
        .unwrap()
        .clone();
    assert_eq!(gone["state"], "destroyed");
    assert_eq!(
        gone["commitment"], first["commitment"],
        "the commitment stays"
    );
    // The newest data are of the epoch in force and go on.
    let list = world.tenant_admin.get("/private-datasets").await.ok();
    assert_eq!(list["items"][0]["id"], private);
    assert_eq!(list["items"][0]["intake_epoch"], 2);
    assert!(world.sql(JOIN).await.csv.is_some());
}

async fn destroy_the_scenario(world: &World) {
    let body =
        json!({ "act": "destroy", "owner": world.scenario, "reason": "the purpose is served" });
    act(world, body).await;
    assert!(staged(world).is_empty(), "staged files outlived their key");
    let refused = world.submit_sql(COUNT).await;
    let refused = refused.problem(409, "key_destroyed");
    assert!(
        refused["remedy"]
            .as_str()
            .is_some_and(|remedy| !remedy.is_empty()),
        "{refused}"
    );
    // A new epoch begins again, and has nothing of the old one.
    act(
        world,
        json!({ "act": "rotate", "owner": world.scenario, "reason": "a new purpose" }),
    )
    .await;
    assert!(world.sql(COUNT).await.csv.is_some());
}

/// Two people: one asks, the same one may not confirm, the other does; what was withdrawn is not confirmed.
async fn act(world: &World, body: Value) {
    let (first, second) = (&world.security_admin, &world.second_security_admin);
    let withdrawn = first.post("/key-requests", &body).await.ok();
    let path = format!("/key-requests/{}", withdrawn["id"].as_str().unwrap());
    first
        .post("/key-requests", &body)
        .await
        .problem(409, "key_act_requested");
    let _ = second
        .post(&format!("{path}:withdraw"), &json!({}))
        .await
        .ok();
    let late = second.post(&format!("{path}:confirm"), &json!({})).await;
    late.problem(409, "key_request_decided");

    let request = first.post("/key-requests", &body).await.ok();
    assert_eq!(request["state"], "requested");
    let path = format!("/key-requests/{}", request["id"].as_str().unwrap());
    let own = first.post(&format!("{path}:confirm"), &json!({})).await;
    own.problem(403, "second_person");
    for other in [
        &world.system_admin,
        &world.auditor,
        &world.reviewers[0],
        &world.tenant_admin,
    ] {
        let answer = other.post(&format!("{path}:confirm"), &json!({})).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    let done = second
        .post(&format!("{path}:confirm"), &json!({}))
        .await
        .ok();
    assert_eq!(done["state"], "confirmed", "{done}");
    let twice = second.post(&format!("{path}:confirm"), &json!({})).await;
    twice.problem(409, "key_request_decided");
}

/// The newest key of an owner.
async fn key(world: &World, owner: &str) -> Value {
    let keys = world.security_admin.get("/keys?limit=200").await.ok();
    let keys = keys["items"].as_array().unwrap();
    let own = keys.iter().filter(|key| key["owner"] == owner);
    own.max_by_key(|key| key["epoch"].as_u64()).unwrap().clone()
}

/// What a certificate says of the keys.
async fn certificate(world: &World, release: &Value) -> Value {
    use base64::Engine as _;
    let path = format!("/releases/{}/certificate", release["id"].as_str().unwrap());
    let certificate = world.developer.get(&path).await.ok();
    let payload = certificate["dsse"]["payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD
        .decode(payload)
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn named(statement: &Value, owner: &str) -> Value {
    let keys = statement["predicate"]["keys"].as_array().unwrap();
    keys.iter()
        .find(|key| key["owner"] == owner)
        .unwrap()
        .clone()
}

/// The staged objects, by name.
fn staged(world: &World) -> BTreeSet<String> {
    let folder = world
        .server
        .data()
        .join("objects/staged")
        .join(&world.scenario);
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A private data set of half of the people.
async fn customers(world: &World) -> String {
    let set = json!({
        "grant": world.grant,
        "name": "customers",
        "columns": [{ "name": "id_number", "type": "string" }, { "name": "segment", "type": "string" }],
        "unit": { "column": "id_number", "value_domain": "person-id" },
    });
    let created = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let id = created["id"].as_str().unwrap().to_owned();
    upload(world, &id).await;
    id
}

async fn upload(world: &World, private: &str) {
    let mut csv = String::from("id_number,segment\n");
    for person in people::people(1_200).iter().step_by(2) {
        csv.push_str(&format!("{},gold\n", person.resident_id));
    }
    let path = format!("/private-datasets/{private}/data?format=csv");
    let _ = world
        .tenant_admin
        .upload(&path, csv.into_bytes())
        .await
        .ok();
}

#[tokio::test]
async fn a_database_is_not_opened_with_another_suite() {
    let mut world = World::new().await;
    assert_eq!(key(&world, "intake").await["suite"], "international");
    let said = world.server.refused_restart("[keys]\nsuite = \"sm\"\n");
    assert!(said.contains("international"), "{said}");
    assert!(said.contains("suite"), "{said}");
    world.server.restart().await;
    assert!(world.sql(COUNT).await.csv.is_some());
}

#[tokio::test]
async fn a_server_of_the_chinese_suite_joins_rotates_and_stays_of_that_suite() {
    let mut world = World::with(Setup {
        config: "[keys]\nsuite = \"sm\"\n",
        ..Setup::default()
    })
    .await;
    let _ = customers(&world).await;
    let ran = world.sql(JOIN).await;
    assert_eq!(ran.cell("segment", "gold", "n"), Some(600.0), "{ran:?}");
    for owner in ["intake", world.scenario.as_str()] {
        assert_eq!(key(&world, owner).await["suite"], "sm");
    }
    act(
        &world,
        json!({ "act": "rotate", "owner": world.scenario, "reason": "a new year" }),
    )
    .await;
    assert_eq!(key(&world, &world.scenario).await["suite"], "sm");
    assert_eq!(
        world.sql(JOIN).await.cell("segment", "gold", "n"),
        Some(600.0)
    );
    let said = world.server.refused_restart("");
    assert!(
        said.contains("another_suite") || said.contains("suite"),
        "{said}"
    );
    world.server.restart().await;
    assert!(world.sql(COUNT).await.csv.is_some());
}
