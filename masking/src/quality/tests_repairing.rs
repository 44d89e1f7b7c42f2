#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;
use crate::error::QualityError;

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn rules(document: &str) -> Result<QualityRules, QualityError> {
    QualityRules::parse(&format!("version = 1\n{document}"))
}

fn repaired(document: &str, batch: &RecordBatch) -> (RecordBatch, Vec<Problem>) {
    let rules = rules(document).unwrap();
    let mut checker = QualityChecker::new(&rules, batch.schema_ref()).unwrap();
    let checked = checker.check(0, batch).unwrap();
    let count = u64::try_from(checked.problems.len()).unwrap();
    assert_eq!(checker.finish().repaired, count);
    assert!(
        checked
            .problems
            .iter()
            .all(|p| p.action == Action::Repaired)
    );
    (checked.kept, checked.problems)
}

#[test]
fn units_are_converted_where_numbers_lie_within_bounds() {
    // Metres among centimetres.
    let heights: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.75), Some(168.0), None]));
    let grams: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), Some(3), Some(i64::MAX)]));
    let rows = batch(vec![("height", heights), ("weight", grams)]);
    let document = "[[repairs]]\nkind='unit'\ncolumn='height'\nfactor=100\nmax=3\n\
                    [[repairs]]\nkind='unit'\nname='grams'\ncolumn='weight'\nfactor=0.4\noffset=1";
    let (kept, problems) = repaired(document, &rows);
    let heights = kept.column(0).as_primitive::<Float64Type>();
    assert_eq!((heights.value(0), heights.value(1)), (175.0, 168.0));
    assert!(heights.is_null(2));
    // 1.8 and 2.2 are rounded; the first is 2 as it was, and the last does not fit.
    let grams = kept.column(1).as_primitive::<Int64Type>();
    assert_eq!(grams.values().to_vec(), [2, 2, i64::MAX]);
    let told: Vec<(u64, &str)> = problems.iter().map(|p| (p.row, p.rule.as_str())).collect();
    assert_eq!(told, [(0, "repair-unit"), (1, "grams")]);
}

#[test]
fn gaps_are_filled_from_another_column() {
    let codes: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(9), None]));
    let names = text(&[None, Some("already"), None, Some(" ")]);
    let rows = batch(vec![("code", codes), ("name", names)]);
    let document = "[[repairs]]\nkind='lookup'\ncolumn='name'\nby='code'\n\
                    from=['1','2']\nto=['one','two']";
    let (kept, problems) = repaired(document, &rows);
    let names = kept.column(1).as_string::<i32>();
    assert_eq!(names.value(0), "one");
    assert_eq!(names.value(1), "already", "what is there stays");
    assert!(names.is_null(2), "what is not known stays a gap");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].column.as_deref(), Some("name"));
    // Numbers are filled as numbers.
    let sexes = text(&[Some("男"), Some("女"), Some("男"), None]);
    let codes: ArrayRef = Arc::new(Int64Array::from(vec![None, None, Some(7), None]));
    let rows = batch(vec![("sex", sexes), ("code", codes)]);
    let document = "[[repairs]]\nkind='lookup'\ncolumn='code'\nby='sex'\n\
                    from=['男','女']\nto=['1','2']";
    let (kept, _) = repaired(document, &rows);
    let codes = kept.column(1).as_primitive::<Int64Type>();
    assert_eq!(
        codes.iter().collect::<Vec<_>>(),
        [Some(1), Some(2), Some(7), None]
    );
}

#[test]
fn a_resident_number_fills_what_it_says() {
    // The first is the number of GB 11643's own example, a woman; the second the same of 15 digits.
    let numbers = text(&[
        Some("11010519491231002X"),
        Some("110105491231002"),
        Some("11010519491231002Y"),
        None,
    ]);
    let births: ArrayRef = Arc::new(Date32Array::from(vec![None, None, None, Some(0)]));
    let rows = batch(vec![
        ("number", numbers),
        ("sex", text(&[None, Some("x"), None, None])),
        ("birth", births),
        ("region", text(&[None; 4])),
    ]);
    let document = "[[repairs]]\nkind='resident_id'\ncolumn='number'\n\
                    [[repairs]]\nkind='derive'\ncolumn='sex'\nby='number'\nwhat='sex'\nto=['F','M']\n\
                    [[repairs]]\nkind='derive'\ncolumn='birth'\nby='number'\nwhat='birth_date'\n\
                    [[repairs]]\nkind='derive'\ncolumn='region'\nby='number'\nwhat='region'";
    let (kept, problems) = repaired(document, &rows);
    let texts = |place: usize| -> Vec<Option<&str>> {
        kept.column(place).as_string::<i32>().iter().collect()
    };
    let whole = Some("11010519491231002X");
    assert_eq!(texts(0), [whole, whole, Some("11010519491231002Y"), None]);
    assert_eq!(texts(1), [Some("F"), Some("x"), None, None]);
    assert_eq!(texts(3), [Some("110105"), Some("110105"), None, None]);
    let births = kept.column(2).as_primitive::<Date32Type>();
    // 1949-12-31.
    assert_eq!(
        births.iter().collect::<Vec<_>>(),
        [Some(-7306), Some(-7306), None, Some(0)]
    );
    assert_eq!(problems.len(), 1 + 1 + 2 + 2);
    let male = text(&[Some("440524188001010014")]);
    let rows = batch(vec![("number", male), ("sex", text(&[None]))]);
    let document = "[[repairs]]\nkind='derive'\ncolumn='sex'\nby='number'\nwhat='sex'";
    let (kept, _) = repaired(document, &rows);
    assert_eq!(kept.column(1).as_string::<i32>().value(0), "男");
}

