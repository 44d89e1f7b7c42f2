//! Differencing by one person: everybody, then everybody but the target.

use super::{DISTRICT, assert_released, city_with_a_target, difference};

#[tokio::test]
async fn the_second_of_a_pair_that_differs_by_one_person_does_not_leave() {
    let (world, target) = city_with_a_target().await;
    let all = world
        .sql(
            "select district, count(*) as n, sum(income) as total from residents group by district",
        )
        .await;
    assert_released(&all);
    let without = world
        .sql(
            "select district, count(*) as n, sum(income) as total from residents \
             where occupation <> '宇航员' group by district",
        )
        .await;
    let stolen = difference(&all, &without, "district", DISTRICT, "total");
    assert!(
        stolen.is_none(),
        "the totals with and without the target both left; their difference is {stolen:?}, the secret {}",
        target.income
    );
    // Which rule withheld it is not told: the words are the same whatever the data.
    assert!(
        without
            .rules()
            .iter()
            .all(|rule| rule == "cells_may_be_missing"),
        "a finding says why a cell is missing: {:?}",
        without.rules()
    );
    assert!(
        without.rows().len() >= 4,
        "districts without the target stay useful: {:?}",
        without.csv
    );
}
