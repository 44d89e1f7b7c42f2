//! Identifiers inside running text.

mod cue;
mod document;
mod latin;
mod number;
mod place;

use std::ops::Range;
use std::sync::OnceLock;

use crate::classify::identifier::{Hit, Identifier};
use crate::classify::table::{HanMap, Tables};
use crate::fold::Folded;

pub(crate) use cue::{is_energy_body, is_plate};
pub(crate) use document::has_form;
pub(crate) use latin::{is_coordinates, is_email, is_ipv4, is_ipv6, is_land_line, is_mac};
pub(crate) use place::is_address;

/// Every identifier inside a text, in order and without overlap; ranges are bytes of the text as
/// given.
///
/// Han characters, punctuation and blanks around an identifier are no obstacle; letters and digits
/// are: a longer number does not hold a shorter one. Full-width digits, blanks and hyphens inside a
/// number are seen through.
///
/// Bank cards need a bank's first digits, a card's groups of four, or a word like 卡号 before them;
/// resident numbers of 15 digits, organisation codes, machine numbers, travel documents, insurance
/// numbers and names need such a word; addresses need a known place or a road, and a house number.
pub fn find_identifiers(text: &str) -> Vec<Hit> {
    Scanner::new(Tables::in_use()).hits(text)
}

/// Finds identifiers in text after text, with one set of buffers.
#[derive(Debug)]
pub(crate) struct Scanner<'t> {
    tables: &'t Tables,
    folded: Folded,
    found: Vec<Found>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(tables: &'t Tables) -> Self {
        Self {
            tables,
            folded: Folded::default(),
            found: Vec::new(),
        }
    }

    /// The tables that it goes by.
    pub(crate) fn tables(&self) -> &'t Tables {
        self.tables
    }

    /// Every identifier inside a text, in order; nothing is allocated when there is none.
    pub(crate) fn hits(&mut self, text: &str) -> Vec<Hit> {
        let look = Look::at(text);
        if !look.number && !look.cue && !look.place {
            return Vec::new();
        }
        self.folded.fill(text);
        let chars = self.folded.chars();
        self.found.clear();
        if look.number {
            number::find(self.tables, chars, &mut self.found);
            latin::find(self.tables, chars, &mut self.found);
        }
        if look.cue {
            cue::find(self.tables, chars, &mut self.found);
        }
        if look.place {
            place::find(self.tables, chars, &mut self.found);
        }
        without_overlap(&mut self.found)
            .into_iter()
            .map(|(identifier, range)| Hit {
                identifier,
                range: self.folded.origin(range),
            })
            .collect()
    }
}

/// What a text could hold at all, by one cheap pass over its characters.
struct Look {
    number: bool,
    cue: bool,
    place: bool,
}

impl Look {
    fn at(text: &str) -> Self {
        // The shortest numbers are IP addresses, of four digits and three dots; after them those of
        // eight letters and digits. An organisation code may be of letters, and so may the addresses
        // with colons or hyphens.
        let (mut digits, mut letters, mut capitals) = (0usize, 0usize, 0usize);
        let (mut joints, mut dots) = (0usize, 0usize);
        let (mut at_sign, mut all) = (false, 0);
        for char in text.chars() {
            match char {
                '0'..='9' => digits += 1,
                'A'..='Z' => capitals += 1,
                'a'..='z' => letters += 1,
                '.' => dots += 1,
                ':' | '-' => joints += 1,
                '@' => at_sign = true,
                char if char.is_ascii() => {}
                char => {
                    let kinds = kinds(char);
                    // Whatever it folds to, and however many of them.
                    at_sign |= kinds & kind::FOLDED != 0;
                    all |= kinds;
                }
            }
        }
        Self {
            number: at_sign
                || capitals >= 5
                || joints >= 2
                || (digits >= 4 && (dots >= 3 || digits + letters + capitals >= 8)),
            cue: all & kind::CUE != 0,
            place: all & kind::STREET != 0 && all & kind::HOUSE != 0,
        }
    }
}

/// What a character may belong to.
mod kind {
    pub(super) const FOLDED: u16 = 1;
    pub(super) const CUE: u16 = 4;
    pub(super) const STREET: u16 = 8;
    pub(super) const HOUSE: u16 = 16;
}

/// The kinds of a character beyond ASCII. Whatever folds to something else may be anything.
fn kinds(char: char) -> u16 {
    static KINDS: OnceLock<HanMap> = OnceLock::new();
    if ('\u{4e00}'..='\u{9fff}').contains(&char) {
        return KINDS.get_or_init(han_kinds).at(char);
    }
    // Punctuation of Chinese texts stands for itself; other characters may fold to digits, an @ or
    // Han characters.
    if matches!(
        char,
        '\u{3000}'..='\u{303f}' | '，' | '：' | '；' | '！' | '？' | '（' | '）'
    ) {
        return 0;
    }
    u16::MAX
}

fn han_kinds() -> HanMap {
    let mut kinds = HanMap::default();
    let lists: [(u16, Vec<char>); 4] = [
        (kind::CUE, cue::first_characters()),
        (kind::STREET, place::first_characters(place::STREETS)),
        (
            kind::STREET,
            place::first_characters(place::STREETS_IN_PLACE),
        ),
        (kind::HOUSE, place::first_characters(place::HOUSES)),
    ];
    for (kind, chars) in lists {
        for char in chars {
            kinds.set(char, kinds.at(char) | kind);
        }
    }
    kinds
}

/// A kind and its range of folded characters.
type Found = (Identifier, Range<usize>);

/// Of overlapping finds the one of earlier precedence stays; at equal precedence the longer one.
fn without_overlap(found: &mut Vec<Found>) -> Vec<Found> {
    if found.len() < 2 {
        return std::mem::take(found);
    }
    found.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(b.1.len().cmp(&a.1.len()))
            .then(a.1.start.cmp(&b.1.start))
    });
    let mut kept: std::collections::BTreeMap<usize, Found> = std::collections::BTreeMap::new();
    for (identifier, range) in found.drain(..) {
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
    if at == 0 {
        return false;
    }
    let before = before(chars, at);
    cues.iter().any(|cue| before.contains(cue))
}

/// The few characters before a place that belong to its sentence, in lower case.
fn before(chars: &[char], at: usize) -> String {
    const REACH: usize = 16;
    let near = &chars[at.saturating_sub(REACH)..at];
    let from = near
        .iter()
        .rposition(|char| matches!(char, '。' | ';' | '!' | '?'))
        .map_or(0, |end| end + 1);
    near[from..]
        .iter()
        .flat_map(|char| char.to_lowercase())
        .collect()
}

#[cfg(test)]
mod tests;
