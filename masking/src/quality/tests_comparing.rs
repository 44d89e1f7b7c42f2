//! Rules that compare a push with what was before it, or with another data set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;

use super::*;
use crate::key::{RootKey, TokenKey, ValueDomain};

/// 2026-01-01.
const TODAY: i32 = 20_454;

fn key() -> TokenKey {
    RootKey::from_bytes([3; 32]).intake(&ValueDomain::parse("person-id").unwrap(), 1)
}

fn today() -> Baseline {
    Baseline {
        today: Some(TODAY),
        labels: Some(key()),
        ..Baseline::default()
    }
}

/// The column `c` in two batches under one rule.
fn checked(rule: &str, column: &ArrayRef, baseline: Baseline) -> (Vec<Problem>, QualityChecker) {
    let document = format!("version = 1\n[[rules]]\nname='r'\nblocking=true\n{rule}");
    let rules = QualityRules::parse(&document).unwrap();
    let rows = RecordBatch::try_from_iter_with_nullable([("c", Arc::clone(column), true)]).unwrap();
    let checker = QualityChecker::new(&rules, rows.schema_ref()).unwrap();
    let mut checker = checker.with_baseline(baseline);
    let half = rows.num_rows() / 2;
    let mut problems = checker.check(1, &rows.slice(0, half)).unwrap().problems;
    let rest = rows.slice(half, rows.num_rows() - half);
    let first = 1 + u64::try_from(half).unwrap();
    problems.extend(checker.check(first, &rest).unwrap().problems);
    (problems, checker)
}

fn report(rule: &str, column: &ArrayRef, baseline: Baseline) -> QualityReport {
    checked(rule, column, baseline).1.finish()
}

/// Whether the rule was looked at, whether it failed, and what is said of it.
fn found(report: &QualityReport) -> (u64, u64, &str) {
    let note = report.notes.first().map_or("", |note| &note.message.en);
    (report.rules[0].checked, report.rules[0].failed, note)
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn the_newest_value_on_or_before_the_commit_is_what_counts() {
    let rule = "kind='timely'\ncolumn='c'\ndays=30";
    let micros = |day: i32| i64::from(day) * 86_400_000_000;
    let columns: [ArrayRef; 3] = [
        Arc::new(Date32Array::from(vec![
            Some(TODAY - 30),
            None,
            Some(TODAY + 400),
        ])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            micros(TODAY - 30) + 5,
            0,
        ])),
        texts(&["2025-12-02", "1999-01-01", "9999-12-31", "soon"]),
    ];
    for column in &columns {
        let fresh = report(rule, column, today());
        assert_eq!((found(&fresh).0, found(&fresh).1), (1, 0), "{fresh:?}");
        assert!(found(&fresh).2.contains("2025-12-02, 30 days"), "{fresh:?}");
        assert_eq!(fresh.dimensions["timeliness"], 1.0);
        let late = Baseline {
            today: Some(TODAY + 1),
            ..today()
        };
        let late = report(rule, column, late);
        assert_eq!(
            (found(&late).1, &late.blocking[..]),
            (1, &["r".to_owned()][..])
        );
    }
    let none: ArrayRef = Arc::new(Date32Array::from(vec![None, Some(TODAY + 1)]));
    assert_eq!(found(&report(rule, &none, today())).1, 1);
    let unsaid = report(rule, &columns[0], Baseline::default());
    assert_eq!((found(&unsaid), unsaid.blocking.len()), ((0, 0, ""), 0));
}

#[test]
fn the_number_of_rows_stays_within_its_percentage() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1; 80]));
    let after = |rows| Baseline {
        rows,
        ..Baseline::default()
    };
    let rule = "kind='volume_drift'\npercent=20";
    for (before, failed) in [(100, 0), (101, 1), (80, 0), (67, 0), (66, 1)] {
        let report = report(rule, &column, after(Some(before)));
        assert_eq!(
            (report.rules[0].checked, report.rules[0].failed),
            (1, failed),
            "{before}"
        );
    }
    let fell = report(rule, &column, after(Some(160)));
    assert_eq!(
        found(&fell).2,
        "80 rows after 160: -50.0 %; 20 % are allowed"
    );
    for none in [None, Some(0)] {
        let first = report(rule, &column, after(none));
        assert_eq!((found(&first).0, first.blocking.len()), (0, 0));
        assert!(found(&first).2.contains("no version before"));
    }
}

