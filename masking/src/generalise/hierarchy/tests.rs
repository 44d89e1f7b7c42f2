#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;

fn paths(hierarchy: &Hierarchy, values: ArrayRef) -> Vec<String> {
    let paths = hierarchy.paths("c", &values).unwrap();
    let text = |path: Path| path.map_or("null".to_owned(), |labels| labels.join(" "));
    paths.into_iter().map(text).collect()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn code<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    result.unwrap_err().code
}

#[test]
fn tables_are_read() {
    let table = Hierarchy::table("\u{feff}a;A;*\r\nb;A;*\n\n\"c;\"\"\";B;*\n").unwrap();
    assert_eq!(table.levels(), 3);
    let values = texts(&[Some("b"), None, Some("c;\"")]);
    assert_eq!(paths(&table, values), ["A *", "null", "B *"]);
    assert_eq!(table.leaves(1, "A"), Some((3, 2)));
    let commas = Hierarchy::table("30,30-39\n31,30-39").unwrap();
    assert_eq!(
        paths(&commas, Arc::new(Int64Array::from(vec![31]))),
        ["30-39"]
    );
    assert_eq!(Hierarchy::table("a\nb").unwrap().levels(), 1);
}

#[test]
fn tables_that_are_none_are_refused() {
    for (text, expected) in [
        ("", "hierarchy_unreadable"),
        ("a;b\nc", "hierarchy_unreadable"),
        ("a;\"b", "hierarchy_unreadable"),
        ("a;\"b\"c", "hierarchy_unreadable"),
        ("a;b\na;b", "hierarchy_value_twice"),
        ("a;X;1\nb;X;2", "hierarchy_not_coarser"),
    ] {
        assert_eq!(code(Hierarchy::table(text)), expected, "{text:?}");
    }
    let long = ";".repeat(LEVELS_MAX + 1);
    assert_eq!(code(Hierarchy::table(&long)), "hierarchy_too_large");
    let large = "a\n".repeat(1_000_001);
    assert_eq!(code(Hierarchy::table(&large)), "hierarchy_too_large");
}

#[test]
fn a_value_without_a_place_is_counted_and_not_named() {
    let table = Hierarchy::table("a;*").unwrap();
    let fault = table
        .paths("c", &texts(&[Some("secret"), Some("a")]))
        .unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.column.as_deref()),
        ("value_outside_hierarchy", Some("c"))
    );
    assert!(fault.message.en.starts_with("1 distinct") && !fault.to_string().contains("secret"));
    let numbers = Hierarchy::intervals(0.0, &[5.0]).unwrap();
    assert!(numbers.paths("c", &texts(&[Some("5")])).is_err());
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
    assert!(numbers.paths("c", &nan).is_err());
}

#[test]
fn intervals_nest() {
    let ages = Hierarchy::intervals(0.0, &[5.0, 10.0, 20.0]).unwrap();
    assert_eq!(
        (ages.levels(), ages.width(2), ages.width(4)),
        (5, Some(10.0), None)
    );
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(-1), Some(37), None]));
    assert_eq!(
        paths(&ages, values),
        [
            "[-5,0) [-10,0) [-20,0) *",
            "[35,40) [30,40) [20,40) *",
            "null"
        ]
    );
    for widths in [
        &[][..],
        &[0.0],
        &[-5.0],
        &[5.0, 5.0],
        &[5.0, 12.0],
        &[10.0, 5.0],
        &[f64::NAN],
    ] {
        assert_eq!(
            code(Hierarchy::intervals(0.0, widths)),
            "hierarchy_option",
            "{widths:?}"
        );
    }
    assert_eq!(
        code(Hierarchy::intervals(f64::INFINITY, &[1.0])),
        "hierarchy_option"
    );
    let many: Vec<f64> = (0..31).map(|at| f64::from(1u32 << at)).collect();
    assert_eq!(
        code(Hierarchy::intervals(0.0, &many)),
        "hierarchy_too_large"
    );
}

#[test]
fn dates_suffixes_and_regions() {
    use DateLevel::{Day, Decade, Month, Quarter, Year};
    let dates = Hierarchy::dates(&[Day, Month, Quarter, Year, Decade]).unwrap();
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(19_500), None]));
    assert_eq!(
        paths(&dates, days),
        ["2023-05-23 2023-05 2023-Q2 2023 2020s *", "null"]
    );
    assert!(dates.paths("c", &texts(&[Some("2023-02-30")])).is_err());
    assert_eq!(code(Hierarchy::dates(&[Year, Month])), "hierarchy_option");
    let zip = Hierarchy::suffix(&[1, 3]).unwrap();
    let codes = texts(&[Some("36100"), Some("厦门")]);
    assert_eq!(paths(&zip, codes), ["3610* 36*** *", "厦* ** *"]);
    assert_eq!(code(Hierarchy::suffix(&[0])), "hierarchy_option");
    assert_eq!(code(Hierarchy::suffix(&[2, 2])), "hierarchy_option");
    let region = Hierarchy::region(RegionLevel::County);
    let codes = texts(&[Some("350203"), Some("350203199001011234")]);
    assert_eq!(paths(&region, codes), ["350203 350200 350000 *"; 2]);
    assert!(region.paths("c", &texts(&[Some("厦门市")])).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c;,\"\n*]{0,40}") {
        if let Ok(table) = Hierarchy::table(&text) {
            prop_assert!(table.levels() <= LEVELS_MAX + 1);
        }
    }

    #[test]
    fn intervals_hold_those_below(numbers in proptest::collection::vec(-1e6f64..1e6, 2..20), origin in -10f64..10.0) {
        let hierarchy = Hierarchy::intervals(origin, &[0.1, 0.3, 1.2]).unwrap();
        let values: ArrayRef = Arc::new(Float64Array::from(numbers));
        let paths = hierarchy.paths("c", &values).unwrap();
        for a in paths.iter().flatten() {
            for b in paths.iter().flatten() {
                for level in 1..a.len() {
                    prop_assert!(a[level - 1] != b[level - 1] || a[level] == b[level]);
                }
            }
        }
    }
}
