//! Attacks by sensitive columns and by missing values: what is left out of a cell tells as much as what is in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use super::Decision;
use super::attacks::{observed, people};
use super::engine::{Claim, Data, Tenant, lines};

/// A row for each of 400 people, with these diseases.
fn sick(disease: impl Fn(&Claim) -> &'static str) -> Vec<Claim> {
    let mut claims = people();
    claims.retain(|claim| claim.year == 1);
    for claim in &mut claims {
        claim.disease = disease(claim);
    }
    claims
}

/// Everybody of region r1 has gout; elsewhere diseases are mixed.
fn one_region_is_sick() -> Data {
    let mixed = ["flu", "cold", "gout"];
    Data::default().claims(&sick(|claim| match claim.region {
        "r1" => "gout",
        _ => mixed[usize::try_from(claim.person % 3).unwrap()],
    }))
}

fn list(people: impl IntoIterator<Item = u32>) -> Vec<(u32, &'static str)> {
    people.into_iter().map(|person| (person, "x")).collect()
}

#[track_caller]
fn refused(sql: &str, data: &Data) {
    let answer = Tenant::default().look(sql, data);
    assert_eq!(answer.decision, Decision::Refuse, "{sql}");
}

#[track_caller]
fn released(sql: &str, data: &Data) {
    let answer = Tenant::default().look(sql, data);
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::Release, 0),
        "{sql} {:?}",
        answer.findings
    );
}

#[test]
fn a_list_is_not_cleared_of_a_disease() {
    // Persons 0 and 30 have it; lists are of eighteen.
    let claims = sick(|claim| match claim.person {
        0 | 30 => "gout",
        _ => "flu",
    });
    let data =
        |people: std::ops::Range<u32>| Data::default().claims(&claims).clients(&list(people));
    for condition in [
        "c.disease <> 'gout'",
        "c.disease = 'flu'",
        "not c.disease like 'g%'",
    ] {
        let sql = format!(
            "select count(*) n from claims c join clients p on c.person = p.person where {condition}"
        );
        let answer = |people| observed(&Tenant::default().look(&sql, &data(people)));
        let cleared = answer(1..19);
        assert_eq!(cleared.0, Decision::Refuse, "nobody of them has it");
        assert_eq!(cleared, answer(0..18), "one of them has it");
        assert_eq!(cleared, answer(20..38), "another");
    }
    // Where many are in and many are out, the count leaves.
    let half = Data::default()
        .claims(&sick(
            |claim| if claim.person % 2 == 0 { "gout" } else { "flu" },
        ))
        .clients(&list(0..60));
    released(
        "select count(*) n from claims c join clients p on c.person = p.person where c.disease <> 'gout'",
        &half,
    );
}

#[test]
fn a_class_as_large_as_its_group_does_not_leave_however_it_is_asked() {
    let codes = [(0u32, "gout")];
    let data = one_region_is_sick().clients(&codes);
    for sql in [
        "select count(*) n from claims where region = 'r1' and disease = 'gout'",
        "select count(*) n from claims where region = 'r1' and (disease is null or disease is not null)",
        "select count(*) n from claims where region = 'r1' and disease in ('gout', 'flu')",
        "select sum(charges) s from claims where region = 'r1' and not disease = 'cold'",
        "select count(*) n from claims c join clients p on c.disease = p.segment where c.region = 'r1'",
        "select c.region, count(*) n from claims c join clients p on c.disease = p.segment \
         where c.region = 'r1' group by c.region",
    ] {
        refused(sql, &data);
    }
    // The same of a region in which diseases are mixed.
    for sql in [
        "select count(*) n from claims where region = 'r2' and disease = 'gout'",
        "select count(*) n from claims c join clients p on c.disease = p.segment where c.region = 'r2'",
    ] {
        released(sql, &data);
    }
}

#[test]
fn a_label_of_sensitive_codes_is_sensitive() {
    let codes = [(0u32, "gout"), (1, "flu"), (2, "cold")];
    let sql = "select c.region, p.segment, count(*) n from claims c join clients p \
               on c.disease = p.segment group by c.region, p.segment";
    let answer = Tenant::default().look(sql, &one_region_is_sick().clients(&codes));
    let shown = lines(&answer);
    assert!(
        shown.len() == 9 && shown.iter().all(|line| !line.starts_with("r1")),
        "{shown:?}"
    );
    assert!(
        answer.counted,
        "who is under a label is the tenant's question"
    );
    let mixed = ["flu", "cold", "gout"];
    let honest = sick(|claim| mixed[usize::try_from(claim.person % 3).unwrap()]);
    released(sql, &Data::default().claims(&honest).clients(&codes));
}

#[test]
fn a_list_of_people_and_diseases_is_a_list_of_people() {
    // The list names everybody of r1 with every disease but one.
    let data = one_region_is_sick();
    let of_r1 = (0..400u32).filter(|person| person / 2 % 4 == 1);
    let pairs: Vec<(u32, &str)> = of_r1
        .flat_map(|person| [(person, "gout"), (person, "flu")])
        .collect();
    refused(
        "select count(*) n from claims c join clients p on c.person = p.person and c.disease = p.segment",
        &data.clients(&pairs),
    );
}

