//! Values dealt out anew among all rows that agree in some columns.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, MutableArrayData, UInt64Array, make_array};
use arrow::compute::{concat, take};
use arrow::error::ArrowError;
use sha2::{Digest, Sha256};

use crate::error::{Fault, MaskError, internal};
use crate::key::TokenKey;
use crate::text::Bilingual;
use crate::transform::shuffle::group_keys;
use crate::transform::text_values;

/// Different values of a group, over all groups, that are held; with their texts about 100 MiB at most.
const HELD_MAX: usize = 1 << 20;
/// Bytes of their texts and of the groups' names.
const BYTES_MAX: usize = 64 << 20;
/// Draws for a row that would get its own value back, while there are others.
const DRAWS_MAX: u32 = 8;

/// Learns the values of a column, by group.
#[derive(Debug)]
pub(super) struct ValueSurvey {
    rows_min: u64,
    /// Each different value's number, in the order of their coming.
    numbers: HashMap<String, usize>,
    /// The values themselves, in that order.
    pieces: Vec<ArrayRef>,
    groups: HashMap<Vec<u8>, HashMap<usize, u64>>,
    held: usize,
    bytes: usize,
    /// What the order is drawn from besides the key, so that data that are known tell nothing of others.
    content: Sha256,
    held_max: usize,
}

impl ValueSurvey {
    pub(super) fn new(rows_min: u32) -> Self {
        Self {
            rows_min: u64::from(rows_min),
            numbers: HashMap::new(),
            pieces: Vec::new(),
            groups: HashMap::new(),
            held: 0,
            bytes: 0,
            content: Sha256::new(),
            held_max: HELD_MAX,
        }
    }

