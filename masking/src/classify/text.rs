//! Identifiers inside running text.

mod cue;
mod latin;
mod number;
mod place;

use std::ops::Range;

use crate::classify::identifier::{Hit, Identifier};
use crate::fold::Folded;

pub(crate) use cue::{is_energy_body, is_plate};
pub(crate) use latin::{is_coordinates, is_email, is_ipv4, is_land_line};
pub(crate) use place::is_address;

/// Every identifier inside a text, in order and without overlap; ranges are bytes of the text as given.
///
/// Han characters, punctuation and blanks around an identifier are no obstacle; letters and digits are: a longer
/// number does not hold a shorter one. Full-width digits, blanks and hyphens inside a number are seen through.
///
/// Bank cards need a known issuer or a word like 卡号 before them; resident numbers of 15 digits, organisation codes
/// and names need such a word; addresses need a known place or a road, and a house number.
pub fn find_identifiers(text: &str) -> Vec<Hit> {
    if text.len() < 3 {
        return Vec::new();
    }
    let folded = Folded::new(text);
    let chars = folded.chars();
    let mut found = Vec::new();
    number::find(chars, &mut found);
    latin::find(chars, &mut found);
    cue::find(chars, &mut found);
    place::find(chars, &mut found);
    without_overlap(found)
        .into_iter()
        .map(|(identifier, range)| Hit {
            identifier,
            range: folded.origin(range),
        })
        .collect()
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
