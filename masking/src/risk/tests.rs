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
use crate::generalise::Hierarchy;

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

/// The table of salaries with the diseases of the same paper, in a hierarchy of height 3.
fn diseases() -> (RecordBatch, Hierarchy) {
    let class = ["a", "a", "a", "b", "b", "b", "c", "c", "c"]
        .map(Some)
        .to_vec();
    let disease = StringArray::from(vec![
        "ulcer",
        "cancer",
        "pneumonia",
        "gastritis",
        "flu",
        "bronchitis",
        "gastritis",
        "bronchitis",
        "cancer",
    ]);
    let hierarchy = "ulcer;stomach;digestive;*\ncancer;stomach;digestive;*\n\
        gastritis;stomach;digestive;*\nflu;infection;respiratory;*\n\
        pneumonia;infection;respiratory;*\nbronchitis;infection;respiratory;*\n\
        edema;vascular;respiratory;*\n";
    let batch = table(&[("q", class)], Arc::new(disease));
    (batch, Hierarchy::table(hierarchy).unwrap())
}

#[test]
fn hierarchical_closeness_counts_what_moves_by_height() {
    let (batch, hierarchy) = diseases();
    let mut meter = RiskMeter::new(&["q".to_owned()], Some("s")).with_hierarchy(hierarchy);
    meter.observe(&batch.slice(0, 4)).unwrap();
    meter.observe(&batch.slice(4, 5)).unwrap();
    let report = meter.finish();
    assert_eq!(report.t_distance, Some(ClosenessDistance::Hierarchical));
    // Class b: one ninth moves below stomach, one below infection (height 1), two between the
    // systems (height 3).
    close(report.t_closeness.unwrap(), 8.0 / 27.0);
    let flat = [
        "ulcer",
        "cancer",
        "gastritis",
        "flu",
        "pneumonia",
        "bronchitis",
    ];
    let flat = Hierarchy::table(&flat.map(|value| format!("{value};*")).join("\n")).unwrap();
    let mut meter = RiskMeter::new(&["q".to_owned()], Some("s")).with_hierarchy(flat);
    meter.observe(&batch).unwrap();
    let equal = measure(&[batch], &["q"], Some("s"));
    assert_eq!(equal.t_distance, Some(ClosenessDistance::Equal));
    close(
        meter.finish().t_closeness.unwrap(),
        equal.t_closeness.unwrap(),
    );
    let mut meter = RiskMeter::new(&[], Some("s")).with_hierarchy(Hierarchy::table("flu").unwrap());
    let fault = meter.observe(&diseases().0).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("value_outside_hierarchy", Some("s"))
    );
}

#[test]
fn gains_and_recursion() {
    // Class x: a 3, b 1; class y: a 1, b 1, c 2. Table: a 4, b 2, c 2.
    let quasi = ["x", "x", "x", "x", "y", "y", "y", "y"].map(Some).to_vec();
    let values = StringArray::from(vec!["a", "a", "a", "b", "a", "b", "c", "c"]);
    let report = measure(
        &[table(&[("q", quasi)], Arc::new(values))],
        &["q"],
        Some("s"),
    );
    // Ratios: a 1.5, b 1; a 0.5, b 1, c 2.
    close(report.delta_disclosure.unwrap(), 2f64.ln());
    close(report.beta_basic.unwrap(), 1.0);
    // Bounds: a 0.5 of ln 2; c 1 of ln 4.
    close(report.beta_enhanced.unwrap(), 1.0);
    assert_eq!(report.l_recursive, BTreeMap::from([(2, 3.0)]));
    let alone = vec![Some("x"), Some("y")];
    let values = StringArray::from(vec!["a", "b"]);
    let report = measure(
        &[table(&[("q", alone)], Arc::new(values))],
        &["q"],
        Some("s"),
    );
    // A gain of 1 where ln 2 is the bound.
    assert_eq!((report.beta_basic, report.beta_enhanced), (Some(1.0), None));
    assert!(report.l_recursive.is_empty());
}

