//! Groups of neighbouring numbers over all rows, for microaggregation.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array};

use crate::error::MaskError;
use crate::risk::float;
use crate::transform::coarsen::{is_whole, numbers, whole_numbers};

/// Distinct numbers, or groups of neighbours, that are held: about 25 MiB. Up to half of it every number is kept apart; beyond,
/// neighbours are put together before the end, and groups are larger than they had to be.
const HELD_MAX: usize = 1 << 18;

/// A number by its place among all numbers: the order of these is the order of the numbers.
type Place = u64;

/// Neighbouring numbers and how many rows have them.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: Place,
    high: Place,
    rows: u64,
    /// Of whole numbers.
    sum: i128,
    /// Of fractions; their sum could be too large.
    mean: f64,
}

impl Span {
    fn one(place: Place, whole: i64, fraction: f64) -> Self {
        Self {
            low: place,
            high: place,
            rows: 1,
            sum: i128::from(whole),
            mean: fraction,
        }
    }

    fn join(&mut self, other: &Self) {
        let rows = self.rows + other.rows;
        let part = |rows_of: u64| float(rows_of) / float(rows);
        self.mean = self.mean * part(self.rows) + other.mean * part(other.rows);
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.sum += other.sum;
        self.rows = rows;
    }
}

/// Learns the groups of a column of numbers.
#[derive(Debug)]
pub(super) struct NumberSurvey {
    rows_min: u64,
    rows: u64,
    /// In order and apart from one another.
    spans: Vec<Span>,
    /// Numbers outside of all spans.
    fresh: HashMap<Place, Span>,
    held_max: usize,
}

impl NumberSurvey {
    pub(super) fn new(rows_min: u32) -> Self {
        Self::holding(rows_min, HELD_MAX)
    }

    pub(super) fn holding(rows_min: u32, held_max: usize) -> Self {
        Self {
            rows_min: u64::from(rows_min.max(1)),
            rows: 0,
            spans: Vec::new(),
            fresh: HashMap::new(),
            held_max,
        }
    }

