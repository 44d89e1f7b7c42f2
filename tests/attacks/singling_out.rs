//! Singling out: a predicate that only the target fulfils, by attribute, by token, and by what is known of the data.

use super::city_with_a_target;

#[tokio::test]
async fn a_predicate_that_only_the_target_fulfils_gives_nothing() {
    let (world, _) = city_with_a_target().await;
    let ran = world
        .sql(
            "select count(*) as n, sum(income) as total from residents where occupation = '宇航员'",
        )
        .await;
    assert!(
        ran.rows().is_empty(),
        "a cell of one person left: {:?}",
        ran.csv
    );
}

#[tokio::test]
async fn a_token_cannot_be_compared_with_a_literal_nor_shown() {
    let (world, target) = city_with_a_target().await;
    for sql in [
        "select count(*) as n from residents where resident_id = 'abc'".to_owned(),
        format!(
            "select count(*) as n from residents where resident_id in ('{}')",
            target.resident_id
        ),
        "select count(*) as n from residents where resident_id like 'a%'".to_owned(),
        "select resident_id, count(*) as n from residents group by resident_id".to_owned(),
        "select resident_id, income from residents".to_owned(),
        "select * from residents".to_owned(),
        "select max(resident_id) as m from residents".to_owned(),
        "select max(income) as m from residents".to_owned(),
        "select sum(case when occupation = '宇航员' then income else 0 end) as s from residents"
            .to_owned(),
        "select sum(income * 1000000000) as s from residents where income > 0 and income < 123458"
            .to_owned(),
        "select array_agg(income) as a from residents".to_owned(),
        "select __egret_unit from residents".to_owned(),
        "select count(distinct __egret_unit) as n from residents".to_owned(),
    ] {
        let problem = world.submit_sql(&sql).await.problem(422, "not_admitted");
        let findings = problem["findings"].as_array().expect("findings");
        assert!(!findings.is_empty(), "{sql}: refused without a finding");
        for finding in findings {
            for member in ["reason", "remedy"] {
                for language in ["zh", "en"] {
                    assert!(
                        finding[member][language]
                            .as_str()
                            .is_some_and(|text| !text.is_empty()),
                        "{sql}: {member} in {language} is missing: {finding}"
                    );
                }
            }
        }
    }
}
