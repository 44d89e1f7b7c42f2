#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;
use crate::error::QualityError;

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn run(rules: &str, batches: &[RecordBatch]) -> (Vec<RecordBatch>, Vec<Problem>, QualityReport) {
    let rules = QualityRules::parse(&format!("version = 1\n{rules}")).unwrap();
    let mut checker = QualityChecker::new(&rules, batches[0].schema_ref()).unwrap();
    let (mut kept, mut problems, mut row) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        let checked = checker.check(row, batch).unwrap();
        row += u64::try_from(batch.num_rows()).unwrap();
        kept.push(checked.kept);
        problems.extend(checked.problems);
    }
    (kept, problems, checker.finish())
}

/// Rows that one rule about column `c` complains of.
fn failing(rule: &str, column: ArrayRef) -> Vec<u64> {
    let (_, problems, report) = run(
        &format!("[[rules]]\nname='r'\ncolumn='c'\n{rule}"),
        &[batch(vec![("c", column)])],
    );
    assert_eq!(
        report.rules[0].failed,
        u64::try_from(problems.len()).unwrap()
    );
    assert!(
        problems
            .iter()
            .all(|problem| problem.column.as_deref() == Some("c") && problem.rule == "r")
    );
    problems.into_iter().map(|problem| problem.row).collect()
}

#[test]
fn each_kind_of_rule_finds_its_rows() {
    assert_eq!(
        failing(
            "kind='not_null'",
            text(&[Some("a"), None, Some(" "), Some("")])
        ),
        [1, 2, 3]
    );
    assert_eq!(
        failing(
            "kind='not_null'",
            Arc::new(Int64Array::from(vec![Some(1), None]))
        ),
        [1]
    );
    let ids = text(&[
        Some("11010519491231002X"),
        Some("11010519491231002Y"),
        None,
        Some("110105491231002"),
        Some(""),
    ]);
    assert_eq!(
        failing("kind='identifier'\nidentifier='resident_id'", ids),
        [1, 4]
    );
    assert_eq!(
        failing(
            "kind='type'\ndata_type='integer'",
            text(&[Some("12"), Some("1.5"), Some("x")])
        ),
        [1, 2]
    );
    assert_eq!(
        failing(
            "kind='type'\ndata_type='number'",
            text(&[Some("1e3"), Some("inf"), Some("１")])
        ),
        [1, 2]
    );
    assert_eq!(
        failing(
            "kind='type'\ndata_type='date'",
            text(&[Some("2023-02-28"), Some("2023-02-30")])
        ),
        [1]
    );
    let truths = Arc::new(BooleanArray::from(vec![true, false]));
    assert!(failing("kind='type'\ndata_type='boolean'", truths).is_empty());
    let dates = text(&[
        Some("2023年1月5日"),
        Some("1899-12-31"),
        Some("2023-13-01"),
        Some("2030-01-01"),
    ]);
    assert_eq!(
        failing("kind='date'\nmin='1900-01-01'\nmax=2025-12-31", dates),
        [1, 2, 3]
    );
    assert_eq!(
        failing(
            "kind='date'\nmin='1970-01-02'",
            Arc::new(Date32Array::from(vec![0, 1]))
        ),
        [0]
    );
    assert_eq!(
        failing(
            "kind='regex'\npattern='[A-Z]\\d{2}'",
            text(&[Some("A12"), Some("xA12"), Some("A123")])
        ),
        [1, 2]
    );
    let numbers = Float64Array::from(vec![
        Some(0.0),
        Some(100.0),
        Some(100.1),
        Some(f64::NAN),
        None,
    ]);
    assert_eq!(
        failing("kind='range'\nmin=0\nmax=100", Arc::new(numbers)),
        [2, 3]
    );
    assert_eq!(
        failing(
            "kind='range'\nmin=0",
            text(&[Some("1"), Some("-1"), Some("many")])
        ),
        [1, 2]
    );
    assert_eq!(
        failing(
            "kind='allowed'\nvalues=['男','女']",
            text(&[Some("女"), Some("男"), Some("未知")])
        ),
        [2]
    );
}

#[test]
fn a_rule_about_several_columns_names_the_one() {
    let (_, problems, report) = run(
        "[[rules]]\nname='full'\nkind='not_null'\ncolumns=['a','b']\n[[rules]]\nname='small'\nkind='type'\ndata_type='integer'\ncolumns=['a','b']",
        &[batch(vec![
            ("a", text(&[Some("1"), None])),
            ("b", text(&[Some("x"), Some("2")])),
        ])],
    );
    let found: Vec<_> = problems
        .iter()
        .map(|p| (p.row, p.column.as_deref().unwrap(), p.rule.as_str()))
        .collect();
    assert_eq!(found, [(0, "b", "small"), (1, "a", "full")]);
    assert_eq!((report.rules[0].checked, report.rules[1].checked), (4, 3));
    assert!((report.columns["b"] - 0.5).abs() < 1e-12 && (report.columns["a"] - 0.5).abs() < 1e-12);
}

