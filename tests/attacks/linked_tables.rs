//! Linked tables: two tables that share a margin are solved together.

use harness::{Setup, World, people};

use super::{DISTRICT, assert_released};

#[tokio::test]
async fn tables_that_share_a_margin_do_not_isolate_a_small_group() {
    // Four judges, all women in one district: by sex and by occupation they hide, across both they do not.
    let mut residents = people::people(1_200);
    let mut made = 0;
    for person in &mut residents {
        if person.district == DISTRICT && person.sex == "F" && made < 4 {
            "法官".clone_into(&mut person.occupation);
            made += 1;
        }
    }
    assert_eq!(made, 4);
    let world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    let women = world
        .sql(&format!(
            "select sex, sum(income) as total from residents where district = '{DISTRICT}' and sex = 'F' \
             group by sex"
        ))
        .await;
    assert_released(&women);
    let common = "'教师', '司机', '医生', '工人', '店员'";
    let women_in_common_work = world
        .sql(&format!(
            "select sex, sum(income) as total from residents \
             where district = '{DISTRICT}' and sex = 'F' and occupation in ({common}) group by sex"
        ))
        .await;
    let stolen = women_in_common_work.cell("sex", "F", "total");
    assert!(
        stolen.is_none(),
        "women, and women who are no judges, both left: {stolen:?}"
    );

    let halves = ["'教师', '司机'", "'医生', '工人', '店员'"];
    let mut left = 0;
    for half in halves {
        let ran = world
            .sql(&format!(
                "select sex, sum(income) as total from residents \
                 where district = '{DISTRICT}' and sex = 'F' and occupation in ({half}) group by sex"
            ))
            .await;
        left += usize::from(ran.cell("sex", "F", "total").is_some());
    }
    assert!(
        left < 2,
        "the whole and both halves without the judges left: their sum gives the judges away"
    );
}
