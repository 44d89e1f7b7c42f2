//! What each unit holds of a cell: the signed sum of its values.
//!
//! The largest holders are listed, each with what it holds in single precision: a released number has four
//! digits or fewer. Of the others it is known that they hold something, and how much at most. So a cell of
//! millions of people takes no more room than one of [`LISTED_MAX`], and what is not known counts against
//! a release (see [`super::combine`]).

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

/// Units of a cell that are listed at most. The engine lists as many.
pub(crate) const LISTED_MAX: u64 = 8_192;
/// The format that is read and written.
const VERSION: u8 = 1;
/// Listed are all units of the cell, or those of a set that follows.
const ALL: u8 = 0;
const SOME: u8 = 1;

/// What the units of a cell hold of one argument. Units that hold nothing are in neither set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shares {
    listed: RoaringBitmap,
    /// One per listed unit, ascending by unit; none is zero.
    values: Vec<f32>,
    others: RoaringBitmap,
    /// None of the others holds more, by absolute value.
    bound: f32,
}

impl Shares {
    /// Shares of which nothing is known but who may hold something, and how much at most.
    pub(crate) fn hidden(units: &RoaringBitmap, bound: f64) -> Self {
        if bound == 0.0 {
            return Self::default();
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "rounded, and then up: a bound"
        )]
        let bound = (bound.abs() as f32).next_up();
        Self {
            others: units.clone(),
            bound,
            ..Self::default()
        }
    }

    /// The listed units with what they hold.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.listed.iter().zip(self.values.iter().copied())
    }

    /// Who else holds something.
    pub(crate) fn others(&self) -> &RoaringBitmap {
        &self.others
    }

    /// All who hold something.
    pub(crate) fn holders(&self) -> RoaringBitmap {
        &self.listed | &self.others
    }

    /// How much each of the others holds at most.
    pub(crate) fn bound(&self) -> f64 {
        f64::from(self.bound)
    }

    /// How much any unit holds at most.
    pub(crate) fn largest(&self) -> f64 {
        let listed = self.values.iter().map(|value| value.abs());
        f64::from(listed.fold(self.bound, f32::max))
    }

    /// How many hold something.
    pub(crate) fn len(&self) -> u64 {
        self.listed.len() + self.others.len()
    }

    /// Writes shares of a cell with these units: the same shares are the same bytes.
    pub(crate) fn write(&self, units: &RoaringBitmap, out: &mut Vec<u8>) -> Option<()> {
        out.push(VERSION);
        out.extend_from_slice(&self.bound.to_le_bytes());
        if self.listed == *units {
            out.push(ALL);
        } else {
            out.push(SOME);
            self.listed.serialize_into(&mut *out).ok()?;
        }
        self.others.serialize_into(&mut *out).ok()?;
        self.write_values(out)
    }

    /// Values once each and places among them where that is shorter.
    fn write_values(&self, out: &mut Vec<u8>) -> Option<()> {
        let distinct: BTreeSet<u32> = self.values.iter().map(|value| value.to_bits()).collect();
        let width = match distinct.len() {
            0 | 1 => 0,
            2..=256 => 1,
            many if many * 4 + self.values.len() * 2 < self.values.len() * 4 => 2,
            _ => 4,
        };
        out.push(width);
        if width == 4 {
            self.values
                .iter()
                .for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            return Some(());
        }
        let distinct: Vec<u32> = distinct.into_iter().collect();
        out.extend_from_slice(&u32::try_from(distinct.len()).ok()?.to_le_bytes());
        distinct
            .iter()
            .for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
        if width > 0 {
            for value in &self.values {
                let place = distinct.binary_search(&value.to_bits()).ok()?;
                let place = u16::try_from(place).ok()?.to_le_bytes();
                out.extend_from_slice(&place[..usize::from(width)]);
            }
        }
        Some(())
    }

    /// Reads the shares of a cell with these units; none when the bytes are not exactly such shares.
    pub(crate) fn read(mut bytes: &[u8], units: &RoaringBitmap) -> Option<Self> {
        let rest = &mut bytes;
        if byte(rest)? != VERSION {
            return None;
        }
        let bound = f32::from_le_bytes(take(rest)?);
        let listed = match byte(rest)? {
            ALL => units.clone(),
            SOME => RoaringBitmap::deserialize_from(&mut *rest).ok()?,
            _ => return None,
        };
        let others = RoaringBitmap::deserialize_from(&mut *rest).ok()?;
        if listed.len() > LISTED_MAX {
            return None;
        }
        let values = read_values(rest, usize::try_from(listed.len()).ok()?)?;
        let shares = Self {
            listed,
            values,
            others,
            bound,
        };
        (rest.is_empty() && shares.hold_of(units)).then_some(shares)
    }

    fn hold_of(&self, units: &RoaringBitmap) -> bool {
        self.bound >= 0.0
            && self
                .values
                .iter()
                .all(|value| *value != 0.0 && !value.is_nan())
            && self.listed.is_subset(units)
            && self.others.is_subset(units)
            && self.listed.is_disjoint(&self.others)
            && (self.bound > 0.0 || self.others.is_empty())
    }
}