    pub(super) fn observe(&mut self, values: &ArrayRef) -> Result<(), MaskError> {
        if is_whole(values.data_type()) {
            for value in whole_numbers(values)?.iter().flatten() {
                self.add(Span::one(place_of_whole(value), value, 0.0));
            }
        } else {
            for value in numbers(values)?.iter().flatten() {
                if value.is_finite() {
                    self.add(Span::one(place_of_fraction(value), 0, value));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, one: Span) {
        self.rows += 1;
        let at = self.spans.partition_point(|span| span.high < one.low);
        if let Some(span) = self.spans.get_mut(at).filter(|span| span.low <= one.low) {
            span.join(&one);
            return;
        }
        self.fresh
            .entry(one.low)
            .and_modify(|known| known.join(&one))
            .or_insert(one);
        if self.spans.len() + self.fresh.len() > self.held_max {
            // Neighbours share a group so large that what is held is halved; never fewer rows than a group needs.
            let rows = self.rows / u64::try_from(self.held_max / 4).unwrap_or(1).max(1);
            self.settle(rows.max(self.rows_min));
        }
    }

    /// Puts neighbours together until each span has so many rows.
    fn settle(&mut self, rows_min: u64) {
        let mut all = std::mem::take(&mut self.spans);
        all.extend(self.fresh.drain().map(|(_, span)| span));
        all.sort_unstable_by_key(|span| span.low);
        let mut joined: Vec<Span> = Vec::with_capacity(all.len() / 2 + 1);
        for span in all {
            match joined.last_mut().filter(|last| last.rows < rows_min) {
                Some(last) => last.join(&span),
                None => joined.push(span),
            }
        }
        self.spans = joined;
    }

    pub(super) fn finish(mut self) -> Groups {
        self.settle(self.rows_min);
        let short = self
            .spans
            .last()
            .is_some_and(|last| last.rows < self.rows_min);
        if short && let Some(last) = self.spans.pop() {
            // The rest joins the group before it; without one there are too few rows for any.
            if let Some(before) = self.spans.last_mut() {
                before.join(&last);
            }
        }
        Groups(self.spans)
    }
}

/// The groups of a column: each number of a group is replaced by the group's mean.
#[derive(Debug)]
pub(crate) struct Groups(Vec<Span>);

impl Groups {
    /// The means of numbers; what is no number, or is in no group, becomes null.
    pub(super) fn means(&self, values: &dyn Array) -> Result<ArrayRef, MaskError> {
        if is_whole(values.data_type()) {
            let whole = whole_numbers(values)?;
            let means = whole.iter().map(|value| {
                let span = self.of(place_of_whole(value?))?;
                let rows = i128::from(span.rows);
                // To the nearest, halves up.
                i64::try_from((2 * span.sum + rows).div_euclid(2 * rows)).ok()
            });
            return Ok(Arc::new(means.collect::<Int64Array>()));
        }
        let fractions = numbers(values)?;
        let means = fractions.iter().map(|value| {
            let value = value.filter(|value| value.is_finite())?;
            Some(self.of(place_of_fraction(value))?.mean)
        });
        Ok(Arc::new(means.collect::<Float64Array>()))
    }

    /// The group of a number; of one that was not surveyed, the nearest above or else the last.
    fn of(&self, place: Place) -> Option<&Span> {
        let at = self.0.partition_point(|span| span.high < place);
        self.0.get(at).or_else(|| self.0.last())
    }
}

fn place_of_whole(value: i64) -> Place {
    value.cast_unsigned() ^ (1 << 63)
}

fn place_of_fraction(value: f64) -> Place {
    // Positive numbers sort by their bits; negative ones the other way round and below.
    let bits = value.to_bits();
    if bits >> 63 == 0 {
        bits | (1 << 63)
    } else {
        !bits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    fn means(values: &[i64], batch: usize, rows_min: u32, held_max: usize) -> Vec<Option<i64>> {
        let mut survey = NumberSurvey::holding(rows_min, held_max);
        for some in values.chunks(batch) {
            let some: ArrayRef = Arc::new(Int64Array::from(some.to_vec()));
            survey.observe(&some).unwrap();
        }
        let groups = survey.finish();
        let masked = groups.means(&Int64Array::from(values.to_vec())).unwrap();
        masked.as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn neighbours_are_found_across_batches() {
        let values = [10, 1, 11, 3, 12, 2, 50];
        let expect = [21, 2, 21, 2, 21, 2, 21].map(Some).to_vec();
        for batch in 1..=7 {
            assert_eq!(means(&values, batch, 3, HELD_MAX), expect);
        }
        assert_eq!(means(&[1, 2], 1, 3, HELD_MAX), [None, None]);
        assert_eq!(means(&[i64::MAX; 3], 1, 3, HELD_MAX), [Some(i64::MAX); 3]);
        assert_eq!(means(&[i64::MIN; 3], 1, 3, HELD_MAX), [Some(i64::MIN); 3]);
    }

    #[test]
    fn fractions_of_every_size_and_sign_are_in_order() {
        let order = [f64::MIN, -1.5, -1e-300, -0.0, 0.0, 1e-300, 2.5, f64::MAX];
        assert!(
            order
                .windows(2)
                .all(|pair| place_of_fraction(pair[0]) < place_of_fraction(pair[1]))
        );
        let values: ArrayRef = Arc::new(Float64Array::from(vec![
            f64::MAX,
            f64::MAX,
            f64::MAX,
            f64::NAN,
        ]));
        let mut survey = NumberSurvey::new(3);
        survey.observe(&values).unwrap();
        let masked = survey.finish().means(&values).unwrap();
        let masked = masked.as_primitive::<Float64Type>();
        assert!((masked.value(0) / f64::MAX - 1.0).abs() < 1e-9);
        assert!(masked.is_null(3));
    }

    proptest! {
        /// Whatever is held, each mean is shared by enough rows, sums stay, and order is kept.
        #[test]
        fn groups_are_large_enough_however_little_is_held(
            values in proptest::collection::vec(-5_000..5_000i64, 1..600),
            batch in 1usize..50,
            rows_min in 3u32..8,
            held_max in 8usize..64,
        ) {
            let masked = means(&values, batch, rows_min, held_max);
            if values.len() < usize::try_from(rows_min).unwrap() {
                prop_assert!(masked.iter().all(Option::is_none));
                return Ok(());
            }
            let mut shared: BTreeMap<i64, u32> = BTreeMap::new();
            for mean in &masked {
                *shared.entry(mean.unwrap()).or_default() += 1;
            }
            prop_assert!(shared.values().all(|rows| *rows >= rows_min));
            let mut pairs: Vec<(i64, i64)> = values.iter().copied().zip(masked.iter().map(|mean| mean.unwrap())).collect();
            pairs.sort_unstable();
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            let lost: i64 = pairs.iter().map(|(value, mean)| value - mean).sum();
            prop_assert!(usize::try_from(lost.unsigned_abs()).unwrap() <= values.len());
            prop_assert_eq!(&masked, &means(&values, batch, rows_min, held_max));
        }
    }
}
