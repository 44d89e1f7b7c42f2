//! Symmetric positive definite systems, small enough for the plain way.

use alloc::vec::Vec;

/// The Cholesky factor of a matrix given row by row, below and on the diagonal. None where it is singular.
pub(crate) fn cholesky(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut factor = alloc::vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let products: f64 = (0..column)
                .map(|at| factor[row * size + at] * factor[column * size + at])
                .sum();
            let rest = matrix[row * size + column] - products;
            factor[row * size + column] = if row == column {
                // Below this share of the diagonal, what is left is rounding: two columns say the same.
                if rest.is_nan() || rest <= 1e-10 * matrix[row * size + row] {
                    return None;
                }
                root(rest)
            } else {
                rest / factor[column * size + column]
            };
        }
    }
    Some(factor)
}

/// Solves `factor · factorᵀ · x = right`.
pub(crate) fn solve(factor: &[f64], right: &[f64]) -> Vec<f64> {
    let size = right.len();
    let mut x = right.to_vec();
    for row in 0..size {
        for at in 0..row {
            x[row] -= factor[row * size + at] * x[at];
        }
        x[row] /= factor[row * size + row];
    }
    for row in (0..size).rev() {
        for at in row + 1..size {
            x[row] -= factor[at * size + row] * x[at];
        }
        x[row] /= factor[row * size + row];
    }
    x
}

/// The square root of a positive number, by Newton's method: `core` has none.
pub(crate) fn root(square: f64) -> f64 {
    // Half the exponent is right within a factor of 2; five steps of doubled digits are all digits.
    let mut root = f64::from_bits((square.to_bits() + 1023_u64.wrapping_shl(52)) >> 1);
    for _ in 0..5 {
        root = 0.5 * (root + square / root);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = [4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let factor = cholesky(&matrix, 3).unwrap();
        let x = solve(
            &factor,
            &[4.0 - 4.0 + 1.8, 2.0 - 10.0 + 3.0, 0.6 - 2.0 + 9.0],
        );
        for (found, due) in x.iter().zip([1.0, -2.0, 3.0]) {
            assert!((found - due).abs() < 1e-12, "{x:?}");
        }
        assert!(cholesky(&[1.0, 2.0, 2.0, 4.0], 2).is_none());
    }

    #[test]
    fn roots_are_right() {
        for square in [1e-300, 2e-9, 0.25, 2.0, 3.0, 1e10, 7e200] {
            let root = root(square);
            assert!((root * root / square - 1.0).abs() < 1e-15, "{square}");
        }
    }
}
