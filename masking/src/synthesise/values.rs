//! From codes back to values.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::coded::{Coded, FIRST, Meaning, NULL};
use super::reservoir::Draws;

/// What stands for texts that are not common, such as remarks.
const PLACEHOLDER: &str = "样例文本";

impl Coded {
    /// An array of a type with a value for each code.
    pub(super) fn values(
        &self,
        codes: impl Iterator<Item = usize>,
        kind: &DataType,
        draws: &mut Draws,
    ) -> ArrayRef {
        let codes: Vec<usize> = codes.collect();
        let made = match &self.meaning {
            Meaning::Nothing => None,
            Meaning::Texts(texts) => Some(of_texts(texts, &codes, kind)),
            Meaning::Ranges(ranges, decimals) => {
                let numbers: Vec<Option<f64>> = codes
                    .iter()
                    .map(|code| within(ranges, *code, *decimals, draws))
                    .collect();
                of_numbers(&numbers, kind)
            }
        };
        made.unwrap_or_else(|| new_null_array(kind, codes.len()))
    }
}

fn of_texts(texts: &[String], codes: &[usize], kind: &DataType) -> ArrayRef {
    let shown = codes.iter().map(|&code| match code {
        NULL => None,
        code => Some(
            code.checked_sub(FIRST)
                .and_then(|place| texts.get(place))
                .map_or(PLACEHOLDER, String::as_str),
        ),
    });
    if *kind == DataType::Boolean {
        let values = shown.map(|text| match text {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        });
        return Arc::new(values.collect::<BooleanArray>());
    }
    Arc::new(shown.collect::<StringArray>())
}

/// A number of a range; none for a missing or an uncommon one.
fn within(ranges: &[(f64, f64)], code: usize, decimals: u32, draws: &mut Draws) -> Option<f64> {
    let (low, high) = *ranges.get(code.checked_sub(FIRST)?)?;
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    let value = ((low + (high - low) * draws.share()) * scale).round() / scale;
    Some(value.clamp(low, high))
}

fn of_numbers(numbers: &[Option<f64>], kind: &DataType) -> Option<ArrayRef> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "values of the column itself, which were whole numbers of its type"
    )]
    let whole = || numbers.iter().map(|value| value.map(|v| v.round() as i64));
    match kind {
        DataType::Date32 => {
            let days = whole().map(|day| day.and_then(|day| i32::try_from(day).ok()));
            Some(Arc::new(days.collect::<Date32Array>()))
        }
        DataType::Timestamp(_, _) => {
            let ticks: ArrayRef = Arc::new(whole().collect::<Int64Array>());
            cast(&ticks, kind).ok()
        }
        kind if kind.is_integer() => {
            let values: ArrayRef = Arc::new(whole().collect::<Int64Array>());
            cast(&values, kind).ok()
        }
        kind if kind.is_numeric() => {
            let values: ArrayRef = Arc::new(numbers.iter().copied().collect::<Float64Array>());
            cast(&values, kind).ok()
        }
        _ => None,
    }
}
