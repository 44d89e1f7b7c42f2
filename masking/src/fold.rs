//! One form for the many ways to write the same characters, with the way back to the original text.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

/// Folded characters, each with the bytes of the original that it came from. One of them can be
/// refilled with text after text.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    chars: Vec<char>,
    /// Start and end in the original; empty when every character is the byte at its own place.
    origins: Vec<(usize, usize)>,
}

impl Folded {
    /// Folds each character: NFKC (full-width digits and letters), one kind of space, one kind of
    /// hyphen; characters without width are left out.
    pub(crate) fn fill(&mut self, text: &str) {
        self.chars.clear();
        self.origins.clear();
        if text.bytes().all(is_plain) {
            self.chars.extend(text.bytes().map(char::from));
            return;
        }
        for (start, original) in text.char_indices() {
            let origin = (start, start + original.len_utf8());
            fold_char(original, |char| {
                self.chars.push(char);
                self.origins.push(origin);
            });
        }
    }

    /// The folded characters.
    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The bytes of the original text that a range of folded characters came from.
    pub(crate) fn origin(&self, range: Range<usize>) -> Range<usize> {
        if self.origins.is_empty() {
            return range.start..range.end.max(range.start);
        }
        let start = self.origins.get(range.start).map_or(0, |origin| origin.0);
        let last = range
            .end
            .checked_sub(1)
            .and_then(|last| self.origins.get(last));
        let end = last.map_or(start, |origin| origin.1);
        start..end.max(start)
    }
}

/// Whether a byte is a character that folds to itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

/// The folded form of a whole value, without blanks at its ends.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for original in text.chars() {
        fold_char(original, |char| folded.push(char));
    }
    let trimmed = folded.trim();
    if trimmed.len() == folded.len() {
        folded
    } else {
        trimmed.to_owned()
    }
}

/// The folded form without any blank or hyphen: what identifiers are compared in.
pub(crate) fn compact(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for original in text.chars() {
        fold_char(original, |char| {
            if char != ' ' && char != '-' {
                folded.push(char);
            }
        });
    }
    folded
}

fn fold_char(original: char, mut emit: impl FnMut(char)) {
    match original {
        ' '..='~' => return emit(original),
        // Common Han characters and the punctuation beside them fold to themselves.
        '\u{4e00}'..='\u{9fff}' | '\u{3001}'..='\u{3011}' | '\u{201c}' | '\u{201d}' => {
            return emit(original);
        }
        // Full-width forms stand in the order of ASCII.
        '\u{ff01}'..='\u{ff5e}' => {
            return emit(char::from_u32(u32::from(original) - 0xfee0).unwrap_or(original));
        }
        original if has_no_width(original) => return,
        _ => {}
    }
    for char in std::iter::once(original).nfkc() {
        match char {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => emit('-'),
            char if char.is_whitespace() => emit(' '),
            char if char.is_control() || has_no_width(char) => {}
            char => emit(char),
        }
    }
}

/// Characters that are invisible and may split an identifier in two for a machine, not for a
/// reader.
fn has_no_width(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn full_width_and_invisible_characters_fold() {
        assert_eq!(fold("\u{feff}　１３８００１３８０００ "), "13800138000");
        assert_eq!(fold("Ａ\u{200b}b—c"), "Ab-c");
        assert_eq!(compact("138-0013 8000\t"), "13800138000");
        assert_eq!(compact("１３８－００１３"), "1380013");
    }

    #[test]
    fn offsets_lead_back_to_the_original() {
        let text = "号１２３。";
        let mut folded = Folded::default();
        folded.fill(text);
        let start = folded.chars().iter().position(|char| *char == '1').unwrap();
        assert_eq!(&text[folded.origin(start..start + 3)], "１２３");
    }

    proptest! {
        #[test]
        fn every_range_is_a_slice_of_the_original(text in any::<String>(), from in 0usize..40, length in 0usize..40) {
            let mut folded = Folded::default();
            folded.fill(&text);
            let end = (from + length).min(folded.chars().len());
            let range = folded.origin(from.min(end)..end);
            prop_assert!(text.get(range).is_some());
        }

        #[test]
        fn the_short_ways_agree_with_nfkc(char in any::<char>()) {
            let mut folded = String::new();
            fold_char(char, |char| folded.push(char));
            let nfkc: String = std::iter::once(char).nfkc().collect();
            if matches!(char, '\u{3001}'..='\u{3011}' | '\u{4e00}'..='\u{9fff}' | '\u{ff01}'..='\u{ff5e}') {
                prop_assert_eq!(folded, nfkc);
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = compact(&text);
            prop_assert_eq!(compact(&once), once);
        }
    }
}
