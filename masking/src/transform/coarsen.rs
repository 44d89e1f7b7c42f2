//! Less exact values: bins, bounds, periods, age bands, regions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::classify::check::is_resident_id;
use crate::classify::region::{RegionLevel as Level, regions};
use crate::classify::table::is_han;
use crate::date::{Day, days};
use crate::error::{MaskError, internal};
use crate::key::{ValueDomain, canonical};
use crate::transform::text_values;

/// What a bin is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinOutput {
    /// Its lower bound, as a number.
    #[default]
    Lower,
    /// Its middle, as a floating-point number.
    Middle,
    /// `[20,30)`, as text.
    Label,
}

/// A span of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

/// A level of administrative divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionLevel {
    /// Province.
    Province,
    /// City (prefecture).
    City,
    /// County or district.
    County,
}

impl RegionLevel {
    /// Digits of a six-digit code that this level keeps.
    pub(crate) fn digits(self) -> usize {
        let level = match self {
            Self::Province => Level::Province,
            Self::City => Level::City,
            Self::County => Level::County,
        };
        level.digits()
    }
}

/// Whether a type holds whole numbers, as opposed to fractions.
pub(crate) fn is_whole(data_type: &DataType) -> bool {
    data_type.is_integer()
}

/// Whether a type holds numbers.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() && !matches!(data_type, DataType::Float16)
}

/// The bin of each number. Whole numbers stay whole; what no bin holds (infinite, not a number)
/// becomes null.
pub(crate) fn bin(
    values: &dyn Array,
    width: f64,
    origin: f64,
    output: BinOutput,
) -> Result<ArrayRef, MaskError> {
    if let (true, Some(width), Some(origin), false) = (
        is_whole(values.data_type()),
        whole(width),
        whole(origin),
        output == BinOutput::Middle,
    ) {
        let lower = whole_numbers(values)?.unary_opt::<_, Int64Type>(|value| {
            let bins = value.checked_sub(origin)?.checked_div_euclid(width)?;
            bins.checked_mul(width)?.checked_add(origin)
        });
        return Ok(match output {
            BinOutput::Label => labels(lower.iter().map(|lower| {
                lower.and_then(|lower| Some(format!("[{lower},{})", lower.checked_add(width)?)))
            })),
            _ => Arc::new(lower),
        });
    }
    let lower: Float64Array = numbers(values)?.unary_opt(|value| {
        let lower = ((value - origin) / width).floor() * width + origin;
        lower.is_finite().then_some(lower)
    });
    Ok(match output {
        BinOutput::Lower => Arc::new(lower),
        BinOutput::Middle => Arc::new(lower.unary::<_, Float64Type>(|lower| lower + width / 2.0)),
        BinOutput::Label => labels(
            lower
                .iter()
                .map(|lower| lower.map(|lower| format!("[{lower},{})", lower + width))),
        ),
    })
}

/// The type of [`bin`]'s result.
pub(crate) fn bin_type(input: &DataType, width: f64, origin: f64, output: BinOutput) -> DataType {
    match output {
        BinOutput::Label => DataType::Utf8,
        BinOutput::Middle => DataType::Float64,
        BinOutput::Lower
            if is_whole(input) && whole(width).is_some() && whole(origin).is_some() =>
        {
            DataType::Int64
        }
        BinOutput::Lower => DataType::Float64,
    }
}

/// Each number within bounds: what lies beyond becomes the bound. Not a number becomes null.
pub(crate) fn top_bottom(
    values: &dyn Array,
    bottom: Option<f64>,
    top: Option<f64>,
) -> Result<ArrayRef, MaskError> {
    if top_bottom_type(values.data_type(), bottom, top) == DataType::Int64 {
        let (bottom, top) = (bottom.and_then(whole), top.and_then(whole));
        let bounded = whole_numbers(values)?.unary::<_, Int64Type>(|value| {
            let value = bottom.map_or(value, |bottom| value.max(bottom));
            top.map_or(value, |top| value.min(top))
        });
        return Ok(Arc::new(bounded));
    }
    let bounded: Float64Array = numbers(values)?.unary_opt(|value| {
        let value = bottom.map_or(value, |bottom| value.max(bottom));
        let value = top.map_or(value, |top| value.min(top));
        (!value.is_nan()).then_some(value)
    });
    // `max` and `min` would give the bound for what is no number.
    let nan = arrow::compute::nullif(&bounded, &is_nan(&numbers(values)?));
    nan.map_err(|error| internal("top_bottom", &error))
}

/// The type of [`top_bottom`]'s result.
pub(crate) fn top_bottom_type(input: &DataType, bottom: Option<f64>, top: Option<f64>) -> DataType {
    let whole_bounds = [bottom, top]
        .into_iter()
        .flatten()
        .all(|bound| whole(bound).is_some());
    if is_whole(input) && whole_bounds {
        DataType::Int64
    } else {
        DataType::Float64
    }
}

