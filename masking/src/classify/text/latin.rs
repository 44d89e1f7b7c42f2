//! E-mail and IP addresses, land lines and coordinates.

use std::ops::Range;

use crate::classify::identifier::Identifier;
use crate::classify::text::{Found, has_cue_before, is_word};

const VERSION_CUES: &[&str] = &["版本", "version", "ver", "release", "build"];

/// Finds each kind at the character that gives it away.
pub(super) fn find(chars: &[char], found: &mut Vec<Found>) {
    for (at, char) in chars.iter().enumerate() {
        let first_of_word = at == 0 || !is_word(chars[at - 1]);
        let hit = match char {
            '@' => email(chars, at).map(|range| (Identifier::Email, range)),
            '(' => land_line(chars, at).map(|range| (Identifier::LandLine, range)),
            '0'..='9' if first_of_word => ipv4(chars, at)
                .map(|range| (Identifier::Ipv4, range))
                .or_else(|| land_line(chars, at).map(|range| (Identifier::LandLine, range)))
                .or_else(|| coordinates(chars, at).map(|range| (Identifier::Coordinates, range))),
            _ => None,
        };
        found.extend(hit);
    }
}

/// The address around an `@` (RFC 5321's lengths, the characters in common use).
fn email(chars: &[char], at: usize) -> Option<Range<usize>> {
    let is_local = |char: &&char| is_word(**char) || matches!(char, '.' | '_' | '%' | '+' | '-');
    let mut start = at
        - chars[..at]
            .iter()
            .rev()
            .take(65)
            .take_while(is_local)
            .count();
    while start < at && !is_word(chars[start]) {
        start += 1;
    }
    if start == at || at - start > 64 || chars[at - 1] == '.' {
        return None;
    }
    let is_domain = |char: &&char| is_word(**char) || matches!(char, '.' | '-');
    let run = chars[at + 1..]
        .iter()
        .take(255)
        .take_while(is_domain)
        .count();
    let mut end = at + 1 + run;
    while end > at + 1 && !is_word(chars[end - 1]) {
        end -= 1;
    }
    let domain: String = chars[at + 1..end].iter().collect();
    let (host, top) = domain.rsplit_once('.')?;
    let valid = !host.is_empty()
        && host.split('.').all(|label| !label.is_empty())
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    valid.then_some(start..end)
}

/// Four numbers up to 255 with dots between, no part of something longer and no version number.
fn ipv4(chars: &[char], start: usize) -> Option<Range<usize>> {
    if start > 0 && chars[start - 1] == '.' {
        return None;
    }
    let mut at = start;
    for part in 0..4 {
        let run = chars[at..]
            .iter()
            .take(4)
            .take_while(|char| char.is_ascii_digit())
            .count();
        let number: String = chars[at..at + run].iter().collect();
        let zero_led = run > 1 && number.starts_with('0');
        if zero_led || number.parse::<u16>().ok().is_none_or(|number| number > 255) {
            return None;
        }
        at += run;
        if part < 3 {
            if chars.get(at) != Some(&'.') {
                return None;
            }
            at += 1;
        }
    }
    let followed = match (chars.get(at), chars.get(at + 1)) {
        (Some('.'), Some(next)) => is_word(*next),
        (Some(next), _) => is_word(*next),
        (None, _) => false,
    };
    (!followed && !has_cue_before(chars, start, VERSION_CUES)).then_some(start..at)
}

