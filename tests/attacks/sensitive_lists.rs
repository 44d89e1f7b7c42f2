//! Sensitive columns: what is left out of a list tells as much as what is in it, however the column is asked.

use std::fmt::Write as _;

use harness::{Setup, World, people};
use serde_json::{Value, json};

use super::DISTRICT;

/// One row a person, as `residents`; occupations are sensitive.
async fn world(residents: Vec<people::Person>) -> World {
    let mut world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    let contract = json!({
        "purpose": "occupations are sensitive", "industry": "社会保障",
        "tables": [{
            "name": "residents", "dataset": "residents", "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                { "name": "district", "role": "dimension" },
                { "name": "occupation", "role": "dimension", "sensitive": true },
                { "name": "income", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": false },
        "term_days": 90, "refusals_max": 1000,
    });
    let scenario = world.approve_scenario("sensitive-work", &contract).await;
    world.grant = world.grant(&scenario).await;
    world
}

async fn private(world: &World, name: &str, columns: Value, unit: Value, csv: String) {
    let mut set = json!({ "grant": world.grant, "name": name, "columns": columns });
    if !unit.is_null() {
        set["unit"] = unit;
    }
    let set = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let path = format!(
        "/private-datasets/{}/data?format=csv",
        set["id"].as_str().unwrap()
    );
    let _ = world
        .tenant_admin
        .upload(&path, csv.into_bytes())
        .await
        .ok();
}

async fn list(world: &World, name: &str, people: &[people::Person]) {
    let mut csv = String::from("id_number,label\n");
    for person in people {
        let _ = writeln!(csv, "{},x", person.resident_id);
    }
    let columns = json!([
        { "name": "id_number", "type": "string" },
        { "name": "label", "type": "string" },
    ]);
    let unit = json!({ "column": "id_number", "value_domain": "person-id" });
    private(world, name, columns, unit, csv).await;
}

/// Lists of eighteen strangers: a count that rounds to twenty would clear them, and a cleared list is filler for the next.
#[tokio::test]
async fn a_list_is_not_cleared_of_a_category() {
    let mut residents = people::people(400);
    for (place, person) in residents.iter_mut().enumerate() {
        let work = if place % 20 == 7 { "法官" } else { "教师" };
        work.clone_into(&mut person.occupation);
    }
    let world = world(residents.clone()).await;
    let mut answers = Vec::new();
    for (name, from) in [("clear", 8), ("one", 0), ("other", 120)] {
        list(&world, name, &residents[from..from + 18]).await;
        let ran = world
            .sql(&format!(
                "select count(*) as n from residents r join {name} l \
                 on r.resident_id = l.id_number where r.occupation <> '法官'"
            ))
            .await;
        assert!(ran.csv.is_none(), "{name}: {:?}", ran.csv);
        answers.push((ran.run["state"].clone(), ran.run["findings"].clone()));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "with and without are told apart: {answers:?}"
    );
    // A list of which many are and many are not is counted.
    let mixed: Vec<people::Person> = (0..400)
        .filter(|place| place % 20 == 7 || place % 16 == 0)
        .map(|place| residents[place].clone())
        .collect();
    list(&world, "mixed", &mixed).await;
    let ran = world
        .sql(
            "select count(*) as n from residents r join mixed l \
             on r.resident_id = l.id_number where r.occupation <> '法官'",
        )
        .await;
    assert!(ran.csv.is_some(), "{}", ran.run);
}

/// Everybody of a district is a driver: neither a code that is joined, nor a condition that always holds, says so.
#[tokio::test]
async fn a_category_is_not_asked_by_a_join_or_a_tautology() {
    let mut residents = people::people(1_200);
    for person in residents.iter_mut().filter(|p| p.district == DISTRICT) {
        "司机".clone_into(&mut person.occupation);
    }
    let world = world(residents).await;
    let columns =
        json!([{ "name": "work", "type": "string" }, { "name": "code", "type": "string" }]);
    let all = "work,code\n司机,c1\n教师,c2\n医生,c3\n工人,c4\n店员,c5\n";
    private(
        &world,
        "one",
        columns.clone(),
        Value::Null,
        "work,code\n司机,c1\n".to_owned(),
    )
    .await;
    private(&world, "codes", columns, Value::Null, all.to_owned()).await;
    for sql in [
        format!(
            "select count(*) as n from residents where district = '{DISTRICT}' and (occupation is null or occupation is not null)"
        ),
        format!(
            "select count(*) as n from residents r join one o on r.occupation = o.work where r.district = '{DISTRICT}'"
        ),
        format!(
            "select count(*) as n from residents where district = '{DISTRICT}' and occupation = '司机'"
        ),
        format!(
            "select count(*) as n from residents r join codes o on r.occupation = o.work where r.district = '{DISTRICT}' and o.code = 'c1'"
        ),
    ] {
        let ran = world.sql(&sql).await;
        assert!(ran.csv.is_none(), "{sql}: {:?}", ran.csv);
    }
    let labelled = world
        .sql(
            "select r.district, o.code, count(*) as n from residents r join codes o \
             on r.occupation = o.work group by r.district, o.code",
        )
        .await;
    assert!(
        labelled
            .rows()
            .iter()
            .all(|row| row["district"] != DISTRICT),
        "{:?}",
        labelled.csv
    );
    // A disjunction would let people in around the cell who are not in the group.
    let mixed = format!(
        "select count(*) as n from residents where (district = '{DISTRICT}' or occupation = '无') and occupation = '司机'"
    );
    let answer = world.submit_sql(&mixed).await;
    assert!(
        answer.text().contains("sensitive_with_others"),
        "{}",
        answer.text()
    );
    // One category by district is ordinary.
    let ordinary = world
        .sql("select district, count(*) as n, avg(income) as mean from residents where occupation = '教师' group by district")
        .await;
    assert!(ordinary.rows().len() >= 4, "{:?}", ordinary.csv);
}
