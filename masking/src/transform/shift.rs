//! Dates moved by a number of days that belongs to their subject.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};

use crate::date::days;
use crate::error::MaskError;
use crate::key::{TokenKey, ValueDomain, canonical_form};
use crate::transform::permute::{Permuter, birthday};
use crate::transform::text_values;

/// By how many days a subject's dates move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateShift {
    /// A number that is drawn from the subject's token: 1 to so many days back or forth.
    Days(u32),
    /// The difference between the birthday inside the subject's permuted resident number and the
    /// real one. Resident number, birth date and events move together: ages at events stay, and the
    /// birth date agrees with the number. At most the years of the number's birth band.
    Birthday,
}

/// Days of each subject, never 0, so that nobody's dates stay as they are. The same subject moves
/// by the same number everywhere; a row without a subject has none.
pub(crate) fn drawn(
    subjects: &dyn Array,
    key: &TokenKey,
    days_max: u32,
) -> Result<Vec<Option<i64>>, MaskError> {
    let subjects = text_values(subjects)?;
    let shifts = subjects
        .as_string::<i32>()
        .iter()
        .map(|subject| draw(subject?, key, days_max));
    Ok(shifts.collect())
}

fn draw(subject: &str, key: &TokenKey, days_max: u32) -> Option<i64> {
    let subject = canonical_form(key.value_domain(), subject);
    if subject.is_empty() || days_max == 0 {
        return None;
    }
    // A remainder of 128 bits by at most 2·36500 is uniform to within 2^-111.
    let drawn = key.digest(subject.as_bytes()) % (2 * u128::from(days_max));
    let drawn = i64::try_from(drawn).ok()?;
    let days = i64::from(days_max);
    Some(if drawn < days {
        drawn - days
    } else {
        drawn - days + 1
    })
}

/// Days between the real birthday of each resident number and that of its image. A row without a
/// valid number has none. One subject in some thousands may have 0.
pub(crate) fn of_birthdays(
    subjects: &dyn Array,
    permuter: &mut Permuter,
) -> Result<Vec<Option<i64>>, MaskError> {
    let subjects = text_values(subjects)?;
    let subjects = subjects.as_string::<i32>();
    let images = permuter.column(subjects);
    let person = ValueDomain::known("person-id");
    let shifts = subjects.iter().zip(&images).map(|(subject, image)| {
        let real = birthday(&canonical_form(&person, subject?))?;
        Some(birthday(image?)? - real)
    });
    Ok(shifts.collect())
}

/// Each date moved by its row's number of days. A row without one, or without a date, becomes null.
pub(crate) fn moved(values: &dyn Array, shifts: &[Option<i64>]) -> ArrayRef {
    const SECONDS: i64 = 86_400;
    match values.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => Arc::new(
            ticks::<TimestampSecondType>(values, shifts, SECONDS).with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => Arc::new(
            ticks::<TimestampMillisecondType>(values, shifts, SECONDS * 1000)
                .with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            ticks::<TimestampMicrosecondType>(values, shifts, SECONDS * 1_000_000)
                .with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => Arc::new(
            ticks::<TimestampNanosecondType>(values, shifts, SECONDS * 1_000_000_000)
                .with_timezone_opt(zone.clone()),
        ),
        DataType::Date64 => Arc::new(ticks::<Date64Type>(values, shifts, SECONDS * 1000)),
        _ => {
            let dates = days(values).unwrap_or_else(|| Date32Array::new_null(values.len()));
            let moved = dates
                .iter()
                .zip(shifts)
                .map(|(date, shift)| i32::try_from(i64::from(date?).checked_add((*shift)?)?).ok());
            Arc::new(moved.collect::<Date32Array>())
        }
    }
}

fn ticks<T>(values: &dyn Array, shifts: &[Option<i64>], ticks_a_day: i64) -> PrimitiveArray<T>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let moved = values
        .as_primitive::<T>()
        .iter()
        .zip(shifts)
        .map(|(ticks, shift)| ticks?.checked_add((*shift)?.checked_mul(ticks_a_day)?));
    moved.collect()
}

/// The type of [`moved`]'s result: that of the column, or a date for written dates.
pub(crate) fn shift_type(input: &DataType) -> DataType {
    match input {
        DataType::Timestamp(_, _) | DataType::Date64 => input.clone(),
        _ => DataType::Date32,
    }
}

#[cfg(test)]
mod tests;