/// Rows of three keys: when they were noted, and something besides.
fn visits() -> RecordBatch {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![
        Some(10),
        Some(30),
        None,
        Some(20),
        Some(30),
        Some(5),
    ]));
    batch(vec![
        (
            "id",
            text(&[Some("a"), Some("a"), Some("b"), Some("b"), Some("a"), None]),
        ),
        ("noted", days),
        (
            "place",
            text(&[Some("x"), None, Some("y"), Some("y"), Some("z"), None]),
        ),
    ])
}

/// Numbers of the rows that stay, in batches of so many rows.
fn staying(document: &str, rows: &RecordBatch, size: usize) -> Vec<u64> {
    let rules = rules(document).unwrap();
    assert!(rules.is_survey_needed());
    let batches = || {
        (0..rows.num_rows()).step_by(size).map(|from| {
            (
                count(from),
                rows.slice(from, size.min(rows.num_rows() - from)),
            )
        })
    };
    let mut survey = QualitySurvey::new(&rules, rows.schema_ref()).unwrap();
    for (first, batch) in batches() {
        survey.observe(first, &batch).unwrap();
    }
    let checker = QualityChecker::new(&rules, rows.schema_ref()).unwrap();
    let mut checker = checker.with_survivors(survey.finish());
    let mut dropped = Vec::new();
    let mut kept = 0;
    for (first, batch) in batches() {
        let checked = checker.check(first, &batch).unwrap();
        kept += checked.kept.num_rows();
        let left_out = checked
            .problems
            .iter()
            .filter(|p| p.action == Action::Dropped);
        dropped.extend(left_out.map(|problem| problem.row));
    }
    let all = 0..count(rows.num_rows());
    let stay: Vec<u64> = all.filter(|row| !dropped.contains(row)).collect();
    assert_eq!(
        kept,
        stay.len(),
        "each row that was left out has its record"
    );
    stay
}

#[test]
fn the_row_of_a_key_that_is_asked_for_stays() {
    let unique = |survivor: &str| {
        format!("[[rules]]\nname='one'\nkind='unique'\ncolumn='id'\non_fail='drop'\n{survivor}")
    };
    for size in [1, 2, 6] {
        let stays = |survivor: &str| staying(&unique(survivor), &visits(), size);
        // The row without a key stays in any case.
        assert_eq!(stays("survivor='last'"), [3, 4, 5]);
        assert_eq!(
            stays("survivor='newest'\nby='noted'"),
            [1, 3, 5],
            "of two the first"
        );
        assert_eq!(stays("survivor='most_complete'"), [0, 3, 5]);
    }
    // A row that an earlier rule leaves out is none to choose.
    let document = format!(
        "[[rules]]\nname='placed'\nkind='not_null'\ncolumn='place'\non_fail='drop'\n{}",
        unique("survivor='newest'\nby='noted'")
    );
    assert_eq!(staying(&document, &visits(), 2), [3, 4]);
    let rules = rules(&unique("survivor='last'")).unwrap();
    let mut checker = QualityChecker::new(&rules, visits().schema_ref()).unwrap();
    let fault = checker.check(0, &visits()).unwrap_err();
    assert_eq!(fault.code, "survey_missing");
}

