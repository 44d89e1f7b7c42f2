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
        "select count(*) as n from residents",
        "select sum(income) as total from residents",
    ] {
        let ran = world.sql(sql).await;
        assert!(ran.csv.is_some(), "{sql}: {}", ran.run);
    }
    // Several hundred cells leave, and what follows is compared with all of them.
    let some = world
        .sql(
            "select occupation, sum(income) as total from residents where occupation < '工种3' group by occupation",
        )
        .await;
    assert!(some.rows().len() > 150, "{}", some.run);
    let after = world
        .sql("select avg(income) as mean, count(distinct resident_id) as people from residents")
        .await;
    assert!(after.csv.is_some(), "{}", after.run);
}
