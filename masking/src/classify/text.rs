//! Identifiers inside running text.

mod cue;
mod latin;
mod number;
mod place;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use crate::classify::identifier::{Hit, Identifier};
use crate::fold::Folded;

pub(crate) use cue::{is_energy_body, is_plate};
pub(crate) use latin::{is_coordinates, is_email, is_ipv4, is_land_line};
pub(crate) use place::is_address;

/// Every identifier inside a text, in order and without overlap; ranges are bytes of the text as
/// given.
///
/// Han characters, punctuation and blanks around an identifier are no obstacle; letters and digits
/// are: a longer number does not hold a shorter one. Full-width digits, blanks and hyphens inside a
/// number are seen through.
///
/// Bank cards need a known issuer or a word like 卡号 before them; resident numbers of 15 digits,
/// organisation codes and names need such a word; addresses need a known place or a road, and a
/// house number.
pub fn find_identifiers(text: &str) -> Vec<Hit> {
    let look = Look::at(text);
    if !look.number && !look.cue && !look.place {
        return Vec::new();
    }
    let folded = Folded::new(text);
    let chars = folded.chars();
    let mut found = Vec::new();
    if look.number {
        number::find(chars, &mut found);
        latin::find(chars, &mut found);
    }
    if look.cue {
        cue::find(chars, &mut found);
    }
    if look.place {
        place::find(chars, &mut found);
    }
    without_overlap(found)
        .into_iter()
        .map(|(identifier, range)| Hit {
            identifier,
            range: folded.origin(range),
        })
        .collect()
}

/// What a text could hold at all, by one cheap pass over its characters.
struct Look {
    number: bool,
    cue: bool,
    place: bool,
}

impl Look {
    fn at(text: &str) -> Self {
        // The shortest number is an IP address of four digits and three dots; an organisation code
        // may be of letters.
        let (mut digits, mut capitals, mut at_sign) = (0usize, 0usize, false);
        let (mut cue, mut street, mut house) = (false, false, false);
        for char in text.chars() {
            match char {
                '0'..='9' => digits += 1,
                'A'..='Z' => capitals += 1,
                '@' => at_sign = true,
                char if char.is_ascii() => {}
                char => {
                    let kinds = kinds(char);
                    digits += usize::from(kinds & kind::DIGIT != 0);
                    at_sign |= kinds & kind::AT != 0;
                    cue |= kinds & kind::CUE != 0;
                    street |= kinds & kind::STREET != 0;
                    house |= kinds & kind::HOUSE != 0;
                }
            }
        }
        Self {
            number: at_sign || digits >= 4 || capitals >= 5,
            cue,
            place: street && house,
        }
    }
}

/// What a character may belong to.
mod kind {
    pub(super) const DIGIT: u8 = 1;
    pub(super) const AT: u8 = 2;
    pub(super) const CUE: u8 = 4;
    pub(super) const STREET: u8 = 8;
    pub(super) const HOUSE: u8 = 16;
}

/// The kinds of a character beyond ASCII. Whatever folds to something else may be anything.
fn kinds(char: char) -> u8 {
    static KINDS: OnceLock<HashMap<char, u8>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let mut kinds = HashMap::new();
        let lists: [(u8, Vec<char>); 3] = [
            (kind::CUE, cue::first_characters()),
            (kind::STREET, place::first_characters(place::STREETS)),
            (kind::HOUSE, place::first_characters(place::HOUSES)),
        ];
        for (kind, chars) in lists {
            for char in chars {
                *kinds.entry(char).or_default() |= kind;
            }
        }
        kinds
    });
    if ('\u{4e00}'..='\u{9fff}').contains(&char) {
        return kinds.get(&char).copied().unwrap_or(0);
    }
    // Punctuation of Chinese texts stands for itself; other characters may fold to digits, an @ or
    // Han characters.
    if matches!(
        char,
        '\u{3000}'..='\u{303f}' | '，' | '：' | '；' | '！' | '？' | '（' | '）'
    ) {
        return 0;
    }
    u8::MAX
}

/// A kind and its range of folded characters.
type Found = (Identifier, Range<usize>);

/// Of overlapping finds the one of earlier precedence stays; at equal precedence the longer one.
fn without_overlap(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(b.1.len().cmp(&a.1.len()))
            .then(a.1.start.cmp(&b.1.start))
    });
    let mut kept: std::collections::BTreeMap<usize, Found> = std::collections::BTreeMap::new();
    for (identifier, range) in found {
        let before = kept.range(..range.end).next_back();
        if before.is_none_or(|(_, (_, earlier))| earlier.end <= range.start) {
            kept.insert(range.start, (identifier, range));
        }
    }
    kept.into_values().collect()
}

/// Whether a neighbour would make an identifier a part of something longer.
fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric()
}

/// Whether one of some words stands in the few characters before a place.
fn has_cue_before(chars: &[char], at: usize, cues: &[&str]) -> bool {
    const REACH: usize = 16;
    let before: String = chars[at.saturating_sub(REACH)..at]
        .iter()
        .collect::<String>()
        .to_lowercase();
    cues.iter().any(|cue| before.contains(cue))
}

#[cfg(test)]
mod tests;
