//! What is wrong with a push, rule by rule, for its provider.

use std::collections::BTreeMap;

use super::pipeline::{BLOCKING_RULE, Report};
use super::process::PLATFORM_FAULT;
use crate::feedback::FeedbackCause;

impl Report {
    /// The rules that the push broke, most records first: those with problem records, those about the push as a
    /// whole, and the faults that kept it from becoming a version.
    pub(super) fn causes(&self) -> Vec<FeedbackCause> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (rule, count) in &self.problems_by_rule {
            counts.insert(rule, *count);
        }
        let (rules, blocking) = match &self.quality {
            Some(quality) => (quality.rules.as_slice(), quality.blocking.as_slice()),
            None => Default::default(),
        };
        for rule in rules.iter().filter(|rule| rule.failed > 0) {
            counts.entry(&rule.rule).or_insert(rule.failed);
        }
        // A blocking rule stands under its own name already; a fault of the platform is not the provider's.
        let faults = self.faults.iter().map(|fault| fault.rule.as_str());
        let faults: Vec<&str> = faults
            .filter(|rule| ![BLOCKING_RULE, PLATFORM_FAULT].contains(rule))
            .collect();
        for rule in &faults {
            counts.entry(rule).or_insert(1);
        }
        let cause = |(rule, count): (&str, u64)| FeedbackCause {
            rule: rule.to_owned(),
            count,
            blocking: faults.contains(&rule) || blocking.iter().any(|blocked| blocked == rule),
        };
        let mut causes: Vec<FeedbackCause> = counts.into_iter().map(cause).collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        causes
    }
}
