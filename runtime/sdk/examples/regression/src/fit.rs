//! Newton's method on the log likelihood.

use alloc::vec::Vec;

use egret_guest::{Failure, exp};

use crate::matrix::{cholesky, root, solve};
use crate::{TERMS_MAX, Table};

/// Steps that are taken at most; a likelihood with a maximum needs fewer than ten.
const STEPS_MAX: usize = 50;
/// The method ends when no standardised coefficient moves by more.
const STEP_MIN: f64 = 1e-10;
/// Beyond this a standardised coefficient goes to infinity: the classes are separated.
const COEFFICIENT_MAX: f64 = 50.0;

/// A fitted model; the intercept comes first.
#[derive(Debug)]
pub struct Fit {
    /// Log odds per unit of the feature.
    pub coefficients: Vec<f64>,
    /// From the inverse of the information matrix.
    pub standard_errors: Vec<f64>,
}

/// Mean and standard deviation of a feature.
#[derive(Clone, Copy, Debug)]
struct Scale {
    mean: f64,
    deviation: f64,
}

/// Fits a table.
///
/// # Errors
/// Too few rows, a feature that is constant or follows from others, or classes that are separated.
pub fn fit(table: &Table) -> Result<Fit, Failure> {
    let terms = table.features + 1;
    if table.labels.len() < 10 * terms {
        return Err(Failure::new("there are fewer than ten rows for each term"));
    }
    let scales = scales(table)?;
    let mut beta = alloc::vec![0.0; terms];
    for _ in 0..STEPS_MAX {
        let (gradient, information) = slope(table, &scales, &beta);
        let factor = cholesky(&information, terms)
            .ok_or(Failure::new("a feature follows from the others"))?;
        let step = solve(&factor, &gradient);
        for (coefficient, step) in beta.iter_mut().zip(&step) {
            *coefficient += step;
        }
        let diverged = |c: &f64| c.is_nan() || c.abs() >= COEFFICIENT_MAX;
        if beta.iter().any(diverged) {
            return Err(Failure::new("the features separate the classes"));
        }
        if step.iter().all(|step| step.abs() < STEP_MIN) {
            return Ok(unscaled(&beta, &factor, &scales));
        }
    }
    Err(Failure::new("the method did not converge"))
}

/// Features are standardised first: amounts and shares side by side would cost digits.
fn scales(table: &Table) -> Result<Vec<Scale>, Failure> {
    let rows = table.labels.len() as f64;
    (0..table.features)
        .map(|feature| {
            let column = || table.values.iter().skip(feature).step_by(table.features);
            let mean = column().sum::<f64>() / rows;
            let variance = column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / rows;
            if variance > 0.0 {
                Ok(Scale {
                    mean,
                    deviation: root(variance),
                })
            } else {
                Err(Failure::new("a feature is constant"))
            }
        })
        .collect()
}

/// Gradient of the log likelihood, and the information matrix row by row.
fn slope(table: &Table, scales: &[Scale], beta: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let terms = beta.len();
    let mut gradient = alloc::vec![0.0; terms];
    let mut information = alloc::vec![0.0; terms * terms];
    let mut x = [1.0; TERMS_MAX];
    for (values, label) in table.values.chunks_exact(table.features).zip(&table.labels) {
        for ((x, value), scale) in x[1..].iter_mut().zip(values).zip(scales) {
            *x = (value - scale.mean) / scale.deviation;
        }
        let log_odds: f64 = x
            .iter()
            .zip(beta)
            .map(|(x, coefficient)| x * coefficient)
            .sum();
        let p = 1.0 / (1.0 + exp(-log_odds));
        let rest = f64::from(u8::from(*label)) - p;
        for row in 0..terms {
            gradient[row] += rest * x[row];
            for column in 0..=row {
                information[row * terms + column] += p * (1.0 - p) * x[row] * x[column];
            }
        }
    }
    (gradient, information)
}

/// From standardised features back to features as they came.
fn unscaled(beta: &[f64], factor: &[f64], scales: &[Scale]) -> Fit {
    let terms = beta.len();
    // Each coefficient is a weighted sum of standardised ones; its variance follows from theirs.
    let mut weights = alloc::vec![alloc::vec![0.0; terms]; terms];
    weights[0][0] = 1.0;
    for (at, scale) in scales.iter().enumerate() {
        weights[0][at + 1] = -scale.mean / scale.deviation;
        weights[at + 1][at + 1] = 1.0 / scale.deviation;
    }
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Fit {
        coefficients: weights
            .iter()
            .map(|weights| product(weights, beta))
            .collect(),
        standard_errors: weights
            .iter()
            .map(|weights| root(product(weights, &solve(factor, weights))))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_guest::Random;

    const TRUTH: [f64; 3] = [-1.5, 0.00002, 2.0];

    fn table(rows: usize) -> Table {
        let mut random = Random::of([9; 32]);
        let mut table = Table {
            features: 2,
            ..Table::default()
        };
        for _ in 0..rows {
            let (income, ratio) = (40_000.0 + 160_000.0 * random.unit(), random.unit());
            let log_odds = TRUTH[0] + TRUTH[1] * (income - 100_000.0) + TRUTH[2] * ratio;
            table.values.extend([income, ratio]);
            table
                .labels
                .push(random.unit() < 1.0 / (1.0 + exp(-log_odds)));
        }
        table
    }

    #[test]
    fn synthetic_coefficients_are_found_within_their_errors() {
        let fit = fit(&table(20_000)).unwrap();
        let due = [TRUTH[0] - TRUTH[1] * 100_000.0, TRUTH[1], TRUTH[2]];
        for ((found, error), due) in fit.coefficients.iter().zip(&fit.standard_errors).zip(due) {
            assert!((found - due).abs() < 4.0 * error, "{fit:?}");
            assert!(error / due.abs() < 0.1, "{fit:?}");
        }
    }

    #[test]
    fn at_the_fit_the_likelihood_is_flat() {
        let table = table(2_000);
        let fit = fit(&table).unwrap();
        let as_it_came = [Scale {
            mean: 0.0,
            deviation: 1.0,
        }; 2];
        let (gradient, information) = slope(&table, &as_it_came, &fit.coefficients);
        for (at, slope) in gradient.iter().enumerate() {
            assert!(
                slope.abs() < 1e-6 * root(information[at * 3 + at]),
                "{gradient:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        let reason = |table: &Table| fit(table).unwrap_err().reason();
        assert_eq!(
            reason(&table(29)),
            "there are fewer than ten rows for each term"
        );
        let mut constant = table(100);
        constant
            .values
            .iter_mut()
            .step_by(2)
            .for_each(|value| *value = 1.0);
        assert_eq!(reason(&constant), "a feature is constant");
        let mut twice = table(100);
        twice
            .values
            .chunks_exact_mut(2)
            .for_each(|row| row[1] = 3.0 * row[0]);
        assert_eq!(reason(&twice), "a feature follows from the others");
        let mut separated = table(100);
        separated.labels = separated
            .values
            .chunks_exact(2)
            .map(|row| row[1] > 0.5)
            .collect();
        assert!(fit(&separated).is_err());
    }
}
