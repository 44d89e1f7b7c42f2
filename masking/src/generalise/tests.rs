#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod naive;
mod ola;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::risk::{RiskMeter, RiskReport};

const LOSSES: [InformationLoss; 5] = [
    InformationLoss::Discernibility,
    InformationLoss::AverageClassSize,
    InformationLoss::Generalisation,
    InformationLoss::NonUniformEntropy,
    InformationLoss::CertaintyPenalty,
];

type Row = (Option<u8>, u8, u8, u8);

/// Three columns of numbers 0 to 7 under intervals of 2 and 4, and a sensitive word.
fn table(rows: &[Row]) -> RecordBatch {
    let numbers = |of: fn(&Row) -> Option<u8>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(
            rows.iter().map(|row| of(row).map(i64::from)),
        ))
    };
    let words = StringArray::from_iter_values(rows.iter().map(|row| row.3.to_string()));
    RecordBatch::try_from_iter_with_nullable([
        ("a", numbers(|row| row.0), true),
        ("b", numbers(|row| Some(row.1)), true),
        ("c", numbers(|row| Some(row.2)), true),
        ("s", Arc::new(words) as ArrayRef, true),
    ])
    .unwrap()
}

fn hierarchies() -> Vec<(String, Hierarchy)> {
    let intervals = Hierarchy::intervals(0.0, &[2.0, 4.0]).unwrap();
    let words = "0;even;*\n1;odd;*\n2;even;*\n3;odd;*\n4;even;*\n5;odd;*\n6;even;*\n7;odd;*";
    vec![
        ("a".to_owned(), intervals.clone()),
        ("b".to_owned(), intervals),
        ("c".to_owned(), Hierarchy::table(words).unwrap()),
    ]
}

fn generaliser(batch: &RecordBatch, sensitive: Option<&str>) -> Generaliser {
    let mut generaliser = Generaliser::new(hierarchies(), sensitive).unwrap();
    let half = batch.num_rows() / 2;
    generaliser.observe(&batch.slice(0, half)).unwrap();
    generaliser
        .observe(&batch.slice(half, batch.num_rows() - half))
        .unwrap();
    generaliser
}

fn goal(requirement: Requirement, suppression_max: f64, loss: InformationLoss) -> Goal {
    Goal {
        requirement,
        suppression_max,
        loss,
    }
}

fn measured(batch: &RecordBatch, quasi: &[&str], sensitive: Option<&str>) -> RiskReport {
    let quasi: Vec<String> = quasi.iter().map(|name| (*name).to_owned()).collect();
    let mut meter = RiskMeter::new(&quasi, sensitive);
    meter.observe(batch).unwrap();
    meter.finish()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        proptest::option::weighted(0.9, 0u8..8),
        0u8..8,
        0u8..8,
        0u8..3,
    );
    proptest::collection::vec(row, 1..40)
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let share = proptest::option::of(0.2f64..1.0);
    (
        1u64..5,
        proptest::option::of(1u64..3),
        share,
        proptest::option::of(1.0f64..2.0),
    )
        .prop_map(|(k, l_distinct, t_closeness, l_entropy)| Requirement {
            l_distinct,
            t_closeness,
            l_entropy,
            ..Requirement::k(k)
        })
}

