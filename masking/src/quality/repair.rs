//! Repairs of values, each with its trace.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::date::parse_day;
use crate::error::{QualityError, internal};
use crate::fold::fold;
use crate::quality::rules::RepairKind;

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
    match kind {
        RepairKind::Fill(value) => is_text || fill_value(value, data_type).is_some(),
        _ => is_text,
    }
}

pub(super) fn repair(kind: &RepairKind, values: &ArrayRef) -> Result<Repaired, QualityError> {
    if let RepairKind::Fill(value) = kind {
        return fill(value, values);
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
        RepairKind::Fill(_) => text.to_owned(),
    }
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
