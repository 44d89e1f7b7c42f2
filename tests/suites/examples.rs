//! The examples of `egret example`, as a new user would play them: one after the other, through a real server; and what the
//! documents say of SQL, asked of the server.

use std::fmt::Write as _;

use harness::{World, run_egret};
use serde_json::{Value, json};

fn example(name: &str) -> String {
    let (code, out, err) = run_egret(&["example", name]);
    assert_eq!(code, 0, "{err}");
    out
}

fn example_json(name: &str) -> Value {
    serde_json::from_str(&example(name)).unwrap()
}

/// A year of visits to clinics.
fn visits() -> Vec<u8> {
    let mut csv = String::from("resident_id,name,district,age,visited_on,cost,remark\n");
    for (place, person) in harness::people::people(900).iter().enumerate() {
        let (age, month) = (20 + place % 60, 1 + place % 12);
        let _ = writeln!(
            csv,
            "{},王伟,{},{age},2024-{month:02}-11,{}.5,复诊",
            person.resident_id,
            ["思明区", "湖里区", "集美区"][place % 3],
            50 + place % 97,
        );
    }
    csv.into_bytes()
}

/// The tenant's list of the first 400 people, on two plans.
fn members() -> Vec<u8> {
    let mut csv = String::from("id_number,plan\n");
    for (place, person) in harness::people::people(400).iter().enumerate() {
        let plan = ["基本", "补充"][place % 2];
        let _ = writeln!(csv, "{},{plan}", person.resident_id);
    }
    csv.into_bytes()
}

/// Registers the entry with its rules, sets the policy and pushes a year of visits by the manifest.
async fn visits_are_there(world: &World) {
    let mut entry = example_json("entry");
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
    let csv = visits();
    let mut manifest = example_json("manifest");
    manifest["bytes"] = json!(csv.len());
    manifest["sha256"] = json!(sha256(&csv));
    let push = world.try_push("clinic_visits", manifest, csv).await;
    assert_eq!(push["state"], "version", "{push}");
    assert_eq!(push["rows_kept"], 900, "{push}");
}

/// Has the contract approved by both reviewers, and the application consented to by the provider.
async fn grant_is_active(world: &World) -> String {
    let scenario = world
        .approve_scenario("clinic-costs", &example_json("contract"))
        .await;
    let mut application = example_json("application");
    application["scenario"] = json!(scenario);
    let grant = world.developer.post("/grants", &application).await.ok();
    let id = grant["id"].as_str().unwrap().to_owned();
    let consents = format!("/grants/{id}/consents");
    let consent = json!({ "consent": true });
    let _ = world.provider.post(&consents, &consent).await.ok();
    let grant = world.developer.get(&format!("/grants/{id}")).await.ok();
    assert_eq!(grant["state"], "active", "{grant}");
    assert_eq!(grant["days"], 90, "{grant}");
    id
}

async fn ran(world: &World, job: &Value) -> harness::Ran {
    let job = world.developer.post("/jobs", job).await.ok();
    world.ran(job["run"].as_str().unwrap()).await
}

