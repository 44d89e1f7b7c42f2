//! The rules of cells on data: rows, holdings, classes, nulls, and output that no engine wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;

use super::Decision;
use super::attacks::{TARGET, data, observed, people};
use super::engine::{Claim, Data, Tenant, lines};
use crate::contract::OutputRules;

#[test]
fn one_unit_with_most_rows_is_not_read_from_a_count() {
    let mut claims = people();
    let heavy = claims[0].clone();
    claims.extend(std::iter::repeat_n(heavy, 5_000));
    let data = Data::default().claims(&claims);
    let tenant = Tenant::default();
    let answer = tenant.look("select region, count(*) from claims group by region", &data);
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::PartialRelease, 1)
    );
    let answer = tenant.look(
        "select region, count(distinct person) from claims group by region",
        &data,
    );
    assert_eq!(
        answer.decision,
        Decision::Release,
        "a person is one, whatever the rows"
    );
}

#[test]
fn dominance_constants_and_outliers_are_withheld() {
    let shaped = |charges: &dyn Fn(u32) -> f64| {
        let mut claims = people();
        claims.retain(|claim| claim.year == 1);
        claims.iter_mut().for_each(|claim| {
            if claim.region == "r0" {
                claim.charges = charges(claim.person / 8);
            }
        });
        Data::default().claims(&claims)
    };
    let tenant = Tenant::default();
    let suppressed = |sql: &str, data: &Data| tenant.look(sql, data).suppressed;
    let sum = "select region, sum(charges) from claims group by region";
    let mean = "select region, avg(charges) from claims group by region";
    let spread = "select region, stddev(charges) from claims group by region";
    let one_rich = shaped(&|p| if p == 0 { 1e6 } else { f64::from(p) });
    assert_eq!(suppressed(sum, &one_rich), 1);
    assert_eq!(suppressed(mean, &one_rich), 1);
    let constant = shaped(&|_| 7.0);
    assert_eq!(suppressed(mean, &constant), 1, "constant group mean");
    assert_eq!(
        suppressed(sum, &constant),
        1,
        "a constant sum and a count tell it, too"
    );
    let two_points = shaped(&|p| if p % 2 == 0 { 1.0 } else { 3.0 });
    assert_eq!(
        suppressed(spread, &two_points),
        1,
        "two-point standard deviation"
    );
    assert_eq!(suppressed(sum, &two_points), 0);
    // An outlier that a sum still hides stands out in squares.
    let outlier = shaped(&|p| {
        if p == 0 {
            1_500.0
        } else {
            49.0 + f64::from(p % 5)
        }
    });
    assert_eq!(suppressed(sum, &outlier), 0);
    assert_eq!(
        suppressed(spread, &outlier),
        1,
        "one-outlier standard deviation"
    );
    let broken = shaped(&|p| {
        if p == 3 {
            f64::NAN
        } else {
            50.0 + f64::from(p)
        }
    });
    assert_eq!(suppressed(mean, &broken), 1);
    let endless = shaped(&|p| {
        if p == 3 {
            f64::INFINITY
        } else {
            50.0 + f64::from(p)
        }
    });
    assert_eq!(suppressed(mean, &endless), 1);
    let nothing = shaped(&|_| 0.0);
    assert_eq!(suppressed(sum, &nothing), 1, "zero contributes nothing");
}

#[test]
fn groups_and_aggregates_said_twice_stay_in_their_columns() {
    let tenant = Tenant::default();
    let sql = "select plan, count(*) n, count(1) m, sum(visits) s, sum(visits) t, count(distinct person) p \
               from claims group by plan, plan";
    let rows = lines(&tenant.look(sql, &data()));
    assert_eq!(rows, ["a,400,400,1200,1200,200", "b,400,400,1200,1200,200"]);
    let sql = "select b, a, r, count(*) from (select plan a, plan b, region r from claims) group by r, a, b";
    let rows = lines(&tenant.look(sql, &data()));
    assert_eq!(rows[0], "a,a,r0,100");
    assert_eq!(rows.len(), 8);
    let sql = "select p.segment, p.segment as again, c.plan, count(*) from claims c \
               join clients p on c.person = p.person group by p.segment, p.segment, c.plan";
    let clients: Vec<(u32, &str)> = (0..400).map(|p| (p, "s")).collect();
    let rows = lines(&tenant.look(sql, &data().clients(&clients)));
    assert_eq!(rows, ["s,s,a,400", "s,s,b,400"]);
}

#[test]
fn sums_do_not_wrap() {
    let mut claims = people();
    claims
        .iter_mut()
        .for_each(|claim| claim.visits = i64::MAX - (i64::from(claim.person) << 40));
    let data = Data::default().claims(&claims);
    let answer = Tenant::default().look("select sum(visits) as s from claims", &data);
    // 800 × 2⁶³, rounded to four digits.
    assert_eq!(lines(&answer), ["7.379e21"]);
}

