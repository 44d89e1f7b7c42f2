//! Overlapping groups: the group by one list of occupations, then by a list that is longer by the target's.

use super::{DISTRICT, assert_released, city_with_a_target, difference};

#[tokio::test]
async fn groups_that_overlap_in_all_but_the_target_do_not_both_leave() {
    let (world, _) = city_with_a_target().await;
    let query = |occupations: &str| {
        format!(
            "select district, sum(income) as total from residents where occupation in ({occupations}) \
             group by district"
        )
    };
    let four = world.sql(&query("'教师', '司机', '医生', '工人'")).await;
    assert_released(&four);
    let five = world
        .sql(&query("'教师', '司机', '医生', '工人', '宇航员'"))
        .await;
    let stolen = difference(&five, &four, "district", DISTRICT, "total");
    assert!(
        stolen.is_none(),
        "groups that overlap in all but the target both left: {stolen:?}"
    );
}