#[tokio::test]
async fn the_examples_tell_one_story_that_works() {
    let world = World::new().await;
    visits_are_there(&world).await;
    let sample = world
        .developer
        .get("/datasets/clinic_visits/sample")
        .await
        .ok();
    let rows = sample["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "the manifest's own rows: {sample}");
    assert!(
        rows.iter().all(|row| row.get("name").is_none()),
        "names were dropped: {sample}"
    );

    let grant = grant_is_active(&world).await;
    let query = json!({ "kind": "sql", "sql": example("query") });
    let by_district = ran(&world, &json!({ "grant": grant, "program": query })).await;
    assert_eq!(
        by_district.rows().len(),
        3,
        "run {} release {}",
        by_district.run,
        by_district.release
    );
    assert_eq!(
        by_district.cell("district", "湖里区", "persons"),
        Some(300.0)
    );

    let mut private = example_json("private");
    private["grant"] = json!(grant);
    let private = world
        .tenant_admin
        .post("/private-datasets", &private)
        .await
        .ok();
    let id = private["id"].as_str().unwrap();
    let data = format!("/private-datasets/{id}/data?format=csv");
    let _ = world.tenant_admin.upload(&data, members()).await.ok();
    let mut job = example_json("job");
    job["grant"] = json!(grant);
    let by_plan = ran(&world, &job).await;
    assert_eq!(
        by_plan.cell("plan", "基本", "persons"),
        Some(200.0),
        "run {} release {}",
        by_plan.run,
        by_plan.release
    );

    let module = wat::parse_str(example("module")).unwrap();
    let module = world
        .developer
        .send("POST", "/modules?name=costs", "application/wasm", module)
        .await
        .ok();
    let mut program = example_json("program");
    program["module"] = module["id"].clone();
    let histogram = ran(&world, &json!({ "grant": grant, "program": program })).await;
    assert_eq!(histogram.run["state"], "held", "{}", histogram.run);
}

/// The words in backticks of the first line that begins so.
fn words_of(document: &str, start: &str) -> Vec<String> {
    let line = document
        .lines()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("no line begins with {start}"));
    let words = line.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// A query that uses what the document calls admitted.
fn query_with(word: &str) -> String {
    let grouped =
        |group: &str| format!("select {group} as g, count(*) as n from visits group by {group}");
    let over = |aggregate: &str| format!("select {aggregate} as x from visits");
    match word {
        "COUNT(column)" => over("COUNT(age)"),
        "COUNT(DISTINCT key)" => over("COUNT(DISTINCT resident_id)"),
        counted if counted.starts_with("COUNT") => over(counted),
        "LOWER" | "UPPER" | "BTRIM" => grouped(&format!("{word}(district)")),
        "SUBSTR" => grouped("SUBSTR(district, 1, 2)"),
        "NULLIF" => grouped("NULLIF(district, '湖里区')"),
        "DATE_PART" => grouped("DATE_PART('year', visited_on)"),
        part if part.chars().all(|c| c.is_ascii_lowercase()) => {
            grouped(&format!("DATE_PART('{part}', visited_on)"))
        }
        aggregate => over(&format!("{aggregate}(cost)")),
    }
}

#[tokio::test]
async fn sql_is_admitted_as_the_documents_say() {
    let world = World::new().await;
    visits_are_there(&world).await;
    let grant = grant_is_active(&world).await;
    let check = async |sql: &str| {
        let body = json!({ "grant": grant, "sql": sql });
        world.developer.post("/sql:check", &body).await.ok()
    };
    let document = include_str!("../../portal/formats.md");
    let mut admitted = words_of(document, "| aggregates |");
    admitted.extend(words_of(document, "| groups |"));
    assert!(admitted.len() >= 20, "{admitted:?}");
    for word in admitted {
        let sql = query_with(&word);
        let answer = check(&sql).await;
        assert_eq!(answer["admitted"], true, "{word}: {sql}: {answer}");
    }
    for refused in [
        "select min(cost) as x from visits",
        "select max(cost) as x from visits",
        "select median(cost) as x from visits",
        "select sum(cost + 1) as x from visits",
        "select sum(case when age = '20-39' then cost end) as x from visits",
        "select distinct district from visits",
        "select district from visits",
        "select count(*) as n from visits where cost > 100",
        "select count(*) as n from visits where resident_id = 'a'",
        "select count(*) as n from visits a join visits b on a.resident_id = b.resident_id",
        "select count(*) as n from visits where district in (select district from visits)",
        "select district, count(*) as n from visits group by rollup(district)",
        "select count(*) filter (where district = '湖里区') as n from visits",
        "select count(*) as n from visits union all select count(*) as n from visits",
        "select district, row_number() over () as r, count(*) as n from visits group by district",
    ] {
        let answer = check(refused).await;
        assert_eq!(answer["admitted"], false, "{refused}: {answer}");
    }
    let above = "with v as (select district, visited_on, cost from visits where visited_on >= '2024-04-01') \
                 select district, case when avg(cost) > 80 then 'high' else 'low' end as level, \
                 cast(sum(cost) / count(*) as bigint) as mean from v group by district \
                 having count(*) > 20 order by mean desc limit 3 offset 0";
    let answer = check(above).await;
    assert_eq!(answer["admitted"], true, "{answer}");
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
