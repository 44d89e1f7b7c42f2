//! Texts of a few kilobytes that stand for very much: each is answered, and what is made of it is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, lit};
use proptest::prelude::*;

use super::super::source::{Columns, substitute};
use super::*;
use crate::admission::{Admission, admit_sql};
use crate::sample::scope;

/// The rules that refuse a text; none when it is admitted.
fn rules(sql: &str) -> Vec<String> {
    match admit_sql(sql, &scope(), &SqlLimits::default()) {
        Admission::Admitted(_) => Vec::new(),
        Admission::Refused(findings) => {
            for finding in &findings {
                assert!(!finding.reason.zh.is_empty() && !finding.reason.en.is_empty());
            }
            findings.into_iter().map(|finding| finding.rule).collect()
        }
    }
}

fn layers(depth: usize, expr: &str) -> String {
    let inner = (0..depth).fold("select plan d from claims".to_owned(), |inner, layer| {
        format!("select {expr} as d from ({inner}) z{layer}")
    });
    format!("select d, count(*) n from ({inner}) w group by d")
}

#[test]
fn layers_that_multiply_are_refused_before_they_are_made() {
    let case = "case when d = 'a' then d when d = 'b' then d else d end";
    for (expr, small, large) in [(case, 4, 8), ("nullif(d, upper(d))", 9, 15)] {
        for depth in 1..=40 {
            let rules = rules(&layers(depth, expr));
            let grown = rules == ["program_too_large"];
            assert!(
                grown || depth < large,
                "{depth} layers of {expr}: {rules:?}"
            );
            assert!(
                !grown || depth > small,
                "{depth} layers of {expr} are too many already"
            );
        }
    }
    let wide = format!("case {} else d end", "when d = 'a' then d ".repeat(10));
    assert_eq!(rules(&layers(5, &wide)), ["program_too_large"]);
    let filters = (0..40).fold("select plan d from claims".to_owned(), |inner, layer| {
        format!("select d from ({inner}) z{layer} where d = 'a' or d = 'b'")
    });
    let filtered = format!("select d, count(*) from ({filters}) w group by d");
    assert!(rules(&filtered).is_empty(), "layers that add are no growth");
}

#[test]
fn queries_that_name_others_twice_are_refused_before_they_are_planned() {
    for depth in 2..=40 {
        let mut text = "with c0 as (select * from claims)".to_owned();
        for layer in 1..depth {
            let before = layer - 1;
            text.push_str(&format!(
                ", c{layer} as (select * from c{before} a join c{before} b on a.person = b.person)"
            ));
        }
        let last = depth - 1;
        let used = format!("{text} select count(*) from c{last}");
        let unused = format!("{text} select count(*) from claims");
        for sql in [used, unused] {
            let rules = rules(&sql);
            let expect = if depth > 4 {
                "program_too_large"
            } else {
                "self_join"
            };
            let is_read = depth <= 4 && sql.ends_with("claims");
            assert!(
                is_read || rules.iter().any(|rule| rule == expect),
                "{depth}: {rules:?}"
            );
        }
    }
}

#[test]
fn aliases_positions_and_stars_are_counted() {
    let sum = |terms: usize| vec!["count(*)"; terms].join(" + ");
    let or = vec!["plan = 'a'"; 400].join(" or ");
    let many = |what: &str, times: usize, by: &str| vec![what; times].join(by);
    for sql in [
        format!(
            "select plan, {} as a from claims group by plan having {}",
            sum(300),
            many("a = a", 250, " and ")
        ),
        format!(
            "select {or} as a, count(*) from claims group by {}",
            many("a", 60, ", ")
        ),
        format!(
            "select {or} as a, count(*) from claims group by {}",
            many("1", 60, ", ")
        ),
        format!(
            "select plan, {} as a from claims group by plan order by {}",
            sum(300),
            many("a", 60, ", ")
        ),
        format!("select {} from claims", many("*", 2_000, ", ")),
        format!(
            "select count(*) from claims group by {}",
            many("plan", 65, ", ")
        ),
    ] {
        assert_eq!(rules(&sql), ["program_too_large"], "{sql}");
    }
    let small = "select plan, count(*) + count(charges) as a from claims group by plan \
         having a > 20 and a < 90 order by a, 1";
    assert!(rules(small).is_empty(), "{:?}", rules(small));
}

#[test]
fn deep_and_long_texts_are_answered() {
    for depth in 1..=60 {
        let nest = |open: &str, core: &str, close: &str| {
            format!("{}{core}{}", open.repeat(depth), close.repeat(depth))
        };
        for sql in [
            format!("select {} x from claims", nest("1/(", "count(*)", ")")),
            format!("select {} x from claims", nest("2*(", "count(*)", ")")),
            format!(
                "select {} x, count(*) from claims group by 1",
                nest("nullif('a', ", "plan", ")")
            ),
            format!("select count(*) from {}", nest("(", "claims", ")")),
            format!("select {}", "(".repeat(depth)),
        ] {
            let _answered = rules(&sql);
        }
    }
    // Half a minute of looking for names that are near, before findings were bounded.
    let unknown: Vec<String> = (0..1_900)
        .map(|number| format!("unknown_name_of_nothing_{number}"))
        .collect();
    let found = rules(&format!("select {} from claims", unknown.join(", ")));
    assert!(found.len() <= 32, "{} findings", found.len());
    let list: Vec<String> = (0..2_000).map(|number| format!("'{number}'")).collect();
    let listed = format!(
        "select count(*) from claims where plan in ({})",
        list.join(",")
    );
    assert!(rules(&listed).is_empty());
}

/// Expressions over the columns `x` and `y`.
fn exprs() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        Just(Expr::Column(Column::from_name("x"))),
        Just(Expr::Column(Column::from_name("y"))),
        any::<i64>().prop_map(lit),
    ];
    leaf.prop_recursive(4, 32, 2, |inner| {
        (inner.clone(), inner).prop_map(|(left, right)| left.eq(right))
    })
}

proptest! {
    #[test]
    fn what_is_counted_is_what_is_made(expr in exprs(), x in exprs(), y in exprs(), max in 0_usize..200) {
        let field = |name: &str| arrow::datatypes::Field::new(name, arrow::datatypes::DataType::Int64, true);
        let schema = DFSchema::try_from(arrow::datatypes::Schema::new(vec![field("x"), field("y")])).unwrap();
        let columns = Columns::new([x, y]);
        let mut growth = Growth::new(max);
        match substitute(&expr, &schema, &columns, &mut growth) {
            Ok(made) => {
                prop_assert_eq!(growth.made(), nodes(&made));
                prop_assert!(nodes(&made) <= max);
            }
            Err(finding) => {
                prop_assert_eq!(finding.rule.as_str(), "program_too_large");
                prop_assert_eq!(growth.made(), 0);
            }
        }
    }
}