#[test]
fn shares_are_compared_by_the_stability_index_and_hold_no_value() {
    let rule = "kind='share_drift'\ncolumn='c'\nmax=0.2";
    let column = |a: usize, b: usize, c: usize| {
        texts(&[vec!["甲"; a], vec!["乙"; b], vec!["丙"; c]].concat())
    };
    let (_, first) = checked(rule, &column(50, 30, 20), today());
    let shares = first.shares();
    let stored = serde_json::to_string(&shares).unwrap();
    assert!(!stored.contains('甲'), "{stored}");
    assert_eq!(found(&first.finish()).0, 0, "the first version passes");
    let after = || Baseline {
        shares: shares.clone(),
        ..today()
    };
    // By hand: (0.4-0.5)ln(0.4/0.5) + (0.4-0.3)ln(0.4/0.3) + 0 = 0.0511.
    let near = report(rule, &column(40, 40, 20), after());
    assert_eq!(
        found(&near),
        (1, 0, "population stability index 0.051; 0.2 is allowed")
    );
    let equal = report(rule, &column(500, 300, 200), after());
    assert!(found(&equal).2.contains("0.000"), "{equal:?}");
    // A category that is gone counts as half a row: 0.2 ln 40 for it alone.
    let gone = report(rule, &column(50, 50, 0), after());
    assert_eq!((found(&gone).1, &gone.dimensions["stability"]), (1, &0.0));

    let many: Vec<String> = (0..1_200).map(|n| n.to_string()).collect();
    let many: ArrayRef = Arc::new(StringArray::from(many));
    let (_, many) = checked(rule, &many, after());
    assert!(many.shares().is_empty());
    let many = many.finish();
    assert!(
        found(&many).1 == 1 && found(&many).2.contains("1000"),
        "{many:?}"
    );
}

#[test]
fn values_are_looked_for_in_another_data_set_as_tokens() {
    let rule = "kind='reference'\ncolumn='c'\ndataset='people'\ndataset_column='id'\ntolerance=0.5";
    let known = |told| {
        let tokens =
            ["11010519491231002X", "350203199001011234"].map(|id| key().digest(id.as_bytes()));
        let reference = Reference::new(key(), tokens.to_vec(), told);
        Baseline {
            references: [("r".to_owned(), Ok(reference))].into(),
            ..Baseline::default()
        }
    };
    // Another spelling of one that is known, a blank, and one that is not known.
    let column = texts(&[
        "11010519491231002x",
        "350203199001011234",
        " ",
        "440301199001011234",
    ]);
    let (problems, checker) = checked(rule, &column, known(true));
    let rows: Vec<u64> = problems.iter().map(|problem| problem.row).collect();
    assert_eq!(rows, [4]);
    assert!(
        problems[0]
            .message
            .en
            .contains("column id of data set people")
    );
    let report = checker.finish();
    assert_eq!((report.rules[0].checked, report.rules[0].failed), (3, 1));
    assert!(
        report.blocking.is_empty(),
        "a third is within the tolerance"
    );

    let drop = format!("{rule}\non_fail='drop'");
    let (problems, checker) = checked(&drop, &column, known(false));
    let report = checker.finish();
    assert_eq!(
        (problems.len(), report.rules[0].failed, report.rows_kept),
        (0, 1, 4)
    );

    // What was to be compared and could not be is not taken for passed.
    let (_, checker) = checked(rule, &column, Baseline::default());
    let report = checker.finish();
    assert_eq!((report.rules[0].checked, report.blocking.len()), (0, 1));
    assert_eq!(report.notes[0].rule, "r");
    let read = QualityRules::parse(&format!("version=1\n[[rules]]\nname='r'\n{rule}")).unwrap();
    let names: Vec<_> = read.references().collect();
    let wanted = ReferenceRule {
        rule: "r",
        dataset: "people",
        column: "id",
    };
    assert_eq!(names, [wanted]);
}

#[test]
fn columns_that_differ_are_named() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(schema_drift(&[], &[]), None);
    let note = schema_drift(&names(&["b"]), &names(&["c", "d"])).unwrap();
    assert_eq!(note.message.en, "columns added: b; columns missing: c, d");
    let many: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let note = schema_drift(&many, &[]).unwrap();
    assert!(note.message.zh.contains("(+10)"), "{note:?}");
}

#[test]
fn options_of_comparing_rules_are_named_with_what_would_do() {
    for (rule, option) in [
        ("kind='timely'\ncolumn='c'", "days"),
        ("kind='timely'\ncolumn='c'\ndays=40000", "days"),
        ("kind='timely'\ncolumns=['c','d']\ndays=1", "columns"),
        (
            "kind='timely'\ncolumn='c'\ndays=1\non_fail='drop'",
            "on_fail",
        ),
        ("kind='volume_drift'\npercent=0", "percent"),
        ("kind='volume_drift'\npercent=nan", "percent"),
        ("kind='volume_drift'\ncolumn='c'\npercent=5", "columns"),
        ("kind='share_drift'\ncolumn='c'", "max"),
        ("kind='share_drift'\ncolumn='c'\nmax=0.2\nmin=0.1", "min"),
        (
            "kind='reference'\ncolumn='c'\ndataset='d'",
            "dataset_column",
        ),
        (
            "kind='reference'\ncolumn='c'\ndataset_column='d'",
            "dataset",
        ),
        ("kind='not_null'\ncolumn='c'\ndays=1", "days"),
    ] {
        let document = format!("version = 1\n[[rules]]\nname='r1'\n{rule}");
        let fault = QualityRules::parse(&document).unwrap_err();
        assert_eq!(fault.code, "option_value", "{rule}");
        assert!(
            fault.message.en.contains(&format!("option {option} ")),
            "{rule}: {fault}"
        );
    }
    let days = QualityRules::parse("version = 1\n[[rules]]\nname='r'\nkind='timely'\ndays=-1");
    assert!(days.unwrap_err().message.en.contains("line"));
}
