//! Hidden classes: a filter on a sensitive column leaves as many people as there are without it.

use harness::{Ran, Setup, World, people};
use serde_json::json;

use super::DISTRICT;

/// Everybody in the district but `others`, who are teachers, is a driver, and occupations count as sensitive here.
async fn world(others: usize) -> World {
    let mut residents = people::people(1_200);
    let district = residents.iter_mut().filter(|p| p.district == DISTRICT);
    for (place, person) in district.enumerate() {
        let work = if place < others { "教师" } else { "司机" };
        work.clone_into(&mut person.occupation);
    }
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

async fn count(world: &World, filter: &str) -> Option<f64> {
    let ran: Ran = world
        .sql(&format!(
            "select count(*) as n from residents where {filter}"
        ))
        .await;
    ran.rows().first()?.get("n")?.parse().ok()
}

#[tokio::test]
async fn a_filtered_group_as_large_as_the_group_does_not_leave() {
    let world = world(0).await;
    let group = format!("district = '{DISTRICT}'");
    let all = count(&world, &group).await;
    assert!(all.is_some(), "the group itself leaves");
    let drivers = count(&world, &format!("{group} and occupation = '司机'")).await;
    assert_eq!(drivers, None, "all {all:?} are drivers, as everybody sees");
}

#[tokio::test]
async fn the_filtered_group_first_does_not_help() {
    let world = world(14).await;
    let group = format!("district = '{DISTRICT}'");
    let drivers = count(&world, &format!("{group} and occupation = '司机'")).await;
    let all = count(&world, &group).await;
    assert!(
        drivers.is_none() || all.is_none(),
        "{drivers:?} of {all:?} are drivers: nearly all"
    );
}

#[tokio::test]
async fn a_filter_makes_a_group_of_a_table_of_classes() {
    let world = world(14).await;
    let ran = world
        .sql(&format!(
            "select occupation, count(*) as n from residents where district = '{DISTRICT}' group by occupation"
        ))
        .await;
    assert!(
        ran.cell("occupation", "司机", "n").is_none(),
        "nearly all of the district are drivers: {:?}",
        ran.csv
    );
}