#[test]
fn duplicates_go_across_batches_and_the_first_stays() {
    let part = |ids: &[Option<&str>], days: Vec<i64>| {
        batch(vec![
            ("id", text(ids)),
            ("day", Arc::new(Int64Array::from(days))),
        ])
    };
    let (kept, problems, report) = run(
        "[[rules]]\nname='key'\nkind='unique'\ncolumns=['id','day']\non_fail='drop'",
        &[
            part(&[Some("a"), Some("b"), Some("a")], vec![1, 1, 1]),
            part(&[Some("a"), Some("a"), None], vec![1, 2, 2]),
        ],
    );
    assert_eq!(
        kept.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
        [2, 2]
    );
    assert_eq!(
        problems
            .iter()
            .map(|problem| problem.row)
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(
        problems
            .iter()
            .all(|problem| problem.action == Action::Dropped && problem.column.is_none())
    );
    assert_eq!(
        (report.rows_in, report.rows_kept, report.rules[0].failed),
        (6, 4, 2)
    );
    // Keys are pairs, not joined text.
    let (_, problems, _) = run(
        "[[rules]]\nname='key'\nkind='unique'\ncolumns=['x','y']",
        &[batch(vec![
            ("x", text(&[Some("a"), Some("ab")])),
            ("y", text(&[Some("bc"), Some("c")])),
        ])],
    );
    assert!(problems.is_empty());
}

#[test]
fn a_dropped_row_is_not_looked_at_again_and_frees_its_key() {
    let (kept, problems, report) = run(
        "[[rules]]\nname='valid'\nkind='range'\ncolumn='n'\nmin=0\non_fail='drop'\n\
         [[rules]]\nname='key'\nkind='unique'\ncolumn='id'\non_fail='drop'",
        &[batch(vec![
            ("id", text(&[Some("a"), Some("a"), Some("a")])),
            ("n", Arc::new(Int64Array::from(vec![-1, 1, 2]))),
        ])],
    );
    assert_eq!(kept[0].column(1).as_primitive::<Int64Type>().values(), &[1]);
    assert_eq!(
        problems
            .iter()
            .map(|problem| (problem.row, problem.rule.as_str()))
            .collect::<Vec<_>>(),
        [(0, "valid"), (2, "key")]
    );
    assert_eq!(report.rules[1].checked, 2);
}

#[test]
fn columns_in_order() {
    let rule = "[[rules]]\nname='stay'\nkind='order'\ncolumns=['admitted','discharged']";
    let stays = batch(vec![
        (
            "admitted",
            text(&[
                Some("2023-01-05"),
                Some("2023-01-05"),
                None,
                Some("不详"),
                Some("2023/1/5"),
            ]),
        ),
        (
            "discharged",
            text(&[
                Some("2023-01-05"),
                Some("2023-01-04"),
                Some("2023-01-04"),
                Some("2023-01-04"),
                Some("2023-01-06"),
            ]),
        ),
    ]);
    let (_, problems, report) = run(rule, std::slice::from_ref(&stays));
    assert_eq!(
        problems
            .iter()
            .map(|problem| problem.row)
            .collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(report.rules[0].checked, 3);
    assert!(problems[0].message.en.contains("admitted ≤ discharged"));
    let (_, problems, _) = run(&format!("{rule}\nstrict=true"), &[stays]);
    assert_eq!(
        problems
            .iter()
            .map(|problem| problem.row)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let numbers = batch(vec![
        ("admitted", Arc::new(Int64Array::from(vec![1, 3]))),
        ("discharged", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
    ]);
    assert_eq!(run(rule, &[numbers]).1.len(), 1);
}

#[test]
fn blocking_rules_block_beyond_their_tolerance() {
    let values = || batch(vec![("c", text(&[Some("a"), None, Some("b"), Some("c")]))]);
    let blocked = |rules: &str| run(rules, &[values()]).2.blocking;
    let rule = "[[rules]]\nname='full'\nkind='not_null'\ncolumn='c'\n";
    assert!(blocked(rule).is_empty());
    assert_eq!(blocked(&format!("{rule}blocking=true")), ["full"]);
    assert!(blocked(&format!("{rule}blocking=true\ntolerance=0.25")).is_empty());
    assert_eq!(
        blocked(&format!("{rule}blocking=true\ntolerance=0.2")),
        ["full"]
    );
    let count =
        |min: u64| format!("[[rules]]\nname='enough'\nkind='row_count'\nmin={min}\nblocking=true");
    assert!(blocked(&count(4)).is_empty());
    assert_eq!(blocked(&count(5)), ["enough"]);
}

#[test]
fn repairs_leave_a_trace_and_come_before_rules() {
    let (kept, problems, report) = run(
        "[[repairs]]\nkind='trim'\ncolumns=['a']\n\
         [[repairs]]\nkind='half_width'\ncolumn='a'\n\
         [[repairs]]\nkind='date'\ncolumn='d'\n\
         [[repairs]]\nkind='fill'\ncolumn='n'\nvalue='0'\n\
         [[repairs]]\nkind='map'\ncolumn='s'\nfrom=['1','2']\nto=['男','女']\n\
         [[repairs]]\nkind='upper'\ncolumn='a'\n\
         [[rules]]\nname='number'\nkind='regex'\ncolumn='a'\npattern='\\d+X?'",
        &[batch(vec![
            ("a", text(&[Some(" １２x "), Some("34"), None, Some("  ")])),
            (
                "d",
                text(&[
                    Some("2023年1月5日"),
                    Some("2023-02-30"),
                    Some("2023-01-05"),
                    None,
                ]),
            ),
            (
                "n",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])),
            ),
            ("s", text(&[Some("1"), Some("2"), Some("男"), None])),
        ])],
    );
    let column = |place: usize| {
        kept[0]
            .column(place)
            .as_string::<i32>()
            .iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(column(0), [Some("12X"), Some("34"), None, None]);
    assert_eq!(
        column(1),
        [
            Some("2023-01-05"),
            Some("2023-02-30"),
            Some("2023-01-05"),
            None
        ]
    );
    assert_eq!(
        kept[0].column(2).as_primitive::<Int64Type>().values(),
        &[1, 0, 3, 4]
    );
    assert_eq!(column(3), [Some("男"), Some("女"), Some("男"), None]);
    assert!(
        problems
            .iter()
            .all(|problem| problem.action == Action::Repaired),
        "{problems:?}"
    );
    assert_eq!(report.repaired, u64::try_from(problems.len()).unwrap());
    assert!(problems.windows(2).all(|pair| pair[0].row <= pair[1].row));
}

#[test]
fn values_are_shown_masked() {
    let ids = batch(vec![(
        "c",
        text(&[
            Some("11010519491231002Y"),
            Some("张三"),
            Some(&"长".repeat(1_000_000)),
        ]),
    )]);
    let (_, problems, _) = run(
        "[[rules]]\nname='r'\nkind='identifier'\nidentifier='resident_id'\ncolumn='c'",
        &[ids],
    );
    assert_eq!(problems[0].masked_value, "1****************Y");
    assert_eq!(problems[1].masked_value, "**");
    assert_eq!(problems[2].masked_value.chars().count(), 24);
}

#[test]
fn scores_per_dimension_and_column() {
    let (_, _, report) = run(
        "[[rules]]\nname='full'\nkind='not_null'\ncolumn='c'\n[[rules]]\nname='small'\nkind='range'\ncolumn='n'\nmax=2",
        &[batch(vec![
            ("c", text(&[Some("a"), None, Some("b"), Some("c")])),
            ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
            ("free", text(&[None, None, Some("x"), Some("y")])),
        ])],
    );
    let close =
        |given: f64, expected: f64| assert!((given - expected).abs() < 1e-12, "{given} {expected}");
    close(report.dimensions["completeness"], 0.75);
    close(report.dimensions["validity"], 0.5);
    close(report.columns["c"], 0.75);
    close(report.columns["n"], 0.5);
    close(report.columns["free"], 0.5);
    close(report.score, 0.625);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<QualityReport>(&json).unwrap(),
        report
    );
}

#[test]
fn without_rules_everything_stays() {
    let rows = batch(vec![("c", text(&[Some("a"), None]))]);
    let mut checker = QualityChecker::new(&QualityRules::default(), rows.schema_ref()).unwrap();
    assert_eq!(checker.check(0, &rows).unwrap().kept, rows);
    let report = checker.finish();
    assert_eq!(
        (report.rows_in, report.rows_kept, report.blocking.len()),
        (2, 2, 0)
    );
}

fn unread(rules: &str) -> QualityError {
    QualityRules::parse(&format!("version = 1\n{rules}")).unwrap_err()
}

#[test]
fn documents_that_cannot_be_read_say_where_and_what_would_do() {
    assert_eq!(
        QualityRules::parse("rules = 1").unwrap_err().code,
        "document_unreadable"
    );
    assert!(
        unread("[[rules]]\nname='a'\nkind='not_null'\ncolumn='c'\nother=1")
            .message
            .en
            .contains("line 6")
    );
    for rule in [
        "kind='nothing'",
        "kind='regex'\npattern='('",
        "kind='regex'\npattern='(?=a)'",
        "kind='regex'\npattern='((a{1000}){1000}){1000}'",
        "kind='regex'",
        "kind='range'",
        "kind='range'\nmin='low'",
        "kind='date'\nmin='2023-02-30'",
        "kind='type'\ndata_type='colour'",
        "kind='identifier'\nidentifier='soul'",
        "kind='allowed'\nvalues=[]",
        "kind='order'",
        "kind='not_null'\nmin=3",
        "kind='not_null'\non_fail='shout'",
        "kind='not_null'\ntolerance=2",
    ] {
        let fault = unread(&format!("[[rules]]\nname='r1'\ncolumn='c'\n{rule}"));
        assert_eq!(fault.code, "option_value", "{rule}");
        assert!(fault.message.zh.contains("r1") && !fault.remedy.en.is_empty());
    }
    assert_eq!(
        unread("[[rules]]\nname='a'\nkind='unique'\ncolumns=['c','d','c']").code,
        "option_value"
    );
    assert_eq!(
        unread("[[rules]]\nname='a'\nkind='not_null'").code,
        "option_value"
    );
    assert_eq!(
        unread("[[rules]]\nname='a'\nkind='row_count'\nmin=1\ncolumn='c'").code,
        "option_value"
    );
    assert_eq!(
        unread("[[repairs]]\nkind='fill'\ncolumn='c'").code,
        "option_value"
    );
    assert_eq!(
        unread("[[repairs]]\nkind='map'\ncolumn='c'\nfrom=['a']").code,
        "option_value"
    );
    let twice = "[[rules]]\nname='a'\nkind='not_null'\ncolumn='c'\n";
    assert_eq!(unread(&format!("{twice}{twice}")).code, "rule_duplicate");
}

#[test]
fn rules_that_do_not_fit_the_schema_name_the_column() {
    let rows = batch(vec![("c", Arc::new(Int64Array::from(vec![1])))]);
    let bind = |rules: &str| {
        let rules = QualityRules::parse(&format!("version = 1\n{rules}")).unwrap();
        let fault = QualityChecker::new(&rules, rows.schema_ref()).unwrap_err();
        (fault.code, fault.column.unwrap())
    };
    let named = |code: &str, column: &str| (code.to_owned(), column.to_owned());
    assert_eq!(
        bind("[[rules]]\nname='a'\nkind='not_null'\ncolumn='d'"),
        named("column_missing", "d")
    );
    assert_eq!(
        bind("[[rules]]\nname='a'\nkind='date'\ncolumn='c'"),
        named("type_unfit", "c")
    );
    assert_eq!(
        bind("[[repairs]]\nkind='trim'\ncolumn='c'"),
        named("type_unfit", "c")
    );
    assert_eq!(
        bind("[[repairs]]\nkind='fill'\ncolumn='c'\nvalue='many'"),
        named("type_unfit", "c")
    );
    let mut checker = QualityChecker::new(&QualityRules::default(), rows.schema_ref()).unwrap();
    let other = batch(vec![("c", text(&[None]))]);
    assert_eq!(checker.check(0, &other).unwrap_err().code, "schema_changed");
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused(document in any::<String>()) {
        let _ = QualityRules::parse(&document);
    }

    #[test]
    fn kept_and_dropped_rows_are_all_rows(values in proptest::collection::vec(proptest::option::of("[ab1-3 ]{0,2}"), 0..40), cut in 0usize..40) {
        let column: ArrayRef = Arc::new(StringArray::from(values));
        let rows = batch(vec![("c", column)]);
        let cut = cut.min(rows.num_rows());
        let parts = [rows.slice(0, cut), rows.slice(cut, rows.num_rows() - cut)];
        let rules = "[[repairs]]\nkind='trim'\ncolumn='c'\n\
            [[rules]]\nname='key'\nkind='unique'\ncolumn='c'\non_fail='drop'\n\
            [[rules]]\nname='full'\nkind='not_null'\ncolumn='c'\non_fail='drop'\n\
            [[rules]]\nname='number'\nkind='type'\ndata_type='integer'\ncolumn='c'";
        let (kept, problems, report) = run(rules, &parts);
        let dropped: std::collections::HashSet<u64> =
            problems.iter().filter(|problem| problem.action == Action::Dropped).map(|problem| problem.row).collect();
        let kept_rows: usize = kept.iter().map(RecordBatch::num_rows).sum();
        prop_assert_eq!(kept_rows + dropped.len(), rows.num_rows());
        prop_assert_eq!(report.rows_kept, u64::try_from(kept_rows).unwrap());
        // What stays is unique, not null, and does not depend on how the push was cut.
        let mut seen = std::collections::HashSet::new();
        for part in &kept {
            for value in part.column(0).as_string::<i32>() {
                prop_assert!(seen.insert(value.unwrap().to_owned()));
            }
        }
        let (whole, _, _) = run(rules, &[rows]);
        prop_assert_eq!(whole[0].num_rows(), kept_rows);
    }
}
