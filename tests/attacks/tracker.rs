//! The individual tracker (Denning, 1979): count(C) and count(C and not T), each far above the threshold.

use super::{DISTRICT, assert_released, city_with_a_target};

#[tokio::test]
async fn a_tracker_formula_finds_nobody() {
    let (world, target) = city_with_a_target().await;
    let district = world
        .sql(&format!(
            "select district, sum(income) as total from residents where district = '{DISTRICT}' \
             group by district"
        ))
        .await;
    assert_released(&district);
    let tracker = world
        .sql(&format!(
            "select district, sum(income) as total from residents \
             where district = '{DISTRICT}' and not (occupation = '宇航员' and sex = '{}') \
             group by district",
            target.sex
        ))
        .await;
    assert!(
        tracker.cell("district", DISTRICT, "total").is_none(),
        "count(C) and count(C and not T) both left: {:?}",
        tracker.csv
    );
}

#[tokio::test]
async fn the_general_tracker_of_complements_finds_nobody() {
    let (world, _) = city_with_a_target().await;
    let women = world
        .sql("select count(*) as n from residents where sex = 'F'")
        .await;
    assert_released(&women);
    // The complement together with the target, and the whole: whole - women = men, so men ∪ {target} gives the target away.
    let men_and_target = world
        .sql("select count(*) as n, sum(income) as total from residents where sex = 'M' or occupation = '宇航员'")
        .await;
    let men = world
        .sql("select count(*) as n, sum(income) as total from residents where sex = 'M'")
        .await;
    let both = men_and_target.csv.is_some() && men.csv.is_some();
    let same = men_and_target.csv == men.csv;
    assert!(
        !both || same,
        "sets that differ by the target alone both left: {men_and_target:?} {men:?}"
    );
}
