//! The secret part of a cell's threshold.
//!
//! Whether a cell leaves tells whether its set has as many units as the threshold, to whoever chose the set. So a set
//! must have up to [`OFFSET_MAX`] more, how many depends on a key and on the set alone: the same set is told the same
//! every time, and nobody outside knows where it passes. The key is nowhere near an inspection, which reads hostile
//! bytes: it names the sets for which it matters, and is asked again with their offsets.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};
use roaring::RoaringBitmap;

/// Units that a set must have beyond the threshold, at most.
pub(crate) const OFFSET_MAX: u64 = 3;

/// Offsets by the digest of a set; none at all for results of rows that everybody may see.
#[derive(Clone, Copy)]
pub(crate) struct Offsets<'a>(pub(crate) Option<&'a BTreeMap<String, u64>>);

impl Offsets<'_> {
    /// Whether a set is large enough; a set whose offset is not known has to be so with the largest.
    pub(crate) fn enough(self, universe: &str, units: &RoaringBitmap, threshold: u64) -> bool {
        let offset = match self.0 {
            Some(offsets) if marginal(units, threshold) => offsets
                .get(&set_digest(universe, units))
                .map_or(OFFSET_MAX, |offset| *offset.min(&OFFSET_MAX)),
            _ => 0,
        };
        units.len() >= threshold.saturating_add(offset)
    }

    /// The digest of a set whose offset matters and is not known.
    pub(crate) fn missing(
        self,
        universe: &str,
        units: &RoaringBitmap,
        threshold: u64,
    ) -> Option<String> {
        let offsets = self.0.filter(|_| marginal(units, threshold))?;
        Some(set_digest(universe, units)).filter(|digest| !offsets.contains_key(digest))
    }
}

fn marginal(units: &RoaringBitmap, threshold: u64) -> bool {
    (threshold..threshold.saturating_add(OFFSET_MAX)).contains(&units.len())
}

/// SHA-256 of a universe and a set of its units, in hex.
fn set_digest(universe: &str, units: &RoaringBitmap) -> String {
    let mut context = Context::new(&SHA256);
    context.update(universe.as_bytes());
    context.update(&[0]);
    units
        .iter()
        .for_each(|unit| context.update(&unit.to_le_bytes()));
    hex::encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_pass_at_their_own_offset_and_never_below_the_threshold() {
        let set = |units: u32| -> RoaringBitmap { (0..units).collect() };
        let digest = |units: u32| set_digest("person-id", &set(units));
        let known = BTreeMap::from([(digest(10), 0), (digest(11), 2), (digest(12), 9)]);
        let offsets = Offsets(Some(&known));
        let enough = |units| offsets.enough("person-id", &set(units), 10);
        assert_eq!(
            [9, 10, 11, 12, 13].map(enough),
            [false, true, false, false, true]
        );
        let none = BTreeMap::new();
        assert!(
            !Offsets(Some(&none)).enough("person-id", &set(12), 10),
            "not known"
        );
        assert!(Offsets(None).enough("person-id", &set(10), 10));
        assert_eq!(offsets.missing("person-id", &set(10), 10), None);
        assert_eq!(
            offsets.missing("firms", &set(10), 10),
            Some(set_digest("firms", &set(10)))
        );
        assert_eq!(offsets.missing("firms", &set(13), 10), None);
    }
}
