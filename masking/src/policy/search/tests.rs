#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};
use arrow::compute::filter_record_batch;
use proptest::prelude::*;

use super::*;
use crate::classify::{Classifier, ColumnHint};
use crate::key::RootKey;
use crate::risk::RiskMeter;

/// People by age, birth date, district, weight (kg) and disease.
fn people(rows: &[(i64, i32, u8, f64, u8)]) -> RecordBatch {
    const DISTRICTS: [&str; 5] = ["350203", "350205", "350211", "350502", "110101"];
    const DISEASES: [&str; 4] = ["高血压", "糖尿病", "哮喘", "感冒"];
    let ages = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let births = Date32Array::from_iter(rows.iter().map(|row| (row.1 % 17 != 0).then_some(row.1)));
    let districts = rows.iter().map(|row| DISTRICTS[usize::from(row.2) % 5]);
    let weights = Float64Array::from_iter_values(rows.iter().map(|row| row.3));
    let diseases = rows.iter().map(|row| DISEASES[usize::from(row.4) % 4]);
    RecordBatch::try_from_iter_with_nullable([
        ("age", Arc::new(ages) as ArrayRef, true),
        ("birth_date", Arc::new(births) as ArrayRef, true),
        (
            "district",
            Arc::new(StringArray::from_iter_values(districts)) as ArrayRef,
            true,
        ),
        ("latitude", Arc::new(weights) as ArrayRef, true),
        (
            "disease",
            Arc::new(StringArray::from_iter_values(diseases)) as ArrayRef,
            true,
        ),
    ])
    .unwrap()
}

fn classes(batch: &RecordBatch) -> Vec<ColumnClass> {
    let hints: Vec<ColumnHint> = (batch.schema().fields().iter())
        .map(|field| ColumnHint {
            name: field.name().clone(),
            comment: if field.name() == "district" {
                "行政区划代码"
            } else {
                ""
            }
            .to_owned(),
        })
        .collect();
    let mut classifier = Classifier::new(batch.schema_ref(), &hints);
    classifier.observe(batch).unwrap();
    let mut classes = classifier.finish();
    for class in &mut classes {
        class.class = match class.column.as_str() {
            "disease" => Class::Sensitive,
            _ => Class::QuasiIdentifier,
        };
        // What few values say by chance is nothing that these tests are about.
        class.identifier = None;
        class.confidence = 0.5;
    }
    classes
}

fn wish(k_min: u32, l_min: Option<u32>, t_max: Option<f64>, percent: f64) -> PolicyWish {
    PolicyWish {
        measure: Measure {
            k_min,
            l_min,
            t_max,
            delta_max: None,
            beta_max: None,
            suppress_percent_max: Some(percent),
        },
        loss: InformationLoss::Generalisation,
    }
}

fn search(batch: &RecordBatch, wish: &PolicyWish) -> Result<PolicyFound, MeasureError> {
    let mut search = PolicySearch::new(batch.schema_ref(), &classes(batch), batch)?;
    search.observe(batch)?;
    search.solve(wish, &mut || false)
}

/// What the policy writes, measured.
fn written(batch: &RecordBatch, policy: &Policy) -> (RiskReport, u64) {
    let plan = policy.compile(batch.schema_ref(), &classes(batch)).unwrap();
    let root = RootKey::from_bytes([7; 32]);
    let mut masked = plan.apply(&root, 1, batch).unwrap();
    let mut left_out = 0;
    if let Some(mut counter) = plan.class_counter() {
        counter.observe(&masked).unwrap();
        if let Some(mut suppression) = counter.finish() {
            left_out = suppression.suppressed();
            let stays = suppression.stays(&masked).unwrap();
            masked = filter_record_batch(&masked, &stays).unwrap();
        }
    }
    let mut meter = RiskMeter::new(plan.quasi(), Some("disease"));
    meter.observe(&masked).unwrap();
    (meter.finish(), left_out)
}

fn some_people() -> RecordBatch {
    let row = |n: i32| {
        let degrees = f64::from(n % 90) / 10.0 + 20.0;
        let byte = |n: i32| u8::try_from(n.rem_euclid(250)).unwrap();
        (
            i64::from(20 + n * 7 % 50),
            3_000 + n * 31 % 9_000,
            byte(n),
            degrees,
            byte(n / 3),
        )
    };
    people(&(0..600).map(row).collect::<Vec<_>>())
}

