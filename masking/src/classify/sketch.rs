//! What is remembered of a column's values: a bounded sample of the distinct ones, and counts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use crate::classify::decide::Counts;
use crate::classify::identifier::Identifier;
use crate::classify::table::Tables;
use crate::classify::text::Scanner;
use crate::classify::value::{Passes, passes};

/// Distinct values that are kept at most; beyond it every second one by hash is forgotten, again
/// and again.
const DISTINCT_MAX: usize = 4096;

/// A uniform sample of a column's distinct values, by hash, with the tests that each passed.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    pub(crate) rows: u64,
    pub(crate) nulls: u64,
    pub(crate) found: Found,
    values: HashMap<u64, Passes, BuildHasherDefault<Spread>>,
    halvings: u32,
    counts: Counts,
    /// Smallest, largest of the whole numbers among the values looked at.
    numbers: Option<(u64, u64)>,
}

/// Rows in which identifiers were found, however often the same value stood there.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Inside longer texts.
    pub(crate) inside_text: BTreeMap<Identifier, u64>,
    /// As whole values.
    pub(crate) whole: BTreeMap<Identifier, u64>,
    /// Rows that were not looked into, since the column was clearly of this kind by then.
    pub(crate) settled: BTreeMap<Identifier, u64>,
}

impl Sketch {
    pub(crate) fn null(&mut self) {
        self.rows += 1;
        self.nulls += 1;
    }

    /// Takes note of one value by its hash; its text is asked for only when it joins the sample.
    pub(crate) fn value(
        &mut self,
        tables: &Tables,
        hash: u64,
        text: impl FnOnce() -> Option<String>,
    ) {
        self.rows += 1;
        if !self.is_sampled(hash) || self.values.contains_key(&hash) {
            return;
        }
        let text = text().unwrap_or_default();
        if text.trim().is_empty() {
            self.nulls += 1;
            return;
        }
        self.keep(tables, hash, &text);
    }

    /// Takes note of one text and, unless the column is settled, of identifiers inside it.
    pub(crate) fn text(&mut self, scanner: &mut Scanner<'_>, text: &str, look_inside: bool) {
        self.rows += 1;
        if text.trim_ascii_start().is_empty() || text.trim().is_empty() {
            self.nulls += 1;
            return;
        }
        let hash = hash(text.as_bytes());
        if self.is_sampled(hash) && !self.values.contains_key(&hash) {
            self.keep(scanner.tables(), hash, text);
        }
        if look_inside {
            self.look_inside(scanner, text);
        }
    }

    fn keep(&mut self, tables: &Tables, hash: u64, text: &str) {
        let tests = passes(tables, text);
        if let Ok(number) = text.trim().parse::<u64>() {
            let (low, high) = self.numbers.unwrap_or((number, number));
            self.numbers = Some((low.min(number), high.max(number)));
        }
        self.values.insert(hash, tests);
        self.counts.add(tests);
        self.shrink();
    }

    fn look_inside(&mut self, scanner: &mut Scanner<'_>, text: &str) {
        let hits = scanner.hits(text);
        // A value that is an identifier as a whole speaks for the column, not for text.
        if let [only] = hits.as_slice()
            && only.range.len() == text.trim().len()
        {
            *self.found.whole.entry(only.identifier).or_default() += 1;
            return;
        }
        for (place, hit) in hits.iter().enumerate() {
            let again = hits[..place]
                .iter()
                .any(|earlier| earlier.identifier == hit.identifier);
            if !again {
                *self.found.inside_text.entry(hit.identifier).or_default() += 1;
            }
        }
    }

    /// Distinct values, exact while all are kept.
    pub(crate) fn distinct(&self) -> u64 {
        self.counts.examined << self.halvings.min(30)
    }

    /// The counts that a decision rests on.
    pub(crate) fn counts(&self) -> Counts {
        // Numbers of subscribers are spread over billions; numbers that are counted up lie side by
        // side.
        let dense = self.numbers.is_some_and(|(low, high)| {
            self.counts.examined >= 10 && (high - low) / self.distinct().max(1) < 50
        });
        let mut counts = self.counts.clone();
        counts.dense = dense;
        counts
    }

    fn is_sampled(&self, hash: u64) -> bool {
        self.halvings == 0 || hash.leading_zeros() >= self.halvings
    }

    fn shrink(&mut self) {
        let mut shrunk = false;
        while self.values.len() > DISTINCT_MAX && self.halvings < 30 {
            self.halvings += 1;
            let halvings = self.halvings;
            self.values
                .retain(|hash, _| hash.leading_zeros() >= halvings);
            shrunk = true;
        }
        if shrunk {
            self.counts = Counts::default();
            for tests in self.values.values() {
                self.counts.add(*tests);
            }
        }
    }
}

/// A hash that is the same in every run, so that the same data give the same decision.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = FACTOR ^ u64::try_from(bytes.len()).unwrap_or(0);
    let mut blocks = bytes.chunks_exact(8);
    for block in &mut blocks {
        let block = <[u8; 8]>::try_from(block).unwrap_or_default();
        state = (state ^ u64::from_le_bytes(block)).wrapping_mul(FACTOR);
        state ^= state >> 29;
    }
    let mut last = [0; 8];
    last[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
    state = (state ^ u64::from_le_bytes(last)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^= state >> 32;
    state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 29)
}

/// Spreads keys that are hashes already, of which the sample keeps those with leading zeros.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
