//! Numbers with noise that belongs to their subject.
//!
//! The noise is a function of key, subject, column and value: the same subject's same value has the
//! same noise wherever it stands, so that it cannot be averaged away over rows, versions or runs.
//! It is no differential privacy: nothing is claimed about a single row, and the noise is not drawn
//! anew.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::{MaskError, internal};
use crate::key::{TokenKey, canonical_form};
use crate::risk::float;
use crate::transform::coarsen::{is_whole, numbers};
use crate::transform::text_values;

/// How noise is spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseShape {
    /// Every amount is equally likely.
    Uniform,
    /// Small amounts are likelier: Laplace's distribution, cut at the largest amount.
    Laplace {
        /// Mean amount before it is cut, in the column's unit.
        scale: f64,
    },
}

/// Noise on numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// How it is spread.
    pub shape: NoiseShape,
    /// The most that is added or taken away, in the column's unit.
    pub amount_max: f64,
    /// The lowest result.
    pub bottom: Option<f64>,
    /// The highest result.
    pub top: Option<f64>,
    /// Decimals of the result, 0 to 9; whole numbers have none.
    pub decimals: u32,
}

impl Noise {
    /// Whether results are rounded so coarsely that half the values or more stay as they are.
    pub(crate) fn does_nothing(&self, input: &DataType) -> bool {
        let step = 1.0 / self.steps(input);
        let spread = match self.shape {
            NoiseShape::Uniform => self.amount_max,
            // Half of Laplace's amounts lie below scale · ln 2.
            NoiseShape::Laplace { scale } => {
                self.amount_max.min(2.0 * std::f64::consts::LN_2 * scale)
            }
        };
        spread < step
    }

    /// Steps of the result's grid in one unit.
    fn steps(&self, input: &DataType) -> f64 {
        let decimals = if is_whole(input) { 0 } else { self.decimals };
        10f64.powi(i32::try_from(decimals.min(9)).unwrap_or(9))
    }

    /// An amount between `-amount_max` and `amount_max` from 128 uniform bits.
    fn amount(&self, bits: u128) -> f64 {
        // 53 bits, at the middle of their interval: above 0 and below 1.
        let uniform =
            u64::try_from(bits >> 75).map_or(0.5, |head| (float(head) + 0.5) / 2f64.powi(53));
        let size = match self.shape {
            NoiseShape::Uniform => uniform * self.amount_max,
            NoiseShape::Laplace { scale } => {
                let inside = -(-self.amount_max / scale).exp_m1();
                (-scale * (-uniform * inside).ln_1p()).min(self.amount_max)
            }
        };
        if bits & 1 == 0 { size } else { -size }
    }

    fn bounded(&self, value: f64) -> f64 {
        let value = self.bottom.map_or(value, |bottom| value.max(bottom));
        self.top.map_or(value, |top| value.min(top))
    }
}

/// Each number with its noise. A row without a subject becomes null, and so does what is no number.
/// Memory: 24 bytes a row of the batch beside the result.
pub(crate) fn noisy(
    values: &dyn Array,
    subjects: &dyn Array,
    key: &TokenKey,
    column: &str,
    noise: &Noise,
) -> Result<ArrayRef, MaskError> {
    let input = values.data_type();
    let steps = noise.steps(input);
    let subjects = text_values(subjects)?;
    let mut message = Vec::with_capacity(64);
    let noisy: Float64Array = numbers(values)?
        .iter()
        .zip(subjects.as_string::<i32>())
        .map(|(value, subject)| {
            let value = value.filter(|value| value.is_finite())?;
            let subject = canonical_form(key.value_domain(), subject?);
            if subject.is_empty() {
                return None;
            }
            message.clear();
            for part in [subject.as_bytes(), column.as_bytes()] {
                message.extend_from_slice(&u64::try_from(part.len()).ok()?.to_be_bytes());
                message.extend_from_slice(part);
            }
            message.extend_from_slice(&(value + 0.0).to_bits().to_be_bytes());
            let amount = noise.amount(key.digest(&message));
            Some(noise.bounded(((value + amount) * steps).round() / steps))
        })
        .collect();
    if is_whole(input) {
        return cast(&noisy, &DataType::Int64).map_err(|error| internal("noise", &error));
    }
    Ok(Arc::new(noisy))
}

