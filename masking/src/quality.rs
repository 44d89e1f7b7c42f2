//! Data quality: rules, repairs, problem records, scores.

use crate::risk::float;

mod check;
mod repair;
mod report;
mod rules;
mod run;
mod value;

pub use check::{Checked, QualityChecker};
pub use report::{Action, Problem, QualityReport, RuleCount};
pub use rules::QualityRules;

/// A share; of nothing it is none.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        float(part) / float(whole)
    }
}

/// A length as a count.
fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
