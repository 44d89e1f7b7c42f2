//! Averaging by repetition: a perturbed answer that is drawn anew each time is averaged away.

use super::{assert_released, city_with_a_target};

#[tokio::test]
async fn a_repeated_query_answers_the_same_bytes() {
    let (world, _) = city_with_a_target().await;
    let query =
        "select district, count(*) as n, avg(income) as mean from residents group by district";
    let first = world.sql(query).await;
    assert_released(&first);
    for _ in 0..8 {
        let again = world.sql(query).await;
        assert_eq!(again.csv, first.csv, "a repetition gave another answer");
    }
}
