#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;

fn table(quasi: &[(&str, Vec<Option<&str>>)], sensitive: ArrayRef) -> RecordBatch {
    let mut columns: Vec<(&str, ArrayRef, bool)> = quasi
        .iter()
        .map(|(name, values)| {
            (
                *name,
                Arc::new(StringArray::from(values.clone())) as ArrayRef,
                true,
            )
        })
        .collect();
    columns.push(("s", sensitive, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn measure(batches: &[RecordBatch], quasi: &[&str], sensitive: Option<&str>) -> RiskReport {
    let quasi: Vec<String> = quasi.iter().map(|name| (*name).to_owned()).collect();
    let mut meter = RiskMeter::new(&quasi, sensitive);
    for batch in batches {
        meter.observe(batch).unwrap();
    }
    meter.finish()
}

fn close(given: f64, expected: f64) {
    assert!((given - expected).abs() < 1e-9, "{given} {expected}");
}

/// Tables 1 to 4 of Li, Li, Venkatasubramanian: "t-closeness" (ICDE 2007): salaries 3k to 11k.
fn salaries() -> RecordBatch {
    let zip = vec![
        Some("476**"),
        Some("476**"),
        Some("476**"),
        Some("4790*"),
        Some("4790*"),
        Some("4790*"),
        Some("4760*"),
        Some("4760*"),
        Some("4760*"),
    ];
    let salary = Int64Array::from(vec![3, 4, 5, 6, 11, 8, 7, 9, 10]);
    table(&[("zip", zip)], Arc::new(salary))
}

#[test]
fn classes_and_risks_of_a_small_table() {
    let age = vec![Some("30"), Some("30"), None, None, Some("40")];
    let sex = vec![Some("m"), Some("m"), Some("f"), Some("f"), None];
    let disease = StringArray::from(vec![
        Some("flu"),
        Some("flu"),
        Some("flu"),
        None,
        Some("gout"),
    ]);
    let batch = table(&[("age", age), ("sex", sex)], Arc::new(disease));
    let report = measure(std::slice::from_ref(&batch), &["age", "sex"], Some("s"));
    assert_eq!(
        (report.rows, report.classes, report.k, report.uniques),
        (5, 3, 1, 1)
    );
    close(report.prosecutor_max, 1.0);
    close(report.prosecutor_avg, 0.6);
    close(report.marketer, 0.6);
    assert_eq!(report.l_distinct, Some(1));
    close(report.l_entropy.unwrap(), 1.0);
    // Shares of the table: flu .6, null .2, gout .2. The class {gout} is .8 away.
    close(report.t_closeness.unwrap(), 0.8);
    assert_eq!(
        report.histogram,
        BTreeMap::from([("1".to_owned(), 1), ("2".to_owned(), 2)])
    );
    // The same in two batches.
    assert_eq!(
        measure(
            &[batch.slice(0, 3), batch.slice(3, 2)],
            &["age", "sex"],
            Some("s")
        ),
        report
    );
}

#[test]
fn null_is_a_category_and_not_a_wildcard() {
    let quasi = vec![None, None, Some("")];
    let batch = table(&[("q", quasi)], Arc::new(Int64Array::from(vec![1, 2, 3])));
    let report = measure(&[batch], &["q"], None);
    assert_eq!((report.classes, report.k, report.uniques), (2, 1, 1));
    assert_eq!((report.l_distinct, report.t_closeness), (None, None));
}

#[test]
fn ordered_closeness_is_that_of_the_paper() {
    // The paper's distances for {3k,4k,5k} and {6k,8k,11k}: 0.375 and 0.167.
    let report = measure(&[salaries()], &["zip"], Some("s"));
    close(report.t_closeness.unwrap(), 0.375);
    assert_eq!(report.l_distinct, Some(3));
    close(report.l_entropy.unwrap(), 3.0);
    let only = [3, 5, 8].map(|value| Cell { value, rows: 1 });
    let spread = Scale::Ordered.spread(vec![1; 9], &[]);
    close(spread.closeness(&only), 1.0 / 6.0);
}

#[test]
fn zero_has_one_sign() {
    let column: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0]));
    let batch = RecordBatch::try_from_iter([("q", column)]).unwrap();
    assert_eq!(measure(&[batch], &["q"], None).classes, 1);
}

#[test]
fn without_quasi_identifiers_and_without_rows() {
    let report = measure(&[salaries()], &[], Some("s"));
    assert_eq!((report.classes, report.k), (1, 9));
    close(report.t_closeness.unwrap(), 0.0);
    let empty = measure(&[salaries().slice(0, 0)], &["zip"], Some("s"));
    assert_eq!(
        (empty.rows, empty.classes, empty.k, empty.l_distinct),
        (0, 0, 0, None)
    );
    close(empty.prosecutor_max, 0.0);
    assert_eq!(measure(&[], &["zip"], Some("s")).rows, 0);
}

#[test]
fn missing_columns_and_changed_types_are_named() {
    let mut meter = RiskMeter::new(&["nobody".to_owned()], None);
    let fault = meter.observe(&salaries()).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("column_missing", Some("nobody"))
    );
    let mut meter = RiskMeter::new(&["zip".to_owned()], Some("s"));
    meter.observe(&salaries()).unwrap();
    let words = table(
        &[("zip", vec![Some("1")])],
        Arc::new(StringArray::from(vec!["a"])),
    );
    let fault = meter.observe(&words).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("type_changed", Some("s"))
    );
}

#[test]
fn a_report_survives_json() {
    let report = measure(&[salaries()], &["zip"], Some("s"));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RiskReport>(&text).unwrap(), report);
}

proptest! {
    #[test]
    fn measures_agree_with_counting_by_hand(rows in proptest::collection::vec((0u8..4, proptest::option::of(0u8..3), 0u8..3), 1..60)) {
        let first: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.0))));
        let second: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1.map(i64::from))));
        let third: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2.to_string())));
        let batch = RecordBatch::try_from_iter_with_nullable([("a", first, true), ("b", second, true), ("s", third, true)]).unwrap();
        let report = measure(&[batch], &["a", "b"], Some("s"));
        let mut classes: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for row in &rows {
            classes.entry((row.0, row.1)).or_default().push(row.2);
        }
        prop_assert_eq!(report.classes, count(classes.len()));
        prop_assert_eq!(report.k, classes.values().map(|class| count(class.len())).min().unwrap());
        prop_assert_eq!(report.uniques, count(classes.values().filter(|class| class.len() == 1).count()));
        let distinct = |class: &Vec<u8>| class.iter().collect::<std::collections::HashSet<_>>().len();
        prop_assert_eq!(report.l_distinct.unwrap(), count(classes.values().map(distinct).min().unwrap()));
        let share = |values: &[u8], value: u8| float(count(values.iter().filter(|v| **v == value).count())) / float(count(values.len()));
        let all: Vec<u8> = rows.iter().map(|row| row.2).collect();
        let distance = |class: &Vec<u8>| (0..3).map(|value| (share(class, value) - share(&all, value)).abs()).sum::<f64>() / 2.0;
        let largest = classes.values().map(distance).fold(0.0, f64::max);
        prop_assert!((report.t_closeness.unwrap() - largest).abs() < 1e-9);
        prop_assert!((report.prosecutor_avg - float(report.classes) / float(report.rows)).abs() < 1e-12);
    }
}