#[test]
fn the_policy_that_is_found_writes_what_was_measured() {
    let batch = some_people();
    let found = search(&batch, &wish(5, Some(2), None, 2.0)).unwrap();
    assert!(found.is_optimal && found.checks <= found.nodes, "{found:?}");
    assert_eq!(found.columns.len(), 4);
    assert_eq!(found.losses.len(), 5);
    assert_eq!(found.losses[0].0, InformationLoss::Generalisation);
    let (report, left_out) = written(&batch, &found.policy);
    assert!(report.k >= 5 && report.l_distinct >= Some(2), "{report:?}");
    assert_eq!(
        (report.k, report.l_distinct),
        (found.report.k, found.report.l_distinct)
    );
    assert_eq!(
        (report.rows, left_out),
        (found.rows - found.suppressed, found.suppressed)
    );
    assert!(left_out <= 12, "two percent of 600");
    let read = Policy::parse(&found.policy.to_toml()).unwrap();
    assert_eq!(read, found.policy);
    // A column that is kept as it is would give away more than it has to, and one that is dropped
    // less than it may.
    let chosen = |found: &PolicyFound| -> usize { found.columns.iter().map(|c| c.level).sum() };
    let laxer = search(&batch, &wish(2, None, None, 10.0)).unwrap();
    let stricter = search(&batch, &wish(50, None, None, 0.0)).unwrap();
    assert!(chosen(&laxer) < chosen(&stricter), "{laxer:?} {stricter:?}");
    assert!(laxer.losses[0].1 < stricter.losses[0].1);
}

#[test]
fn what_cannot_be_searched_says_why() {
    let batch = some_people();
    let code = |result: Result<PolicyFound, MeasureError>| result.unwrap_err().code;
    let unmet = wish(601, None, None, 0.0);
    assert_eq!(code(search(&batch, &unmet)), "requirement_unmet");
    let plain = batch.project(&[0, 1, 2]).unwrap();
    assert!(search(&plain, &wish(5, None, None, 1.0)).is_ok());
    let values = wish(5, Some(2), None, 1.0);
    assert_eq!(code(search(&plain, &values)), "sensitive_missing");
    let nobody = batch.project(&[4]).unwrap();
    let refused = PolicySearch::new(nobody.schema_ref(), &classes(&nobody), &nobody);
    assert_eq!(refused.unwrap_err().code, "quasi_identifiers_missing");
}

#[test]
fn the_best_so_far_is_given_when_the_time_is_over() {
    let batch = some_people();
    let within = |checks: u64| {
        let mut search = PolicySearch::new(batch.schema_ref(), &classes(&batch), &batch).unwrap();
        search.observe(&batch).unwrap();
        let mut asked = 0;
        search.solve(&wish(5, None, None, 0.0), &mut || {
            asked += 1;
            asked > checks
        })
    };
    let fault = within(0).unwrap_err();
    assert_eq!(fault.code, "requirement_unmet");
    assert!(fault.message.en.contains("in time"));
    let found = within(8).unwrap();
    assert!(!found.is_optimal && found.checks == 8);
    assert!(written(&batch, &found.policy).0.k >= 5);
}

#[test]
fn a_level_that_the_next_is_no_coarser_form_of_is_left_out() {
    // 0.3 / 0.1 is below 3, but 0.3 / 0.01 is 30: bins of tenths part 0.30 from 0.305.
    let degrees = Float64Array::from(vec![0.3, 0.305, 0.31, 5.0, 5.05, 7.0]);
    let batch = RecordBatch::try_from_iter([("latitude", Arc::new(degrees) as ArrayRef)]).unwrap();
    let ladder = vec![bin(0.01), bin(0.1), bin(1.0)];
    let hierarchy = Hierarchy::ladder(ladder);
    let mut generaliser = Generaliser::new(vec![("latitude".to_owned(), hierarchy)], None).unwrap();
    generaliser.observe(&batch).unwrap();
    assert_eq!(generaliser.only_coarser(), [[1, 2, 3]]);
    assert_eq!(
        generaliser.only_coarser(),
        [[0, 1, 2]],
        "what stays is closed"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn found_policies_reach_their_measure(
        rows in proptest::collection::vec((0i64..120, -4_000i32..12_000, any::<u8>(), 3.0f64..5.0, any::<u8>()), 40..160),
        k_min in 2u32..6,
        l_min in proptest::option::of(2u32..4),
        t_max in proptest::option::of(0.2f64..0.9),
        percent in 0.0f64..10.0,
    ) {
        let batch = people(&rows);
        if let Ok(found) = search(&batch, &wish(k_min, l_min, t_max, percent)) {
            let (report, left_out) = written(&batch, &found.policy);
            let unmet = found.policy.measure().unwrap().unmet(&report);
            prop_assert!(unmet.is_empty(), "{:?} {:?}", unmet, found);
            prop_assert!(left_out <= found.suppressed, "{} {:?}", left_out, found);
        }
    }
}
