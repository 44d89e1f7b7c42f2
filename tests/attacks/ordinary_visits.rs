//! Not an attack: ordinary questions on data with several rows a person, which must be answered, one after the other, again, and
//! of the next version. A defence that refuses everything proves nothing.

use harness::{Setup, World, people};

const YEARS: [&str; 4] = ["2021", "2022", "2023", "2024"];

/// Visits of 900 people, one to nine each; years stand in the column of age bands.
fn visits() -> Vec<people::Person> {
    let everybody = people::people(900);
    let mut rows = Vec::new();
    for (place, person) in everybody.iter().enumerate() {
        let mix = |time: usize| (place * 7_919 + time * 104_729 + place * place * 31) / 7;
        for time in 0..=mix(99) % 9 {
            rows.push(people::Person {
                age_band: YEARS[mix(time) % 4],
                income: 50 + i64::try_from(mix(time + 20) % 400).unwrap(),
                ..person.clone()
            });
        }
    }
    rows
}

#[tokio::test]
async fn breakdowns_of_visits_leave_one_after_the_other() {
    let world = World::with(Setup {
        people: visits(),
        ..Setup::default()
    })
    .await;
    let questions = [
        ("select count(*) as n from residents", 1),
        (
            "select district, count(*) as n from residents group by district",
            6,
        ),
        (
            "select occupation, count(*) as n from residents group by occupation",
            5,
        ),
        (
            "select age_band, count(*) as n, avg(income) as mean from residents group by age_band",
            4,
        ),
        (
            "select district, count(distinct resident_id) as people from residents group by district",
            6,
        ),
        (
            "select count(*) as n, sum(income) as total from residents where district = '湖里'",
            1,
        ),
        (
            "select sex, sum(income) as total from residents where age_band = '2024' group by sex",
            2,
        ),
        (
            "select district, sex, count(*) as n, avg(income) as mean from residents group by district, sex",
            12,
        ),
    ];
    for round in ["first", "again"] {
        for (sql, rows) in questions {
            let ran = world.sql(sql).await;
            assert_eq!(ran.rows().len(), rows, "{round}: {sql}: {}", ran.run);
        }
    }
}
