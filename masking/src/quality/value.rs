//! The test of one value.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::row::{RowConverter, SortField};

use crate::classify::is_valid;
use crate::date::{could_hold_days, days, parse_day};
use crate::error::{QualityError, internal};
use crate::quality::rules::{Check, ValueType};
use crate::transform::text_values;

pub(super) type Test<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// The test of a non-null value, by row.
pub(super) fn passing<'a>(
    check: &'a Check,
    values: &'a ArrayRef,
) -> Result<Test<'a>, QualityError> {
    Ok(match check {
        Check::NotNull => {
            let is_text = matches!(
                values.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
            let texts = if is_text {
                Some(text_values(values.as_ref())?)
            } else {
                None
            };
            Box::new(move |row| {
                values.is_valid(row)
                    && texts
                        .as_ref()
                        .is_none_or(|texts| !value_at(texts, row).trim().is_empty())
            })
        }
        Check::Range { min, max } => {
            let numbers = numbers(values)?;
            Box::new(move |row| {
                let number = numbers.value(row);
                numbers.is_valid(row)
                    && !number.is_nan()
                    && min.is_none_or(|min| number >= min)
                    && max.is_none_or(|max| number <= max)
            })
        }
        Check::Date { min, max } => {
            let dates = days(values.as_ref());
            let (min, max) = (min.map(|day| day.to_epoch()), max.map(|day| day.to_epoch()));
            Box::new(move |row| {
                dates.as_ref().is_some_and(|dates| {
                    let date = i64::from(dates.value(row));
                    dates.is_valid(row)
                        && min.is_none_or(|min| date >= min)
                        && max.is_none_or(|max| date <= max)
                })
            })
        }
        Check::Type(wanted) => typed(*wanted, values)?,
        Check::Identifier(identifier) => by_text(values, move |text| is_valid(*identifier, text))?,
        Check::Regex(regex) => by_text(values, move |text| regex.is_match(text))?,
        Check::Allowed(allowed) => by_text(values, move |text| {
            allowed
                .binary_search_by(|known| known.as_str().cmp(text))
                .is_ok()
        })?,
        Check::Unique(_)
        | Check::Order { .. }
        | Check::RowCount { .. }
        | Check::Timely { .. }
        | Check::VolumeDrift { .. }
        | Check::ShareDrift { .. }
        | Check::Reference { .. } => Box::new(|_| true),
    })
}

fn by_text<'a>(
    values: &ArrayRef,
    test: impl Fn(&str) -> bool + 'a,
) -> Result<Test<'a>, QualityError> {
    let texts = text_values(values.as_ref())?;
    Ok(Box::new(move |row| test(value_at(&texts, row))))
}

/// A column that already has the type passes as a whole.
fn typed<'a>(wanted: ValueType, values: &ArrayRef) -> Result<Test<'a>, QualityError> {
    let data_type = values.data_type();
    let has_type = match wanted {
        ValueType::Integer => data_type.is_integer(),
        ValueType::Number => data_type.is_numeric(),
        ValueType::Date => data_type.is_temporal(),
        ValueType::Boolean => *data_type == DataType::Boolean,
    };
    if has_type {
        return Ok(Box::new(|_| true));
    }
    by_text(values, move |text| {
        let text = text.trim();
        match wanted {
            ValueType::Integer => text.parse::<i64>().is_ok(),
            ValueType::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            ValueType::Date => parse_day(text).is_some(),
            ValueType::Boolean => {
                matches!(
                    text.to_ascii_lowercase().as_str(),
                    "true" | "false" | "0" | "1" | "是" | "否"
                )
            }
        }
    })
}

/// Whether a check can read a type.
pub(super) fn takes(check: &Check, data_type: &DataType) -> bool {
    let is_text = matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match check {
        Check::NotNull => true,
        Check::Unique(_) => RowConverter::supports_fields(&[SortField::new(data_type.clone())]),
        Check::Range { .. } => is_text || data_type.is_numeric(),
        Check::Date { .. } | Check::Timely { .. } => could_hold_days(data_type),
        Check::Order { .. } => is_text || data_type.is_numeric() || data_type.is_temporal(),
        _ => is_text || data_type.is_primitive() || *data_type == DataType::Boolean,
    }
}

pub(super) fn value_at(texts: &ArrayRef, row: usize) -> &str {
    let texts = texts.as_string::<i32>();
    if texts.is_valid(row) {
        texts.value(row)
    } else {
        ""
    }
}

/// The numbers of a column; text that is none is null.
pub(super) fn numbers(values: &ArrayRef) -> Result<Float64Array, QualityError> {
    let numbers = cast(values, &DataType::Float64).map_err(|error| internal("check", &error))?;
    Ok(numbers.as_primitive::<Float64Type>().clone())
}
