//! Version differencing: the same query on two versions of a data set that differ by the target.

use harness::people;

use super::{DISTRICT, assert_released, city_with_a_target, difference, residents_with_a_target};

#[tokio::test]
async fn the_same_query_on_the_next_version_does_not_show_who_left() {
    let (world, _) = city_with_a_target().await;
    let query =
        "select district, count(*) as n, sum(income) as total from residents group by district";
    let first = world.sql(query).await;
    assert_released(&first);
    let (mut residents, target) = residents_with_a_target();
    residents.retain(|person| person.resident_id != target.resident_id);
    world.push("residents", people::csv(&residents)).await;
    let second = world.sql(query).await;
    let stolen = difference(&first, &second, "district", DISTRICT, "total");
    assert!(
        stolen.is_none(),
        "both versions left for the target's district; the difference is {stolen:?}, the secret {}",
        target.income
    );
}
