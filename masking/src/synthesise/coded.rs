//! A column as few codes: what is common in it.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::COMMON_MIN;

/// Codes of a column at most, the null and the uncommon included.
pub(super) const CODES_MAX: usize = 34;
/// Ranges of a column of many numbers.
const RANGES: usize = 16;
/// The code of a missing value.
pub(super) const NULL: usize = 0;
/// The code of a value that is not common.
pub(super) const UNCOMMON: usize = 1;
/// Codes before those of values.
pub(super) const FIRST: usize = 2;

/// What the codes of a column stand for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The column holds tokens, or nothing that can be drawn.
    Nothing,
    /// Texts, one for each code from [`FIRST`] on.
    Texts(Vec<String>),
    /// Ranges of numbers, both ends included, and the decimals of the numbers in them.
    Ranges(Vec<(f64, f64)>, u32),
}

/// A column of codes.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) meaning: Meaning,
    /// The code of each row.
    pub(super) codes: Vec<u8>,
    /// Rows of each code.
    pub(super) counts: Vec<u32>,
}

impl Coded {
    /// A column that is not learnt from.
    pub(super) fn token() -> Self {
        Self {
            meaning: Meaning::Nothing,
            codes: Vec::new(),
            counts: Vec::new(),
        }
    }

    pub(super) fn of(column: &ArrayRef) -> Self {
        match column.data_type() {
            DataType::Utf8 => Self::of_texts(column.as_string::<i32>().iter()),
            DataType::Boolean => {
                let texts = column.as_boolean().iter();
                Self::of_texts(texts.map(|value| value.map(|v| if v { "true" } else { "false" })))
            }
            _ => match numbers(column) {
                Some(numbers) => Self::of_numbers(&numbers),
                None => Self::token(),
            },
        }
    }

    fn of_texts<'a>(values: impl Iterator<Item = Option<&'a str>> + Clone) -> Self {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for text in values.clone().flatten() {
            *counts.entry(text).or_default() += 1;
        }
        let mut common: Vec<(&str, u32)> = counts
            .into_iter()
            .filter(|(_, count)| *count >= COMMON_MIN)
            .collect();
        common.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        common.truncate(CODES_MAX - FIRST);
        let code = |text: &str| {
            let place = common.iter().position(|(known, _)| *known == text);
            place.map_or(UNCOMMON, |place| place + FIRST)
        };
        let codes = values.map(|text| text.map_or(NULL, code));
        let texts = common.iter().map(|(text, _)| (*text).to_owned()).collect();
        Self::new(Meaning::Texts(texts), codes)
    }

    fn of_numbers(values: &[Option<f64>]) -> Self {
        let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let ranges = ranges(&sorted);
        let code = |value: f64| {
            let place = ranges
                .iter()
                .position(|(low, high)| (*low..=*high).contains(&value));
            place.map_or(UNCOMMON, |place| place + FIRST)
        };
        let codes = values.iter().map(|value| value.map_or(NULL, code));
        let codes: Vec<usize> = codes.collect();
        let meaning = Meaning::Ranges(ranges, decimals(&sorted));
        Self::new(meaning, codes.into_iter())
    }

    fn new(meaning: Meaning, codes: impl Iterator<Item = usize>) -> Self {
        let codes: Vec<u8> = codes.map(|code| u8::try_from(code).unwrap_or(1)).collect();
        let mut counts = vec![0; CODES_MAX];
        for code in &codes {
            if let Some(count) = counts.get_mut(usize::from(*code)) {
                *count += 1;
            }
        }
        Self {
            meaning,
            codes,
            counts,
        }
    }

    /// Whether the column can be tied to others.
    pub(super) fn is_learnt(&self) -> bool {
        !self.codes.is_empty()
    }
}

/// The numbers of a column, where it holds any.
fn numbers(column: &ArrayRef) -> Option<Vec<Option<f64>>> {
    let whole = match column.data_type() {
        DataType::Date32 => cast(column, &DataType::Int32).ok()?,
        DataType::Timestamp(_, _) => cast(column, &DataType::Int64).ok()?,
        kind if kind.is_numeric() => column.clone(),
        _ => return None,
    };
    let floats = cast(&whole, &DataType::Float64).ok()?;
    let floats = floats.as_primitive::<Float64Type>();
    let finite = floats.iter().map(|value| value.filter(|v| v.is_finite()));
    Some(finite.collect())
}

/// Values that are common each make a range of one number where there are few; else the sorted numbers are cut into ranges
/// of as many rows. The few smallest and greatest are in none: they may be somebody's alone.
fn ranges(sorted: &[f64]) -> Vec<(f64, f64)> {
    let common = usize::try_from(COMMON_MIN).unwrap_or(usize::MAX);
    let mut singles = Vec::new();
    for run in sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
        if let (true, Some(value)) = (run.len() >= common, run.first()) {
            singles.push((*value, *value));
        }
    }
    let covered: usize = sorted
        .iter()
        .filter(|value| singles.iter().any(|(single, _)| single == *value))
        .count();
    if singles.len() <= CODES_MAX - FIRST && covered * 10 >= sorted.len() * 9 {
        return singles;
    }
    let inner = sorted
        .get(common - 1..(sorted.len() + 1).saturating_sub(common))
        .unwrap_or_default();
    let step = inner.len().div_ceil(RANGES).max(common);
    inner
        .chunks(step)
        .filter(|part| part.len() >= common)
        .filter_map(|part| Some((*part.first()?, *part.last()?)))
        .collect()
}

/// Decimals of the numbers, up to six.
fn decimals(values: &[f64]) -> u32 {
    (0..6)
        .find(|decimals| {
            let scale = 10_f64.powi(*decimals);
            values.iter().all(|value| {
                let scaled = value * scale;
                (scaled - scaled.round()).abs() <= 1e-6 * scaled.abs().max(1.0)
            })
        })
        .and_then(|decimals| u32::try_from(decimals).ok())
        .unwrap_or(6)
}
