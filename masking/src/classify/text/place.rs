//! Postal addresses.

use std::ops::Range;

use crate::classify::identifier::Identifier;
use crate::classify::region::Regions;
use crate::classify::table::{Tables, is_han};
use crate::classify::text::Found;

/// Words that end a street, village or estate.
pub(super) const STREETS: &[&str] = &[
    "路", "街", "大道", "巷", "弄", "胡同", "村", "小区", "花园", "新村", "公寓", "里", "镇", "乡",
    "大厦", "广场", "园", "苑",
];
/// Words that end a street in a known place only.
pub(super) const STREETS_IN_PLACE: &[&str] = &["道"];
/// Words that end a house or a room, after its number.
pub(super) const HOUSES: &[&str] = &[
    "号楼", "号", "室", "栋", "幢", "单元", "座", "层", "楼", "组", "弄", "房",
];
/// An address is no longer than this.
const CHARACTERS_MAX: usize = 60;

/// The characters that words of a list begin with.
pub(super) fn first_characters(words: &[&str]) -> Vec<char> {
    words
        .iter()
        .filter_map(|word| word.chars().next())
        .collect()
}

/// Finds addresses: from a place's name, or from the start of a run of text with a street, to the
/// last house number.
pub(super) fn find(tables: &Tables, chars: &[char], found: &mut Vec<Found>) {
    let mut at = 0;
    while at < chars.len() {
        if !is_part(chars[at]) {
            at += 1;
            continue;
        }
        let end = at
            + chars[at..]
                .iter()
                .take_while(|char| is_part(**char))
                .count();
        let mut from = at;
        while let Some(range) = in_run(tables, chars, from..end) {
            from = range.end;
            found.push((Identifier::Address, range));
        }
        at = end;
    }
}

/// Whether a whole value is an address: a known place or a street, and a house number or a street
/// below a place.
pub(crate) fn is_address(tables: &Tables, value: &str) -> bool {
    let chars: Vec<char> = value
        .chars()
        .filter(|char| *char != ' ')
        .take(100)
        .collect();
    if !(6..100).contains(&chars.len()) || !chars.iter().all(|char| is_part(*char) || *char == ',')
    {
        return false;
    }
    let place = named_place(&tables.regions, &chars, 0..chars.len().min(CHARACTERS_MAX));
    let street_from = place.as_ref().map_or(0, |place| place.end);
    let street = street_end(&chars, street_from..chars.len(), place.is_some());
    match (place, street) {
        (Some(_), Some(_)) => true,
        (_, street) => {
            last_house(&chars, street.unwrap_or(0)..chars.len()).is_some() && street.is_some()
        }
    }
}

/// The first address of a run. It is looked for around the run's first house number, so that a long
/// text is read once.
fn in_run(tables: &Tables, chars: &[char], run: Range<usize>) -> Option<Range<usize>> {
    let mut from = run.start;
    loop {
        let house = first_house(chars, from..run.end)?;
        let window = run.start.max(house.saturating_sub(CHARACTERS_MAX))..house;
        if let Some(range) = around(tables, chars, window, run.end) {
            return Some(range);
        }
        from = house;
    }
}

/// The address that begins in a window and ends with the last house number that follows its street
/// closely.
fn around(
    tables: &Tables,
    chars: &[char],
    window: Range<usize>,
    run_end: usize,
) -> Option<Range<usize>> {
    let place = named_place(&tables.regions, chars, window.clone());
    let street_from = place.as_ref().map_or(window.start, |place| place.end);
    let street = street_end(chars, street_from..window.end, place.is_some())?;
    let start = match place {
        Some(place) => place.start,
        None => street_start(chars, window.start..street),
    };
    let end = last_house(chars, street..run_end.min(start + CHARACTERS_MAX))?;
    Some(start..end)
}

/// The first known place in a range, together with the places that follow it directly.
fn named_place(regions: &Regions, chars: &[char], range: Range<usize>) -> Option<Range<usize>> {
    let mut at = range.start;
    while at < range.end {
        let Some(length) = regions.length_at(&chars[at..range.end]) else {
            at += 1;
            continue;
        };
        let start = at;
        at += length;
        while at < range.end
            && let Some(length) = regions.length_at(&chars[at..range.end])
        {
            at += length;
        }
        return Some(start..at);
    }
    None
}