#[test]
fn the_class_of_a_group_does_not_follow_from_two_larger_ones() {
    // Regions r0 and r2 are mixed; everybody of r1 has gout.
    let data = one_region_is_sick();
    let both = "select count(*) n from claims where region in ('r1', 'r2') and disease = 'gout'";
    for of_one in [
        "select count(*) n from claims where region = 'r2' and disease = 'gout'",
        "select count(*) n from claims where region = 'r2' and disease <> 'gout'",
        "select region, count(*) n from claims where disease = 'gout' and region <> 'r1' group by region",
    ] {
        let mut tenant = Tenant::default();
        assert_eq!(tenant.ask(both, &data).decision, Decision::Release);
        let answer = tenant.look(of_one, &data);
        assert!(
            lines(&answer)
                .iter()
                .all(|line| !line.starts_with("r2") && line.contains(',')),
            "{of_one}: {:?}",
            lines(&answer)
        );
    }
    // Of two mixed regions both leave.
    let mut tenant = Tenant::default();
    for sql in [
        "select count(*) n from claims where region in ('r0', 'r2') and disease = 'gout'",
        "select count(*) n from claims where region = 'r2' and disease = 'gout'",
        "select count(*) n from claims where region = 'r2' and disease <> 'gout'",
    ] {
        assert_eq!(tenant.ask(sql, &data).decision, Decision::Release, "{sql}");
    }
}

#[test]
fn one_disease_by_region_is_ordinary() {
    let mixed = ["flu", "cold", "gout"];
    let honest = sick(|claim| mixed[usize::try_from(claim.person % 3).unwrap()]);
    let data = Data::default().claims(&honest);
    for sql in [
        "select region, count(*) n, avg(charges) c from claims where disease = 'flu' group by region",
        "select count(*) n from claims where disease = 'flu'",
        "select disease, count(*) n from claims group by disease",
        "select region, disease, count(distinct person) n from claims group by region, disease",
        "select plan, upper(disease) d, count(*) n from claims where region = 'r1' group by plan, upper(disease)",
    ] {
        released(sql, &data);
    }
    // One region is sick: it alone stays.
    let sql = "select region, count(*) n from claims where disease = 'gout' group by region";
    let answer = Tenant::default().look(sql, &one_region_is_sick());
    assert_eq!(
        (answer.decision, answer.suppressed),
        (Decision::PartialRelease, 1)
    );
}

/// The charges of some people are not known.
fn missing(data: Data, of: impl Fn(u32) -> bool) -> Data {
    use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
    use arrow::datatypes::Float64Type;
    let Data(mut tables) = data;
    let claims = tables.remove("claims").unwrap();
    let persons = claims.column_by_name("person").unwrap().as_string::<i32>();
    let charges = claims.column_by_name("charges").unwrap();
    let charges = charges.as_primitive::<Float64Type>();
    let known: Float64Array = (0..claims.num_rows())
        .map(|row| {
            let person: u32 = persons.value(row)[1..].parse().unwrap();
            (!of(person)).then(|| charges.value(row))
        })
        .collect();
    let names = claims.schema();
    let columns = names
        .fields()
        .iter()
        .zip(claims.columns())
        .map(|(field, column)| {
            let column = match field.name().as_str() {
                "charges" => std::sync::Arc::new(known.clone()) as _,
                _ => std::sync::Arc::clone(column),
            };
            (field.name().clone(), column, true)
        });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    assert_eq!(batch.num_rows(), persons.len());
    tables.insert("claims".to_owned(), batch);
    Data(tables)
}

#[test]
fn whether_the_value_of_one_person_is_missing_does_not_show() {
    let claims = sick(|_| "flu");
    let data = |of: fn(u32) -> bool| missing(Data::default().claims(&claims), of);
    for of_charges in [
        "sum(charges), avg(charges)",
        "sum(charges)",
        "avg(charges)",
        "count(charges)",
        "stddev(charges)",
        "count(*), count(charges)",
    ] {
        let sql = format!("select {of_charges} from claims where region = 'r2'");
        refused(&sql, &data(|person| person == 4));
        refused(&sql, &data(|person| person < 32));
        released(&sql, &data(|person| person < 160));
        released(&sql, &data(|_| false));
        // Elsewhere it does not matter.
        released(&sql, &data(|person| person == 0));
    }
    released(
        "select count(*) from claims where region = 'r2'",
        &data(|person| person == 4),
    );
}

#[test]
fn missing_values_are_compared_with_what_left() {
    // Twenty are missing in plan a, and one more in both plans together.
    let claims = sick(|_| "flu");
    let data = missing(Data::default().claims(&claims), |person| {
        person == 1 || (person % 2 == 0 && person < 40)
    });
    let mut tenant = Tenant::default();
    let of_a = "select sum(charges), avg(charges) from claims where plan = 'a'";
    assert_eq!(tenant.ask(of_a, &data).decision, Decision::Release);
    let of_all = "select sum(charges), avg(charges) from claims";
    assert_eq!(tenant.look(of_all, &data).decision, Decision::Refuse);
    assert_eq!(
        Tenant::default().look(of_all, &data).decision,
        Decision::Release
    );
}
