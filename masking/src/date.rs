//! Calendar arithmetic on days, and the written forms of dates.

use arrow::array::{Array, ArrayRef, AsArray, Date32Array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use crate::fold::fold;

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

impl Day {
    /// The day that a number of days after 1970-01-01 is (Hinnant, "chrono-compatible low-level
    /// date algorithms").
    pub(crate) fn from_epoch(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day }
    }

    /// Days after 1970-01-01.
    pub(crate) fn to_epoch(self) -> i64 {
        let year = if self.month <= 2 {
            self.year - 1
        } else {
            self.year
        };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (self.month + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        era * 146_097 + of_era - 719_468
    }

    /// A real day between the years 1 and 9999.
    pub(crate) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let given = Self { year, month, day };
        let in_range =
            (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        (in_range && Self::from_epoch(given.to_epoch()) == given).then_some(given)
    }
}

/// Reads a date as people write it: `2023-01-05`, `2023/1/5`, `2023.1.5`, `20230105`, `2023年1月5日`,
/// each with or without a time of day after a blank or `T`.
pub(crate) fn parse_day(text: &str) -> Option<Day> {
    if text.len() > 64 {
        return None;
    }
    let folded = fold(text);
    let (date, time) = match folded.find([' ', 'T']) {
        Some(at) => (&folded[..at], folded[at + 1..].trim()),
        None => (folded.as_str(), ""),
    };
    if !is_time(time) {
        return None;
    }
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        return Day::new(
            date[..4].parse().ok()?,
            date[4..6].parse().ok()?,
            date[6..].parse().ok()?,
        );
    }
    let (year, month, day) = parts(date)?;
    (year.len() == 4 && month.len() <= 2 && day.len() <= 2).then_some(())?;
    let number = |part: &str| -> Option<i64> {
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    Day::new(number(year)?, number(month)?, number(day)?)
}

fn parts(date: &str) -> Option<(&str, &str, &str)> {
    for separator in ['-', '/', '.'] {
        if let Some((year, rest)) = date.split_once(separator) {
            let (month, day) = rest.split_once(separator)?;
            return Some((year, month, day));
        }
    }
    let (year, rest) = date.split_once('年')?;
    let (month, day) = rest.split_once('月')?;
    Some((year, month, day.trim_end_matches(['日', '号'])))
}

/// Nothing, or a time of day with perhaps a fraction and a zone; only its form is looked at.
fn is_time(time: &str) -> bool {
    let ordered = |text: &str| {
        text.split(':').zip([24, 60, 61]).all(|(part, below)| {
            let seconds = part.split(['.', 'Z', '+', '-', ' ']).next().unwrap_or("");
            seconds.len() <= 2 && seconds.parse::<u32>().is_ok_and(|value| value < below)
        })
    };
    time.is_empty()
        || (time.is_ascii()
            && time.contains(':')
            && time
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b":.Z+- ".contains(&byte))
            && ordered(time))
}

/// The days of a column of dates, times or written dates; `None` for other types. What cannot be
/// read is null.
pub(crate) fn days(values: &dyn Array) -> Option<Date32Array> {
    let from_ticks =
        |ticks: i64, ticks_a_day: i64| i32::try_from(ticks.div_euclid(ticks_a_day)).ok();
    match values.data_type() {
        DataType::Date32 => Some(values.as_primitive::<Date32Type>().clone()),
        DataType::Date64 => Some(
            values
                .as_primitive::<Date64Type>()
                .unary_opt(|ticks| from_ticks(ticks, 86_400_000)),
        ),
        DataType::Timestamp(unit, _) => Some(match unit {
            TimeUnit::Second => values
                .as_primitive::<TimestampSecondType>()
                .unary_opt(|ticks| from_ticks(ticks, 86_400)),
            TimeUnit::Millisecond => values
                .as_primitive::<TimestampMillisecondType>()
                .unary_opt(|ticks| from_ticks(ticks, 86_400_000)),
            TimeUnit::Microsecond => values
                .as_primitive::<TimestampMicrosecondType>()
                .unary_opt(|ticks| from_ticks(ticks, 86_400_000_000)),
            TimeUnit::Nanosecond => values
                .as_primitive::<TimestampNanosecondType>()
                .unary_opt(|ticks| from_ticks(ticks, 86_400_000_000_000)),
        }),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts: ArrayRef = cast(values, &DataType::Utf8).ok()?;
            Some(
                texts
                    .as_string::<i32>()
                    .iter()
                    .map(|text| {
                        text.and_then(parse_day)
                            .and_then(|day| i32::try_from(day.to_epoch()).ok())
                    })
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Whether a type holds dates or can be read as written ones.
pub(crate) fn could_hold_days(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(_, _)
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(i64, i64, i64)> {
        parse_day(text).map(|day| (day.year, day.month, day.day))
    }

    #[test]
    fn written_forms() {
        for text in [
            "2023-01-05",
            "2023/1/5",
            "2023.1.5",
            "20230105",
            "2023年1月5日",
            "２０２３－０１－０５",
            "2023-01-05 10:20:30",
            "2023-01-05T10:20:30.123Z",
            "2023-01-05T10:20:30+08:00",
            " 2023-01-05 ",
        ] {
            assert_eq!(read(text), Some((2023, 1, 5)), "{text}");
        }
        for text in [
            "2023-02-30",
            "2023-13-01",
            "0000-00-00",
            "23-01-05",
            "2023-01",
            "2023-01-05x",
            "2023-1-5 abc",
            "2023-01-05 25:00",
            "",
            "年月日",
            "2023--5",
            "+023-01-05",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_and_calendar_agree_with_jiff(days in -700_000i64..2_900_000) {
            let day = Day::from_epoch(days);
            prop_assert_eq!(day.to_epoch(), days);
            let jiff = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            prop_assert_eq!((day.year, day.month, day.day),
                (i64::from(jiff.year()), i64::from(jiff.month()), i64::from(jiff.day())));
        }

        #[test]
        fn every_day_of_arrow_has_a_calendar_day(days in any::<i32>()) {
            prop_assert_eq!(Day::from_epoch(i64::from(days)).to_epoch(), i64::from(days));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse_day(&text);
        }
    }
}
