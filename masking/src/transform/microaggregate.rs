//! Numbers replaced by the mean of their neighbours.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::DataType;

use crate::error::MaskError;
use crate::transform::coarsen::{is_whole, numbers, whole_numbers};

/// The fewest rows of a group that hide anything.
pub(crate) const ROWS_MIN: u32 = 3;

/// Each number replaced by the mean of its group: the batch's numbers in order, cut into groups of
/// `rows_min`, the last one with up to twice as many (univariate microaggregation of fixed size,
/// Domingo-Ferrer and Mateo-Sanz 2002). Whole numbers have their mean rounded.
///
/// A group never reaches beyond its batch, so memory is bounded by it: 24 bytes a row beside the
/// result. Larger batches lose less information. A batch with fewer numbers than `rows_min` has no
/// group, and its numbers become null, as does what is no number.
///
/// Rows are counted, not persons: where a person has many rows, a group may be one person's.
pub(crate) fn microaggregated(values: &dyn Array, rows_min: usize) -> Result<ArrayRef, MaskError> {
    if is_whole(values.data_type()) {
        let numbers = whole_numbers(values)?;
        let mut sorted: Vec<(i64, usize)> = rows(numbers.iter());
        sorted.sort_unstable();
        let means = in_groups(&sorted, rows_min, values.len(), mean_of_wholes);
        return Ok(Arc::new(Int64Array::from(means)));
    }
    let numbers = numbers(values)?;
    let finite = numbers
        .iter()
        .map(|value| value.filter(|value| value.is_finite()));
    let mut sorted: Vec<(f64, usize)> = rows(finite);
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let means = in_groups(&sorted, rows_min, values.len(), mean_of_fractions);
    Ok(Arc::new(Float64Array::from(means)))
}

/// The type of [`microaggregated`]'s result.
pub(crate) fn mean_type(input: &DataType) -> DataType {
    if is_whole(input) {
        DataType::Int64
    } else {
        DataType::Float64
    }
}

fn rows<T>(values: impl Iterator<Item = Option<T>>) -> Vec<(T, usize)> {
    values
        .enumerate()
        .filter_map(|(row, value)| Some((value?, row)))
        .collect()
}

fn in_groups<T>(
    sorted: &[(T, usize)],
    rows_min: usize,
    length: usize,
    mean: impl Fn(&[(T, usize)]) -> Option<T>,
) -> Vec<Option<T>>
where
    T: Copy,
{
    let mut means = vec![None; length];
    let rows_min = rows_min.max(1);
    let mut rest = sorted;
    while rest.len() >= rows_min {
        let size = if rest.len() < 2 * rows_min {
            rest.len()
        } else {
            rows_min
        };
        let (group, after) = rest.split_at(size);
        let mean = mean(group);
        for (_, row) in group {
            means[*row] = mean;
        }
        rest = after;
    }
    means
}

fn mean_of_wholes(group: &[(i64, usize)]) -> Option<i64> {
    let rows = i128::try_from(group.len()).ok()?;
    let sum: i128 = group.iter().map(|(value, _)| i128::from(*value)).sum();
    // To the nearest, halves up.
    i64::try_from((2 * sum + rows).div_euclid(2 * rows)).ok()
}

/// Each part before the sum, so that large numbers do not overflow.
fn mean_of_fractions(group: &[(f64, usize)]) -> Option<f64> {
    let rows = crate::risk::float(u64::try_from(group.len()).ok()?);
    let mean: f64 = group.iter().map(|(value, _)| value / rows).sum();
    Some(mean)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_share_their_mean() {
        let values = Int64Array::from(vec![
            Some(10),
            Some(1),
            None,
            Some(11),
            Some(3),
            Some(12),
            Some(2),
            Some(50),
        ]);
        let means = microaggregated(&values, 3).unwrap();
        let means: Vec<Option<i64>> = means.as_primitive::<Int64Type>().iter().collect();
        // 1 2 3 | 10 11 12 50
        assert_eq!(
            means,
            [
                Some(21),
                Some(2),
                None,
                Some(21),
                Some(2),
                Some(21),
                Some(2),
                Some(21)
            ]
        );
    }

    #[test]
    fn too_few_numbers_and_no_numbers_become_null() {
        let few = Float64Array::from(vec![1.0, 2.0, f64::NAN, f64::INFINITY]);
        assert_eq!(microaggregated(&few, 3).unwrap().null_count(), 4);
        let none = Int64Array::new_null(0);
        assert_eq!(microaggregated(&none, 3).unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn every_mean_is_shared_and_the_sum_stays(values in proptest::collection::vec(-1e6..1e6f64, 3..200), rows_min in 3usize..10) {
            let array = Float64Array::from(values.clone());
            let means = microaggregated(&array, rows_min).unwrap();
            let means = means.as_primitive::<Float64Type>();
            if values.len() < rows_min {
                prop_assert_eq!(means.null_count(), values.len());
                return Ok(());
            }
            let mut shared: HashMap<u64, usize> = HashMap::new();
            for mean in means.values() {
                *shared.entry(mean.to_bits()).or_default() += 1;
            }
            prop_assert!(shared.values().all(|rows| *rows >= rows_min));
            let (before, after): (f64, f64) = (values.iter().sum(), means.values().iter().sum());
            prop_assert!((before - after).abs() < 1e-3);
        }

        #[test]
        fn any_whole_numbers_are_taken(values in proptest::collection::vec(any::<i64>(), 0..40)) {
            let means = microaggregated(&Int64Array::from(values.clone()), 3).unwrap();
            let nulls = if values.len() < 3 { values.len() } else { 0 };
            prop_assert_eq!(means.null_count(), nulls);
        }
    }
}