/// The type of [`noisy`]'s result.
pub(crate) fn noise_type(input: &DataType) -> DataType {
    if is_whole(input) {
        DataType::Int64
    } else {
        DataType::Float64
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;
    use crate::key::{RootKey, ValueDomain};

    fn key() -> TokenKey {
        RootKey::from_bytes([1; 32]).noise(&ValueDomain::known("person-id"), 1)
    }

    fn noise(shape: NoiseShape) -> Noise {
        Noise {
            shape,
            amount_max: 100.0,
            bottom: None,
            top: None,
            decimals: 3,
        }
    }

    /// Noise of ten thousand subjects on the same value.
    fn amounts(noise: &Noise) -> Vec<f64> {
        let subjects = StringArray::from_iter_values((0..10_000).map(|n| format!("P{n}")));
        let values = Float64Array::from(vec![5000.0; 10_000]);
        let noisy = noisy(&values, &subjects, &key(), "income", noise).unwrap();
        let noisy = noisy.as_primitive::<Float64Type>();
        noisy.values().iter().map(|value| value - 5000.0).collect()
    }

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        values.sum::<f64>() / 10_000.0
    }

    #[test]
    fn uniform_noise_is_spread_evenly() {
        let amounts = amounts(&noise(NoiseShape::Uniform));
        assert!(amounts.iter().all(|amount| amount.abs() <= 100.0));
        // Standard errors: 0.58 of the mean, 0.29 of the mean size.
        assert!(mean(amounts.iter().copied()).abs() < 3.0);
        assert!((mean(amounts.iter().map(|amount| amount.abs())) - 50.0).abs() < 1.5);
    }

    #[test]
    fn laplace_noise_has_its_scale_and_is_cut() {
        let amounts = amounts(&noise(NoiseShape::Laplace { scale: 20.0 }));
        assert!(amounts.iter().all(|amount| amount.abs() <= 100.0));
        // Cut at five scales the mean size is 20 - 100/(e^5 - 1) = 19.32; standard error 0.2.
        assert!((mean(amounts.iter().map(|amount| amount.abs())) - 19.32).abs() < 1.0);
        assert!(mean(amounts.iter().copied()).abs() < 1.5);
    }

    #[test]
    fn the_same_subject_and_value_have_the_same_noise_and_others_have_others() {
        let values = Int64Array::from(vec![
            Some(500),
            Some(500),
            Some(501),
            Some(500),
            None,
            Some(1),
        ]);
        let subjects = StringArray::from(vec![
            Some("A"),
            Some("Ａ "),
            Some("A"),
            Some("B"),
            Some("A"),
            None,
        ]);
        let noise = noise(NoiseShape::Uniform);
        let of = |column: &str| {
            let noisy = noisy(&values, &subjects, &key(), column, &noise).unwrap();
            noisy.as_primitive::<Int64Type>().clone()
        };
        let income = of("income");
        assert_eq!(income.value(0), income.value(1));
        assert_ne!(income.value(0) - 500, income.value(2) - 501);
        assert_ne!(income.value(0), income.value(3));
        assert!(income.is_null(4) && income.is_null(5));
        assert_ne!(of("debt").value(0), income.value(0));
        assert_eq!(of("income"), income);
    }

    #[test]
    fn noise_below_the_rounding_does_nothing() {
        let with = |shape, amount_max| Noise {
            amount_max,
            ..noise(shape)
        };
        assert!(with(NoiseShape::Uniform, 0.9).does_nothing(&DataType::Int64));
        assert!(!with(NoiseShape::Uniform, 1.0).does_nothing(&DataType::Int64));
        assert!(!with(NoiseShape::Uniform, 0.9).does_nothing(&DataType::Float64));
        assert!(with(NoiseShape::Uniform, 0.0).does_nothing(&DataType::Float64));
        assert!(with(NoiseShape::Laplace { scale: 0.5 }, 9.0).does_nothing(&DataType::Int64));
        assert!(!with(NoiseShape::Laplace { scale: 1.0 }, 9.0).does_nothing(&DataType::Int64));
    }

    proptest! {
        #[test]
        fn any_number_stays_near_and_inside(values in proptest::collection::vec(any::<f64>(), 0..20), scale in 0.001..1e6f64) {
            let values = Float64Array::from(values);
            let subjects = StringArray::from_iter_values((0..values.len()).map(|n| n.to_string()));
            let noise = Noise { bottom: Some(-1e9), top: Some(1e9), ..noise(NoiseShape::Laplace { scale }) };
            let noisy = noisy(&values, &subjects, &key(), "c", &noise).unwrap();
            for (value, noisy) in values.iter().zip(noisy.as_primitive::<Float64Type>()) {
                match noisy {
                    Some(noisy) => {
                        let near = value.unwrap().clamp(-1e9, 1e9);
                        prop_assert!((noisy - near).abs() <= 100.001);
                    }
                    None => prop_assert!(!value.unwrap().is_finite()),
                }
            }
        }
    }
}
