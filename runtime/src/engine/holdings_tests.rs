#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the naive fold counts in whole numbers"
)]

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::UInt32Array;
use datafusion::common::ScalarValue;
use proptest::prelude::*;

use super::*;

type Row = (usize, Option<u32>, Option<f64>);
/// units, x1, x2, total, distinct, negative
type Fold = (u64, f64, f64, f64, u64, f64);

fn update(accumulator: &mut HoldingsByGroup, rows: &[Row], groups: usize) {
    let units: UInt32Array = rows.iter().map(|(_, unit, _)| *unit).collect();
    let values: Float64Array = rows.iter().map(|(_, _, value)| *value).collect();
    let indices: Vec<_> = rows.iter().map(|(group, _, _)| *group).collect();
    accumulator
        .update_batch(&[Arc::new(units), Arc::new(values)], &indices, None, groups)
        .unwrap();
}

fn folds(array: &ArrayRef) -> Vec<Fold> {
    let columns = array.as_struct();
    let integer = |name: &str, row| {
        let column = columns.column_by_name(name).unwrap();
        column
            .as_primitive::<arrow::datatypes::UInt64Type>()
            .value(row)
    };
    let number = |name: &str, row| {
        columns
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Float64Type>()
            .value(row)
    };
    (0..columns.len())
        .map(|row| {
            (
                integer("units", row),
                number("x1", row),
                number("x2", row),
                number("total", row),
                integer("distinct", row),
                number("negative", row),
            )
        })
        .collect()
}

/// With integers, so that the plain computation is exact as well.
fn naive(rows: &[Row], groups: usize) -> Vec<Fold> {
    (0..groups)
        .map(|group| {
            let mut held: BTreeMap<u32, i128> = BTreeMap::new();
            let (mut values, mut negative) = (BTreeSet::new(), 0_i128);
            for (_, unit, value) in rows.iter().filter(|row| row.0 == group) {
                if let (Some(unit), Some(value)) = (unit, value) {
                    let whole = *value as i128;
                    values.insert(whole);
                    negative -= whole.min(0);
                    *held.entry(*unit).or_default() += whole.abs();
                }
            }
            let mut sums: Vec<i128> = held.into_values().filter(|sum| *sum > 0).collect();
            sums.sort_unstable_by(|a, b| b.cmp(a));
            let at = |position: usize| sums.get(position).map_or(0.0, |sum| *sum as f64);
            let total = sums.iter().sum::<i128>() as f64;
            (
                sums.len() as u64,
                at(0),
                at(1),
                total,
                values.len().min(3) as u64,
                negative as f64,
            )
        })
        .collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        6 => (-50i64..50).prop_map(|value| Some(value as f64)),
        2 => (-(1i64 << 52)..(1i64 << 52)).prop_map(|value| Some(value as f64)),
        1 => Just(None),
    ];
    let unit = prop_oneof![
        9 => (0u32..200).prop_map(Some),
        1 => (0u32..100_000).prop_map(Some),
        1 => Just(None),
    ];
    prop::collection::vec((0usize..5, unit, value), 0..800)
}

proptest! {
    #[test]
    fn equals_the_naive_fold_in_one_and_in_two_phases(first in rows(), second in rows()) {
        let all: Vec<_> = first.iter().chain(&second).copied().collect();
        let expected = naive(&all, 5);

        let mut direct = HoldingsByGroup::default();
        update(&mut direct, &first, 5);
        update(&mut direct, &second, 5);
        prop_assert_eq!(&folds(&direct.evaluate(EmitTo::All).unwrap()), &expected);

        let mut merged = HoldingsByGroup::default();
        for part in [&first, &second] {
            let mut partial = HoldingsByGroup::default();
            update(&mut partial, part, 5);
            let state = partial.state(EmitTo::All).unwrap();
            merged.merge_batch(&state, &[0, 1, 2, 3, 4], 5).unwrap();
        }
        prop_assert_eq!(&folds(&merged.evaluate(EmitTo::All).unwrap()), &expected);
    }

    #[test]
    fn groups_can_leave_early(rows in rows(), first in 1usize..5) {
        let expected = naive(&rows, 5);
        let mut accumulator = HoldingsByGroup::default();
        update(&mut accumulator, &rows, 5);
        let mut out = folds(&accumulator.evaluate(EmitTo::First(first)).unwrap());
        out.extend(folds(&accumulator.evaluate(EmitTo::All).unwrap()));
        prop_assert_eq!(out, expected);
        prop_assert_eq!(accumulator.bytes, 0);
    }

    #[test]
    fn the_order_of_rows_does_not_show(values in prop::collection::vec(-1e12f64..1e12, 1..400)) {
        let forward: Vec<Row> =
            values.iter().enumerate().map(|(at, value)| (0, Some(at as u32 % 3), Some(*value))).collect();
        let backward: Vec<Row> = forward.iter().rev().copied().collect();
        let fold = |rows: &[Row]| {
            let mut accumulator = HoldingsByGroup::default();
            update(&mut accumulator, rows, 1);
            folds(&accumulator.evaluate(EmitTo::All).unwrap())
        };
        prop_assert_eq!(fold(&forward), fold(&backward));
    }
}

#[test]
fn small_values_beside_large_ones_are_not_lost() {
    let mut rows: Vec<Row> = vec![(0, Some(1), Some(1e16))];
    rows.extend((0..1000).map(|_| (0, Some(1), Some(1.0))));
    rows.push((0, Some(2), Some(0.1)));
    let mut accumulator = HoldingsByGroup::default();
    update(&mut accumulator, &rows, 1);
    let folded = folds(&accumulator.evaluate(EmitTo::All).unwrap());
    assert_eq!(folded, [(2, 1e16 + 1000.0, 0.1, 1e16 + 1000.0, 3, 0.0)]);
}

