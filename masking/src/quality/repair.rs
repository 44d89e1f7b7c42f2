//! Repairs of values, each with its trace.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::classify::check::is_resident_id;
use crate::date::parse_day;
use crate::error::{QualityError, internal};
use crate::fold::{compact, fold};
use crate::key::{ValueDomain, canonical};
use crate::quality::rules::{Derived, RepairKind};

/// A column after a repair, and the rows that changed with the value they had.
pub(super) struct Repaired {
    pub(super) values: ArrayRef,
    pub(super) changed: Vec<(usize, String)>,
}

/// Whether a repair can work on a type: repairs of spelling need text, filling works on what can be
/// read from text.
pub(super) fn fits(kind: &RepairKind, data_type: &DataType) -> bool {
    let is_text = matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    let reads = |text: &str| is_text || fill_value(text, data_type).is_some();
    match kind {
        RepairKind::Fill(value) => reads(value),
        RepairKind::Lookup { pairs, .. } => pairs.values().all(|value| reads(value)),
        RepairKind::Unit { .. } => matches!(data_type, DataType::Int64 | DataType::Float64),
        RepairKind::Derive { what, .. } => match what {
            Derived::Sex { female, male } => reads(female) && reads(male),
            Derived::BirthDate => reads("1990-06-15"),
            Derived::Region => reads("350203"),
            Derived::ResidentId => is_text,
        },
        _ => is_text,
    }
}

/// Whether a repair can read the type of the other column.
pub(super) fn fits_by(kind: &RepairKind, data_type: &DataType) -> bool {
    let is_text = matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match kind {
        RepairKind::Derive { .. } => is_text,
        _ => is_text || data_type.is_primitive() || *data_type == DataType::Boolean,
    }
}

/// Repairs a column; `by` is the other column that the repair reads.
pub(super) fn repair(
    kind: &RepairKind,
    values: &ArrayRef,
    by: Option<&ArrayRef>,
) -> Result<Repaired, QualityError> {
    match (kind, by) {
        (RepairKind::Fill(value), _) => return fill(value, values),
        (RepairKind::Unit { .. }, _) => return converted(kind, values),
        (RepairKind::Lookup { pairs, .. }, Some(by)) => {
            return filled_by(values, by, |text| pairs.get(text).cloned());
        }
        (RepairKind::Derive { what, .. }, Some(by)) => {
            return filled_by(values, by, |text| derived(what, text));
        }
        _ => {}
    }
    let texts = cast(values, &DataType::Utf8).map_err(|error| internal("repair", &error))?;
    let texts = texts.as_string::<i32>();
    let mut builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    let mut changed = Vec::new();
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            builder.append_null();
            continue;
        };
        let better = spelled(kind, text);
        if better != text {
            changed.push((row, text.to_owned()));
        }
        // An empty cell says as much as no cell.
        builder.append_option((!better.is_empty() || text.is_empty()).then_some(better));
    }
    let repaired: ArrayRef = Arc::new(builder.finish());
    let values = cast(&repaired, values.data_type()).map_err(|error| internal("repair", &error))?;
    Ok(Repaired { values, changed })
}

fn spelled(kind: &RepairKind, text: &str) -> String {
    match kind {
        RepairKind::Trim => text
            .trim_matches(|char: char| char.is_whitespace() || char == '\u{feff}' || char == '\0')
            .to_owned(),
        RepairKind::HalfWidth => fold(text),
        RepairKind::Upper => text.to_uppercase(),
        RepairKind::Date => parse_day(text).map_or_else(
            || text.to_owned(),
            |day| format!("{:04}-{:02}-{:02}", day.year, day.month, day.day),
        ),
        RepairKind::Map(pairs) => pairs
            .iter()
            .find(|(from, _)| from == text)
            .map_or_else(|| text.to_owned(), |(_, to)| to.clone()),
        RepairKind::ResidentId => eighteen(text)
            .filter(|_| compact(text).len() == 15)
            .unwrap_or_else(|| text.to_owned()),
        RepairKind::Fill(_)
        | RepairKind::Unit { .. }
        | RepairKind::Lookup { .. }
        | RepairKind::Derive { .. } => text.to_owned(),
    }
}

/// A valid resident number in its form of 18 digits.
fn eighteen(text: &str) -> Option<String> {
    let number = canonical(&ValueDomain::known("person-id"), text);
    is_resident_id(&number).then_some(number)
}

