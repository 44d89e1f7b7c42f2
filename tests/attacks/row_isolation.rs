//! Row isolation: three cells of the same people, of which one person has a row more in one of them. Sets of people cancel; rows do not.

use harness::{Ran, Setup, World, people};

use super::assert_released;

/// Years stand in the column of age bands: what matters is a second dimension with several rows a person.
const YEARS: [&str; 5] = ["y1", "y2", "y3", "y4", "y5"];
const TARGETS: &str = "湖里";
const OTHERS: &str = "思明";

/// Forty people in each of two districts with four years each; the others, and one target alone, have a fifth.
fn panel() -> (Vec<people::Person>, i64) {
    let mut rows = Vec::new();
    let mut secret = 0;
    for (place, person) in people::people(80).into_iter().enumerate() {
        let target = place < 40;
        let years = if target && place != 7 { 4 } else { 5 };
        for (year, band) in YEARS.into_iter().take(years).enumerate() {
            let income = 1_000 + i64::try_from((place * 13 + year * 7) % 90).unwrap();
            if place == 7 && year == 4 {
                secret = income;
            }
            rows.push(people::Person {
                district: if target { TARGETS } else { OTHERS },
                age_band: band,
                income,
                ..person.clone()
            });
        }
    }
    (rows, secret)
}

#[tokio::test]
async fn a_row_does_not_follow_from_three_cells_of_the_same_people() {
    let (rows, secret) = panel();
    let world = World::with(Setup {
        people: rows,
        ..Setup::default()
    })
    .await;
    let four = "age_band in ('y1', 'y2', 'y3', 'y4')";
    let five = "age_band in ('y1', 'y2', 'y3', 'y4', 'y5')";
    let query = async |filter: String| -> Ran {
        world
            .sql(&format!(
                "select sum(income) as total, count(*) as n from residents where {filter}"
            ))
            .await
    };
    let total = |ran: &Ran| {
        ran.rows()
            .first()
            .and_then(|row| row["total"].parse::<f64>().ok())
    };
    let with = query(format!("district = '{TARGETS}' and {five}")).await;
    assert_released(&with);
    let both = query(format!("district in ('{TARGETS}', '{OTHERS}') and {four}")).await;
    let others = query(format!("district = '{OTHERS}' and {four}")).await;
    let stolen = (|| Some(total(&with)? - (total(&both)? - total(&others)?)))();
    assert!(
        stolen.is_none(),
        "three cells give the row away: {stolen:?}, in truth {secret}"
    );
}

#[tokio::test]
async fn a_total_and_its_parts_that_add_up_still_leave() {
    let (rows, _) = panel();
    let world = World::with(Setup {
        people: rows,
        ..Setup::default()
    })
    .await;
    // One row a person in a year: with several, a total and its parts are kept apart.
    let one = "age_band = 'y1'";
    let all = world
        .sql(&format!(
            "select sum(income) as total from residents where {one}"
        ))
        .await;
    assert_released(&all);
    let parts = world
        .sql(&format!(
            "select district, sum(income) as total from residents where {one} group by district"
        ))
        .await;
    assert_eq!(
        parts.rows().len(),
        2,
        "honest margins are withheld: {:?}",
        parts.run
    );
}
