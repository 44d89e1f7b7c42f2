//! What a generalised table has to satisfy, and what is to be kept small.

use crate::error::{Fault, MeasureError};
use crate::generalise::loss::InformationLoss;
use crate::risk::{Cell, Spread, count, effective, recursion};
use crate::text::Bilingual;

/// What every equivalence class of the written table has to satisfy. All but `k` need a sensitive
/// column.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Rows of a class, at least; 1 or more.
    pub k: u64,
    /// Distinct sensitive values of a class, at least.
    pub l_distinct: Option<u64>,
    /// Exponential of the entropy of a class's sensitive values, at least.
    pub l_entropy: Option<f64>,
    /// Recursive (c, l)-diversity: r1 below c times (r_l + ... + r_m).
    pub l_recursive: Option<(f64, u64)>,
    /// Distance between the sensitive values of a class and of the table, at most; 0 to 1.
    pub t_closeness: Option<f64>,
    /// Delta-disclosure privacy over the values of a class, at most.
    pub delta_disclosure: Option<f64>,
    /// Basic beta-likeness, at most.
    pub beta_basic: Option<f64>,
}

/// A search's goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// What every class has to satisfy.
    pub requirement: Requirement,
    /// Share of rows that may be left out instead, 0 to 1.
    pub suppression_max: f64,
    /// What is to be as small as possible.
    pub loss: InformationLoss,
}

impl Requirement {
    /// Classes of at least `k` rows, and nothing else.
    pub fn k(k: u64) -> Self {
        Self {
            k,
            l_distinct: None,
            l_entropy: None,
            l_recursive: None,
            t_closeness: None,
            delta_disclosure: None,
            beta_basic: None,
        }
    }

    /// Whether a part is there that needs the spread of sensitive values.
    pub(crate) fn is_spread_needed(&self) -> bool {
        let parts = [
            self.l_entropy,
            self.l_recursive.map(|(c, _)| c),
            self.t_closeness,
            self.delta_disclosure,
            self.beta_basic,
        ];
        parts.iter().any(Option::is_some)
    }

    /// Whether a part is there that needs sensitive values at all.
    pub(crate) fn is_sensitive_needed(&self) -> bool {
        self.l_distinct.is_some() || self.is_spread_needed()
    }

    /// Whether a class that satisfies the requirement still does after merging with another one
    /// that does. Delta-disclosure does not look at values that a class lacks, so it may not.
    pub(crate) fn survives_merging(&self) -> bool {
        self.delta_disclosure.is_none()
    }

    /// The part that a class keeps whatever it is merged with.
    pub(crate) fn holds_floor(&self, size: u64, class: &[Cell]) -> bool {
        size >= self.k && self.l_distinct.is_none_or(|l| count(class.len()) >= l)
    }

    /// The other part, against the table's sensitive values.
    pub(crate) fn holds_spread(&self, class: &[Cell], spread: &Spread) -> bool {
        let recursive = |(c, l): (f64, u64)| {
            // Without a l-th value nothing is below zero.
            let at = usize::try_from(l).unwrap_or(usize::MAX);
            let ratios = recursion(class, at);
            ratios.get(at - 2).is_some_and(|ratio| *ratio < c)
        };
        self.l_entropy
            // The exponential of a logarithm is not exact.
            .is_none_or(|l| effective(class) >= l * (1.0 - 1e-12))
            && self.l_recursive.is_none_or(recursive)
            && self
                .t_closeness
                .is_none_or(|t| spread.closeness(class) <= t)
            && self
                .delta_disclosure
                .is_none_or(|delta| spread.disclosure(class) <= delta)
            && self
                .beta_basic
                .is_none_or(|beta| spread.gain(class) <= beta)
    }

    /// # Errors
    /// `option_value`, naming the option.
    pub(crate) fn check(&self, has_sensitive: bool) -> Result<(), MeasureError> {
        let least =
            |value: Option<f64>, least: f64| value.is_none_or(|v| v.is_finite() && v >= least);
        let valid = [
            ("k", self.k >= 1),
            ("l_distinct", self.l_distinct.is_none_or(|l| l >= 1)),
            ("l_entropy", least(self.l_entropy, 1.0)),
            (
                "l_recursive",
                self.l_recursive
                    .is_none_or(|(c, l)| c.is_finite() && c > 0.0 && (2..=1_000).contains(&l)),
            ),
            (
                "t_closeness",
                self.t_closeness.is_none_or(|t| (0.0..=1.0).contains(&t)),
            ),
            ("delta_disclosure", least(self.delta_disclosure, 0.0)),
            ("beta_basic", least(self.beta_basic, 0.0)),
            ("sensitive", has_sensitive || !self.is_sensitive_needed()),
        ];
        option_check(&valid)
    }
}

impl Goal {
    pub(crate) fn check(&self, has_sensitive: bool) -> Result<(), MeasureError> {
        self.requirement.check(has_sensitive)?;
        let share = (0.0..=1.0).contains(&self.suppression_max);
        option_check(&[("suppression_max", share)])
    }

    /// Rows that may be left out, of so many.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share between 0 and 1 of a number of rows"
    )]
    pub(crate) fn suppressed_max(&self, rows: u64) -> u64 {
        ((self.suppression_max * crate::risk::float(rows)).floor() as u64).min(rows)
    }
}

fn option_check(valid: &[(&str, bool)]) -> Result<(), MeasureError> {
    match valid.iter().find(|(_, valid)| !valid) {
        None => Ok(()),
        Some((name, _)) => Err(Fault::general(
            "option_value",
            Bilingual::new(
                format!("目标的选项 {name} 不合规"),
                format!("option {name} of the goal has a value that is not allowed"),
            ),
            Bilingual::new(
                "k 和 l 至少为 1，比例在 0 和 1 之间；除 k 外均需敏感列",
                "k and l are at least 1, shares between 0 and 1; all but k need a sensitive column",
            ),
        )),
    }
}
