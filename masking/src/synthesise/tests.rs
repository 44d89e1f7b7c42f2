#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;

/// Rows in which the district fixes the level and nearly the income; one person has a district and an income of his own.
fn people(rows: usize) -> RecordBatch {
    let district = |row: usize| ["湖里", "思明", "集美"][row % 3];
    let mut districts: Vec<String> = (0..rows).map(|row| district(row).to_owned()).collect();
    let mut incomes: Vec<i64> = (0..rows)
        .map(|row| i64::try_from((row % 3) * 10_000 + row % 100).unwrap())
        .collect();
    districts[7] = "孤岛".to_owned();
    incomes[7] = 99_999_999;
    let rows_i64 = || 0..i64::try_from(rows).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|row| format!("token{row}")),
            )),
        ),
        ("district", Arc::new(StringArray::from(districts))),
        ("income", Arc::new(Int64Array::from(incomes))),
        (
            "level",
            Arc::new(Int64Array::from_iter_values(rows_i64().map(|row| row % 3))),
        ),
        (
            "cost",
            Arc::new(Float64Array::from_iter(rows_i64().map(|row| {
                (row % 10 != 0).then(|| f64::from(i32::try_from(row % 700).unwrap()) / 4.0)
            }))),
        ),
        (
            "born",
            Arc::new(Date32Array::from_iter_values(
                rows_i64().map(|row| i32::try_from(10_000 + row % 3_650).unwrap()),
            )),
        ),
        (
            "seen",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows_i64().map(|row| 1_700_000_000_000_000 + row * 60_000_000),
            )),
        ),
        (
            "alive",
            Arc::new(BooleanArray::from_iter(
                (0..rows).map(|row| Some(row % 5 != 0)),
            )),
        ),
        (
            "remark",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|row| format!("备注 {row}")),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn token(domain: &ValueDomain, subject: u64) -> String {
    format!("{}/{subject}", domain.as_str())
}

fn synthesised(rows: usize, count: usize, seed: &[u8]) -> RecordBatch {
    let data = people(rows);
    let domain = ValueDomain::parse("person-id").unwrap();
    let mut synthesiser = Synthesiser::new(data.schema(), &[("id".to_owned(), domain)], seed);
    for start in (0..rows).step_by(1_000) {
        synthesiser
            .observe(&data.slice(start, 1_000.min(rows - start)))
            .unwrap();
    }
    synthesiser.finish(count, &token).unwrap()
}

#[test]
fn what_one_row_alone_has_is_never_drawn() {
    let sample = synthesised(6_000, 5_000, b"s");
    let districts: BTreeSet<&str> = sample
        .column(1)
        .as_string::<i32>()
        .iter()
        .flatten()
        .collect();
    assert!(!districts.contains("孤岛"), "{districts:?}");
    assert!(districts.is_superset(&BTreeSet::from(["湖里", "思明", "集美"])));
    let incomes = sample.column(2).as_primitive::<Int64Type>();
    assert!(incomes.iter().flatten().all(|income| income <= 20_099));
    let remarks: BTreeSet<&str> = sample
        .column(8)
        .as_string::<i32>()
        .iter()
        .flatten()
        .collect();
    assert_eq!(
        remarks,
        BTreeSet::from(["样例文本"]),
        "remarks are somebody's"
    );
}

#[test]
fn columns_that_hang_together_still_do() {
    let sample = synthesised(30_000, 3_000, b"s");
    let districts = sample.column(1).as_string::<i32>();
    let levels = sample.column(3).as_primitive::<Int64Type>();
    let incomes = sample.column(2).as_primitive::<Int64Type>();
    let (mut right, mut near) = (0, 0);
    for row in 0..sample.num_rows() {
        let level = ["湖里", "思明", "集美"]
            .iter()
            .position(|d| *d == districts.value(row));
        let level = i64::try_from(level.unwrap_or(9)).unwrap();
        right += usize::from(levels.is_valid(row) && levels.value(row) == level);
        near += usize::from(incomes.value(row) / 10_000 == levels.value(row));
    }
    assert!(right * 100 >= sample.num_rows() * 99, "{right}");
    // A range of incomes may reach over the border of two levels.
    assert!(near * 100 >= sample.num_rows() * 85, "{near}");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for district in districts.iter().flatten() {
        *counts.entry(district).or_default() += 1;
    }
    for (district, count) in counts {
        assert!(
            (800..1_200).contains(&count),
            "{district}: {count} of 3,000"
        );
    }
}

