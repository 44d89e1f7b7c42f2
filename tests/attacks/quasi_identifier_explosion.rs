//! Quasi-identifier explosion: group by everything, so that the groups are people.

use super::city_with_a_target;

#[tokio::test]
async fn a_table_whose_groups_are_people_is_refused_as_a_whole() {
    let (world, _) = city_with_a_target().await;
    let ran = world
        .sql(
            "select district, sex, age_band, occupation, count(*) as n, sum(income) as total \
             from residents group by district, sex, age_band, occupation",
        )
        .await;
    assert!(ran.csv.is_none(), "a table of people left: {:?}", ran.csv);
    let rules = ran.rules();
    assert!(!rules.is_empty(), "the refusal says why: {}", ran.run);
}
