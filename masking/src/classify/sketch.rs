//! What is remembered of a column's values: a bounded sample of the distinct ones, and counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::classify::decide::Counts;
use crate::classify::identifier::Identifier;
use crate::classify::text::find_identifiers;
use crate::classify::value::{Passes, Trait, passes};

/// Distinct values that are kept at most; beyond it every second one by hash is forgotten, again
/// and again.
const DISTINCT_MAX: usize = 16_384;
/// Texts without a find that are remembered, so that a repeated one is not read again.
const CLEAN_MAX: usize = 65_536;

/// A uniform sample of a column's distinct values, by hash, with the tests that each passed.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    pub(crate) rows: u64,
    pub(crate) nulls: u64,
    pub(crate) inside_text: BTreeMap<Identifier, u64>,
    values: HashMap<u64, Passes>,
    halvings: u32,
    clean: HashSet<u64>,
    /// Smallest, largest of the whole numbers among the values looked at.
    numbers: Option<(u64, u64)>,
}

impl Sketch {
    pub(crate) fn null(&mut self) {
        self.rows += 1;
        self.nulls += 1;
    }

    /// Looks at one value; `is_text` when the column could hold running text.
    pub(crate) fn value(&mut self, value: &str, is_text: bool) {
        self.rows += 1;
        if value.trim().is_empty() {
            self.nulls += 1;
            return;
        }
        let hash = hash(value);
        let mut known = self.values.get(&hash).copied();
        if known.is_none() && self.is_sampled(hash) {
            let tests = passes(value);
            if let Ok(number) = value.trim().parse::<u64>() {
                let (low, high) = self.numbers.unwrap_or((number, number));
                self.numbers = Some((low.min(number), high.max(number)));
            }
            self.values.insert(hash, tests);
            known = Some(tests);
            self.shrink();
        }
        if is_text {
            self.look_inside(value, hash, known);
        }
    }

    fn look_inside(&mut self, value: &str, hash: u64, known: Option<Passes>) {
        if self.clean.contains(&hash) {
            return;
        }
        // A value that is an identifier as a whole speaks for the column, not for text.
        if known.is_some_and(Passes::any) {
            return;
        }
        let hits = find_identifiers(value);
        if let [only] = hits.as_slice()
            && value
                .get(only.range.clone())
                .is_some_and(|hit| hit.len() == value.trim().len())
        {
            return;
        }
        if hits.is_empty() {
            if self.clean.len() < CLEAN_MAX {
                self.clean.insert(hash);
            }
            return;
        }
        let kinds: HashSet<Identifier> = hits.iter().map(|hit| hit.identifier).collect();
        for kind in kinds {
            *self.inside_text.entry(kind).or_default() += 1;
        }
    }

    /// Distinct values looked at.
    pub(crate) fn examined(&self) -> u64 {
        u64::try_from(self.values.len()).unwrap_or(u64::MAX)
    }

    /// Distinct values, exact while all are kept.
    pub(crate) fn distinct(&self) -> u64 {
        self.examined() << self.halvings.min(30)
    }

    /// The counts that a decision rests on.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts {
            examined: self.examined(),
            ..Counts::default()
        };
        for tests in self.values.values() {
            for (count, identifier) in counts.passes.iter_mut().zip(Identifier::ALL) {
                *count += u64::from(tests.is(identifier));
            }
            counts.resident_15 += u64::from(tests.has(Trait::ResidentId15));
            counts.known_issuer += u64::from(tests.has(Trait::KnownIssuer));
            counts.frequent_surname += u64::from(tests.has(Trait::FrequentSurname));
            counts.small_octets += u64::from(tests.has(Trait::SmallOctets));
            counts.degree += u64::from(tests.has(Trait::Degree));
            counts.resident_shape += u64::from(tests.has(Trait::ResidentShape));
            counts.mobile_shape += u64::from(tests.has(Trait::MobileShape));
            counts.digits += u64::from(tests.has(Trait::Digits));
        }
        // Numbers of subscribers are spread over billions; numbers that are counted up lie side by
        // side.
        counts.dense = self.numbers.is_some_and(|(low, high)| {
            counts.examined >= 10 && (high - low) / self.distinct().max(1) < 50
        });
        counts
    }

    fn is_sampled(&self, hash: u64) -> bool {
        self.halvings == 0 || hash.leading_zeros() >= self.halvings
    }

    fn shrink(&mut self) {
        while self.values.len() > DISTINCT_MAX && self.halvings < 30 {
            self.halvings += 1;
            let halvings = self.halvings;
            self.values
                .retain(|hash, _| hash.leading_zeros() >= halvings);
        }
    }
}

/// A hash that is the same in every run, so that the same data give the same decision.
fn hash(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