/// The first day of each date's period. What is no date becomes null.
pub(crate) fn generalise_date(values: &dyn Array, period: Period) -> Option<Date32Array> {
    Some(days(values)?.unary_opt(|days| {
        let Day { year, month, .. } = Day::from_epoch(i64::from(days));
        let month = match period {
            Period::Month => month,
            Period::Quarter => (month - 1) / 3 * 3 + 1,
            Period::Year => 1,
        };
        i32::try_from(
            Day {
                year,
                month,
                day: 1,
            }
            .to_epoch(),
        )
        .ok()
    }))
}

/// Bands of ages, `30-39`, the last one open, `90+`. Dates are birth dates, and the age is that on
/// a stated day.
pub(crate) fn age_band(
    values: &dyn Array,
    width: u32,
    top: u32,
    as_of: Option<Day>,
) -> Result<ArrayRef, MaskError> {
    let (width, top) = (i64::from(width.max(1)), i64::from(top));
    let ages = match as_of.and_then(|as_of| Some((as_of, days(values)?))) {
        Some((as_of, births)) => births
            .unary_opt::<_, Int64Type>(|birth| Some(age(Day::from_epoch(i64::from(birth)), as_of))),
        None => whole_numbers(values)?,
    };
    Ok(labels(ages.iter().map(|age| {
        // No age is negative or above 150: such a value is an error, and a band would hide it.
        let age = age.filter(|age| (0..=150).contains(age))?;
        Some(if age >= top {
            format!("{top}+")
        } else {
            let lower = age / width * width;
            format!("{lower}-{}", (lower + width - 1).min(top - 1))
        })
    })))
}

fn age(birth: Day, as_of: Day) -> i64 {
    let had_birthday = (as_of.month, as_of.day) >= (birth.month, birth.day);
    as_of.year - birth.year - i64::from(!had_birthday)
}

/// The region of each code, resident number or address, as its six-digit code or its name. What
/// names no region, or names it less finely than asked, is told as finely as it can be; what names
/// none becomes null.
pub(crate) fn region(
    values: &dyn Array,
    level: RegionLevel,
    as_name: bool,
) -> Result<ArrayRef, MaskError> {
    let texts = text_values(values)?;
    // A column speaks of few places, again and again.
    let mut known: HashMap<String, Option<String>> = HashMap::new();
    let mut names = StringBuilder::new();
    for text in texts.as_string::<i32>() {
        let code = text.and_then(region_code);
        let Some(head) = code.as_deref().and_then(|code| code.get(..level.digits())) else {
            names.append_null();
            continue;
        };
        if let Some(label) = known.get(head) {
            names.append_option(label.as_deref());
            continue;
        }
        let code = format!("{head:0<6}");
        let label = if as_name {
            regions().name(&code)
        } else {
            Some(code)
        };
        names.append_option(label.as_deref());
        known.insert(head.to_owned(), label);
    }
    Ok(Arc::new(names.finish()))
}

fn region_code(text: &str) -> Option<Cow<'static, str>> {
    // What holds a Han character is no code.
    if text.chars().any(is_han) {
        return regions()
            .resolve(&crate::fold::fold(text))
            .map(Cow::Borrowed);
    }
    let word = canonical(&ValueDomain::known("person-id"), text);
    let is_code =
        matches!(word.len(), 2 | 4 | 6 | 9 | 12) && word.bytes().all(|byte| byte.is_ascii_digit());
    if (is_code || is_resident_id(&word)) && regions().has_province(&word) {
        let head = word.get(..word.len().min(6))?;
        return Some(Cow::Owned(format!("{head:0<6}")));
    }
    if is_code {
        return None;
    }
    regions()
        .resolve(&crate::fold::fold(text))
        .map(Cow::Borrowed)
}

fn labels(labels: impl Iterator<Item = Option<String>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for label in labels {
        builder.append_option(label);
    }
    let array: StringArray = builder.finish();
    Arc::new(array)
}

/// The numbers of a column as floating-point numbers.
pub(crate) fn numbers(values: &dyn Array) -> Result<Float64Array, MaskError> {
    let cast = cast(values, &DataType::Float64).map_err(|error| internal("cast", &error))?;
    Ok(cast.as_primitive::<Float64Type>().clone())
}

/// The numbers of a column as whole numbers.
pub(crate) fn whole_numbers(values: &dyn Array) -> Result<Int64Array, MaskError> {
    let cast = cast(values, &DataType::Int64).map_err(|error| internal("cast", &error))?;
    Ok(cast.as_primitive::<Int64Type>().clone())
}

fn is_nan(values: &Float64Array) -> arrow::array::BooleanArray {
    values.iter().map(|value| value.map(f64::is_nan)).collect()
}

/// A floating-point number as a whole one, if it is one that is held exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT_MAX {
        return None;
    }
    // Written without fraction or exponent, so reading it back is exact.
    format!("{number:.0}").parse().ok()
}

#[cfg(test)]
mod tests;
