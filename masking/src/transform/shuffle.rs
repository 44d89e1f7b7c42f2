//! Values exchanged among the rows of a group.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, MutableArrayData, StringArray, make_array};
use arrow::error::ArrowError;

use crate::error::{MaskError, internal};
use crate::key::TokenKey;
use crate::transform::text_values;

/// The fewest rows of a group that may be exchanged.
pub(crate) const ROWS_MIN: u32 = 3;

/// The values of a column exchanged among the batch's rows that agree in all `within` columns: one
/// cycle through them in an order that key, column and batch determine, so that no row keeps its
/// own value. Sums and distributions of every group stay; the relation to other columns goes.
///
/// Rows without a value stay without one. Groups with fewer than `rows_min` values become null:
/// there a value would be as good as told. A group never reaches beyond its batch, so memory is
/// bounded by it: about 100 bytes a row.
pub(crate) fn shuffled(
    values: &ArrayRef,
    within: &[&ArrayRef],
    key: &TokenKey,
    column: &str,
    rows_min: usize,
) -> Result<ArrayRef, MaskError> {
    let texts = text_values(values)?;
    let seed = seed(texts.as_string::<i32>(), key, column);
    let mut sources: Vec<Option<usize>> = vec![None; values.len()];
    for rows in groups(values, within)?.into_values() {
        if rows.len() < rows_min {
            continue;
        }
        let mut order: Vec<(u128, usize)> = rows
            .into_iter()
            .map(|row| {
                let mut message = seed.to_vec();
                message.extend_from_slice(&u64::try_from(row).unwrap_or(u64::MAX).to_be_bytes());
                (key.digest(&message), row)
            })
            .collect();
        order.sort_unstable();
        let next = order.iter().cycle().skip(1);
        for ((_, row), (_, source)) in order.iter().zip(next) {
            sources[*row] = Some(*source);
        }
    }
    taken(values, &sources).map_err(|error| internal("shuffle", &error))
}

/// The values of other rows. Arrow's own kernel would leave a value of the column under a null,
/// where a file could carry it on.
fn taken(values: &ArrayRef, sources: &[Option<usize>]) -> Result<ArrayRef, ArrowError> {
    let data = values.to_data();
    let mut taken = MutableArrayData::new(vec![&data], true, sources.len());
    for source in sources {
        match source {
            Some(row) => taken.try_extend(0, *row, row + 1)?,
            None => taken.try_extend_nulls(1)?,
        }
    }
    Ok(make_array(taken.freeze()))
}

/// What the order is drawn from besides the key: another batch has another order, so that one whose
/// rows are known tells nothing of the next.
fn seed(texts: &StringArray, key: &TokenKey, column: &str) -> [u8; 32] {
    let lengths: Vec<[u8; 8]> = texts
        .iter()
        .map(|text| {
            let length = text.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(0));
            length.to_be_bytes()
        })
        .collect();
    let mut parts: Vec<&[u8]> = vec![b"egret shuffle v1|", column.as_bytes(), b"|"];
    for (length, text) in lengths.iter().zip(texts) {
        parts.push(length);
        parts.push(text.unwrap_or("").as_bytes());
    }
    key.suite().digest(&parts)
}

/// The rows with a value, by what they are grouped by.
fn groups(
    values: &ArrayRef,
    within: &[&ArrayRef],
) -> Result<HashMap<Vec<u8>, Vec<usize>>, MaskError> {
    let mut groups: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (row, group) in group_keys(values.len(), within)?.into_iter().enumerate() {
        if values.is_valid(row) {
            groups.entry(group).or_default().push(row);
        }
    }
    Ok(groups)
}

/// What each row is grouped by.
pub(super) fn group_keys(rows: usize, within: &[&ArrayRef]) -> Result<Vec<Vec<u8>>, MaskError> {
    let mut keys = vec![Vec::new(); rows];
    for column in within {
        let column = text_values(column)?;
        for (key, text) in keys.iter_mut().zip(column.as_string::<i32>()) {
            // Null is a group of its own.
            key.push(u8::from(text.is_some()));
            if let Some(text) = text {
                let length = u64::try_from(text.len()).unwrap_or(0);
                key.extend_from_slice(&length.to_be_bytes());
                key.extend_from_slice(text.as_bytes());
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;
    use crate::key::RootKey;

    fn key() -> TokenKey {
        RootKey::from_bytes([1; 32]).shuffle(1)
    }

    fn shuffle(values: &[Option<i64>], within: &[&str]) -> Vec<Option<i64>> {
        let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let within: ArrayRef = Arc::new(StringArray::from(within.to_vec()));
        let shuffled = shuffled(&values, &[&within], &key(), "income", 3).unwrap();
        shuffled.as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn values_move_inside_their_group_and_none_stays() {
        let values: Vec<Option<i64>> = (0..100).map(Some).collect();
        let within: Vec<&str> = (0..100)
            .map(|row| if row < 60 { "a" } else { "b" })
            .collect();
        let moved = shuffle(&values, &within);
        assert!(
            values
                .iter()
                .zip(&moved)
                .all(|(before, after)| before != after)
        );
        for range in [0..60, 60..100] {
            let mut inside = moved[range.clone()].to_vec();
            inside.sort_unstable();
            assert_eq!(inside, values[range]);
        }
        assert_eq!(moved, shuffle(&values, &within));
    }

    #[test]
    fn another_batch_has_another_order() {
        let place = |first: i64| {
            let values: Vec<Option<i64>> = std::iter::once(first).chain(1..50).map(Some).collect();
            let moved = shuffle(&values, &["a"; 50]);
            moved.iter().position(|value| *value == Some(25))
        };
        let places: std::collections::HashSet<_> = (1000..1010).map(place).collect();
        assert!(places.len() > 3);
    }

    #[test]
    fn small_groups_become_null_and_nulls_stay() {
        let values = [Some(1), Some(2), Some(3), Some(4), None, Some(5)];
        let moved = shuffle(&values, &["a", "a", "a", "b", "a", "b"]);
        assert_eq!(moved[3..], [None, None, None]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
        let hidden = shuffled(&values, &[], &key(), "income", 3).unwrap();
        assert_eq!(hidden.as_primitive::<Int64Type>().values()[..], [0, 0]);
        assert!(moved[..3].iter().all(Option::is_some));
    }

    proptest! {
        #[test]
        fn any_texts_are_exchanged(texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..30)) {
            let values: ArrayRef = Arc::new(StringArray::from(texts.clone()));
            let moved = shuffled(&values, &[], &key(), "c", 3).unwrap();
            let mut before: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
            let mut after: Vec<&str> = moved.as_string::<i32>().iter().flatten().collect();
            if before.len() < 3 {
                before.clear();
            }
            before.sort_unstable();
            after.sort_unstable();
            prop_assert_eq!(before, after);
        }
    }
}
