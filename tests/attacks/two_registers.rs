//! Two registers: data sets that are extracts of one register number the same people, and lack some.

use harness::{Ran, World, people};
use serde_json::json;

use super::{DISTRICT, assert_released, city_with_a_target};

const POLICY: &str = r#"
version = 1
[columns.resident_id]
transform = "token"
value_domain = "person-id"
[columns.district]
transform = "keep"
class = "public"
reason = "invented people"
[columns.sex]
transform = "keep"
class = "public"
reason = "invented people"
[columns.age_band]
transform = "keep"
class = "public"
reason = "invented people"
[columns.occupation]
transform = "keep"
[columns.income]
transform = "keep"
"#;

/// Brings a second data set of people and a grant that reads both.
async fn with_extract(mut world: World, extract: &[people::Person]) -> World {
    let residents = world.system_admin.get("/datasets/residents").await.ok();
    let mut entry = json!({ "name": "extract", "title": { "zh": "抽取", "en": "Extract" } });
    for field in ["provider", "industry", "description", "columns", "unit"] {
        entry[field] = residents[field].clone();
    }
    let _ = world.system_admin.post("/datasets", &entry).await.ok();
    let _ = world
        .security_admin
        .put("/datasets/extract/policy", &json!({ "toml": POLICY }))
        .await
        .ok();
    world.push("extract", people::csv(extract)).await;
    let table = |name: &str| {
        let dimension = |column: &str| json!({ "name": column, "role": "dimension" });
        json!({
            "name": name, "dataset": name, "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                dimension("district"), dimension("sex"), dimension("age_band"), dimension("occupation"),
                { "name": "income", "role": "measure" },
            ],
        })
    };
    let contract = json!({
        "purpose": "two registers", "industry": "社会保障",
        "tables": [table("residents"), table("extract")],
        "operations": { "sql": true, "wasm": false },
        "term_days": 90, "refusals_max": 1000,
    });
    let scenario = world.approve_scenario("two-registers", &contract).await;
    world.grant = world.grant(&scenario).await;
    world
}

async fn by_district(world: &World, table: &str) -> Ran {
    world
        .sql(&format!(
            "select district, sum(income) as total from {table} group by district"
        ))
        .await
}

#[tokio::test]
async fn an_extract_that_lacks_one_person_does_not_give_that_person() {
    let (world, target) = city_with_a_target().await;
    let all: Vec<people::Person> = super::residents_with_a_target().0;
    let extract: Vec<people::Person> = all
        .into_iter()
        .filter(|person| person.resident_id != target.resident_id)
        .collect();
    let world = with_extract(world, &extract).await;
    let register = by_district(&world, "residents").await;
    assert_released(&register);
    let extract = by_district(&world, "extract").await;
    let of = |ran: &Ran| ran.cell("district", DISTRICT, "total");
    let stolen = (|| Some(of(&register)? - of(&extract)?))();
    assert!(
        stolen.is_none(),
        "one register less its extract: {stolen:?}, in truth {}",
        target.income
    );
}

#[tokio::test]
async fn an_extract_in_which_one_value_differs_does_not_give_that_value() {
    let (world, target) = city_with_a_target().await;
    let mut extract = super::residents_with_a_target().0;
    for person in &mut extract {
        if person.resident_id == target.resident_id {
            person.income += 70_000;
        }
    }
    let world = with_extract(world, &extract).await;
    let register = by_district(&world, "residents").await;
    assert_released(&register);
    let extract = by_district(&world, "extract").await;
    let of = |ran: &Ran| ran.cell("district", DISTRICT, "total");
    let stolen = (|| Some(of(&extract)? - of(&register)?))();
    assert!(stolen.is_none(), "one raise shows: {stolen:?}");
}

#[tokio::test]
async fn two_tables_of_the_same_people_are_joined_and_leave() {
    let (world, _) = city_with_a_target().await;
    let extract = super::residents_with_a_target().0;
    let world = with_extract(world, &extract).await;
    let ran = world
        .sql(
            "select r.district, sum(e.income) as total, count(*) as n from residents r \
             join extract e on r.resident_id = e.resident_id group by r.district",
        )
        .await;
    assert_eq!(ran.rows().len(), 6, "{:?}", ran.run);
}
