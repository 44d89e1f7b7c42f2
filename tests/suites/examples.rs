//! The examples of `egret example`, as a new user would play them: one after the other, through a real server.

use harness::{World, run_egret};
use serde_json::{Value, json};

fn example(name: &str) -> String {
    let (code, out, err) = run_egret(&["example", name]);
    assert_eq!(code, 0, "{err}");
    out
}

/// A year of visits to clinics.
fn visits() -> Vec<u8> {
    let mut csv = String::from("resident_id,name,district,age,visited_on,cost,remark\n");
    for (place, person) in harness::people::people(900).iter().enumerate() {
        let (age, month) = (20 + place % 60, 1 + place % 12);
        csv.push_str(&format!(
            "{},王伟,{},{age},2024-{month:02}-11,{}.5,复诊\n",
            person.resident_id,
            ["思明区", "湖里区", "集美区"][place % 3],
            50 + place % 97,
        ));
    }
    csv.into_bytes()
}

#[tokio::test]
async fn the_examples_tell_one_story_that_works() {
    let world = World::new().await;
    let mut entry: Value = serde_json::from_str(&example("entry")).unwrap();
    let organisations = world.system_admin.get("/organisations").await.ok();
    let bureau = organisations["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|each| each["name"] == entry["provider"])
        .expect("the harness has the example's provider");
    entry["provider"] = bureau["id"].clone();
    entry["quality_rules"] = json!(example("rules"));
    let _ = world.system_admin.post("/datasets", &entry).await.ok();
    let policy = json!({ "toml": example("policy") });
    let _ = world
        .security_admin
        .put("/datasets/clinic_visits/policy", &policy)
        .await
        .ok();
    let push = world.push("clinic_visits", visits()).await;
    assert_eq!(push["rows_kept"], 900, "{push}");
    let sample = world
        .developer
        .get("/datasets/clinic_visits/sample")
        .await
        .ok();
    let rows = sample["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    assert!(
        rows.iter().all(|row| row.get("name").is_none()),
        "names were dropped: {sample}"
    );

    let contract: Value = serde_json::from_str(&example("contract")).unwrap();
    let scenario = world.approve_scenario("clinic-costs", &contract).await;
    let grant = world.grant(&scenario).await;
    let query = json!({ "kind": "sql", "sql": example("query") });
    let job = json!({ "grant": grant, "program": query });
    let job = world.developer.post("/jobs", &job).await.ok();
    let ran = world.ran(job["run"].as_str().unwrap()).await;
    assert_eq!(
        ran.rows().len(),
        3,
        "run {} release {}",
        ran.run,
        ran.release
    );
    assert_eq!(ran.cell("district", "湖里区", "persons"), Some(300.0));

    let module = wat::parse_str(example("module")).unwrap();
    let module = world
        .developer
        .send("POST", "/modules?name=costs", "application/wasm", module)
        .await
        .ok();
    let mut program: Value = serde_json::from_str(&example("program")).unwrap();
    program["module"] = module["id"].clone();
    let job = json!({ "grant": grant, "program": program });
    let job = world.developer.post("/jobs", &job).await.ok();
    let ran = world.ran(job["run"].as_str().unwrap()).await;
    assert_eq!(ran.run["state"], "held", "{}", ran.run);
}