#[test]
fn what_a_repair_or_a_survivor_cannot_be_is_told() {
    let bad = |document: &str, option: &str| {
        let fault = rules(document).unwrap_err();
        assert!(
            fault.message.en.contains(option),
            "{document}: {}",
            fault.message.en
        );
        assert!(!fault.remedy.zh.is_empty());
    };
    let repair = |more: &str| format!("[[repairs]]\ncolumn='c'\n{more}");
    bad(&repair("kind='unit'"), "factor");
    bad(&repair("kind='unit'\nfactor=0"), "factor");
    bad(&repair("kind='unit'\nfactor=inf"), "factor");
    bad(&repair("kind='unit'\nfactor=2\nvalue='x'"), "value");
    bad(&repair("kind='lookup'\nfrom=['a']\nto=['b']"), "by");
    bad(&repair("kind='lookup'\nby='c'\nfrom=['a']\nto=['b']"), "by");
    bad(&repair("kind='lookup'\nby='d'\nfrom=['a']\nto=[]"), "to");
    bad(&repair("kind='derive'\nby='d'"), "what");
    bad(&repair("kind='derive'\nby='d'\nwhat='age'"), "what");
    bad(&repair("kind='derive'\nby='d'\nwhat='sex'\nto=['F']"), "to");
    bad(
        &repair("kind='derive'\nby='d'\nwhat='region'\nto=['F']"),
        "to",
    );
    bad(&repair("kind='trim'\nby='d'"), "by");
    let unique = |more: &str| {
        format!("[[rules]]\nname='u'\nkind='unique'\ncolumn='c'\non_fail='drop'\n{more}")
    };
    bad(&unique("survivor='best'"), "survivor");
    bad(&unique("survivor='newest'"), "by");
    bad(&unique("by='d'"), "by");
    bad(
        "[[rules]]\nname='u'\nkind='unique'\ncolumn='c'\nsurvivor='last'",
        "on_fail",
    );
    bad(
        "[[rules]]\nname='u'\nkind='not_null'\ncolumn='c'\nsurvivor='last'",
        "survivor",
    );
    let two = unique("survivor='last'") + "\n" + &unique("survivor='last'").replace("'u'", "'v'");
    bad(&two, "survivor");

    let bound = |document: &str| {
        let rows = batch(vec![
            ("c", text(&[None])),
            ("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ]);
        QualityChecker::new(&rules(document).unwrap(), rows.schema_ref())
            .unwrap_err()
            .code
    };
    assert_eq!(bound(&repair("kind='unit'\nfactor=2")), "type_unfit");
    assert_eq!(
        bound(&repair("kind='derive'\nby='n'\nwhat='sex'")),
        "type_unfit"
    );
    assert_eq!(
        bound(&repair("kind='derive'\nby='m'\nwhat='sex'")),
        "column_missing"
    );
    let number = "[[repairs]]\nkind='derive'\ncolumn='n'\nby='c'\nwhat='sex'";
    assert_eq!(bound(number), "type_unfit", "the words are no numbers");
    assert_eq!(
        bound(&unique("survivor='newest'\nby='m'")),
        "column_missing"
    );
}

proptest! {
    #[test]
    fn one_row_of_each_key_stays_however_batches_are_cut(
        keys in proptest::collection::vec(proptest::option::of(0i64..6), 1..40),
        size in 1usize..40,
        survivor in 0usize..3,
    ) {
        let noted: Vec<i64> = (0..).map(|n: i64| n * 7 % 11).take(keys.len()).collect();
        let rows = batch(vec![
            ("id", Arc::new(Int64Array::from(keys.clone())) as ArrayRef),
            ("noted", Arc::new(Int64Array::from(noted)) as ArrayRef),
        ]);
        let survivor = ["survivor='last'", "survivor='newest'\nby='noted'", "survivor='most_complete'"][survivor];
        let document = format!("[[rules]]\nname='u'\nkind='unique'\ncolumn='id'\non_fail='drop'\n{survivor}");
        let stay = staying(&document, &rows, size);
        let mut seen = std::collections::BTreeSet::new();
        for row in &stay {
            let key = keys[usize::try_from(*row).unwrap()];
            prop_assert!(key.is_none() || seen.insert(key));
        }
        let distinct: std::collections::BTreeSet<i64> = keys.iter().flatten().copied().collect();
        prop_assert_eq!(seen.len(), distinct.len());
    }

    #[test]
    fn documents_of_repairs_never_panic(
        kind in "unit|lookup|derive|resident_id|map|fill", by in "[a-d]?", what in "sex|region|x?",
        factor in any::<f64>(), values in proptest::collection::vec(".{0,3}", 0..3),
    ) {
        let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        let list = quoted.join(", ");
        let document = format!(
            "[[repairs]]\ncolumn='a'\nkind='{kind}'\nby='{by}'\nwhat='{what}'\nfactor={factor:?}\nto=[{list}]\nfrom=[{list}]"
        );
        let _ = rules(&document);
        let short = format!("[[repairs]]\ncolumn='a'\nkind='{kind}'\nby='b'\nfrom=[{list}]\nto=[{list}]");
        if let Ok(rules) = rules(&short) {
            let rows = batch(vec![("a", text(&[None, Some("x")])), ("b", text(&[Some("x"), None]))]);
            if let Ok(mut checker) = QualityChecker::new(&rules, rows.schema_ref()) {
                prop_assert_eq!(checker.check(0, &rows).unwrap().kept.num_rows(), 2);
            }
        }
    }
}
