//! Surnames.

use std::collections::HashSet;

use crate::classify::table::han::{HanMap, is_han};
use crate::classify::table::row::rows;
use crate::error::TableError;

const SINGLE: u16 = 1;
const FREQUENT: u16 = 2;
/// The first so many lines are the most frequent surnames.
const FREQUENT_COUNT: usize = 100;

/// Surnames of one character by that character, those of two as pairs.
#[derive(Debug, Default)]
pub(super) struct Surnames {
    single: HanMap,
    double: HashSet<(char, char)>,
}

impl Surnames {
    pub(super) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let mut surnames = Self::default();
        for (place, row) in rows(file, text)?.into_iter().enumerate() {
            let mut chars = row.text.chars();
            match (chars.next(), chars.next(), chars.next()) {
                (Some(single), None, None) if is_han(single) => {
                    let kind = if place < FREQUENT_COUNT {
                        FREQUENT
                    } else {
                        SINGLE
                    };
                    surnames.single.set(single, kind);
                }
                (Some(first), Some(second), None) if is_han(first) && is_han(second) => {
                    surnames.double.insert((first, second));
                }
                _ => {
                    return Err(row.fault(
                        "应为一或两个汉字的姓氏",
                        "a surname of one or two Han characters is expected",
                    ));
                }
            }
        }
        Ok(surnames)
    }

    pub(super) fn length(&self, name: &[char]) -> Option<usize> {
        match name {
            [first, second, _, ..] if self.double.contains(&(*first, *second)) => Some(2),
            [first, ..] if self.single.at(*first) != 0 => Some(1),
            _ => None,
        }
    }

    pub(super) fn is_frequent(&self, char: char) -> bool {
        self.single.at(char) == FREQUENT
    }
}
