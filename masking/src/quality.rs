//! Data quality: rules, repairs, problem records, scores.

use crate::risk::float as float_of;

mod baseline;
mod check;
mod repair;
mod report;
mod rules;
mod run;
mod value;
mod whole;

pub use baseline::{Baseline, Reference, Shares};
pub use check::{Checked, QualityChecker, QualitySurvey, Survivors};
pub use report::{Action, Problem, QualityReport, RuleCount, RuleNote};
pub use rules::{QualityRules, ReferenceRule};
pub use whole::schema_drift;

/// A share; of nothing it is none.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        float_of(part) / float_of(whole)
    }
}

/// A length as a count.
fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_comparing;
#[cfg(test)]
mod tests_repairing;
