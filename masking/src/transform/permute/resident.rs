//! Resident identity numbers (GB 11643).

use crate::classify::check::{calendar_date, is_resident_id, resident_check};
use crate::classify::region::regions;
use crate::date::Day;
use crate::transform::permute::numerals::push_decimal;
use crate::transform::permute::split::{Kept, Split};

/// The fewest numbers of one region, sex and band.
pub(super) fn domain_min(birth_band_years: u32) -> u64 {
    (1800..2100)
        .filter_map(|year| band(year, birth_band_years))
        .map(|(_, days)| 500 * u64::try_from(days).unwrap_or(0))
        .min()
        .unwrap_or(0)
}

/// First day and number of days of the band of births that a year lies in, between 1800 and 2099.
fn band(year: i64, years: u32) -> Option<(i64, i64)> {
    let years = i64::from(years.max(1));
    let first = year.div_euclid(years) * years;
    let from = Day::new(first.max(1800), 1, 1)?.to_epoch();
    let to = Day::new((first + years).min(2100), 1, 1)?.to_epoch();
    (to > from).then_some((from, to - from))
}

/// The birth date inside a number of 18 characters, in days after 1970-01-01.
pub(crate) fn birthday(value: &str) -> Option<i64> {
    let birth = calendar_date(value.get(6..14)?)?;
    let day = Day::new(
        birth.year().into(),
        birth.month().into(),
        birth.day().into(),
    )?;
    Some(day.to_epoch())
}

/// Kept is `<region>|<first day of the band>|<days of the band>|<0 female, 1 male>`; the number
/// counts region (when free), day and half the order number.
pub(super) fn split(
    value: &str,
    keep_region: usize,
    years: u32,
    unassigned: bool,
) -> Option<Split> {
    if !is_resident_id(value) {
        return None;
    }
    let region = value.get(..6)?;
    // Codes outside the table have no image of their own among the unassigned ones.
    if unassigned && !regions().is_assigned(region) {
        return None;
    }
    let (from, days) = band(value.get(6..10)?.parse().ok()?, years)?;
    let day = u64::try_from(birthday(value)? - from).ok()?;
    let order: u64 = value.get(14..17)?.parse().ok()?;
    let (kept_region, places, place) = free_region(region, keep_region)?;
    let days = u64::try_from(days).ok()?;
    Some(Split {
        kept: Kept::new(&format!("{kept_region}|{from}|{days}|{}", order % 2))?,
        size: places * days * 500,
        number: (place * days + day) * 500 + order / 2,
        free: 0,
    })
}

/// What of a region stays, how many regions could stand in its place, and which of them it is. A
/// region that is not in the table has no number in it, and stays whole.
fn free_region(region: &str, keep: usize) -> Option<(&str, u64, u64)> {
    if keep >= 6 {
        return Some((region, 1, 0));
    }
    let counties = counties(region.get(..keep)?);
    match counties.iter().position(|county| *county == region) {
        Some(place) => Some((
            region.get(..keep)?,
            u64::try_from(counties.len()).ok()?,
            u64::try_from(place).ok()?,
        )),
        None => Some((region, 1, 0)),
    }
}

pub(super) fn join(split: &Split, number: u64, unassigned: bool, text: &mut String) -> Option<()> {
    let start = text.len();
    let mut kept = split.kept.as_str().split('|');
    let (region, from, days, sex) = (kept.next()?, kept.next()?, kept.next()?, kept.next()?);
    let days: u64 = days.parse().ok()?;
    let region = if region.len() < 6 {
        counties(region)
            .get(usize::try_from(number / 500 / days).ok()?)
            .copied()?
    } else {
        region
    };
    if unassigned {
        text.push_str(&unassigned_image(region)?);
    } else {
        text.push_str(region);
    }
    let day = i64::try_from(number / 500 % days).ok()?;
    let day = Day::from_epoch(from.parse::<i64>().ok()? + day);
    for (part, width) in [(day.year, 4), (day.month, 2), (day.day, 2)] {
        push_decimal(text, u64::try_from(part).ok()?, width);
    }
    push_decimal(text, number % 500 * 2 + sex.parse::<u64>().ok()?, 3);
    let check = resident_check(text.as_bytes().get(start..)?)?;
    text.push(char::from(check));
    Some(())
}

/// The counties whose codes begin with some digits.
fn counties(head: &str) -> Vec<&'static str> {
    regions()
        .assigned(head.get(..2).unwrap_or(""))
        .iter()
        .copied()
        .filter(|code| code.starts_with(head) && !code.ends_with("00"))
        .collect()
}

/// A code that no region has, a different one for each code of the table: the province's codes are
/// numbered through the cities 71 to 80, digits that GB/T 2260 has never given.
pub(super) fn unassigned_image(region: &str) -> Option<String> {
    let province = region.get(..2)?;
    let place = regions()
        .assigned(province)
        .iter()
        .position(|code| *code == region)?;
    (place < 1000).then(|| format!("{province}{:04}", 7100 + place))
}
