//! E-mail, IP and hardware addresses, land lines and coordinates.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::classify::identifier::Identifier;
use crate::classify::table::Tables;
use crate::classify::text::{Found, has_cue_before, is_word};

const VERSION_CUES: &[&str] = &[
    "版本", "固件", "补丁", "内核", "驱动", "软件", "version", "ver", "release", "build",
    "firmware",
];

/// Finds each kind at the character that gives it away.
pub(super) fn find(tables: &Tables, chars: &[char], found: &mut Vec<Found>) {
    for (at, char) in chars.iter().enumerate() {
        let first_of_word = at == 0 || !is_word(chars[at - 1]);
        let hit = match char {
            '@' => email(chars, at).map(|range| (Identifier::Email, range)),
            '(' => land_line(tables, chars, at).map(|range| (Identifier::LandLine, range)),
            '0'..='9' | 'a'..='f' | 'A'..='F' if first_of_word => network(chars, at),
            _ => None,
        };
        found.extend(hit);
        if char.is_ascii_digit() && first_of_word && chars.get(at + 3).is_some() {
            let line = land_line(tables, chars, at).map(|range| (Identifier::LandLine, range));
            found.extend(line.or_else(|| {
                coordinates(chars, at, DECIMALS_IN_TEXT)
                    .map(|range| (Identifier::Coordinates, range))
            }));
        }
    }
}

