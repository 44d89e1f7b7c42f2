//! What masked data must measure.

use crate::error::Fault;
use crate::generalise::Requirement;
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
    /// The largest logarithm of a value's share of its class over its share of all (delta-disclosure
    /// privacy).
    pub delta_max: Option<f64>,
    /// The largest relative gain of a value's share of its class over its share of all (basic
    /// beta-likeness).
    pub beta_max: Option<f64>,
    /// The greatest share of rows, in percent, that may be left out because their class misses one of the limits.
    pub suppress_percent_max: Option<f64>,
}

impl Measure {
    /// The limits as what every class has to satisfy; those on sensitive values only where there are
    /// any.
    pub(crate) fn requirement(&self, has_sensitive: bool) -> Requirement {
        let of_values = |limit: Option<f64>| limit.filter(|_| has_sensitive);
        Requirement {
            l_distinct: self.l_min.filter(|_| has_sensitive).map(u64::from),
            t_closeness: of_values(self.t_max),
            delta_disclosure: of_values(self.delta_max),
            beta_basic: of_values(self.beta_max),
            ..Requirement::k(u64::from(self.k_min))
        }
    }

    /// Which of the limits a measured table misses: `k_below`, `l_below`, `t_above`,
    /// `delta_above`, `beta_above`. A limit on
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
        for (code, name, measured, most) in [
            ("t_above", "t", report.t_closeness, self.t_max),
            ("delta_above", "δ", report.delta_disclosure, self.delta_max),
            ("beta_above", "β", report.beta_basic, self.beta_max),
        ] {
            let Some(most) = most.filter(|_| report.rows > 0) else {
                continue;
            };
            match measured {
                Some(measured) if measured <= most => {}
                Some(measured) => unmet.push(missed(code, name, &measured, &most)),
                None => unmet.push(unmeasured(code, name, &most)),
            }
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

/// A limit on sensitive values, where there are none.
fn unmeasured(code: &str, name: &str, limit: &dyn std::fmt::Display) -> Fault {
    Fault::general(
        code,
        Bilingual::new(
            format!("策略要求 {name} 不超过 {limit}，但脱敏后没有敏感列，无从度量"),
            format!(
                "the policy asks for {name} up to {limit}, but no sensitive column is left to measure"
            ),
        ),
        Bilingual::new(
            "为敏感列写明 class = \"sensitive\"，或去掉该要求",
            "state class = \"sensitive\" for the sensitive column, or remove the limit",
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
            delta_max: Some(1.5),
            beta_max: Some(2.0),
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
        let all = ["k_below", "l_below", "t_above", "delta_above", "beta_above"];
        assert_eq!(codes(&report), all);
        report.k = 5;
        report.l_distinct = Some(2);
        report.t_closeness = Some(0.3);
        report.delta_disclosure = Some(1.5);
        report.beta_basic = Some(2.0);
        assert!(codes(&report).is_empty());
        report.delta_disclosure = Some(1.6);
        report.beta_basic = Some(2.1);
        assert_eq!(codes(&report), ["delta_above", "beta_above"]);
        assert!(codes(&RiskReport::default()).is_empty());
    }
}
