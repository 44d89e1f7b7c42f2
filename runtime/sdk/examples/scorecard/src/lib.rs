//! A logistic scorecard: points of each row, and how a population spreads over bands of points.
//!
//! Input 0: `income` (i64, yuan a year), `debt_ratio` (f64, monthly debt over monthly income),
//! `late_payments` (i64, in two years), `age_band` (text: `18-34`, `35-49`, `50-64`, `65+`).
//!
//! Output, one row per band that holds somebody, lowest first: `points_from` (i32, the band's lower bound),
//! `rows` (i64), `probability` (f64, mean probability of default).

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::collections::BTreeMap;

use egret_guest::{Builder, Failure, Input, emit, exp, guest, ln, log};

/// Points at odds of 30 to 1 against default, and points that double the odds.
const POINTS: f64 = 600.0;
const ODDS: f64 = 30.0;
const POINTS_TO_DOUBLE: f64 = 20.0;
/// Width of a band.
const BAND_POINTS: i32 = 20;

/// What is known of somebody; what is null counts as the population's average, with no weight.
#[derive(Clone, Copy, Debug, Default)]
pub struct Applicant<'a> {
    /// Yuan a year.
    pub income: Option<i64>,
    /// Monthly debt over monthly income.
    pub debt_ratio: Option<f64>,
    /// In the last two years.
    pub late_payments: Option<i64>,
    /// `18-34`, `35-49`, `50-64`, `65+`.
    pub age_band: Option<&'a str>,
}

/// Log odds of default.
#[must_use]
pub fn log_odds(applicant: &Applicant<'_>) -> f64 {
    let income = applicant
        .income
        .map_or(0.0, |yuan| -0.8 * ln((yuan.max(1) as f64) / 80_000.0));
    let debt = applicant
        .debt_ratio
        .map_or(0.0, |ratio| 2.5 * (ratio.clamp(0.0, 2.0) - 0.3));
    let late = applicant
        .late_payments
        .map_or(0.0, |count| 0.6 * count.clamp(0, 6) as f64);
    let age = match applicant.age_band {
        Some("18-34") => 0.3,
        Some("50-64") => -0.2,
        Some("65+") => -0.1,
        _ => 0.0,
    };
    -2.9 + income + debt + late + age
}

/// Probability of default, from 0 to 1.
#[must_use]
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + exp(-log_odds))
}

/// Lower bound of the band in which log odds of default lie.
#[must_use]
pub fn band(log_odds: f64) -> i32 {
    let factor = POINTS_TO_DOUBLE / ln(2.0);
    let points = POINTS - factor * (log_odds + ln(ODDS));
    // A cast towards zero would put two bands into one around 0 points.
    (points as i32).div_euclid(BAND_POINTS) * BAND_POINTS
}

fn run() -> Result<(), Failure> {
    let mut bands: BTreeMap<i32, (i64, f64)> = BTreeMap::new();
    let mut incomplete = false;
    for batch in Input::new(0) {
        let income = batch.column::<i64>(0)?;
        let debt_ratio = batch.column::<f64>(1)?;
        let late_payments = batch.column::<i64>(2)?;
        let age_band = batch.column::<str>(3)?;
        incomplete |= income.nulls() + debt_ratio.nulls() + late_payments.nulls() > 0;
        for row in 0..batch.rows() {
            let odds = log_odds(&Applicant {
                income: income.value(row),
                debt_ratio: debt_ratio.value(row),
                late_payments: late_payments.value(row),
                age_band: age_band.value(row),
            });
            let (rows, sum) = bands.entry(band(odds)).or_default();
            *rows += 1;
            *sum += probability(odds);
        }
    }
    if incomplete {
        log("some rows lack a number; it counted as average");
    }
    let points = Builder::<i32>::of(bands.keys().copied());
    let rows = Builder::<i64>::of(bands.values().map(|(rows, _)| *rows));
    let means = Builder::<f64>::of(bands.values().map(|(rows, sum)| sum / *rows as f64));
    emit(&[&points, &rows, &means])
}

guest!(run);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_of_thirty_to_one_are_six_hundred_points() {
        assert_eq!(band(-ln(ODDS) - 1e-9), 600);
        assert_eq!(band(-ln(ODDS) + 1e-9), 580);
        assert_eq!(band(-ln(2.0 * ODDS) - 1e-9), 620);
        assert_eq!(band(12.0), 140);
    }

    #[test]
    fn what_is_worse_scores_lower() {
        let average = Applicant::default();
        let late = Applicant {
            late_payments: Some(2),
            ..average
        };
        let rich = Applicant {
            income: Some(400_000),
            ..average
        };
        assert!(log_odds(&late) > log_odds(&average));
        assert!(log_odds(&rich) < log_odds(&average));
        assert!((probability(log_odds(&average)) - 0.052).abs() < 1e-3);
    }
}