/// What a resident number says.
fn derived(what: &Derived, text: &str) -> Option<String> {
    let number = eighteen(text)?;
    Some(match what {
        Derived::Sex { female, male } => {
            let is_male = number
                .as_bytes()
                .get(16)
                .is_some_and(|digit| digit % 2 == 1);
            if is_male {
                male.clone()
            } else {
                female.clone()
            }
        }
        Derived::BirthDate => {
            let (year, month) = (number.get(6..10)?, number.get(10..12)?);
            format!("{year}-{month}-{}", number.get(12..14)?)
        }
        Derived::Region => number.get(..6)?.to_owned(),
        Derived::ResidentId => number,
    })
}

/// Fills gaps, and blank texts, with what another column's value leads to.
fn filled_by(
    values: &ArrayRef,
    by: &ArrayRef,
    found: impl Fn(&str) -> Option<String>,
) -> Result<Repaired, QualityError> {
    let internal = |error| internal("repair", &error);
    let known = cast(by, &DataType::Utf8).map_err(internal)?;
    let known = known.as_string::<i32>();
    let texts = cast(values, &DataType::Utf8).map_err(internal)?;
    let texts = texts.as_string::<i32>();
    let is_gap = |row: usize| texts.is_null(row) || texts.value(row).trim().is_empty();
    let mut builder = StringBuilder::new();
    for row in 0..values.len() {
        let text = (is_gap(row) && known.is_valid(row)).then(|| found(known.value(row).trim()));
        builder.append_option(text.flatten());
    }
    let made: ArrayRef = Arc::new(builder.finish());
    let made = cast(&made, values.data_type()).map_err(internal)?;
    let changed: Vec<(usize, String)> = (0..made.len())
        .filter(|row| made.is_valid(*row))
        .map(|row| (row, String::new()))
        .collect();
    let is_made = arrow::compute::is_not_null(&made).map_err(internal)?;
    let values = arrow::compute::kernels::zip::zip(&is_made, &made, values).map_err(internal)?;
    Ok(Repaired { values, changed })
}

/// Numbers in another unit: times the factor, plus the offset. Whole numbers are rounded; a number
/// that does not fit its type afterwards stays.
fn converted(kind: &RepairKind, values: &ArrayRef) -> Result<Repaired, QualityError> {
    /// Whole numbers up to here are exact as floating-point numbers.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let RepairKind::Unit {
        factor,
        offset,
        min,
        max,
    } = *kind
    else {
        return Ok(Repaired {
            values: Arc::clone(values),
            changed: Vec::new(),
        });
    };
    let is_whole = values.data_type().is_integer();
    let numbers = cast(values, &DataType::Float64).map_err(|error| internal("repair", &error))?;
    let numbers = numbers.as_primitive::<Float64Type>();
    let other = |number: f64| {
        let is_meant = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
        let made = number * factor + offset;
        let made = if is_whole { made.round() } else { made };
        let fits = made.is_finite()
            && (!is_whole || (made.abs() <= EXACT_MAX && number.abs() <= EXACT_MAX));
        (is_meant && fits && made != number).then_some(made)
    };
    let made: Float64Array = numbers
        .iter()
        .map(|number| number.and_then(other))
        .collect();
    let changed = (0..made.len())
        .filter(|row| made.is_valid(*row))
        .map(|row| (row, numbers.value(row).to_string()))
        .collect();
    let made: ArrayRef = Arc::new(made);
    let internal = |error| internal("repair", &error);
    let made = cast(&made, values.data_type()).map_err(internal)?;
    let is_made = arrow::compute::is_not_null(&made).map_err(internal)?;
    let values = arrow::compute::kernels::zip::zip(&is_made, &made, values).map_err(internal)?;
    Ok(Repaired { values, changed })
}

fn fill_value(value: &str, data_type: &DataType) -> Option<ArrayRef> {
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![value]));
    cast(&text, data_type)
        .ok()
        .filter(|filled| filled.is_valid(0))
}

fn fill(value: &str, values: &ArrayRef) -> Result<Repaired, QualityError> {
    let changed = (0..values.len())
        .filter(|row| values.is_null(*row))
        .map(|row| (row, String::new()))
        .collect();
    let Some(filled) = fill_value(value, values.data_type()) else {
        return Ok(Repaired {
            values: Arc::clone(values),
            changed: Vec::new(),
        });
    };
    let present =
        arrow::compute::is_not_null(values).map_err(|error| internal("repair", &error))?;
    let filled = arrow::array::Scalar::new(filled);
    let values = arrow::compute::kernels::zip::zip(&present, values, &filled)
        .map_err(|error| internal("repair", &error))?;
    Ok(Repaired { values, changed })
}
