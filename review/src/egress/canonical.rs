//! One encoding of what leaves: CSV by RFC 4180 in which equal tables are equal bytes.
//!
//! Lines end in LF, the header is always there, text is quoted where it must be. Numbers have their
//! shortest form, no negative zero and no NaN. Text is in NFC without trailing blanks. What a
//! spreadsheet, a terminal or a browser would act on is made inert: control and direction characters
//! go, a leading `=`, `+`, `-`, `@` gets an apostrophe, and `<` before a tag gets a blank.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use unicode_normalization::UnicodeNormalization;

use crate::admission::{ColumnType, OutputColumn};
use crate::text::is_invisible;

/// The table as text, row by row; none when a column is not of its type.
pub(crate) fn text_rows(table: &RecordBatch, types: &[ColumnType]) -> Option<Vec<Vec<String>>> {
    let mut rows = vec![Vec::with_capacity(types.len()); table.num_rows()];
    for (column, data_type) in table.columns().iter().zip(types) {
        for (index, row) in rows.iter_mut().enumerate() {
            row.push(text(column, *data_type, index)?);
        }
    }
    Some(rows)
}

/// Canonical CSV of a header and text rows.
pub(crate) fn csv(output: &[OutputColumn], rows: &[Vec<String>]) -> Vec<u8> {
    let header: Vec<String> = output.iter().map(|column| inert(&column.name)).collect();
    let mut out = String::new();
    for row in std::iter::once(&header).chain(rows) {
        for (index, field) in row.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            quote(field, row.len() == 1, &mut out);
        }
        out.push('\n');
    }
    out.into_bytes()
}

fn quote(field: &str, alone: bool, out: &mut String) {
    // A lone empty field would be a line that readers skip.
    let needed = field.contains([',', '"', '\n', '\r']) || (alone && field.is_empty());
    if needed {
        out.push('"');
        out.push_str(&field.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(field);
    }
}

fn text(column: &ArrayRef, data_type: ColumnType, row: usize) -> Option<String> {
    if column.is_null(row) {
        return Some(String::new());
    }
    Some(match data_type {
        ColumnType::Boolean => column.as_boolean_opt()?.value(row).to_string(),
        ColumnType::Int32 => column
            .as_primitive_opt::<Int32Type>()?
            .value(row)
            .to_string(),
        ColumnType::Int64 => column
            .as_primitive_opt::<Int64Type>()?
            .value(row)
            .to_string(),
        ColumnType::Float64 => float(column.as_primitive_opt::<Float64Type>()?.value(row)),
        ColumnType::Utf8 => inert(column.as_string_opt::<i32>()?.value(row)),
        ColumnType::Date32 => {
            let day = column.as_primitive_opt::<Date32Type>()?.value(row);
            date32_to_datetime(day)
                .map(|at| at.date().to_string())
                .unwrap_or_default()
        }
        ColumnType::TimestampMicros => {
            let at = column
                .as_primitive_opt::<TimestampMicrosecondType>()?
                .value(row);
            timestamp_us_to_datetime(at)
                .map(|at| at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
                .unwrap_or_default()
        }
    })
}

fn float(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let value = if value == 0.0 { 0.0 } else { value };
    let magnitude = value.abs();
    // Shortest digits that read back as the same number; exponents only where zeros would fill lines.
    if magnitude != 0.0 && !(1e-7..1e21).contains(&magnitude) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// Text in which nothing is active, in one form.
pub(crate) fn inert(value: &str) -> String {
    let composed: String = value.nfc().filter(|c| !is_invisible(*c)).collect();
    let trimmed = composed.trim_end();
    let mut out = String::with_capacity(trimmed.len() + 1);
    if trimmed.starts_with(is_formula_start) {
        out.push('\'');
    }
    let mut characters = trimmed.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        let tag = |next: &char| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?');
        if character == '<' && characters.peek().is_some_and(tag) {
            out.push(' ');
        }
    }
    out
}

fn is_formula_start(character: char) -> bool {
    matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::super::steps::numbered;
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for (value, expect) in [
            (0.0, "0"),
            (-0.0, "0"),
            (f64::NAN, ""),
            (f64::NEG_INFINITY, ""),
            (1235.0, "1235"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (1.2e22, "1.2e22"),
            (1e20, "100000000000000000000"),
            (5e-9, "5e-9"),
        ] {
            assert_eq!(float(value), expect);
        }
    }

    #[test]
    fn text_is_made_inert() {
        for (value, expect) in [
            ("思明区", "思明区"),
            ("e\u{301}  ", "é"),
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("@sum", "'@sum"),
            ("-1", "'-1"),
            ("＝1", "'＝1"),
            ("\t=1", "'=1"),
            ("<script>alert(1)</script>", "< script>alert(1)< /script>"),
            ("<10", "<10"),
            ("a < b", "a < b"),
            ("\u{1b}[31mred", "[31mred"),
            ("a\u{202e}b\u{200b}c\u{0}d\r\ne", "abcde"),
        ] {
            assert_eq!(inert(value), expect, "{value:?}");
        }
    }

    #[test]
    fn a_table_is_quoted_where_it_must_be() {
        let types = [
            ColumnType::Utf8,
            ColumnType::Int64,
            ColumnType::Float64,
            ColumnType::Boolean,
            ColumnType::Date32,
            ColumnType::TimestampMicros,
        ];
        let table = numbered(
            vec![
                Arc::new(StringArray::from(vec![Some("a,\"b\""), None])),
                Arc::new(Int64Array::from(vec![Some(-5), None])),
                Arc::new(Float64Array::from(vec![Some(2.5), Some(f64::NAN)])),
                Arc::new(BooleanArray::from(vec![Some(true), None])),
                Arc::new(Date32Array::from(vec![Some(18_262), Some(i32::MAX)])),
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None])),
            ],
            &types,
            2,
        )
        .unwrap();
        let output: Vec<OutputColumn> = ["region", "n", "=x", "flag", "day", "at"]
            .into_iter()
            .zip(types)
            .map(|(name, data_type)| OutputColumn {
                name: name.to_owned(),
                data_type,
            })
            .collect();
        let rows = text_rows(&table, &types).unwrap();
        let text = String::from_utf8(csv(&output, &rows)).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "region,n,'=x,flag,day,at");
        assert_eq!(
            lines[1],
            "\"a,\"\"b\"\"\",-5,2.5,true,2020-01-01,1970-01-01T00:00:01.500000"
        );
        assert!(lines[2].starts_with(",,,,"));
        assert_eq!(lines[3], "");
    }

    proptest! {
        #[test]
        fn inert_text_stays_as_it_is(value in "\\PC{0,40}|[=+@<>/a-z \\x00-\\x1f\u{200b}]{0,20}") {
            let once = inert(&value);
            prop_assert_eq!(inert(&once), once.clone());
            prop_assert!(!once.chars().any(|c| c.is_control()));
            prop_assert!(!once.starts_with(['=', '+', '-', '@']));
            prop_assert!(!once.to_lowercase().contains("<script"));
        }
    }
}