#[test]
fn types_domains_decimals_and_gaps_are_kept() {
    let data = people(6_000);
    let sample = synthesised(6_000, 2_000, b"s");
    for (drawn, learnt) in sample.schema().fields().iter().zip(data.schema().fields()) {
        assert_eq!(
            (drawn.name(), drawn.data_type()),
            (learnt.name(), learnt.data_type())
        );
    }
    let costs = sample.column(4).as_primitive::<Float64Type>();
    let share = f64::from(u32::try_from(costs.null_count()).unwrap()) / 2_000.0;
    assert!((0.05..0.2).contains(&share), "{share}");
    for cost in costs.iter().flatten() {
        assert!((0.0..=175.0).contains(&cost));
        assert!(
            ((cost * 100.0) - (cost * 100.0).round()).abs() < 1e-6,
            "{cost}"
        );
    }
    let born = sample.column(5).as_primitive::<Date32Type>();
    assert!(
        born.iter()
            .flatten()
            .all(|day| (10_000..13_650).contains(&day))
    );
    assert!(
        sample
            .column(7)
            .as_boolean()
            .iter()
            .all(|value| value.is_some())
    );
}

#[test]
fn two_data_sets_share_invented_subjects_and_the_seed_decides_all() {
    let (a, b) = (synthesised(3_000, 200, b"a"), synthesised(3_000, 200, b"b"));
    let ids = |batch: &RecordBatch| -> BTreeSet<String> {
        let ids = batch.column(0).as_string::<i32>();
        ids.iter().flatten().map(str::to_owned).collect()
    };
    assert!(ids(&a).intersection(&ids(&b)).count() > 20);
    assert!(ids(&a).iter().all(|id| id.starts_with("person-id/")));
    assert_eq!(a, synthesised(3_000, 200, b"a"));
    assert_ne!(a, b);
}

#[test]
fn few_rows_give_nobody_away() {
    for rows in [8, 12] {
        let sample = synthesised(rows, 50, b"s");
        let remarks: BTreeSet<&str> = sample
            .column(8)
            .as_string::<i32>()
            .iter()
            .flatten()
            .collect();
        assert!(remarks.is_subset(&BTreeSet::from(["样例文本"])));
        let incomes = sample.column(2).as_primitive::<Int64Type>();
        assert!(incomes.iter().flatten().all(|income| income < 99_999_999));
    }
    let data = people(8);
    let nothing = Synthesiser::new(data.schema(), &[], b"s");
    assert_eq!(nothing.finish(3, &token).unwrap().num_rows(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_numbers_and_texts_give_rows_of_the_schema(
        numbers in proptest::collection::vec(proptest::option::of(any::<f64>()), 0..200),
        wholes in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..200),
        texts in proptest::collection::vec(proptest::option::of("[a-c]{0,2}"), 0..200),
        count in 0_usize..50,
    ) {
        let rows = numbers.len().min(wholes.len()).min(texts.len());
        let batch = RecordBatch::try_from_iter([
            ("f", Arc::new(Float64Array::from(numbers[..rows].to_vec())) as ArrayRef),
            ("i", Arc::new(Int64Array::from(wholes[..rows].to_vec()))),
            ("t", Arc::new(StringArray::from(texts[..rows].to_vec()))),
        ]).unwrap();
        let schema = batch.schema();
        let nullable: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(nullable));
        let batch = batch.with_schema(Arc::clone(&schema)).unwrap();
        let mut synthesiser = Synthesiser::new(schema, &[], b"p");
        synthesiser.observe(&batch).unwrap();
        let drawn = synthesiser.finish(count, &token).unwrap();
        prop_assert_eq!(drawn.num_rows(), count);
    }
}
