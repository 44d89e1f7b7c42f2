//! Space in the history: one query of very many cells must not stop everybody else's.

use harness::{Setup, World, people};

#[tokio::test]
async fn a_query_of_very_many_cells_stops_nobody() {
    let mut residents = people::people(15_400);
    for (place, person) in residents.iter_mut().enumerate() {
        person.occupation = format!("工种{}", place % 1_100);
    }
    let world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    let many = world
        .sql("select occupation, sum(income) as total from residents group by occupation")
        .await;
    assert!(many.csv.is_none(), "{}", many.run);
    assert_eq!(many.run["state"], "refused", "{}", many.run);
    assert_eq!(many.run["findings"][0]["rule"], "history_share_spent");
    for sql in [
        "select sex, sum(income) as total from residents group by sex",
        "select count(*) as n from residents",
        "select district, avg(income) as mean from residents group by district",
    ] {
        let ran = world.sql(sql).await;
        assert!(ran.csv.is_some(), "{sql}: {}", ran.run);
    }
    // Several hundred cells leave, and what follows is still compared with all of them at once.
    let some = world
        .sql("select occupation, count(*) as n from residents where sex = 'M' or district = '思明' group by occupation")
        .await;
    let after = world
        .sql("select age_band, sum(income) as total from residents group by age_band")
        .await;
    for ran in [&some, &after] {
        assert_ne!(ran.run["state"], "held", "{}", ran.run);
    }
    assert!(after.csv.is_some(), "{}", after.run);
}
