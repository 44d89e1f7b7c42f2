//! What masked data must measure.

use crate::error::Fault;
use crate::risk::RiskReport;
use crate::text::Bilingual;

/// What masked data must reach, measured over the quasi-identifiers that stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// The fewest rows that agree in all quasi-identifiers (k-anonymity).
    pub k_min: u32,
    /// The fewest different sensitive values among such rows (distinct l-diversity).
    pub l_min: Option<u32>,
    /// The largest distance between their sensitive values and all (t-closeness), 0 to 1.
    pub t_max: Option<f64>,
    /// The greatest share of rows, in percent, that may be left out because too few others agree with them.
    pub suppress_percent_max: Option<f64>,
}

impl Measure {
    /// Which of the limits a measured table misses: `k_below`, `l_below`, `t_above`. A limit on
    /// sensitive values is missed when none were measured.
    pub fn unmet(&self, report: &RiskReport) -> Vec<Fault> {
        let mut unmet = Vec::new();
        if report.rows > 0 && report.k < u64::from(self.k_min) {
            unmet.push(missed("k_below", "k", &report.k, &self.k_min));
        }
        if let Some(l_min) = self.l_min
            && report.rows > 0
            && report.l_distinct.is_none_or(|l| l < u64::from(l_min))
        {
            let l = report.l_distinct.unwrap_or(0);
            unmet.push(missed("l_below", "l", &l, &l_min));
        }
        if let Some(t_max) = self.t_max
            && report.rows > 0
            && report.t_closeness.is_none_or(|t| t > t_max)
        {
            let t = report.t_closeness.unwrap_or(1.0);
            unmet.push(missed("t_above", "t", &t, &t_max));
        }
        unmet
    }
}

fn missed(
    code: &str,
    name: &str,
    measured: &dyn std::fmt::Display,
    limit: &dyn std::fmt::Display,
) -> Fault {
    Fault::general(
        code,
        Bilingual::new(
            format!("脱敏后 {name} 为 {measured}，策略要求 {limit}"),
            format!("after masking {name} is {measured}, the policy asks for {limit}"),
        ),
        Bilingual::new(
            "将准标识符概化得更粗，或删除其中一列",
            "coarsen the quasi-identifiers, or drop one of them",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_missed_are_told() {
        let measure = Measure {
            k_min: 5,
            l_min: Some(2),
            t_max: Some(0.3),
            suppress_percent_max: None,
        };
        let codes = |report: &RiskReport| -> Vec<String> {
            let unmet = measure.unmet(report);
            unmet.into_iter().map(|fault| fault.code).collect()
        };
        let mut report = RiskReport {
            rows: 100,
            k: 4,
            ..RiskReport::default()
        };
        assert_eq!(codes(&report), ["k_below", "l_below", "t_above"]);
        report.k = 5;
        report.l_distinct = Some(2);
        report.t_closeness = Some(0.3);
        assert!(codes(&report).is_empty());
        assert!(codes(&RiskReport::default()).is_empty());
    }
}
