//! Hierarchies written as a rule: intervals, dates, suffixes, regions.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::date::{Day, days};
use crate::error::{Fault, MeasureError};
use crate::generalise::hierarchy::{ANY, Placed};
use crate::text::Bilingual;
use crate::transform::RegionLevel;

/// So many intervals from zero, the bounds of neighbours are still different numbers: 2^50.
const INTERVALS_MAX: f64 = 1_125_899_906_842_624.0;

/// Digits of a region code.
const REGION_DIGITS: usize = 6;

/// A period that dates are generalised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DateLevel {
    /// The day, of times: `2023-01-05`.
    Day,
    /// `2023-01`.
    Month,
    /// `2023-Q1`.
    Quarter,
    /// `2023`.
    Year,
    /// `2020s`.
    Decade,
}

/// A rule for the labels below `*`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    Intervals {
        origin: f64,
        /// Width of the narrowest interval.
        width: f64,
        /// By level, how many of the narrowest are one.
        multiples: Vec<i64>,
    },
    Dates(Vec<DateLevel>),
    Suffix(Vec<usize>),
    /// By level, the digits that are kept.
    Region(Vec<usize>),
}

impl Rule {
    pub(super) fn intervals(origin: f64, widths: &[f64]) -> Result<Self, MeasureError> {
        let width = widths.first().copied().unwrap_or(f64::NAN);
        let mut multiples = Vec::with_capacity(widths.len());
        for wide in widths {
            let multiple =
                whole(wide / width).filter(|m| ((*m as f64) * width - wide).abs() <= wide * 1e-9);
            let below = multiples.last().copied();
            match multiple.filter(|m| below.is_none_or(|below| *m > below && m % below == 0)) {
                Some(multiple) => multiples.push(multiple),
                None => return Err(option("widths", "5, 10, 20")),
            }
        }
        if multiples.first() != Some(&1) || !(width.is_finite() && width > 0.0) {
            return Err(option("widths", "5, 10, 20"));
        }
        if whole(origin / width).is_none() {
            return Err(option("origin", "0"));
        }
        Ok(Self::Intervals {
            origin,
            width,
            multiples,
        })
    }

    pub(super) fn dates(levels: &[DateLevel]) -> Result<Self, MeasureError> {
        if levels.is_empty() || !levels.is_sorted_by(|a, b| a < b) {
            return Err(option("dates", "Month, Quarter, Year"));
        }
        Ok(Self::Dates(levels.to_vec()))
    }

    pub(super) fn suffix(masked: &[usize]) -> Result<Self, MeasureError> {
        if masked.first().is_none_or(|first| *first == 0) || !masked.is_sorted_by(|a, b| a < b) {
            return Err(option("suffix", "1, 2, 4"));
        }
        Ok(Self::Suffix(masked.to_vec()))
    }

    pub(super) fn region(from: RegionLevel) -> Self {
        Self::Region(match from {
            RegionLevel::Province => vec![2],
            RegionLevel::City => vec![4, 2],
            RegionLevel::County => vec![6, 4, 2],
        })
    }

    /// Levels above the values: those of the rule, and `*`.
    pub(super) fn height(&self) -> usize {
        1 + match self {
            Self::Intervals { multiples, .. } => multiples.len(),
            Self::Dates(levels) => levels.len(),
            Self::Suffix(levels) | Self::Region(levels) => levels.len(),
        }
    }

    pub(super) fn width(&self, level: usize) -> Option<f64> {
        match self {
            Self::Intervals {
                width, multiples, ..
            } => {
                let multiple = multiples.get(level.checked_sub(1)?)?;
                Some(width * (*multiple as f64))
            }
            _ => None,
        }
    }

    /// The place of each value; nothing if the type does not fit.
    pub(super) fn paths(&self, values: &ArrayRef) -> Option<Vec<Placed>> {
        match self {
            Self::Intervals {
                origin,
                width,
                multiples,
            } => {
                if !values.data_type().is_numeric() {
                    return None;
                }
                let numbers = cast(values, &DataType::Float64).ok()?;
                let numbers = numbers.as_primitive::<Float64Type>().iter();
                let path = |number| interval_path(number, *origin, *width, multiples);
                Some(numbers.map(|number| place(number, path)).collect())
            }
            Self::Dates(levels) => {
                let read = days(values)?;
                let place_row = |row| {
                    if values.is_null(row) {
                        Placed::Null
                    } else if read.is_null(row) {
                        Placed::Outside
                    } else {
                        let day = Day::from_epoch(i64::from(read.value(row)));
                        Placed::At(topped(levels.iter().map(|level| period(day, *level))))
                    }
                };
                Some((0..values.len()).map(place_row).collect())
            }
            Self::Suffix(levels) => texts(values, |text| {
                Some(topped(levels.iter().map(|masked| mask(text, *masked))))
            }),
            Self::Region(levels) => texts(values, |text| {
                let code = text.get(..REGION_DIGITS)?;
                let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
                let kept = |digits: &usize| format!("{:0<REGION_DIGITS$}", &code[..*digits]);
                is_code.then(|| topped(levels.iter().map(kept)))
            }),
        }
    }
}

fn place<T>(value: Option<T>, path: impl Fn(T) -> Option<Vec<String>>) -> Placed {
    value.map_or(Placed::Null, |value| Placed::of(path(value)))
}

fn texts(values: &ArrayRef, path: impl Fn(&str) -> Option<Vec<String>>) -> Option<Vec<Placed>> {
    let texts = cast(values, &DataType::Utf8).ok()?;
    let texts = texts.as_string::<i32>().iter();
    Some(texts.map(|text| place(text, &path)).collect())
}

fn topped(labels: impl Iterator<Item = String>) -> Vec<String> {
    labels.chain([ANY.to_owned()]).collect()
}

/// The intervals of a number, found from its narrowest one, so that each holds those below it
/// whatever the rounding.
fn interval_path(number: f64, origin: f64, width: f64, multiples: &[i64]) -> Option<Vec<String>> {
    let narrowest = whole(((number - origin) / width).floor())?;
    Some(topped(multiples.iter().map(|multiple| {
        let first = narrowest.div_euclid(*multiple) * multiple;
        let bound = |interval: i64| origin + (interval as f64) * width;
        format!("[{},{})", bound(first), bound(first + multiple))
    })))
}

fn period(day: Day, level: DateLevel) -> String {
    let Day { year, month, day } = day;
    match level {
        DateLevel::Day => format!("{year:04}-{month:02}-{day:02}"),
        DateLevel::Month => format!("{year:04}-{month:02}"),
        DateLevel::Quarter => format!("{year:04}-Q{}", (month - 1) / 3 + 1),
        DateLevel::Year => format!("{year:04}"),
        DateLevel::Decade => format!("{:04}s", year.div_euclid(10) * 10),
    }
}

fn mask(text: &str, masked: usize) -> String {
    let length = text.chars().count();
    let kept = length.saturating_sub(masked);
    let head = text.chars().take(kept);
    head.chain(std::iter::repeat_n('*', length - kept))
        .collect()
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the bound is checked, and below it the number is exact"
)]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < INTERVALS_MAX).then(|| number.round() as i64)
}

fn option(name: &str, example: &str) -> MeasureError {
    Fault::general(
        "hierarchy_option",
        Bilingual::new(
            format!("泛化层次的选项 {name} 不合规：各级须递增，区间宽度须为下一级的整数倍"),
            format!(
                "option {name} of the hierarchy is not allowed: levels must grow, and a width be a \
                 whole multiple of the one below"
            ),
        ),
        Bilingual::new(format!("可写：{example}"), format!("write: {example}")),
    )
}
