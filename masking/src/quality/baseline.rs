//! What is known from before a push, for the rules that compare.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::TokenKey;
use crate::quality::float_of;
use crate::text::Bilingual;

/// What a push is compared with: the moment of its commit, the version before it, other data sets.
/// A rule without its part of it is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The day of the push's commit, in days after 1970-01-01: what `timely` counts back from.
    pub today: Option<i32>,
    /// Rows that stayed in the version before.
    pub rows: Option<u64>,
    /// Shares of the version before, by rule.
    pub shares: BTreeMap<String, Shares>,
    /// The key that categories are labelled with, so that no value is stored; the same for both
    /// versions.
    pub labels: Option<TokenKey>,
    /// The values that `reference` rules look for, by rule; or why there are none.
    pub references: BTreeMap<String, Result<Reference, Bilingual>>,
}

/// Rows of each category of a column, by the category's label; null is the category "".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shares(BTreeMap<String, u64>);

impl Shares {
    pub(super) fn new(counts: BTreeMap<String, u64>) -> Self {
        Self(counts)
    }

    /// The population stability index against `before`: the sum of (p - q) ln (p / q) over all
    /// categories, 0 for equal shares. A category that one side lacks counts as half a row there.
    /// None when either side has no rows.
    pub fn drift_from(&self, before: &Self) -> Option<f64> {
        let total = |shares: &Self| shares.0.values().sum::<u64>();
        let (rows, rows_before) = (total(self), total(before));
        if rows == 0 || rows_before == 0 {
            return None;
        }
        let share = |shares: &Self, label: &String, rows: u64| {
            let count = shares.0.get(label).copied().unwrap_or(0);
            float_of(count).max(0.5) / float_of(rows)
        };
        let mut labels: Vec<&String> = self.0.keys().chain(before.0.keys()).collect();
        labels.sort_unstable();
        labels.dedup();
        let terms = labels.into_iter().map(|label| {
            let (now, then) = (share(self, label, rows), share(before, label, rows_before));
            (now - then) * (now / then).ln()
        });
        Some(terms.sum())
    }
}

/// The tokens that a column of another data set holds, and the key that makes a value one of them.
#[derive(Clone, Debug)]
pub struct Reference {
    pub(super) key: TokenKey,
    tokens: Arc<[u128]>,
    pub(super) told: bool,
}

impl Reference {
    /// A reference to tokens, as their 128 bits in any order. With `told` unset, rows are counted
    /// and none is named or left out: which of one provider's people another one knows is not to be
    /// read off a list of problems.
    pub fn new(key: TokenKey, mut tokens: Vec<u128>, told: bool) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self {
            key,
            tokens: tokens.into(),
            told,
        }
    }

    pub(super) fn holds(&self, token: u128) -> bool {
        self.tokens.binary_search(&token).is_ok()
    }
}