    pub(super) fn observe(
        &mut self,
        values: &ArrayRef,
        within: &[&ArrayRef],
        column: &str,
    ) -> Result<(), MaskError> {
        let texts = text_values(values)?;
        let texts = texts.as_string::<i32>();
        let keys = group_keys(values.len(), within)?;
        let mut new = Vec::new();
        for (row, (text, key)) in texts.iter().zip(keys).enumerate() {
            let Some(text) = text.filter(|_| values.is_valid(row)) else {
                continue;
            };
            self.content.update(text.len().to_be_bytes());
            self.content.update(text);
            let next = self.numbers.len();
            let number = match self.numbers.get(text) {
                Some(number) => *number,
                None => {
                    self.numbers.insert(text.to_owned(), next);
                    self.bytes += text.len();
                    new.push(u64::try_from(row).unwrap_or(u64::MAX));
                    next
                }
            };
            if !self.groups.contains_key(&key) {
                self.bytes += key.len();
            }
            let group = self.groups.entry(key).or_default();
            let rows = group.entry(number).or_insert(0);
            self.held += usize::from(*rows == 0);
            *rows += 1;
            if self.held > self.held_max || self.bytes > BYTES_MAX {
                return Err(too_many(column, self.held_max));
            }
        }
        if self.pieces.is_empty() || !new.is_empty() {
            let piece = take(values, &UInt64Array::from(new), None);
            self.pieces
                .push(piece.map_err(|error| internal("shuffle", &error))?);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Dealt {
        let pieces: Vec<&dyn Array> = self.pieces.iter().map(AsRef::as_ref).collect();
        let groups = self
            .groups
            .into_iter()
            .filter(|(_, values)| values.values().sum::<u64>() >= self.rows_min)
            .map(|(key, values)| (key, Hand::new(values)))
            .collect();
        Dealt {
            values: concat(&pieces).ok(),
            numbers: self.numbers,
            content: self.content.finalize().into(),
            hands: Mutex::new(groups),
        }
    }
}

fn too_many(column: &str, held_max: usize) -> MaskError {
    Fault::column(
        "shuffle_too_many_values",
        column,
        Bilingual::new(
            format!("该列按组计有超过 {held_max} 个不同取值，无法在限定内存中对全部行交换"),
            format!(
                "the column has more than {held_max} different values over its groups, too many to exchange among all rows in bounded memory"
            ),
        ),
        Bilingual::new(
            "先分箱或泛化该列，减少 within 的列，或改用 token、noise、microaggregate",
            "bin or generalise the column first, name fewer columns in within, or use token, noise or microaggregate",
        ),
    )
}

/// The values of a column, to be dealt out.
#[derive(Debug)]
pub(crate) struct Dealt {
    values: Option<ArrayRef>,
    numbers: HashMap<String, usize>,
    content: [u8; 32],
    hands: Mutex<HashMap<Vec<u8>, Hand>>,
}

impl Dealt {
    /// Another value of the group for each row; rows without a value stay without one, and so do those of groups that are too small.
    pub(super) fn exchanged(
        &self,
        values: &ArrayRef,
        within: &[&ArrayRef],
        key: &TokenKey,
        column: &str,
    ) -> Result<ArrayRef, MaskError> {
        let texts = text_values(values)?;
        let texts = texts.as_string::<i32>();
        let keys = group_keys(values.len(), within)?;
        // A panic while it was held leaves counts at worst too low: values are dealt anew then.
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sources = Vec::with_capacity(values.len());
        for (row, (text, group)) in texts.iter().zip(keys).enumerate() {
            let own = text.and_then(|text| self.numbers.get(text));
            let hand = hands.get_mut(&group);
            sources.push(match (own, hand) {
                (Some(own), Some(hand)) if values.is_valid(row) => {
                    let mut message = self.content.to_vec();
                    message.extend_from_slice(column.as_bytes());
                    message.push(0);
                    message.extend_from_slice(&group);
                    hand.deal(*own, &message, key)
                }
                _ => None,
            });
        }
        self.taken(values, &sources)
            .map_err(|error| internal("shuffle", &error))
    }

    /// Values by their numbers. Arrow's own kernel would leave a value under a null, where a file could carry it on.
    fn taken(&self, like: &ArrayRef, sources: &[Option<usize>]) -> Result<ArrayRef, ArrowError> {
        let data = self.values.as_ref().unwrap_or(like).to_data();
        let mut taken = MutableArrayData::new(vec![&data], true, sources.len());
        for source in sources {
            match source.filter(|source| *source < data.len()) {
                Some(source) => taken.try_extend(0, source, source + 1)?,
                None => taken.try_extend_nulls(1)?,
            }
        }
        Ok(make_array(taken.freeze()))
    }
}

/// The values of a group that are not dealt out yet: a tree of counts (Fenwick 1994), from which any is drawn in steps of the logarithm.
#[derive(Debug)]
struct Hand {
    /// The values' numbers, in order.
    values: Vec<usize>,
    whole: Vec<u64>,
    left: Vec<u64>,
    rows: u64,
    rows_left: u64,
}

impl Hand {
    fn new(values: HashMap<usize, u64>) -> Self {
        let mut values: Vec<(usize, u64)> = values.into_iter().collect();
        values.sort_unstable();
        let mut tree = vec![0; values.len() + 1];
        for (place, (_, rows)) in values.iter().enumerate() {
            let mut node = place + 1;
            while let Some(count) = tree.get_mut(node) {
                *count += rows;
                node += node & node.wrapping_neg();
            }
        }
        let rows = values.iter().map(|(_, rows)| rows).sum();
        Self {
            values: values.into_iter().map(|(number, _)| number).collect(),
            left: tree.clone(),
            whole: tree,
            rows,
            rows_left: rows,
        }
    }

    /// Draws a value for a row that has `own`; when all are dealt out it begins again.
    fn deal(&mut self, own: usize, message: &[u8], key: &TokenKey) -> Option<usize> {
        if self.rows_left == 0 {
            self.left.clone_from(&self.whole);
            self.rows_left = self.rows;
        }
        let mut place = 0;
        for draw in 0..DRAWS_MAX {
            let mut message = message.to_vec();
            message.extend_from_slice(&self.rows_left.to_be_bytes());
            message.extend_from_slice(&draw.to_be_bytes());
            let number = key.digest(&message) % u128::from(self.rows_left);
            place = self.place(u64::try_from(number).unwrap_or(0));
            if self.values.get(place) != Some(&own) {
                break;
            }
        }
        let mut node = place + 1;
        while let Some(count) = self.left.get_mut(node) {
            *count = count.saturating_sub(1);
            node += node & node.wrapping_neg();
        }
        self.rows_left -= 1;
        self.values.get(place).copied()
    }

    /// The place of the value that the row of a rank among those left has.
    fn place(&self, mut rank: u64) -> usize {
        let (mut place, mut step) = (0, self.left.len().next_power_of_two());
        while step > 0 {
            if let Some(count) = self.left.get(place + step).filter(|count| **count <= rank) {
                rank -= count;
                place += step;
            }
            step /= 2;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::key::RootKey;

    fn key() -> TokenKey {
        RootKey::from_bytes([1; 32]).shuffle(1)
    }

    fn parts(values: &[Option<i64>], within: &[u8], batch: usize) -> Vec<(ArrayRef, ArrayRef)> {
        let groups = |some: &[u8]| StringArray::from_iter_values(some.iter().map(u8::to_string));
        values
            .chunks(batch)
            .zip(within.chunks(batch))
            .map(|(values, within)| {
                let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
                let within: ArrayRef = Arc::new(groups(within));
                (values, within)
            })
            .collect()
    }

    fn pass(dealt: &Dealt, parts: &[(ArrayRef, ArrayRef)]) -> Vec<Option<i64>> {
        parts
            .iter()
            .flat_map(|(values, within)| {
                let moved = dealt
                    .exchanged(values, &[within], &key(), "income")
                    .unwrap();
                moved.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
            })
            .collect()
    }

    fn survey(parts: &[(ArrayRef, ArrayRef)], rows_min: u32) -> Dealt {
        let mut survey = ValueSurvey::new(rows_min);
        for (values, within) in parts {
            survey.observe(values, &[within], "income").unwrap();
        }
        survey.finish()
    }

    #[test]
    fn values_move_far_and_few_stay() {
        let values: Vec<Option<i64>> = (0..1_000).map(Some).collect();
        let parts = parts(&values, &[0; 1_000], 10);
        let moved = pass(&survey(&parts, 3), &parts);
        let far = moved
            .iter()
            .zip(&values)
            .filter(|(after, before)| after.unwrap().abs_diff(before.unwrap()) > 100);
        assert!(far.count() > 600, "values stay near where they were");
        let own = moved
            .iter()
            .zip(&values)
            .filter(|(after, before)| after == before);
        assert!(own.count() <= 1);
    }

    #[test]
    fn too_many_values_are_refused_by_name() {
        let mut survey = ValueSurvey {
            held_max: 9,
            ..ValueSurvey::new(3)
        };
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
        let fault = survey.observe(&values, &[], "income").unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.column.as_deref()),
            ("shuffle_too_many_values", Some("income"))
        );
    }

    proptest! {
        /// Every group keeps exactly its values, whatever the batches, and a second pass deals the same.
        #[test]
        fn groups_keep_their_values(
            rows in proptest::collection::vec((proptest::option::weighted(0.9, 0..20i64), 0..4u8), 1..300),
            batch in 1usize..40,
        ) {
            let (values, within): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
            let parts = parts(&values, &within, batch);
            let dealt = survey(&parts, 3);
            let moved = pass(&dealt, &parts);
            prop_assert_eq!(&moved, &pass(&dealt, &parts));
            prop_assert_eq!(&moved, &pass(&survey(&parts, 3), &parts));
            for group in 0..4 {
                let of = |all: &[Option<i64>]| {
                    let mut own: Vec<i64> = all.iter().zip(&within).filter(|(_, of)| **of == group).filter_map(|(value, _)| *value).collect();
                    own.sort_unstable();
                    own
                };
                let before = of(&values);
                let expect = if before.len() < 3 { Vec::new() } else { before };
                prop_assert_eq!(of(&moved), expect);
            }
            for (before, after) in values.iter().zip(&moved) {
                prop_assert!(before.is_some() || after.is_none());
            }
        }
    }
}