/// The address of a host or of an interface that begins at a place.
fn network(chars: &[char], at: usize) -> Option<(Identifier, Range<usize>)> {
    // The separator after the first group tells which it could be.
    let group = chars[at..]
        .iter()
        .take(5)
        .take_while(|char| char.is_ascii_hexdigit())
        .count();
    match chars.get(at + group)? {
        '.' if group <= 3 => ipv4(chars, at).map(|range| (Identifier::Ipv4, range)),
        '.' if group == 4 => mac(chars, at).map(|range| (Identifier::Mac, range)),
        ':' | '-' if group == 2 && mac(chars, at).is_some() => {
            mac(chars, at).map(|range| (Identifier::Mac, range))
        }
        ':' if group <= 4 => ipv6(chars, at).map(|range| (Identifier::Ipv6, range)),
        _ => None,
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

/// Groups of hexadecimal digits with colons (RFC 4291). An abbreviated one needs three groups or a
/// prefix in use, so that `a::b` of a program is none.
fn ipv6(chars: &[char], start: usize) -> Option<Range<usize>> {
    const CHARACTERS_MAX: usize = 45;
    const PREFIXES: &[&str] = &["2", "3", "fc", "fd", "fe8"];
    if goes_on_before(chars, start) {
        return None;
    }
    let run = chars[start..]
        .iter()
        .take(CHARACTERS_MAX + 1)
        .take_while(|char| char.is_ascii_hexdigit() || matches!(char, ':' | '.'))
        .count();
    let text: String = chars[start..start + run].iter().collect();
    let text = if text.ends_with("::") {
        &text
    } else {
        text.trim_end_matches([':', '.'])
    };
    let end = start + text.len();
    if chars.get(end).is_some_and(|next| is_word(*next)) || text.parse::<Ipv6Addr>().is_err() {
        return None;
    }
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let lower = text.to_ascii_lowercase();
    let telling = groups >= 3 || PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    telling.then_some(start..end)
}

/// Whether a group of hexadecimal digits before a place belongs to the same address; the colon of
/// `IP:` or `MAC:` is none of its.
fn goes_on_before(chars: &[char], start: usize) -> bool {
    let Some(separator) = start.checked_sub(1).map(|at| chars[at]) else {
        return false;
    };
    let group = chars[..start - 1]
        .iter()
        .rev()
        .take(8)
        .take_while(|char| is_word(**char));
    let hexadecimal = group.clone().all(char::is_ascii_hexdigit) && group.count() > 0;
    separator == '.' || (matches!(separator, ':' | '-') && hexadecimal)
}

/// Six pairs of hexadecimal digits with one kind of colon or hyphen between, or three fours with
/// dots; digits alone with hyphens are some other number.
fn mac(chars: &[char], start: usize) -> Option<Range<usize>> {
    let (groups, width, separators) = match chars.get(start + 2)? {
        ':' | '-' => (6, 2, chars[start + 2]),
        _ => (3, 4, '.'),
    };
    let end = start + groups * width + groups - 1;
    let text = chars.get(start..end)?;
    let formed = text.iter().enumerate().all(|(place, char)| {
        if place % (width + 1) == width {
            *char == separators
        } else {
            char.is_ascii_hexdigit()
        }
    });
    let joined =
        |char: Option<&char>| char.is_some_and(|char| is_word(*char) || matches!(char, ':' | '-'));
    let part = joined(chars.get(end)) || goes_on_before(chars, start);
    let telling = separators == ':' || text.iter().any(char::is_ascii_alphabetic);
    (formed && !part && telling).then_some(start..end)
}

/// An area code, perhaps in brackets, and a local number of seven or eight digits.
fn land_line(tables: &Tables, chars: &[char], start: usize) -> Option<Range<usize>> {
    let bracket = chars[start] == '(';
    if chars.get(start + usize::from(bracket)) != Some(&'0') {
        return None;
    }
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
    let whole =
        is_land_line(tables, &digits) && (!separated || tables.area_length(&digits) == Some(run));
    (whole && chars.get(at).is_none_or(|next| !is_word(*next))).then_some(start..at)
}

/// Whether digits are an area code of mainland China and a local number.
pub(crate) fn is_land_line(tables: &Tables, digits: &str) -> bool {
    let Some(local) = tables
        .area_length(digits)
        .and_then(|area| digits.get(area..))
    else {
        return false;
    };
    local.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(local.as_bytes().first(), Some(b'2'..=b'8'))
}

/// Decimals that both numbers of a place must have: in a text without a word, and as a whole value
/// or after a word.
const DECIMALS_IN_TEXT: usize = 4;
const DECIMALS_ALONE: usize = 3;
const PLACE_CUES: &[&str] = &[
    "坐标", "经度", "纬度", "东经", "北纬", "经纬", "定位", "位置", "lon", "lng", "lat", "gps",
    "location",
];

/// Longitude and latitude in either order, within China's bounds.
fn coordinates(chars: &[char], start: usize, decimals: usize) -> Option<Range<usize>> {
    if start > 0 && matches!(chars[start - 1], '.' | '-') {
        return None;
    }
    let (first, first_decimals, at) = decimal(chars, start)?;
    let (second, second_decimals, end) = decimal(chars, at + between(&chars[at..])?)?;
    let inside =
        |east: f64, north: f64| (73.0..=136.0).contains(&east) && (3.0..=54.0).contains(&north);
    let fewest = first_decimals.min(second_decimals);
    let precise = fewest >= decimals
        || (fewest >= DECIMALS_ALONE && has_cue_before(chars, start, PLACE_CUES));
    (precise && (inside(first, second) || inside(second, first))).then_some(start..end)
}

/// Characters between two coordinates: separators, and the second one's label.
fn between(chars: &[char]) -> Option<usize> {
    const LENGTH_MAX: usize = 14;
    const LABELS: &[&str] = &[
        "",
        "经度",
        "纬度",
        "东经",
        "北纬",
        "lat",
        "lng",
        "lon",
        "latitude",
        "longitude",
        "n",
        "e",
        "和",
    ];
    let length = chars
        .iter()
        .take(LENGTH_MAX + 1)
        .take_while(|char| !char.is_ascii_digit())
        .count();
    let text: String = chars[..length]
        .iter()
        .flat_map(|char| char.to_lowercase())
        .collect();
    let separator = |char: char| {
        matches!(
            char,
            ',' | ' ' | ';' | '、' | '/' | ':' | '=' | '°' | '"' | '\'' | '_'
        )
    };
    let labelled = text.split(separator).all(|label| LABELS.contains(&label));
    ((1..=LENGTH_MAX).contains(&length) && labelled).then_some(length)
}

/// A number with decimals: its value, how many decimals, and where it ends.
fn decimal(chars: &[char], start: usize) -> Option<(f64, usize, usize)> {
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
    if !(2..=16).contains(&decimals) || chars.get(end).is_some_and(|next| is_word(*next)) {
        return None;
    }
    let number: String = chars[start..end].iter().collect();
    Some((number.parse().ok()?, decimals, end))
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

/// Whether a whole value is an IPv6 address.
pub(crate) fn is_ipv6(value: &str) -> bool {
    whole(value, |chars| ipv6(chars, 0))
}

/// Whether a whole value is a hardware address.
pub(crate) fn is_mac(value: &str) -> bool {
    whole(value, |chars| mac(chars, 0))
}

/// Whether a whole value is a pair of coordinates.
pub(crate) fn is_coordinates(value: &str) -> bool {
    whole(value, |chars| coordinates(chars, 0, DECIMALS_ALONE))
}

fn whole(value: &str, find: impl Fn(&[char]) -> Option<Range<usize>>) -> bool {
    if value.len() > 320 {
        return false;
    }
    let chars: Vec<char> = value.chars().collect();
    !chars.is_empty() && find(&chars) == Some(0..chars.len())
}
