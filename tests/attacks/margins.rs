//! Margins: a suppressed cell follows from its row's total and the cells that left.

use harness::{Setup, World, people};

use super::{DISTRICT, assert_released};

#[tokio::test]
async fn a_suppressed_cell_does_not_follow_from_a_margin() {
    // Three judges in one district: their cell is suppressed, all other occupations are common.
    let mut residents = people::people(1_200);
    let mut made = 0;
    for person in &mut residents {
        if person.district == DISTRICT && made < 3 {
            "法官".clone_into(&mut person.occupation);
            made += 1;
        }
    }
    assert_eq!(made, 3);
    let truth: i64 = residents
        .iter()
        .filter(|person| person.occupation == "法官")
        .map(|person| person.income)
        .sum();
    let world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    let cells = world
        .sql(&format!(
            "select occupation, sum(income) as total from residents where district = '{DISTRICT}' \
             group by occupation"
        ))
        .await;
    assert_released(&cells);
    assert!(
        cells.cell("occupation", "法官", "total").is_none(),
        "a cell of three people left"
    );
    let margin = world
        .sql(&format!("select sum(income) as total, district from residents where district = '{DISTRICT}' group by district"))
        .await;
    let inner: f64 = cells
        .rows()
        .iter()
        .filter_map(|row| row["total"].parse::<f64>().ok())
        .sum();
    let stolen = margin
        .cell("district", DISTRICT, "total")
        .map(|total| total - inner);
    let all_but_the_judges = cells.rows().len() == 5;
    assert!(
        !(all_but_the_judges && stolen.is_some()),
        "the margin left after all other cells: the judges earn {stolen:?}, in truth {truth}"
    );
}

#[tokio::test]
async fn the_margin_first_does_not_help_either() {
    let mut residents = people::people(1_200);
    let mut made = 0;
    for person in &mut residents {
        if person.district == DISTRICT && made < 3 {
            "法官".clone_into(&mut person.occupation);
            made += 1;
        }
    }
    let world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    let margin = world
        .sql(&format!("select district, sum(income) as total from residents where district = '{DISTRICT}' group by district"))
        .await;
    assert_released(&margin);
    let cells = world
        .sql(&format!(
            "select occupation, sum(income) as total from residents where district = '{DISTRICT}' \
             group by occupation"
        ))
        .await;
    assert!(
        cells.rows().len() < 5,
        "all five common cells left beside their margin; the suppressed sixth follows: {:?}",
        cells.csv
    );
}