/// Where the first street's name in a range ends; a street has a name of at least one character. In
/// a known place, that may be the place's name without its kind (思明区中山街), and 道 is a street too.
fn street_end(chars: &[char], range: Range<usize>, in_place: bool) -> Option<usize> {
    const DIVISIONS: &str = "省市区县旗州盟乡镇";
    let named = in_place && range.start > 0 && !DIVISIONS.contains(chars[range.start - 1]);
    (range.start + usize::from(!named)..range.end).find_map(|at| {
        // 街道 is a division, not a street.
        let is_division = longest_at(chars, at, &["街道"]).is_some();
        let length = longest_at(chars, at, STREETS)
            .filter(|_| !is_division)
            .or_else(|| {
                longest_at(chars, at, STREETS_IN_PLACE)
                    .filter(|_| in_place && chars[at - 1] != '街')
            })?;
        (at + length <= range.end).then_some(at + length)
    })
}

/// Without a known place, an address begins a few characters before its street's last word.
fn street_start(chars: &[char], range: Range<usize>) -> usize {
    let before = chars[range.clone()]
        .iter()
        .rev()
        .take(8)
        .take_while(|char| is_han(**char))
        .count();
    range.end - before
}

/// Where the first house number with its word ends.
fn first_house(chars: &[char], range: Range<usize>) -> Option<usize> {
    houses(chars, range).next()
}

/// Where the last house or room of one address ends: each follows the one before it within a few
/// characters, with no other number between ("1号3栋502室").
fn last_house(chars: &[char], range: Range<usize>) -> Option<usize> {
    const GAP_MAX: usize = 6;
    let mut last = houses(chars, range.clone()).next()?;
    for end in houses(chars, last..range.end) {
        let gap = chars[last..end]
            .iter()
            .take_while(|char| !is_number_part(**char))
            .count();
        let number = number_length(&chars[last + gap..range.end]);
        let word = longest_at(chars, last + gap + number, HOUSES);
        let follows = gap <= GAP_MAX
            && (word.is_some_and(|word| last + gap + number + word == end)
                || (gap == 0 && last + number == end && number < 6));
        if !follows {
            break;
        }
        last = end;
    }
    Some(last)
}

/// The ends of house numbers with their words, and of a room's number right after one ("1号楼302").
fn houses(chars: &[char], range: Range<usize>) -> impl Iterator<Item = usize> {
    let mut at = range.start;
    // A range that begins at a house may go on with the number of a room.
    let mut house_end = Some(range.start);
    std::iter::from_fn(move || {
        while at < range.end {
            let digits = number_length(&chars[at..range.end]);
            if digits == 0 {
                at += 1;
                continue;
            }
            let after = at + digits;
            let word =
                longest_at(chars, after, HOUSES).filter(|length| after + length <= range.end);
            let is_room = house_end == Some(at);
            at = after + word.unwrap_or(0);
            if word.is_some() || is_room {
                house_end = Some(at);
                return house_end;
            }
        }
        None
    })
}

/// Digits, Chinese numerals or a letter, with hyphens: "12-3", "三", "A".
fn number_length(chars: &[char]) -> usize {
    let run = chars
        .iter()
        .take(10)
        .take_while(|char| is_number_part(**char))
        .count();
    let has_number = chars[..run]
        .iter()
        .any(|char| char.is_ascii_alphanumeric() || "一二三四五六七八九十百".contains(*char));
    if has_number { run } else { 0 }
}

fn is_number_part(char: char) -> bool {
    char.is_ascii_alphanumeric()
        || matches!(char, '-' | '#')
        || "一二三四五六七八九十百".contains(char)
}

fn longest_at(chars: &[char], at: usize, words: &[&str]) -> Option<usize> {
    words
        .iter()
        .filter_map(|word| {
            let length = word.chars().count();
            let here = chars.get(at..at + length)?;
            here.iter().copied().eq(word.chars()).then_some(length)
        })
        .max()
}

fn is_part(char: char) -> bool {
    is_han(char) || char.is_ascii_alphanumeric() || matches!(char, '-' | '#' | '(' | ')')
}