proptest! {
    #[test]
    fn the_optimum_is_that_of_trying_all(
        rows in rows(),
        requirement in requirement(),
        suppression_max in prop_oneof![Just(0.0), 0.0f64..0.6],
        loss in proptest::sample::select(&LOSSES[..]),
    ) {
        let batch = table(&rows);
        let goal = goal(requirement, suppression_max, loss);
        let expected = naive::optimum(&batch, &hierarchies(), "s", &goal);
        match generaliser(&batch, Some("s")).solve(&goal, &mut || false) {
            Err(fault) => {
                prop_assert_eq!(fault.code, "requirement_unmet");
                prop_assert_eq!(expected, None);
            }
            Ok(mut solution) => {
                let expected = expected.expect("a node satisfies the goal");
                prop_assert!((solution.loss() - expected).abs() < 1e-9, "{} {expected}", solution.loss());
                prop_assert!(solution.is_optimal());
                let written = solution.apply(&batch).unwrap();
                let report = measured(&written.batch, &["a", "b", "c"], Some("s"));
                prop_assert_eq!(&report, solution.report());
                prop_assert!(report.k >= goal.requirement.k);
                prop_assert!(report.t_closeness.unwrap() <= goal.requirement.t_closeness.unwrap_or(1.0));
                prop_assert_eq!(written.suppressed.true_count(), batch.num_rows() - written.batch.num_rows());
            }
        }
    }

    #[test]
    fn the_optimum_is_that_of_ola(rows in rows(), k in 1u64..6, loss in proptest::sample::select(&LOSSES[..])) {
        let batch = table(&rows);
        let goal = goal(Requirement::k(k), 0.0, loss);
        let radixes = [4, 4, 3];
        let (checks, minimal) = ola::minimal_nodes(&radixes, |levels| {
            naive::loss(&batch, &hierarchies(), "s", &goal, levels).is_some()
        });
        let least = minimal
            .iter()
            .filter_map(|levels| naive::loss(&batch, &hierarchies(), "s", &goal, levels))
            .fold(f64::INFINITY, f64::min);
        prop_assert!(checks <= 48);
        match generaliser(&batch, None).solve(&goal, &mut || false) {
            Ok(solution) => prop_assert!((solution.loss() - least).abs() < 1e-9),
            Err(_) => prop_assert!(minimal.is_empty()),
        }
    }

    #[test]
    fn parts_of_mondrian_are_as_reported(rows in rows(), requirement in requirement()) {
        let batch = table(&rows);
        let names = ["a", "b", "c"].map(str::to_owned);
        let mut mondrian = Mondrian::new(&names, Some("s")).unwrap();
        mondrian.observe(&batch).unwrap();
        let Ok(mut recoding) = mondrian.solve(&requirement, &mut || false) else {
            let whole = measured(&batch, &[], Some("s"));
            prop_assert!(whole.k < requirement.k
                || whole.l_distinct.unwrap() < requirement.l_distinct.unwrap_or(0)
                || whole.l_entropy.unwrap() < requirement.l_entropy.unwrap_or(0.0));
            return Ok(());
        };
        let written = recoding.apply(&batch).unwrap();
        let report = measured(&written, &["a", "b", "c"], Some("s"));
        prop_assert_eq!(&report, recoding.report());
        prop_assert!(report.k >= requirement.k && recoding.is_complete());
        prop_assert!(report.t_closeness.unwrap() <= requirement.t_closeness.unwrap_or(1.0));
        for name in &names {
            let values = column(&batch, name).unwrap();
            let labels = written.column_by_name(name).unwrap().as_string::<i32>();
            for row in 0..batch.num_rows() {
                let value = values.is_valid(row).then(|| {
                    values.as_primitive::<arrow::datatypes::Int64Type>().value(row)
                });
                prop_assert!(holds_value(labels.is_valid(row).then(|| labels.value(row)), value));
            }
        }
    }
}

/// Whether a label of Mondrian stands for a value.
fn holds_value(label: Option<&str>, value: Option<i64>) -> bool {
    let Some(label) = label else {
        return value.is_none();
    };
    let bounds = label.trim_matches(['[', ']']);
    let (low, high) = bounds.split_once(", ").unwrap_or((bounds, bounds));
    match value {
        None => low == "null",
        Some(value) => {
            low.parse().is_ok_and(|low: i64| low <= value) | (low == "null")
                && high.parse().is_ok_and(|high: i64| value <= high)
        }
    }
}

#[test]
fn mondrian_cuts_at_medians() {
    let batch = table(&[0, 1, 2, 3, 4, 5, 6, 7].map(|a| (Some(a), 1, 1, 0)));
    let mut mondrian = Mondrian::new(&["a".to_owned(), "b".to_owned()], None).unwrap();
    mondrian.observe(&batch).unwrap();
    let mut recoding = mondrian.solve(&Requirement::k(2), &mut || false).unwrap();
    let written = recoding.apply(&batch).unwrap();
    let labels: Vec<Option<&str>> = written.column(0).as_string::<i32>().iter().collect();
    assert_eq!(
        labels[..3],
        [Some("[0, 1]"), Some("[0, 1]"), Some("[2, 3]")]
    );
    assert_eq!(written.column(1).as_string::<i32>().value(0), "1");
    let other = recoding.apply(&table(&[(None, 1, 1, 0)])).unwrap_err();
    assert_eq!(other.code, "row_not_observed");
    let mut mondrian = Mondrian::new(&["s".to_owned()], None).unwrap();
    assert_eq!(
        mondrian.observe(&batch).unwrap_err().code,
        "column_not_numeric"
    );
}

#[test]
fn mondrian_in_no_time_is_one_part() {
    let batch = table(&[0, 1, 2, 3].map(|a| (Some(a), 1, 1, 0)));
    let mut mondrian = Mondrian::new(&["a".to_owned()], None).unwrap();
    mondrian.observe(&batch).unwrap();
    let recoding = mondrian.solve(&Requirement::k(1), &mut || true).unwrap();
    assert_eq!(
        (recoding.report().classes, recoding.is_complete()),
        (1, false)
    );
}

#[test]
fn a_search_whose_time_is_over_is_no_proof() {
    let rows: Vec<_> = (0..64)
        .map(|n| (Some(n % 8), n / 8, (n * 3) % 8, 0))
        .collect();
    let batch = table(&rows);
    let goal = goal(Requirement::k(3), 0.0, InformationLoss::Generalisation);
    let in_no_time = generaliser(&batch, None)
        .solve(&goal, &mut || true)
        .unwrap_err();
    assert_eq!(in_no_time.code, "requirement_unmet");
    let mut left = 3;
    let solution = generaliser(&batch, None).solve(&goal, &mut || {
        left -= 1;
        left < 0
    });
    let solution = solution.unwrap();
    assert_eq!((solution.is_optimal(), solution.checks()), (false, 3));
    assert!(solution.report().k >= 3);
    let whole = generaliser(&batch, None)
        .solve(&goal, &mut || false)
        .unwrap();
    assert!(whole.is_optimal() && whole.loss() <= solution.loss());
}