#[test]
fn what_is_not_a_number_is_infinite_and_zeroes_are_one_value() {
    let rows = [
        (0, Some(1), Some(f64::NAN)),
        (1, Some(1), Some(0.0)),
        (1, Some(2), Some(-0.0)),
    ];
    let mut accumulator = HoldingsByGroup::default();
    update(&mut accumulator, &rows, 3);
    let folded = folds(&accumulator.evaluate(EmitTo::All).unwrap());
    assert_eq!(folded[0], (1, f64::INFINITY, 0.0, f64::INFINITY, 1, 0.0));
    assert_eq!(folded[1], (0, 0.0, 0.0, 0.0, 1, 0.0));
    assert_eq!(folded[2], (0, 0.0, 0.0, 0.0, 0, 0.0));
}

#[test]
fn one_group_without_rows_is_a_value_and_not_null() {
    let mut alone = OneGroup(HoldingsByGroup::default());
    let ScalarValue::Struct(value) = alone.evaluate().unwrap() else {
        unreachable!()
    };
    assert_eq!(folds(&(value as ArrayRef)), [(0, 0.0, 0.0, 0.0, 0, 0.0)]);
}

#[test]
fn a_group_of_many_units_is_kept_by_number() {
    let mut accumulator = HoldingsByGroup::default();
    let rows: Vec<Row> = (0..10_000)
        .map(|at| (0, Some(at % 5_000), Some(1.0)))
        .collect();
    update(&mut accumulator, &rows, 1);
    assert!(matches!(accumulator.groups[0].holders, Holders::List(_)));
    assert_eq!(accumulator.bytes, accumulator.groups[0].holders.bytes());
    let folded = folds(&accumulator.evaluate(EmitTo::All).unwrap());
    assert_eq!(folded, [(5_000, 2.0, 2.0, 10_000.0, 1, 0.0)]);
}

/// Listed units with their values, the others, and the bound.
fn each(array: &ArrayRef, row: usize) -> (BTreeMap<u32, f32>, BTreeSet<u32>, f32) {
    let column = array.as_struct().column_by_name("each").unwrap().clone();
    let bytes = column.as_binary::<i32>().value(row).to_vec();
    let (head, mut rest) = bytes.split_at(6);
    assert_eq!((head[0], head[5]), (EACH_VERSION, SOME_LISTED));
    let bound = f32::from_le_bytes(head[1..5].try_into().unwrap());
    let listed = RoaringBitmap::deserialize_from(&mut rest).unwrap();
    let others = RoaringBitmap::deserialize_from(&mut rest).unwrap();
    let (width, rest) = rest.split_first().unwrap();
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let values: Vec<f32> = match *width {
        PLAIN => rest.chunks(4).map(float).collect(),
        _ if rest.len() == 8 => vec![float(&rest[4..]); listed.len() as usize],
        _ => Vec::new(),
    };
    assert_eq!(values.len() as u64, listed.len());
    (
        listed.iter().zip(values).collect(),
        others.iter().collect(),
        bound,
    )
}

#[test]
fn each_unit_is_listed_with_its_sign_and_not_where_it_cancels() {
    let rows = [
        (0, Some(3), Some(5.0)),
        (0, Some(3), Some(-2.0)),
        (0, Some(9), Some(0.1)),
        (0, Some(9), Some(0.2)),
        (0, Some(9), Some(-0.3)),
        (0, Some(1), Some(-7.0)),
        (0, Some(4), Some(0.0)),
        (1, Some(2), Some(1.0)),
        (1, Some(5), Some(1.0)),
    ];
    let mut halves = HoldingsByGroup::default();
    for rows in [&rows[..3], &rows[3..]] {
        let mut half = HoldingsByGroup::default();
        update(&mut half, rows, 3);
        let state = half.state(EmitTo::All).unwrap();
        halves.merge_batch(&state, &[0, 1, 2], 3).unwrap();
    }
    let out = halves.evaluate(EmitTo::All).unwrap();
    let none = BTreeSet::new();
    assert_eq!(
        each(&out, 0),
        (BTreeMap::from([(1, -7.0), (3, 3.0)]), none.clone(), 0.0)
    );
    assert_eq!(
        each(&out, 1),
        (BTreeMap::from([(2, 1.0), (5, 1.0)]), none.clone(), 0.0)
    );
    assert_eq!(each(&out, 2), (BTreeMap::new(), none, 0.0));
}

#[test]
fn of_many_units_the_largest_are_listed() {
    let rows: Vec<Row> = (0..40_000u32)
        .map(|unit| (0, Some(unit), Some(f64::from(unit % 100) + 1.0)))
        .collect();
    let mut accumulator = HoldingsByGroup::default();
    update(&mut accumulator, &rows, 1);
    let (listed, others, bound) = each(&accumulator.evaluate(EmitTo::All).unwrap(), 0);
    assert_eq!(
        (listed.len(), others.len()),
        (LISTED_MAX, 40_000 - LISTED_MAX)
    );
    assert!(listed.values().all(|value| *value >= bound));
    // Twenty of a hundred values are listed whole, and of the next the lower numbers.
    assert_eq!(bound, 80.0);
    assert!(others.iter().all(|unit| unit % 100 < 80));
}