/// An area code, perhaps in brackets, and a local number of seven or eight digits.
fn land_line(chars: &[char], start: usize) -> Option<Range<usize>> {
    let bracket = chars[start] == '(';
    let mut at = start + usize::from(bracket);
    let run = chars[at..]
        .iter()
        .take(13)
        .take_while(|char| char.is_ascii_digit())
        .count();
    let mut digits: String = chars[at..at + run].iter().collect();
    at += run;
    let separated = run <= 4;
    if separated {
        if bracket {
            if chars.get(at) != Some(&')') {
                return None;
            }
            at += 1;
        }
        if chars.get(at).is_some_and(|char| matches!(char, ' ' | '-')) {
            at += 1;
        }
        let local = chars[at..]
            .iter()
            .take(9)
            .take_while(|char| char.is_ascii_digit())
            .count();
        digits.extend(&chars[at..at + local]);
        at += local;
    } else if bracket {
        return None;
    }
    let whole = is_land_line(&digits) && (!separated || area_length(&digits) == Some(run));
    (whole && chars.get(at).is_none_or(|next| !is_word(*next))).then_some(start..at)
}

/// Whether digits are an area code of mainland China and a local number.
pub(crate) fn is_land_line(digits: &str) -> bool {
    let Some(local) = area_length(digits).and_then(|area| digits.get(area..)) else {
        return false;
    };
    matches!(local.len(), 7 | 8)
        && local.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(local.as_bytes()[0], b'2'..=b'8')
}

/// Digits of the area code: three for the largest cities (010, 02x), four elsewhere.
fn area_length(digits: &str) -> Option<usize> {
    match digits.as_bytes() {
        [b'0', b'1', b'0', ..] => Some(3),
        [b'0', b'2', third, ..] if third.is_ascii_digit() && *third != b'6' => Some(3),
        [b'0', b'3'..=b'9', b'1'..=b'9', b'0'..=b'9', ..] => Some(4),
        _ => None,
    }
}

/// Longitude and latitude in either order, at least three decimals each.
fn coordinates(chars: &[char], start: usize) -> Option<Range<usize>> {
    if start > 0 && matches!(chars[start - 1], '.' | '-') {
        return None;
    }
    let (first, at) = decimal(chars, start)?;
    let mut next = at;
    let mut separators = 0;
    while chars
        .get(next)
        .is_some_and(|char| matches!(char, ',' | ' ' | ';' | '、'))
    {
        next += 1;
        separators += 1;
    }
    if separators == 0 || separators > 3 {
        return None;
    }
    let (second, end) = decimal(chars, next)?;
    let inside =
        |east: f64, north: f64| (73.0..=136.0).contains(&east) && (3.0..=54.0).contains(&north);
    (inside(first, second) || inside(second, first)).then_some(start..end)
}

fn decimal(chars: &[char], start: usize) -> Option<(f64, usize)> {
    let whole = chars[start..]
        .iter()
        .take(4)
        .take_while(|char| char.is_ascii_digit())
        .count();
    if !(1..=3).contains(&whole) || chars.get(start + whole) != Some(&'.') {
        return None;
    }
    let from = start + whole + 1;
    let decimals = chars[from..]
        .iter()
        .take(17)
        .take_while(|char| char.is_ascii_digit())
        .count();
    let end = from + decimals;
    if !(3..=16).contains(&decimals) || chars.get(end).is_some_and(|next| is_word(*next)) {
        return None;
    }
    let number: String = chars[start..end].iter().collect();
    Some((number.parse().ok()?, end))
}

/// Whether a whole value is an e-mail address.
pub(crate) fn is_email(value: &str) -> bool {
    whole(value, |chars| {
        chars
            .iter()
            .position(|char| *char == '@')
            .and_then(|at| email(chars, at))
    })
}

/// Whether a whole value is an IPv4 address.
pub(crate) fn is_ipv4(value: &str) -> bool {
    whole(value, |chars| ipv4(chars, 0))
}

/// Whether a whole value is a pair of coordinates.
pub(crate) fn is_coordinates(value: &str) -> bool {
    whole(value, |chars| coordinates(chars, 0))
}

fn whole(value: &str, find: impl Fn(&[char]) -> Option<Range<usize>>) -> bool {
    if value.len() > 320 {
        return false;
    }
    let chars: Vec<char> = value.chars().collect();
    !chars.is_empty() && find(&chars) == Some(0..chars.len())
}
