//! Several rows a person: sets of people overlap without telling anything, and their rows cancel all the same but for one.

use std::fmt::Write as _;

use harness::{Ran, Setup, World, people};
use serde_json::json;

/// Years stand in the column of age bands.
const YEARS: [&str; 4] = ["y1", "y2", "y3", "y4"];
/// The person whose row is looked for.
const TARGET: usize = 17;

/// Sixty people with a row in each of the first years; `more` are further rows.
fn panel(years: usize, more: &[(usize, usize, i64)]) -> Vec<people::Person> {
    let everybody = people::people(60);
    let row = |place: usize, year: usize, income: i64| people::Person {
        district: "湖里",
        age_band: YEARS[year],
        income,
        ..everybody[place].clone()
    };
    let income =
        |place: usize, year: usize| 1_000 + i64::try_from((place * 13 + year * 7) % 90).unwrap();
    let mut rows = Vec::new();
    for place in 0..60 {
        rows.extend((0..years).map(|year| row(place, year, income(place, year))));
    }
    rows.extend(
        more.iter()
            .map(|(place, year, income)| row(*place, *year, *income)),
    );
    rows
}

async fn world(rows: Vec<people::Person>) -> World {
    World::with(Setup {
        people: rows,
        ..Setup::default()
    })
    .await
}

fn total(ran: &Ran) -> Option<f64> {
    ran.rows().first()?.get("total")?.parse().ok()
}

/// One query: a list names rows under the labels a, b and c, and c is a and b and one row more.
#[tokio::test]
async fn a_list_of_rows_does_not_isolate_one_of_them() {
    let rows = panel(3, &[]);
    let secret = rows
        .iter()
        .filter(|row| row.resident_id == rows[TARGET * 3].resident_id && row.age_band == "y3")
        .map(|row| row.income)
        .sum::<i64>();
    let world = world(rows.clone()).await;
    let set = json!({
        "grant": world.grant,
        "name": "list",
        "columns": [
            { "name": "id_number", "type": "string" },
            { "name": "year", "type": "string" },
            { "name": "label", "type": "string" },
        ],
        "unit": { "column": "id_number", "value_domain": "person-id" },
    });
    let set = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let id = |place: usize| rows[place * 3].resident_id.as_str();
    let mut csv = String::from("id_number,year,label\n");
    for (label, places, year) in [("a", 0..20, "y1"), ("b", 10..30, "y2")] {
        for place in places {
            let _ = writeln!(csv, "{},{year},{label}\n{},{year},c", id(place), id(place));
        }
    }
    let _ = writeln!(csv, "{},y3,c", id(TARGET));
    let path = format!(
        "/private-datasets/{}/data?format=csv",
        set["id"].as_str().unwrap()
    );
    let _ = world
        .tenant_admin
        .upload(&path, csv.into_bytes())
        .await
        .ok();
    let ran = world
        .sql(
            "select l.label, sum(r.income) as total from residents r join list l \
             on r.resident_id = l.id_number and r.age_band = l.year group by l.label",
        )
        .await;
    let of = |label| ran.cell("label", label, "total");
    let stolen = (|| Some(of("c")? - of("a")? - of("b")?))();
    assert!(
        stolen.is_none(),
        "one query gives the row away: {stolen:?}, in truth {secret}"
    );
}

/// Two queries: a year that one person alone has is left out of the years, and stands in the total.
#[tokio::test]
async fn a_total_after_its_years_does_not_give_the_year_that_was_left_out() {
    let mut rows = panel(3, &[(TARGET, 3, 3_777)]);
    // Each year lacks other people, so that no year has the people of the total.
    let mut place = 0;
    rows.retain(|row| {
        place += 1;
        let person = (place - 1) / 3;
        row.age_band == YEARS[3] || YEARS[person % 4] != row.age_band
    });
    let world = world(rows).await;
    let years = world
        .sql("select age_band, sum(income) as total from residents group by age_band")
        .await;
    assert_eq!(
        years.rows().len(),
        3,
        "the years that many have leave: {:?}",
        years.run
    );
    let all = world
        .sql("select sum(income) as total from residents")
        .await;
    assert_eq!(total(&all), None, "the total less the years is 3,777");
}

/// A booking and its reversal hold as much, and are not the same.
#[tokio::test]
async fn a_booking_is_not_told_apart_from_its_reversal() {
    let world = world(panel(2, &[(TARGET, 2, 444), (TARGET, 3, -444)])).await;
    let of = async |last: &str| -> Ran {
        world
            .sql(&format!(
                "select sum(income) as total from residents where age_band in ('y1', 'y2', '{last}')"
            ))
            .await
    };
    let with = of("y3").await;
    let without = of("y4").await;
    assert!(
        total(&with).is_none() || total(&without).is_none(),
        "both halves left: {:?} {:?}",
        with.csv,
        without.csv
    );
}

/// What a filter lets the engine skip is no figure of a run: the greatest value would follow by bisection.
#[tokio::test]
async fn rows_read_do_not_show_what_a_filter_skipped() {
    let world = world(panel(3, &[(TARGET, 3, 1_000)])).await;
    let mut read = Vec::new();
    for filter in ["age_band > 'y3'", "age_band > 'y4'", "age_band > 'a'"] {
        let ran = world
            .sql(&format!(
                "select count(*) as n from residents where {filter}"
            ))
            .await;
        read.push(ran.run["meter"]["rows_in"].clone());
    }
    assert!(
        read.iter().all(|rows| *rows == read[0] && *rows != 0),
        "{read:?}"
    );
}