/// Fourteen columns of many values: more nodes than are gone through, and more digits than 64 bits
/// hold.
#[test]
fn wide_tables_are_gone_down_greedily() {
    let names: Vec<String> = (0..14).map(|at| format!("q{at}")).collect();
    let columns = names.iter().enumerate().map(|(at, name)| {
        let values = (0..300u32).map(|row| f64::from(row.wrapping_mul(2_654_435_761) >> (at + 4)));
        (
            name.as_str(),
            Arc::new(Float64Array::from_iter_values(values)) as ArrayRef,
        )
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let hierarchy = Hierarchy::intervals(0.0, &[1e6, 1e8]).unwrap();
    let quasi = names
        .iter()
        .map(|name| (name.clone(), hierarchy.clone()))
        .collect();
    let mut generaliser = Generaliser::new(quasi, None).unwrap();
    generaliser.observe(&batch).unwrap();
    let goal = goal(Requirement::k(2), 0.1, InformationLoss::CertaintyPenalty);
    let mut solution = generaliser.solve(&goal, &mut || false).unwrap();
    assert_eq!((solution.is_optimal(), solution.nodes()), (false, 1 << 28));
    let written = solution.apply(&batch).unwrap();
    let quasi: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(&measured(&written.batch, &quasi, None), solution.report());
    assert!(solution.report().k >= 2 && solution.suppressed() <= 30);
}

#[test]
fn columns_at_level_zero_stay_as_they_are() {
    let a = [Some(1), Some(1), Some(1), None, None, None];
    let rows: Vec<_> = (a.into_iter().zip([1, 2, 2, 1, 2, 2]))
        .map(|(a, b)| (a, b, 1, 0))
        .collect();
    let batch = table(&rows);
    let goal = goal(Requirement::k(3), 0.0, InformationLoss::Discernibility);
    let mut solution = generaliser(&batch, None)
        .solve(&goal, &mut || false)
        .unwrap();
    let written = solution.apply(&batch).unwrap().batch;
    assert_eq!(solution.levels(), [0, 2, 0]);
    assert_eq!(written.column(0), batch.column(0));
    assert_eq!(written.column(1).as_string::<i32>().value(0), "[0,4)");
    assert_eq!(written.column(3), batch.column(3));
    let other = solution.apply(&table(&[(Some(2), 1, 1, 0)])).unwrap_err();
    assert_eq!(other.code, "row_not_observed");
}

#[test]
fn what_does_not_fit_is_named() {
    let twice = vec![hierarchies().remove(0), hierarchies().remove(0)];
    let fault = Generaliser::new(twice, None).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("column_twice", Some("a"))
    );
    assert_eq!(
        Generaliser::new(Vec::new(), None).unwrap_err().code,
        "columns_count"
    );
    let batch = table(&[(Some(9), 1, 9, 0)]);
    let fault = Generaliser::new(hierarchies(), None)
        .unwrap()
        .observe(&batch)
        .unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("value_outside_hierarchy", Some("c"))
    );
    let batch = table(&[(Some(1), 1, 1, 0)]);
    let valid = Requirement::k(1);
    for (requirement, suppression_max, option) in [
        (Requirement::k(0), 0.0, "k"),
        (valid.clone(), 1.5, "suppression_max"),
        (valid.clone(), f64::NAN, "suppression_max"),
        (
            Requirement {
                t_closeness: Some(2.0),
                ..valid.clone()
            },
            0.0,
            "t_closeness",
        ),
        (
            Requirement {
                l_entropy: Some(0.5),
                ..valid.clone()
            },
            0.0,
            "l_entropy",
        ),
        (
            Requirement {
                l_recursive: Some((2.0, 1)),
                ..valid.clone()
            },
            0.0,
            "l_recursive",
        ),
        (
            Requirement {
                beta_basic: Some(f64::NAN),
                ..valid.clone()
            },
            0.0,
            "beta_basic",
        ),
        (
            Requirement {
                l_distinct: Some(2),
                ..valid
            },
            0.0,
            "sensitive",
        ),
    ] {
        let goal = goal(
            requirement,
            suppression_max,
            InformationLoss::Discernibility,
        );
        let fault = generaliser(&batch, None)
            .solve(&goal, &mut || false)
            .unwrap_err();
        assert_eq!(fault.code, "option_value");
        assert!(fault.message.en.contains(option), "{}", fault.message.en);
    }
    let nothing = generaliser(&batch.slice(0, 0), None);
    let goal = goal(Requirement::k(1), 0.0, InformationLoss::Generalisation);
    assert_eq!(
        nothing.solve(&goal, &mut || false).unwrap_err().code,
        "requirement_unmet"
    );
}
