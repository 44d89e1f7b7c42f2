//! Prefix labels: a private list labels its first people, its first and one more, and so on; which labels leave tells where a cell
//! becomes large enough, and so which of the list are in the data.

use std::fmt::Write as _;

use harness::{Ran, Setup, World, people};
use serde_json::json;

use super::city_with_a_target;

/// People of the list; every third is nobody of the city.
const LISTED: usize = 24;
/// Labels of sixty people each that have nothing to do with the list.
const PLAIN: usize = 19;

async fn labelled(world: &World, sql: &str) -> Ran {
    let set = json!({
        "grant": world.grant,
        "name": "labels",
        "columns": [
            { "name": "id_number", "type": "string" },
            { "name": "label", "type": "string" },
        ],
        "unit": { "column": "id_number", "value_domain": "person-id" },
    });
    let set = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let all = people::people(1_300);
    let listed: Vec<&people::Person> = (0..LISTED)
        .map(|place| &all[if place % 3 == 0 { 1_200 + place } else { place }])
        .collect();
    let mut csv = String::from("id_number,label\n");
    for label in 0..PLAIN {
        for person in &all[60 + label * 60..120 + label * 60] {
            let _ = writeln!(csv, "{},plain-{label:02}", person.resident_id);
        }
    }
    for length in 6..=LISTED {
        for person in &listed[..length] {
            let _ = writeln!(csv, "{},first-{length:02}", person.resident_id);
        }
    }
    let path = format!(
        "/private-datasets/{}/data?format=csv",
        set["id"].as_str().unwrap()
    );
    let _ = world
        .tenant_admin
        .upload(&path, csv.into_bytes())
        .await
        .ok();
    world.sql(sql).await
}

#[tokio::test]
async fn prefixes_of_a_list_do_not_show_who_of_it_is_in_the_data() {
    let world = World::with(Setup {
        people: people::people(1_200),
        ..Setup::default()
    })
    .await;
    let ran = labelled(
        &world,
        "select l.label, count(*) as n from residents r join labels l on r.resident_id = l.id_number \
         group by l.label",
    )
    .await;
    let left: Vec<String> = ran.rows().iter().map(|row| row["label"].clone()).collect();
    let labels = PLAIN + LISTED - 5;
    assert!(
        left.is_empty() || left.len() == labels,
        "which labels left shows where people were added: {left:?}"
    );
}

/// What the history keeps back is an answer; a grant that has had its number of such answers gets no more.
#[tokio::test]
async fn what_the_history_withholds_is_paid_for() {
    let (mut world, _) = city_with_a_target().await;
    let contract = json!({
        "purpose": "few refusals", "industry": "社会保障",
        "tables": [{
            "name": "residents", "dataset": "residents", "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                { "name": "district", "role": "dimension" },
                { "name": "occupation", "role": "dimension" },
                { "name": "income", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": false },
        "term_days": 90, "refusals_max": 2,
    });
    let scenario = world.approve_scenario("few-refusals", &contract).await;
    world.grant = world.grant(&scenario).await;
    let by_district = async |filter: &str| {
        world
            .sql(&format!(
                "select district, sum(income) as total from residents {filter} group by district"
            ))
            .await
    };
    assert_eq!(by_district("").await.rows().len(), 6);
    for _ in 0..2 {
        // Five districts are the same again; the target's differs by one person.
        let ran = by_district("where occupation <> '宇航员'").await;
        assert_eq!(ran.rows().len(), 5, "{:?}", ran.run);
    }
    let next = world
        .submit_sql("select district, count(*) as n from residents group by district")
        .await;
    assert_eq!(
        next.status,
        409,
        "two answers of the history: {}",
        next.text()
    );
}
