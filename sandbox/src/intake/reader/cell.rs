//! From the text of a cell to a typed value.
//!
//! Text is taken as people and spreadsheets write it (full-width digits, three date styles), but
//! never guessed at: 2023-02-30 is no date, and `1,234` is no number.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// Spellings of "no value" in columns that are not text, as databases and statistics packages
/// export them.
const MISSING: [&str; 7] = ["NA", "N/A", "NULL", "null", "None", "\\N", "-"];

/// Trims spaces of either width and folds full-width ASCII, which input methods leave in numbers.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.chars().any(|c| matches!(c, '\u{FF01}'..='\u{FF5E}')) {
        return Cow::Borrowed(text);
    }
    let fold = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    Cow::Owned(text.chars().map(fold).collect())
}

/// Whether a folded cell of a column that is not text means "no value".
pub(crate) fn is_missing(folded: &str) -> bool {
    folded.is_empty() || MISSING.contains(&folded)
}

/// A whole number; a fraction of zeros, as spreadsheets add, is taken.
pub(crate) fn int64(folded: &str) -> Option<i64> {
    let digits = match folded.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b == b'0') => {
            whole
        }
        Some(_) => return None,
        None => folded,
    };
    digits.parse().ok()
}

/// A finite number.
pub(crate) fn float64(folded: &str) -> Option<f64> {
    // The standard parser also takes "inf", "nan" and "infinity".
    let starts = folded.trim_start_matches(['+', '-']).as_bytes().first()?;
    if !starts.is_ascii_digit() && *starts != b'.' {
        return None;
    }
    folded.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A truth value.
pub(crate) fn boolean(folded: &str) -> Option<bool> {
    match folded.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "是" => Some(true),
        "false" | "f" | "0" | "no" | "n" | "否" => Some(false),
        _ => None,
    }
}

/// Days since 1970-01-01 of `2023-02-28`, `2023/2/28`, `2023.2.28`, `20230228`, `2023年2月28日`,
/// each also with a time of midnight behind it.
pub(crate) fn date(folded: &str) -> Option<i32> {
    let (day, rest) = split_date(folded)?;
    let midnight = rest.is_empty() || time(rest)? == Time::midnight();
    if midnight { days(day) } else { None }
}

/// Days since 1970-01-01.
pub(crate) fn days(day: Date) -> Option<i32> {
    let epoch = Date::constant(1970, 1, 1);
    epoch.until(day).ok().map(|span| span.get_days())
}

/// Microseconds of the wall clock of China (UTC+08:00) since 1970-01-01T00:00.
///
/// A time without a zone is taken as it stands; one with a zone is moved to that clock, so that
/// one column holds one clock whatever the exporting system wrote.
pub(crate) fn timestamp(folded: &str) -> Option<i64> {
    let (day, rest) = split_date(folded)?;
    if rest.is_empty() {
        return wall_micros(day.to_datetime(Time::midnight()));
    }
    let (clock, zone) = split_zone(rest)?;
    let local = day.to_datetime(time(clock)?);
    match zone {
        None => wall_micros(local),
        Some(offset) => {
            let instant = offset.to_timestamp(local).ok()?;
            wall_micros(TimeZone::fixed(china()).to_datetime(instant))
        }
    }
}

/// The clock that wall times are kept in.
pub(crate) fn china() -> Offset {
    Offset::constant(8)
}

fn wall_micros(local: DateTime) -> Option<i64> {
    Offset::UTC
        .to_timestamp(local)
        .ok()
        .map(|instant| instant.as_microsecond())
}

/// A leading calendar date and what follows it.
fn split_date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = number(text, 4, 4)?;
    let mut chars = rest.chars();
    let (month, day, rest) = match chars.next()? {
        separator @ ('-' | '/' | '.') => {
            let (month, rest) = number(chars.as_str(), 1, 2)?;
            let (day, rest) = number(rest.strip_prefix(separator)?, 1, 2)?;
            (month, day, rest)
        }
        '年' => {
            let (month, rest) = number(chars.as_str(), 1, 2)?;
            let (day, rest) = number(rest.strip_prefix('月')?, 1, 2)?;
            (month, day, rest.strip_prefix('日')?)
        }
        _ => {
            let (month, rest) = number(rest, 2, 2)?;
            let (day, rest) = number(rest, 2, 2)?;
            (month, day, rest)
        }
    };
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let clock = rest.trim_start_matches([' ', 'T']);
    // A digit straight behind the date would make it another, longer number.
    (rest.is_empty() || clock.len() < rest.len()).then_some((date, clock))
}

