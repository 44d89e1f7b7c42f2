//! Dense numbers of privacy units: the control column that egress counts contributors with.
//!
//! One universe is a value domain in one epoch of its intake key: a person has the same number in
//! every data set and version, so that releases over different tables can be compared. Numbers
//! are given in the order of first appearance and never change.
//!
//! They are kept as a list of tokens whose position is the number, cut into append-only segments:
//! each version adds one encrypted object with its new tokens, and one row that says which numbers
//! they begin at. A table with a row per unit would cost a million inserts inside the version's
//! transaction; one object per universe would be rewritten by every push. Two nodes that number at
//! the same time collide on the segment's first number, and the later one starts again.

use std::collections::HashMap;

use arrow::array::{Array, StringArray, UInt32Array};

/// Bytes of one token in a segment.
const TOKEN_BYTES: usize = 16;
/// Units of one universe: what a node can hold in memory (about 3 GiB at this size).
pub(crate) const UNITS_MAX: u32 = 50_000_000;

/// Why units could not be numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitsError {
    #[error("a segment of unit numbers is damaged")]
    Damaged,
    #[error("a value is no token")]
    NoToken,
    #[error("a universe of privacy units is full")]
    Full,
}

/// The numbers of one universe, and those that this push adds.
#[derive(Default)]
pub(crate) struct Numbering {
    numbers: HashMap<u128, u32>,
    added: Vec<u128>,
    /// Numbers that are in stored segments.
    stored: u32,
}

impl Numbering {
    /// Takes the next stored segment; segments come in the order of their numbers.
    pub(crate) fn load_segment(&mut self, first: u32, bytes: &[u8]) -> Result<(), UnitsError> {
        if first != self.stored || !bytes.len().is_multiple_of(TOKEN_BYTES) {
            return Err(UnitsError::Damaged);
        }
        for token in bytes.chunks_exact(TOKEN_BYTES) {
            let token = token.try_into().map_err(|_| UnitsError::Damaged)?;
            let token = u128::from_be_bytes(token);
            if self.numbers.insert(token, self.stored).is_some() {
                return Err(UnitsError::Damaged);
            }
            self.stored = self.stored.checked_add(1).ok_or(UnitsError::Full)?;
        }
        Ok(())
    }

    /// The numbers of a column of tokens without nulls.
    pub(crate) fn number(&mut self, tokens: &StringArray) -> Result<UInt32Array, UnitsError> {
        let mut numbers = Vec::with_capacity(tokens.len());
        for token in tokens {
            let token = decode(token.ok_or(UnitsError::NoToken)?).ok_or(UnitsError::NoToken)?;
            let next = u32::try_from(self.numbers.len()).map_err(|_| UnitsError::Full)?;
            let number = *self.numbers.entry(token).or_insert(next);
            if number == next {
                if next >= UNITS_MAX {
                    return Err(UnitsError::Full);
                }
                self.added.push(token);
            }
            numbers.push(number);
        }
        Ok(UInt32Array::from(numbers))
    }

    /// The number that this push's segment begins at.
    pub(crate) fn first_added(&self) -> u32 {
        self.stored
    }

    /// How many units this push adds.
    pub(crate) fn added(&self) -> usize {
        self.added.len()
    }

    /// The segment of this push.
    pub(crate) fn segment(&self) -> Vec<u8> {
        self.added
            .iter()
            .flat_map(|token| token.to_be_bytes())
            .collect()
    }
}

/// The 128 bits of a token: base32 of RFC 4648 in lower case, 26 characters.
pub(super) fn decode(token: &str) -> Option<u128> {
    if token.len() != 26 {
        return None;
    }
    let mut bits = 0_u128;
    for (position, character) in (0_u32..).zip(token.bytes()) {
        let value = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        let value = u128::from(value);
        bits |= if position < 25 {
            value << (123 - 5 * position)
        } else {
            value >> 2
        };
    }
    Some(bits)
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
    use masking::{RootKey, ValueDomain};

    fn tokens(range: std::ops::Range<u32>) -> StringArray {
        let key = RootKey::from_bytes([7; 32]).intake(&ValueDomain::parse("person-id").unwrap(), 1);
        StringArray::from_iter_values(range.map(|n| key.token(n.to_string().as_bytes())))
    }

    #[test]
    fn numbers_are_dense_stable_and_survive_segments() {
        let mut first = Numbering::default();
        assert_eq!(first.number(&tokens(0..3)).unwrap().values(), &[0, 1, 2]);
        assert_eq!(first.number(&tokens(1..5)).unwrap().values(), &[1, 2, 3, 4]);
        assert_eq!((first.first_added(), first.added()), (0, 5));

        let mut second = Numbering::default();
        second.load_segment(0, &first.segment()).unwrap();
        assert_eq!(
            second.number(&tokens(3..7)).unwrap().values(),
            &[3, 4, 5, 6]
        );
        assert_eq!((second.first_added(), second.added()), (5, 2));

        let mut third = Numbering::default();
        third.load_segment(0, &first.segment()).unwrap();
        third.load_segment(5, &second.segment()).unwrap();
        assert_eq!(
            third.number(&tokens(0..7)).unwrap().values(),
            &[0, 1, 2, 3, 4, 5, 6]
        );
        assert_eq!(third.added(), 0);
    }

    #[test]
    fn damage_and_strangers_are_refused() {
        let mut numbering = Numbering::default();
        numbering.number(&tokens(0..2)).unwrap();
        let segment = numbering.segment();
        let load = |first, bytes: &[u8]| Numbering::default().load_segment(first, bytes);
        assert_eq!(load(1, &segment), Err(UnitsError::Damaged));
        assert_eq!(load(0, &segment[..31]), Err(UnitsError::Damaged));
        assert_eq!(
            load(0, &[&segment[..], &segment[..]].concat()),
            Err(UnitsError::Damaged)
        );
        for value in [
            None,
            Some("13800138000"),
            Some("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ] {
            let column = StringArray::from(vec![value]);
            assert_eq!(numbering.number(&column), Err(UnitsError::NoToken));
        }
    }

    #[test]
    fn a_token_decodes_to_its_own_bits() {
        let distinct: std::collections::HashSet<_> = tokens(0..500)
            .iter()
            .map(|token| decode(token.unwrap()).unwrap())
            .collect();
        assert_eq!(distinct.len(), 500);
    }
}