#[test]
fn a_population_is_measured_against() {
    let of = |values: Vec<Option<&str>>| {
        let count = values.len();
        table(&[("q", values)], Arc::new(Int64Array::from(vec![0; count])))
    };
    let sample = of(vec![Some("a"), Some("a"), Some("b"), Some("d")]);
    let population = of([vec![Some("a"); 4], vec![Some("b"); 2], vec![None]].concat());
    let mut meter = RiskMeter::new(&["q".to_owned()], None);
    meter.observe_population(&population).unwrap();
    meter.observe(&sample).unwrap();
    let risk = meter.finish().population.unwrap();
    assert_eq!((risk.rows, risk.k_map, risk.unmatched), (7, 1, 1));
    close(risk.journalist_max, 1.0);
    close(risk.journalist_avg, (0.5 + 0.5 + 1.0) / 4.0);
    // Null is a class of the population of which nobody is in the data.
    close(risk.delta_presence_min, 0.0);
    close(risk.delta_presence_max, 1.0);
    let mut meter = RiskMeter::new(&["q".to_owned()], None);
    meter.observe(&sample.slice(0, 3)).unwrap();
    meter.observe_population(&population.slice(0, 6)).unwrap();
    let risk = meter.finish().population.unwrap();
    assert_eq!((risk.k_map, risk.unmatched), (2, 0));
    close(risk.delta_presence_min, 0.5);
    let empty = RiskMeter::new(&[], None).finish();
    assert_eq!(empty.population, None);
}

#[test]
fn a_report_of_before_is_still_read() {
    let text = r#"{"quasi":["zip"],"sensitive":"s","rows":9,"classes":3,"k":3,"uniques":0,
        "prosecutor_max":0.3,"prosecutor_avg":0.3,"marketer":0.3,"l_distinct":3,"l_entropy":3.0,
        "t_closeness":0.375,"histogram":{"3-4":3}}"#;
    let report: RiskReport = serde_json::from_str(text).unwrap();
    assert_eq!(
        (report.rows, report.t_distance, report.beta_basic),
        (9, None, None)
    );
}

/// The example of the statistical disclosure control guide of the IHSN: scores of sets of size 1, 2
/// and 3 among four columns are 6, 2 and 1.
#[test]
fn special_uniques_have_their_scores() {
    let a = ["x", "y", "y", "y", "y"].map(Some).to_vec();
    let b = ["x", "x", "y", "y", "y"].map(Some).to_vec();
    let c = ["x", "y", "x", "y", "y"].map(Some).to_vec();
    let d = vec![None; 5];
    let columns = [("a", a), ("b", b), ("c", c), ("d", d)];
    let batch = table(&columns, Arc::new(Int64Array::from(vec![0; 5])));
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    let mut meter = SpecialMeter::new(&names, 3, 0.5).unwrap();
    meter.observe(&batch.slice(0, 2)).unwrap();
    meter.observe(&batch.slice(2, 3)).unwrap();
    let mut scores = meter.finish();
    // Row 0 is alone by a, and by b and c; row 1 by b and either of a, c; row 2 by c and either of
    // a, b.
    let values = scores.scores(&batch).unwrap();
    assert_eq!(values.values().to_vec(), [8.0, 4.0, 4.0, 0.0, 0.0]);
    let uniques = scores.uniques().clone();
    assert_eq!(uniques.uniques, 3);
    assert_eq!(uniques.by_size, BTreeMap::from([(1, 1), (2, 5)]));
    close(uniques.contributions[1].1, 4.0 / 6.0);
    // Three uniques and one pair at a half: 1.5 / (1.5 + 1).
    close(uniques.intrusion, 0.6);
    let intrusions = scores.intrusions(&batch).unwrap();
    close(intrusions.value(0), 8.0 * 0.6 * 3.0 / 16.0);
    close(intrusions.value(1), 4.0 * 0.6 * 3.0 / 16.0);
    let mut whole = SpecialMeter::new(&names, 3, 1.0).unwrap();
    whole.observe(&batch).unwrap();
    close(whole.finish().intrusions(&batch).unwrap().value(0), 1.0);
    let other = table(
        &[
            ("a", vec![Some("z")]),
            ("b", vec![None]),
            ("c", vec![None]),
            ("d", vec![None]),
        ],
        Arc::new(Int64Array::from(vec![0])),
    );
    assert_eq!(scores.scores(&other).unwrap_err().code, "row_not_observed");
}

#[test]
fn special_searches_have_limits() {
    let names: Vec<String> = (0..33).map(|at| at.to_string()).collect();
    for (names, size_max, sampling, code) in [
        (&names[..0], 1, 0.5, "columns_count"),
        (&names[..], 1, 0.5, "columns_count"),
        (&names[..5], 0, 0.5, "option_value"),
        (&names[..5], 1, 0.0, "option_value"),
        (&names[..5], 1, f64::NAN, "option_value"),
        (&names[..32], 5, 0.5, "sets_too_many"),
        (&names[..32], 32, 0.5, "sets_too_many"),
    ] {
        assert_eq!(
            SpecialMeter::new(names, size_max, sampling)
                .unwrap_err()
                .code,
            code
        );
    }
    assert!(SpecialMeter::new(&names[..14], 14, 0.5).is_ok());
}

