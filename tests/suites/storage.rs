//! Storage on both databases: the same acts leave the same state and the same kinds of leaves, whatever keeps them.

use harness::{Database, Postgres, Setup, World};
use serde_json::{Value, json};

#[tokio::test]
async fn both_databases_tell_the_same_story() {
    let postgres = Postgres::start();
    let on_sqlite = story(Database::Sqlite).await;
    let on_postgres = story(Database::Postgres(postgres.database("story"))).await;
    assert_eq!(on_sqlite, on_postgres);
}

/// A walk through every aggregate; what can be compared of it.
async fn story(database: Database) -> Value {
    let world = World::with(Setup {
        database,
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
    let run = released.run["id"].as_str().unwrap();
    let kinds = leaf_kinds(&world).await;
    json!({
        "released": released.csv,
        "refused": rules,
        "roles": me["roles"],
        "clash": clash.status,
        "scenario": world.developer.get(&format!("/scenarios/{}", world.scenario)).await.ok()["state"],
        "grant": world.developer.get(&format!("/grants/{}", world.grant)).await.ok()["state"],
        "run": world.developer.get(&format!("/runs/{run}")).await.ok()["state"],
        "leaves": kinds,
    })
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
