//! Data quality: rules, repairs, problem records, scores.

mod check;
mod repair;
mod report;
mod rules;

pub use check::{Checked, QualityChecker};
pub use report::{Action, Problem, QualityReport, RuleCount};
pub use rules::QualityRules;

#[cfg(test)]
mod tests;