#[test]
fn steps_above_the_table_do_not_wrap() {
    let data = Data::default().claims(&people());
    let tenant = Tenant::default();
    let sql = "select region, count(*) + 9223372036854775807 more, count(*) * 4611686018427387904 times, \
               -9223372036854775807 - count(*) less, -count(*) negative, count(*) - 1 exact \
               from claims group by region";
    let answer = tenant.look(sql, &data);
    assert_eq!(answer.decision, Decision::Release);
    let rows = lines(&answer);
    assert!(!rows.is_empty());
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells[1..4], ["", "", ""], "{row}");
        let negative: i64 = cells[4].parse().unwrap();
        let exact: i64 = cells[5].parse().unwrap();
        assert!(negative < 0 && exact == -negative - 1, "{row}");
    }
}

#[test]
fn other_rows_of_the_same_people_are_a_difference() {
    // Everybody has a first year, the target alone a third one.
    let mut claims = people();
    claims.retain(|claim| claim.year == 1);
    let extra = claims.iter().find(|c| c.person == TARGET).cloned().unwrap();
    claims.push(Claim {
        year: 3,
        charges: 60.0,
        ..extra
    });
    let data = Data::default().claims(&claims);
    let mut tenant = Tenant::default();
    let first = "select region, sum(charges) from claims where year = 1 group by region";
    assert_eq!(tenant.ask(first, &data).decision, Decision::Release);
    let both = "select region, sum(charges) from claims where year in (1, 3) group by region";
    let answer = tenant.look(both, &data);
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::PartialRelease, 1)
    );
    // Years that share no row are no difference.
    let mut tenant = Tenant::default();
    let year = |n: i32| {
        format!("select region, sum(charges) from claims where year = {n} group by region")
    };
    let panel = Data::default().claims(&people());
    assert_eq!(tenant.ask(&year(1), &panel).decision, Decision::Release);
    assert_eq!(tenant.ask(&year(2), &panel).decision, Decision::Release);
    let by_year = "select region, year, sum(charges) from claims group by region, year";
    assert_eq!(tenant.ask(by_year, &panel).decision, Decision::Release);
}

#[test]
fn class_disclosure_is_withheld() {
    // Nearly everybody of r1 has gout.
    let mut claims = people();
    claims
        .iter_mut()
        .filter(|claim| claim.region == "r1")
        .for_each(|claim| {
            claim.disease = if claim.person % 25 < 23 {
                "gout"
            } else {
                "flu"
            };
        });
    let data = Data::default().claims(&claims);
    let tenant = Tenant {
        rules: OutputRules {
            threshold: 3,
            ..OutputRules::default()
        },
        ..Tenant::default()
    };
    let sql = "select region, disease, count(distinct person) from claims group by region, disease";
    let answer = tenant.look(sql, &data);
    assert_eq!(answer.decision, Decision::PartialRelease);
    assert!(
        lines(&answer).iter().all(|line| !line.starts_with("r1")),
        "{:?}",
        lines(&answer)
    );
    let all = tenant.look(
        "select disease, count(distinct person) from claims group by disease",
        &data,
    );
    assert_eq!(all.decision, Decision::Release);
}

#[test]
fn a_set_at_the_threshold_passes_at_its_own_offset() {
    let mut claims = people();
    claims.retain(|claim| claim.region != "r0" || claim.person < 88);
    let persons: std::collections::BTreeSet<u32> = claims
        .iter()
        .filter(|claim| claim.region == "r0")
        .map(|claim| claim.person)
        .collect();
    assert_eq!(persons.len(), 22);
    let data = Data::default().claims(&claims);
    let sql = "select region, count(distinct person) from claims group by region";
    let asked = |offsets| Tenant {
        rules: OutputRules {
            threshold: 20,
            ..OutputRules::default()
        },
        offsets,
        ..Tenant::default()
    };
    let first = asked(Some(BTreeMap::new())).look(sql, &data);
    assert_eq!(
        (first.suppressed, first.counted),
        (1, false),
        "as if it were the largest"
    );
    let [set] = first.marginal.as_slice() else {
        panic!("{:?}", first.marginal)
    };
    for (offset, suppressed) in [(0, 0), (2, 0), (3, 1)] {
        let tenant = asked(Some(BTreeMap::from([(set.clone(), offset)])));
        let answer = tenant.look(sql, &data);
        assert_eq!(
            (answer.suppressed, answer.marginal.len()),
            (suppressed, 0),
            "{offset}"
        );
    }
    assert_eq!(asked(None).look(sql, &data).suppressed, 0);
}

