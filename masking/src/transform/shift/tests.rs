#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::HashSet;

use arrow::array::{StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Date32Type;
use proptest::prelude::*;

use super::*;
use crate::date::parse_day;
use crate::key::RootKey;
use crate::transform::Permute;

fn key() -> TokenKey {
    RootKey::from_bytes([1; 32]).date_shift(&ValueDomain::known("person-id"), 1)
}

fn shift_date(values: &dyn Array, subjects: &dyn Array, days_max: u32) -> ArrayRef {
    moved(values, &drawn(subjects, &key(), days_max).unwrap())
}

#[test]
fn a_subjects_dates_move_together_and_never_stay() {
    let subjects = StringArray::from_iter_values((0..2000).map(|n| format!("P{}", n / 2)));
    let dates = Date32Array::from_iter_values((0..2000).map(|n| n % 2 * 10));
    let moved = shift_date(&dates, &subjects, 30);
    let moved = moved.as_primitive::<Date32Type>();
    let mut drawn = HashSet::new();
    for pair in 0..1000 {
        let (birth, event) = (moved.value(pair * 2), moved.value(pair * 2 + 1));
        assert_eq!(event - birth, 10);
        assert!((-30..=30).contains(&birth) && birth != 0);
        drawn.insert(birth);
    }
    assert_eq!(drawn.len(), 60);
}

#[test]
fn shifted_times_keep_type_and_time_of_day_and_the_subjects_spelling_does_not_matter() {
    let times = TimestampMicrosecondArray::from(vec![
        Some(3_600_000_000),
        Some(3_600_000_000),
        Some(1),
        None,
    ])
    .with_timezone("+08:00");
    let subjects = StringArray::from(vec![
        Some("11010519491231002X"),
        Some("110105491231002"),
        None,
        Some("a"),
    ]);
    let moved = shift_date(&times, &subjects, 365);
    assert_eq!(moved.data_type(), times.data_type());
    let moved = moved.as_primitive::<TimestampMicrosecondType>();
    assert_eq!(moved.value(0), moved.value(1));
    assert_eq!(moved.value(0).rem_euclid(86_400_000_000), 3_600_000_000);
    assert!(moved.is_null(2) && moved.is_null(3));
}

#[test]
fn dates_follow_the_birthday_inside_the_permuted_number() {
    let permute = Permute::ResidentId {
        keep_region: 6,
        birth_band_years: 10,
        unassigned_region: false,
    };
    let root = RootKey::from_bytes([1; 32]);
    let mut permuter = Permuter::new(
        permute,
        &root.permutation(&ValueDomain::known("person-id"), 1),
    );
    let ids = StringArray::from(vec![
        Some("11010519491231002X"),
        Some("110105491231002"),
        Some("440524188001010014"),
        Some("nobody"),
        None,
    ]);
    let shifts = of_birthdays(&ids, &mut permuter).unwrap();
    assert_eq!(shifts[0], shifts[1]);
    assert_eq!(shifts[3..], [None, None]);
    let births = StringArray::from(vec![
        "1949-12-31",
        "1949-12-31",
        "1880-01-01",
        "2000-01-01",
        "2000-01-01",
    ]);
    let moved = moved(&births, &shifts);
    let images = permuter.column(&ids);
    for row in 0..3 {
        let inside = parse_day(&images.value(row)[6..14]).unwrap().to_epoch();
        let moved = moved.as_primitive::<Date32Type>().value(row);
        assert_eq!(i64::from(moved), inside);
    }
    assert_eq!(moved.null_count(), 2);
}

proptest! {
    #[test]
    fn any_days_are_moved(days in proptest::collection::vec(any::<i32>(), 0..20)) {
        let days = Date32Array::from(days);
        prop_assert_eq!(shift_date(&days, &days, 36_500).len(), days.len());
    }
}
