#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use arrow::array::{TimestampMicrosecondArray, UInt64Array};
use proptest::prelude::*;

use super::*;

fn texts(array: &ArrayRef) -> Vec<Option<&str>> {
    array.as_string::<i32>().iter().collect()
}

fn wholes(array: &ArrayRef) -> Vec<Option<i64>> {
    array.as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn whole_numbers_fall_into_bins_on_both_sides_of_zero() {
    let values = Int64Array::from(vec![
        Some(-1),
        Some(0),
        Some(9),
        Some(10),
        None,
        Some(i64::MIN),
    ]);
    let lower = bin(&values, 10.0, 0.0, BinOutput::Lower).unwrap();
    assert_eq!(
        wholes(&lower),
        [Some(-10), Some(0), Some(0), Some(10), None, None]
    );
    let label = bin(&values, 10.0, 5.0, BinOutput::Label).unwrap();
    assert_eq!(
        texts(&label)[..3],
        [Some("[-5,5)"), Some("[-5,5)"), Some("[5,15)")]
    );
    let middle = bin(&values, 10.0, 0.0, BinOutput::Middle).unwrap();
    assert_eq!(
        middle.as_primitive::<Float64Type>().value(2).to_bits(),
        5.0f64.to_bits()
    );
    let large = UInt64Array::from(vec![u64::MAX]);
    assert_eq!(
        wholes(&bin(&large, 10.0, 0.0, BinOutput::Lower).unwrap()),
        [None]
    );
}

#[test]
fn fractions_fall_into_bins_and_what_is_no_number_becomes_null() {
    let values = Float64Array::from(vec![118.0894, f64::NAN, f64::INFINITY, -0.001]);
    let lower = bin(&values, 0.01, 0.0, BinOutput::Lower).unwrap();
    let lower = lower.as_primitive::<Float64Type>();
    assert!((lower.value(0) - 118.08).abs() < 1e-9 && (lower.value(3) + 0.01).abs() < 1e-9);
    assert_eq!(lower.null_count(), 2);
}

#[test]
fn bounds_hold() {
    let values = Int64Array::from(vec![Some(-5), Some(50), Some(500), None]);
    let bounded = top_bottom(&values, Some(0.0), Some(100.0)).unwrap();
    assert_eq!(wholes(&bounded), [Some(0), Some(50), Some(100), None]);
    let values = Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.0]);
    let bounded = top_bottom(&values, None, Some(10.0)).unwrap();
    let bounded: Vec<_> = bounded.as_primitive::<Float64Type>().iter().collect();
    assert_eq!(bounded, [None, Some(10.0), Some(1.0)]);
}

#[test]
fn dates_become_the_first_day_of_their_period() {
    let written = StringArray::from(vec![
        Some("2023-08-17"),
        Some("２０２３年2月1日"),
        Some("2023-02-30"),
        None,
    ]);
    let first = |period| -> Vec<Option<String>> {
        generalise_date(&written, period)
            .unwrap()
            .iter()
            .map(|days| {
                let day = Day::from_epoch(i64::from(days?));
                Some(format!("{}-{}-{}", day.year, day.month, day.day))
            })
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        first(Period::Month),
        [some("2023-8-1"), some("2023-2-1"), None, None]
    );
    assert_eq!(
        first(Period::Quarter),
        [some("2023-7-1"), some("2023-1-1"), None, None]
    );
    assert_eq!(
        first(Period::Year),
        [some("2023-1-1"), some("2023-1-1"), None, None]
    );
    let before_epoch = TimestampMicrosecondArray::from(vec![-1]);
    assert_eq!(
        generalise_date(&before_epoch, Period::Year)
            .unwrap()
            .value(0),
        -365
    );
}

#[test]
fn ages_fall_into_bands() {
    let ages = Int64Array::from(vec![
        Some(0),
        Some(39),
        Some(90),
        Some(150),
        Some(151),
        Some(-1),
        None,
    ]);
    let bands = age_band(&ages, 10, 90, None).unwrap();
    assert_eq!(
        texts(&bands),
        [
            Some("0-9"),
            Some("30-39"),
            Some("90+"),
            Some("90+"),
            None,
            None,
            None
        ]
    );
    let uneven = age_band(&Int64Array::from(vec![84, 85]), 10, 85, None).unwrap();
    assert_eq!(texts(&uneven), [Some("80-84"), Some("85+")]);
    let births = StringArray::from(vec!["1990-06-15", "1990-06-16", "2030-01-01"]);
    let bands = age_band(&births, 5, 90, Day::new(2025, 6, 15)).unwrap();
    assert_eq!(texts(&bands), [Some("35-39"), Some("30-34"), None]);
}

#[test]
fn regions_from_codes_resident_numbers_and_addresses() {
    let values = StringArray::from(vec![
        Some("350203"),
        Some("11010519491231002X"),
        Some("福建省厦门市思明区湖滨南路1号"),
        Some("35"),
        Some("990000"),
        Some("不详"),
        None,
    ]);
    let city = region(&values, RegionLevel::City, false).unwrap();
    assert_eq!(
        texts(&city),
        [
            Some("350200"),
            Some("110100"),
            Some("350200"),
            Some("350000"),
            None,
            None,
            None
        ]
    );
    let name = region(&values, RegionLevel::County, true).unwrap();
    assert_eq!(texts(&name)[0], Some("福建省厦门市思明区"));
    let numbers = Int64Array::from(vec![350_203]);
    assert_eq!(
        texts(&region(&numbers, RegionLevel::Province, true).unwrap()),
        [Some("福建省")]
    );
}

proptest! {
    #[test]
    fn a_number_lies_in_its_bin(value in any::<i32>(), width in 1u32..10_000, origin in -1000i32..1000) {
        let values = Int64Array::from(vec![i64::from(value)]);
        let lower = wholes(&bin(&values, f64::from(width), f64::from(origin), BinOutput::Lower).unwrap())[0].unwrap();
        prop_assert!(lower <= i64::from(value) && i64::from(value) < lower + i64::from(width));
        prop_assert_eq!((lower - i64::from(origin)).rem_euclid(i64::from(width)), 0);
    }

    #[test]
    fn any_values_are_coarsened(numbers in proptest::collection::vec(any::<f64>(), 0..20), texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..20), days in proptest::collection::vec(any::<i32>(), 0..20)) {
        let numbers = Float64Array::from(numbers);
        for output in [BinOutput::Lower, BinOutput::Middle, BinOutput::Label] {
            prop_assert_eq!(bin(&numbers, 0.1, 3.0, output).unwrap().len(), numbers.len());
        }
        let _ = top_bottom(&numbers, Some(0.5), Some(1.0)).unwrap();
        let texts = StringArray::from(texts);
        let _ = region(&texts, RegionLevel::County, true).unwrap();
        let _ = generalise_date(&texts, Period::Month).unwrap();
        let days = Date32Array::from(days);
        let _ = generalise_date(&days, Period::Month).unwrap();
        let _ = age_band(&days, 5, 90, Day::new(2025, 1, 1)).unwrap();
    }
}