fn read_values(bytes: &mut &[u8], count: usize) -> Option<Vec<f32>> {
    let width = usize::from(byte(bytes)?);
    if width == 4 {
        let plain = split(bytes, count.checked_mul(4)?)?;
        return Some(floats(plain));
    }
    let distinct = usize::try_from(u32::from_le_bytes(take(bytes)?)).ok()?;
    let distinct = floats(split(bytes, distinct.checked_mul(4)?)?);
    match width {
        0 if count == 0 && distinct.is_empty() => Some(Vec::new()),
        0 if distinct.len() == 1 => Some(vec![*distinct.first()?; count]),
        1 | 2 => split(bytes, count.checked_mul(width)?)?
            .chunks_exact(width)
            .map(|place| {
                let place = place
                    .iter()
                    .rev()
                    .fold(0, |sum, byte| sum * 256 + usize::from(*byte));
                distinct.get(place).copied()
            })
            .collect(),
        _ => None,
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

fn split<'a>(bytes: &mut &'a [u8], at: usize) -> Option<&'a [u8]> {
    let (part, rest) = bytes.split_at_checked(at)?;
    *bytes = rest;
    Some(part)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    split(bytes, N)?.try_into().ok()
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    take::<1>(bytes).map(|[byte]| byte)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;
    use proptest::prelude::*;

    /// Shares of listed units.
    pub(crate) fn shares(held: impl IntoIterator<Item = (u32, f32)>) -> Shares {
        let held: std::collections::BTreeMap<u32, f32> = held.into_iter().collect();
        Shares {
            listed: held.keys().copied().collect(),
            values: held.into_values().collect(),
            ..Shares::default()
        }
    }

    impl Shares {
        /// The same without listing some.
        pub(crate) fn without(&self, others: RoaringBitmap, bound: f32) -> Self {
            let listed = self.listed().filter(|(unit, _)| !others.contains(*unit));
            Self {
                others: others.clone(),
                bound,
                ..shares(listed)
            }
        }
    }

    fn some_shares() -> impl Strategy<Value = (RoaringBitmap, Shares)> {
        let value = prop_oneof![
            4 => (1u8..200).prop_map(f32::from),
            2 => (-1e9f32..1e9).prop_filter("a value", |value| *value != 0.0),
        ];
        let holders = prop::collection::btree_map(0u32..3_000, value, 0..600);
        (
            holders,
            prop::collection::vec(3_000u32..90_000, 0..50),
            prop::bool::ANY,
        )
            .prop_map(|(held, others, zeroes)| {
                let mut shares = shares(held);
                shares.others = others.into_iter().collect();
                shares.bound = if shares.others.is_empty() { 0.0 } else { 0.5 };
                let mut units = &shares.listed | &shares.others;
                if zeroes {
                    units.insert_range(100_000..100_010);
                }
                (units, shares)
            })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read((units, shares) in some_shares()) {
            let mut bytes = Vec::new();
            shares.write(&units, &mut bytes).unwrap();
            prop_assert_eq!(Shares::read(&bytes, &units), Some(shares));
        }

        #[test]
        fn damaged_shares_are_none_or_hold_together(
            (units, shares) in some_shares(),
            at in any::<prop::sample::Index>(),
            to in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            shares.write(&units, &mut bytes).unwrap();
            let cut = cut.index(bytes.len());
            prop_assert_eq!(Shares::read(&bytes[..cut], &units), None);
            bytes.push(0);
            prop_assert_eq!(Shares::read(&bytes, &units), None);
            bytes.pop();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Some(read) = Shares::read(&bytes, &units) {
                prop_assert!(read.hold_of(&units));
            }
        }

        #[test]
        fn bytes_from_anywhere_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Shares::read(&bytes, &(0..100).collect());
        }
    }

    #[test]
    fn a_constant_takes_no_room_and_few_values_take_a_byte() {
        let size = |value: &dyn Fn(u32) -> f32| {
            let shares = shares((0..10_000).map(|unit| (unit, value(unit))));
            let mut bytes = Vec::new();
            shares.write(&(0..10_000).collect(), &mut bytes).unwrap();
            bytes.len()
        };
        assert!(size(&|_| 1.0) < 50);
        assert!(size(&|unit| (unit % 100 + 1) as f32) < 10_500);
        assert!(size(&|unit| (unit % 2_000 + 1) as f32) < 28_100);
        assert!(size(&|unit| (unit + 1) as f32) < 40_100);
    }
}