/// A number of `least..=most` ASCII digits at the start, and the rest.
fn number(text: &str, least: usize, most: usize) -> Option<(i16, &str)> {
    let digits = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if digits < least {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// `HH:MM[:SS[.fraction]]`, the fraction cut at microseconds.
fn time(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':');
    let hour: i8 = two_digits(parts.next()?)?;
    let minute: i8 = two_digits(parts.next()?)?;
    let (second, micros) = match parts.next() {
        None => (0, 0),
        Some(rest) => match rest.split_once('.') {
            None => (two_digits(rest)?, 0),
            Some((second, fraction)) => (two_digits(second)?, micros_of(fraction)?),
        },
    };
    Time::new(hour, minute, second, micros * 1000).ok()
}

fn two_digits(text: &str) -> Option<i8> {
    ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn micros_of(fraction: &str) -> Option<i32> {
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

/// Splits `12:00:00+08:00` or `12:00Z` into clock and offset.
fn split_zone(text: &str) -> Option<(&str, Option<Offset>)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), Some(Offset::UTC)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (clock, zone) = text.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, rest) = number(&zone, 2, 2)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        number(rest, 2, 2)?.0
    };
    let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
    Some((clock.trim_end(), Some(Offset::from_seconds(seconds).ok()?)))
}

/// The shape of a value, for a problem list that must not carry the value itself: digits become
/// `9`, letters `a`, Han characters `字`; at most 32 characters.
pub(crate) fn shape(text: &str) -> String {
    let mut shape: String = text
        .chars()
        .take(32)
        .map(|c| match c {
            '0'..='9' | '\u{FF10}'..='\u{FF19}' => '9',
            c if c.is_ascii_alphabetic() => 'a',
            ' ' | '-' | '/' | '.' | ':' | ',' | '+' | '_' => c,
            c if c.is_alphabetic() => '字',
            _ => '?',
        })
        .collect();
    if text.chars().nth(32).is_some() {
        shape.push('…');
    }
    shape
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        for (text, value) in [
            ("12", Some(12)),
            ("-7", Some(-7)),
            ("+5", Some(5)),
            ("12.00", Some(12)),
            ("１２３", Some(123)),
            ("　42　", Some(42)),
            ("12.5", None),
            ("1,234", None),
            ("12.", None),
            ("9223372036854775808", None),
            ("0x10", None),
            ("twelve", None),
        ] {
            assert_eq!(int64(&folded(text)), value, "{text}");
        }
        for (text, value) in [
            ("1.5", Some(1.5)),
            ("-.5", Some(-0.5)),
            ("1e3", Some(1000.0)),
            ("１．５", Some(1.5)),
            ("inf", None),
            ("NaN", None),
            ("-infinity", None),
            ("1e999", None),
            ("1.5.1", None),
        ] {
            assert_eq!(float64(&folded(text)), value, "{text}");
        }
    }

    #[test]
    fn dates() {
        for text in [
            "2023-02-28",
            "2023/2/28",
            "2023.02.28",
            "20230228",
            "2023年2月28日",
            "２０２３－０２－２８",
            "2023-02-28 00:00:00",
            "2023-02-28T00:00",
        ] {
            assert_eq!(date(&folded(text)), Some(19_416), "{text}");
        }
        for text in [
            "2023-02-30",
            "2023-13-01",
            "2023-02-28 12:00:00",
            "2023-02/28",
            "202302281",
            "23-02-28",
            "2023-2",
            "2023年2月28",
            "0228",
            "",
            "2023-02-28x",
        ] {
            assert_eq!(date(&folded(text)), None, "{text}");
        }
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("1969-12-31"), Some(-1));
    }

    #[test]
    fn timestamps_share_one_clock() {
        let noon = timestamp("2023-02-28 12:00:00").unwrap();
        for text in [
            "2023-02-28T12:00:00",
            "2023-02-28T04:00:00Z",
            "2023-02-28 12:00:00+08:00",
            "2023-02-28T12:00:00.000000+0800",
            "2023-02-27 23:00:00-05",
            "2023/2/28 12:00",
        ] {
            assert_eq!(timestamp(text), Some(noon), "{text}");
        }
        assert_eq!(
            timestamp("2023-02-28 12:00:00.1234569"),
            Some(noon + 123_456)
        );
        for text in [
            "2023-02-28 25:00",
            "2023-02-28 12:61",
            "2023-02-30 12:00",
            "2023-02-28 12",
            "12:00",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
        assert_eq!(
            timestamp("2023-02-28"),
            Some(i64::from(date("2023-02-28").unwrap()) * 86_400_000_000)
        );
    }

    #[test]
    fn shapes_carry_no_value() {
        assert_eq!(shape("2023-02-30"), "9999-99-99");
        assert_eq!(shape("张三 13800138000"), "字字 99999999999");
        assert_eq!(shape(&"x".repeat(40)), format!("{}…", "a".repeat(32)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let text = folded(&text);
            let _ = (int64(&text), float64(&text), boolean(&text), date(&text), timestamp(&text), shape(&text));
        }

        #[test]
        fn near_dates_do_not_panic(text in "[0-9年月日T:+Z./ -]{0,30}") {
            let _ = (date(&text), timestamp(&text));
        }
    }
}
