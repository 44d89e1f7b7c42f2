//! Several rows a person: ordinary breakdowns of one table leave one after the other, and what isolates a row does not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use super::Decision;
use super::engine::{Claim, Data, Tenant, lines};

const REGIONS: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];
const DISEASES: [&str; 4] = ["flu", "cold", "gout", "none"];

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Visits of so many people over four years, one to thirteen a person, and what each cost.
fn visits(people: u32) -> Vec<Claim> {
    let pick = |number: u64, of: usize| usize::try_from(mix(number) % 1_000_003).unwrap() % of;
    (0..people)
        .flat_map(|person| {
            let seed = u64::from(person) * 100;
            let times = 1 + pick(seed, 13);
            (0..times).map(move |time| {
                let seed = seed + 1 + u64::try_from(time).unwrap();
                Claim {
                    person,
                    plan: ["a", "b"][pick(u64::from(person) + 7_777, 2)],
                    region: REGIONS[pick(u64::from(person) + 99_999, 5)],
                    disease: DISEASES[pick(seed + 31, 4)],
                    year: 2020 + i32::try_from(pick(seed + 57, 4)).unwrap(),
                    day: 18_000,
                    charges: 20.0 + f64::from(u32::try_from(pick(seed + 91, 300)).unwrap()) / 4.0,
                    visits: 1,
                }
            })
        })
        .collect()
}

const ORDINARY: &[&str] = &[
    "select count(*) n from claims",
    "select region, count(*) n from claims group by region",
    "select plan, count(*) n, sum(charges) c from claims group by plan",
    "select year, count(*) n, avg(charges) c from claims group by year",
    "select count(*) n, avg(charges) c from claims where region = 'r1'",
    "select region, count(distinct person) n from claims group by region",
    "select count(distinct person) n from claims",
    "select disease, count(*) n from claims group by disease",
    "select region, plan, count(*) n, avg(charges) c from claims group by region, plan",
    "select year, sum(charges) c from claims where plan = 'a' group by year",
    "select region, count(*) n from claims where disease = 'flu' group by region",
    "select region, year, count(*) n from claims group by region, year",
    "select sum(charges) s, avg(charges) a, count(*) n from claims where year >= 2022",
];

#[track_caller]
fn whole(tenant: &mut Tenant, sql: &str, data: &Data, of: &str) {
    let answer = tenant.ask(sql, data);
    assert_eq!(
        (answer.decision, answer.suppressed, answer.counted),
        (Decision::Release, 0, false),
        "{of}: {sql} {:?}",
        answer.findings
    );
}

#[test]
fn ordinary_breakdowns_leave_in_any_order_and_again() {
    let data = Data::default().claims(&visits(800));
    let mut one = Tenant::default();
    for sql in ORDINARY {
        whole(&mut one, sql, &data, "first");
    }
    // The history is everybody's: another tenant asks the same.
    for sql in ORDINARY.iter().rev() {
        whole(&mut one, sql, &data, "again");
    }
    let mut other = Tenant::default();
    for sql in ORDINARY.iter().rev() {
        whole(&mut other, sql, &data, "backwards");
    }
}

#[test]
fn a_version_with_another_year_leaves() {
    let old = visits(800);
    let before: Vec<Claim> = old.iter().filter(|v| v.year < 2023).cloned().collect();
    let mut tenant = Tenant::default();
    let data = Data::default().claims(&before);
    for sql in ORDINARY {
        whole(&mut tenant, sql, &data, "before");
    }
    let data = Data::default().claims(&old);
    for sql in [
        "select count(*) n from claims",
        "select region, count(*) n, sum(charges) c from claims group by region",
        "select plan, avg(charges) c from claims group by plan",
        "select year, count(*) n from claims group by year",
    ] {
        whole(&mut tenant, sql, &data, "after");
    }
}

#[test]
fn one_row_more_in_the_next_version_does_not_leave() {
    let mut rows = visits(800);
    let sql = "select region, count(*) n, sum(charges) c from claims group by region";
    let mut tenant = Tenant::default();
    whole(&mut tenant, sql, &Data::default().claims(&rows), "before");
    let more = rows[40].clone();
    rows.push(more.clone());
    let answer = tenant.look(sql, &Data::default().claims(&rows));
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::PartialRelease, 1)
    );
    assert!(
        lines(&answer)
            .iter()
            .all(|line| !line.starts_with(more.region))
    );
}

/// Lists of rows: a list names a person and a year under a label.
fn list(rows: &[(u32, &'static str)]) -> Vec<(u32, &'static str)> {
    rows.to_vec()
}

#[test]
fn rows_of_one_person_do_not_leave() {
    let rows = visits(800);
    let data = Data::default().claims(&rows);
    let sql =
        "select count(*) n, sum(c.charges) s from claims c join clients p on c.person = p.person";
    let of = |people: std::ops::Range<u32>| -> Vec<(u32, &'static str)> {
        list(&people.map(|person| (person, "x")).collect::<Vec<_>>())
    };
    // Everybody of a list but one; then sums that leave one.
    let mut tenant = Tenant::default();
    let ask = |tenant: &mut Tenant, people| tenant.ask(sql, &data.clone().clients(&of(people)));
    assert_eq!(ask(&mut tenant, 0..300).decision, Decision::Release);
    assert_eq!(ask(&mut tenant, 1..300).decision, Decision::Refuse);
    assert_eq!(ask(&mut tenant, 0..100).decision, Decision::Release);
    assert_eq!(ask(&mut tenant, 100..200).decision, Decision::Release);
    assert_eq!(
        ask(&mut tenant, 200..299).decision,
        Decision::Refuse,
        "all but three lists is one person"
    );
    assert_eq!(ask(&mut tenant, 200..280).decision, Decision::Release);
}

#[test]
fn a_year_of_one_person_does_not_leave() {
    // Everybody has a row in 2020 and one in 2021; one person has one in 2022.
    let mut rows: Vec<Claim> = visits(200);
    rows.dedup_by_key(|row| row.person);
    let mut all = Vec::new();
    for (year, add) in [(2020, 0.0), (2021, 11.0)] {
        all.extend(rows.iter().enumerate().map(|(place, row)| Claim {
            year,
            charges: row.charges + add + f64::from(u32::try_from(place % 7).unwrap()),
            ..row.clone()
        }));
    }
    let target = Claim {
        year: 2022,
        charges: 77.0,
        ..rows[17].clone()
    };
    all.push(target);
    let data = Data::default().claims(&all);
    for what in [
        "count(*)",
        "sum(charges)",
        "avg(charges)",
        "count(*), sum(charges)",
    ] {
        let mut tenant = Tenant::default();
        let years = format!("select year, {what} from claims group by year");
        let answer = tenant.ask(&years, &data);
        assert_eq!(
            (answer.decision, answer.suppressed),
            (Decision::PartialRelease, 1)
        );
        let total = tenant.ask(&format!("select {what} from claims"), &data);
        // A mean alone tells no sum; whoever has the counts has it.
        assert_eq!(total.decision, Decision::Refuse, "{what}");
    }
}