#[test]
fn nulls_are_a_category_like_others() {
    use arrow::array::{Array, RecordBatch, StringArray};
    let mut data = data();
    let claims = data.0.remove("claims").unwrap();
    let index = claims.schema().index_of("plan").unwrap();
    let mut columns = claims.columns().to_vec();
    let persons = claims.column_by_name("person").unwrap().clone();
    let persons = persons.as_any().downcast_ref::<StringArray>().unwrap();
    let plans: StringArray = persons
        .iter()
        .map(|person| {
            let number: u32 = person.unwrap()[1..].parse().unwrap();
            (number > 8).then_some(if number.is_multiple_of(2) { "a" } else { "b" })
        })
        .collect();
    assert_eq!(plans.null_count(), 18);
    columns[index] = std::sync::Arc::new(plans);
    let names = claims.schema();
    let columns = names
        .fields()
        .iter()
        .zip(columns)
        .map(|(f, c)| (f.name().clone(), c, true));
    data.0.insert(
        "claims".to_owned(),
        RecordBatch::try_from_iter_with_nullable(columns).unwrap(),
    );
    let sql = "select plan, count(*) from claims group by plan";
    let answer = Tenant::default().look(sql, &data);
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::PartialRelease, 1)
    );
    assert_eq!(lines(&answer).len(), 2);
}

#[test]
fn more_than_half_failing_is_refused_with_advice() {
    let mut claims = people();
    claims.retain(|claim| claim.person < 60);
    let data = Data::default().claims(&claims);
    let sql = "select region, plan, disease, count(*) from claims group by region, plan, disease";
    let answer = Tenant::default().look(sql, &data);
    assert_eq!(answer.decision, Decision::Refuse);
    assert_eq!(answer.findings[0].rule, "too_few_per_cell");
    assert!(answer.findings[0].remedy.en.contains("fewer dimensions"));
    let nobody = Data::default().claims(&[]);
    let empty = Tenant::default().look(sql, &nobody);
    assert_eq!(
        observed(&empty),
        observed(&answer),
        "no cells and small cells are told the same"
    );
}

#[test]
fn history_that_cannot_be_audited_is_decided_by_people() {
    use super::EarlierCell;
    let broken = |universe: &str| Tenant {
        history: vec![EarlierCell {
            release: "r".to_owned(),
            universe: universe.to_owned(),
            units: vec![9; 9],
        }],
        ..Tenant::default()
    };
    let tenant = broken("person-id");
    let sql = "select region, count(*) from claims group by region";
    let answer = tenant.look(sql, &data());
    assert_eq!(answer.decision, Decision::Hold);
    assert_eq!(answer.findings[0].rule, "history_not_audited");
    assert_eq!(answer.preview.as_ref().unwrap().rows.len(), 4);
    assert_eq!(
        answer.released,
        Tenant::default().look(sql, &data()).released
    );
    assert_eq!(answer.cells.len(), 4);
    let other = broken("enterprise-id");
    assert_eq!(other.look(sql, &data()).decision, Decision::Release);
}

#[test]
fn what_the_engine_did_not_write_is_refused() {
    use super::{InspectKind, InspectRequest, inspect};
    use crate::sample::admitted;
    let governed = admitted("select region, count(*) from claims group by region");
    let good = super::engine::run(&governed, &data());
    let request = |governed: crate::Governed| InspectRequest {
        kind: InspectKind::Sql {
            governed: Box::new(governed),
        },
        rules: OutputRules::default(),
        history: Vec::new(),
        offsets: None,
        rows_max: 1_000,
        bytes_max: 1 << 20,
    };
    let refused = |request: &InspectRequest, bytes: &[u8]| {
        let answer = inspect(request, bytes);
        assert_eq!(answer.decision, Decision::Refuse);
        assert_eq!(answer.findings[0].rule, "output_not_as_fixed");
        assert_eq!(answer.released, None);
    };
    refused(&request(governed.clone()), b"");
    refused(&request(governed.clone()), &good[..good.len() / 2]);
    refused(
        &InspectRequest {
            rows_max: 2,
            ..request(governed.clone())
        },
        &good,
    );
    refused(
        &InspectRequest {
            bytes_max: 10,
            ..request(governed.clone())
        },
        &good,
    );
    let other = admitted("select region, sum(charges) from claims group by region");
    refused(&request(other), &good);
    let mut lying = governed.clone();
    lying.cells.universes[0].position = 0;
    refused(&request(lying), &good);
    let mut lying = governed.clone();
    lying.cells.aggregates[0].holdings = vec![99];
    refused(&request(lying), &good);
    let mut lying = governed;
    lying.output.pop();
    refused(&request(lying), &good);
}
