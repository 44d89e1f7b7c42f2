#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use arrow::array::{Array as _, AsArray, Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Int64Type, Schema};

use super::*;
use crate::classify::Classifier;
use crate::key::RootKey;
use crate::policy::Policy;

const POLICY: &str = "version = 1\n\
    [columns.district]\ntransform = \"keep\"\nclass = \"public\"\nreason = \"invented\"\n\
    [columns.income]\ntransform = \"microaggregate\"\nrows_min = 5\n\
    [columns.diagnosis]\ntransform = \"shuffle\"\nwithin = [\"district\"]\nrows_min = 5\n";

fn rows() -> RecordBatch {
    let districts = (0..2_000).map(|row| ["a", "b", "c"][row % 3]);
    let incomes = (0..2_000_i64).map(|row| 1_000 + row * 7_919 % 50_000);
    let diagnoses = (0..2_000).map(|row| ["flu", "cold", "none", "gout"][row % 7 % 4]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "district",
            Arc::new(StringArray::from_iter_values(districts)),
        ),
        ("income", Arc::new(Int64Array::from_iter_values(incomes))),
        (
            "diagnosis",
            Arc::new(StringArray::from_iter_values(diagnoses)),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn masked(rows: &RecordBatch, batch: usize) -> RecordBatch {
    let schema = rows.schema();
    let classes = Classifier::new(&schema, &[]).finish();
    let plan = Policy::parse(POLICY)
        .unwrap()
        .compile(&schema, &classes)
        .unwrap();
    let parts: Vec<RecordBatch> = (0..rows.num_rows())
        .step_by(batch)
        .map(|first| rows.slice(first, batch.min(rows.num_rows() - first)))
        .collect();
    let mut survey = plan.survey().unwrap();
    for part in &parts {
        survey.observe(&plan, part).unwrap();
    }
    let plan = plan.surveyed(survey);
    assert!(plan.takes_turns());
    let root = RootKey::from_bytes([9; 32]);
    let masked: Vec<RecordBatch> = parts
        .iter()
        .map(|part| plan.apply(&root, 1, part).unwrap())
        .collect();
    let alone = plan.alone();
    assert!(!alone.takes_turns() && alone.survey().is_some());
    concat_batches(&alone.output_schema(), &masked).unwrap()
}

#[test]
fn the_size_of_batches_makes_no_difference() {
    let rows = rows();
    let whole = masked(&rows, 2_000);
    for batch in [1, 7, 100, 1_999] {
        assert_eq!(masked(&rows, batch), whole, "batches of {batch}");
    }
    let incomes = whole.column(1).as_primitive::<Int64Type>();
    assert_eq!(incomes.null_count(), 0);
    let diagnoses = |batch: &RecordBatch| {
        let (districts, texts) = (
            batch.column(0).as_string::<i32>(),
            batch.column(2).as_string::<i32>(),
        );
        let mut pairs: Vec<(String, String)> = districts
            .iter()
            .zip(texts)
            .map(|(district, text)| (district.unwrap().to_owned(), text.unwrap().to_owned()))
            .collect();
        pairs.sort_unstable();
        pairs
    };
    assert_eq!(
        diagnoses(&whole),
        diagnoses(&rows),
        "groups keep their values"
    );
    assert_ne!(whole.column(2), rows.column(2));
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let rows = rows();
    let schema = rows.schema();
    let classes = Classifier::new(&schema, &[]).finish();
    let plan = Policy::parse(POLICY)
        .unwrap()
        .compile(&schema, &classes)
        .unwrap();
    let other = Schema::new(vec![Field::new(
        "x",
        arrow::datatypes::DataType::Int64,
        true,
    )]);
    let fault = plan
        .survey()
        .unwrap()
        .observe(&plan, &RecordBatch::new_empty(Arc::new(other)));
    assert_eq!(fault.unwrap_err().code, "schema_changed");
}