proptest! {
    #[test]
    fn the_ordered_distance_is_that_of_its_definition(
        table in proptest::collection::vec(1u64..5, 1..12),
        own in proptest::collection::vec(0u64..5, 12),
    ) {
        let own: Vec<u64> = table.iter().zip(own).map(|(all, own)| own.min(*all)).collect();
        let size: u64 = own.iter().sum();
        prop_assume!(size > 0);
        let rows: u64 = table.iter().sum();
        let (mut cumulative, mut distance) = (0.0, 0.0);
        for (own, all) in own.iter().zip(&table) {
            cumulative += float(*own) / float(size) - float(*all) / float(rows);
            distance += f64::abs(cumulative);
        }
        let expected = distance / float(count(table.len()).max(2) - 1);
        let cells: Vec<Cell> = (0..).zip(own).filter(|(_, rows)| *rows > 0).map(|(value, rows)| Cell { value, rows }).collect();
        prop_assert!((Scale::Ordered.spread(table, &[]).closeness(&cells) - expected).abs() < 1e-12);
    }

    #[test]
    fn minimal_sample_uniques_are_those_of_their_definition(rows in proptest::collection::vec([0u8..3, 0u8..3, 0u8..3, 0u8..3], 1..15)) {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let columns = names.iter().enumerate().map(|(at, name)| {
            let values = rows.iter().map(|row| i64::from(row[at]));
            (name.as_str(), Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
        });
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut meter = SpecialMeter::new(&names, 4, 0.1).unwrap();
        meter.observe(&batch).unwrap();
        let mut by_size: BTreeMap<usize, u64> = BTreeMap::new();
        for row in &rows {
            let alone = |set: u32| {
                let like = |other: &&[u8; 4]| (0..4).all(|at| set >> at & 1 == 0 || row[at] == other[at]);
                rows.iter().filter(like).count() == 1
            };
            for set in (1u32..16).filter(|set| alone(*set)) {
                if (0..4).all(|at| set & !(1 << at) == 0 || set >> at & 1 == 0 || !alone(set & !(1 << at))) {
                    *by_size.entry(index(set.count_ones())).or_default() += 1;
                }
            }
        }
        let scores = meter.finish();
        prop_assert_eq!(&scores.uniques().by_size, &by_size);
    }

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

/// Six rows; the row `x` is alone by one column.
#[test]
fn a_measurement_searches_special_uniques_beside() {
    let a = ["x", "y", "y", "z", "z", "z"].map(Some).to_vec();
    let b = ["p", "p", "p", "q", "q", "q"].map(Some).to_vec();
    let batch = table(
        &[("a", a), ("b", b)],
        Arc::new(Int64Array::from(vec![0; 6])),
    );
    let names = ["a", "b"].map(str::to_owned);
    let plain = {
        let mut meter = RiskMeter::new(&names, None);
        meter.observe(&batch).unwrap();
        meter.finish()
    };
    assert_eq!(plain.special, None, "only where it is asked for");
    let mut meter = RiskMeter::new(&names, None).with_special_uniques();
    meter.observe(&batch.slice(0, 3)).unwrap();
    meter.observe(&batch.slice(3, 3)).unwrap();
    let special = meter.finish().special.unwrap();
    assert_eq!((special.uniques, special.rows), (1, 1));
    assert_eq!(special.by_size, BTreeMap::from([(1, 1)]));
    close(special.score_max, 1.0);
    // The rows are taken as everybody there is.
    close(special.intrusion, 1.0);
    close(special.intrusion_max, 1.0);

    let mut meter = RiskMeter::new(&names, None).with_special_uniques();
    meter.observe(&batch).unwrap();
    for _ in 0..4 {
        meter.observe_population(&batch).unwrap();
    }
    // A quarter of the population: one unique and one pair, 0.25 / (0.25 + 2 * 0.75).
    let special = meter.finish().special.unwrap();
    close(special.intrusion, 0.25 / 1.75);

    let read: RiskReport = serde_json::from_str(&serde_json::to_string(&plain).unwrap()).unwrap();
    assert_eq!(read, plain);
    let wide: Vec<String> = (0..40).map(|number| format!("q{number}")).collect();
    assert!(SpecialMeter::beside(&wide).is_none());
}

#[test]
fn special_uniques_are_not_searched_among_too_many_rows() {
    let rows = 600_000;
    let names = ["n".to_owned()];
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut meter = RiskMeter::new(&names, None).with_special_uniques();
    meter.observe(&batch).unwrap();
    let report = meter.finish();
    assert_eq!(report.special, None);
    assert_eq!(report.uniques, 600_000);
}
