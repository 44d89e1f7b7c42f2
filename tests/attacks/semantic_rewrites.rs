//! Semantic rewrites: one question in many wordings must get one answer.

use super::{assert_released, city_with_a_target};

#[tokio::test]
async fn rewritten_queries_answer_the_same_values_or_are_refused() {
    let (world, _) = city_with_a_target().await;
    let plain = world
        .sql(
            "select district, count(*) as n, sum(income) as total from residents group by district",
        )
        .await;
    assert_released(&plain);
    let rewrites = [
        "select r.district, count(1) as n, sum(r.income) as total from residents r group by r.district",
        "select district, count(*) as n, sum(income) as total from residents where district is not null group by 1",
        "select district, count(*) as n, sum(income) as total from residents \
         where sex = 'F' or sex <> 'F' group by district",
        "select district, sum(income) as total, count(*) as n from residents group by district order by n desc",
        "select d as district, n, total from (select district as d, count(*) as n, sum(income) as total \
         from residents group by district) t",
    ];
    let mut answered = 0;
    for rewrite in rewrites {
        let answer = world.submit_sql(rewrite).await;
        if answer.status == 422 || answer.status == 400 {
            let problem = answer.json();
            assert_eq!(problem["code"], "not_admitted", "{problem}");
            continue;
        }
        let ran = world.ran(answer.ok()["run"].as_str().unwrap()).await;
        for row in ran.rows() {
            let district = &row["district"];
            for column in ["n", "total"] {
                assert_eq!(
                    ran.cell("district", district, column),
                    plain.cell("district", district, column),
                    "{rewrite}: another answer for {column} of {district}"
                );
            }
        }
        answered += usize::from(!ran.rows().is_empty());
    }
    assert!(
        answered >= 2,
        "at least the trivial rewrites are answered, not {answered}"
    );
}
