//! `egret_units(unit) -> Binary`: which privacy units are in a group, as a serialised
//! [`RoaringBitmap`] in the portable format. Nulls are nobody; an empty group is an empty set.
//!
//! Memory per group is at most 8 bytes per distinct unit, plus slack while rows come in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, UInt32Array};
use arrow::datatypes::{DataType, Field, FieldRef, UInt32Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use roaring::RoaringBitmap;

const NAME: &str = "egret_units";

/// The function.
pub(super) fn function() -> Arc<AggregateUDF> {
    let signature = Signature::exact(vec![DataType::UInt32], Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Units { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Units {
    signature: Signature,
}

impl AggregateUDFImpl for Units {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("units", DataType::Binary, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(UnitsByGroup::default())))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(UnitsByGroup::default()))
    }
}

/// Distinct units of one group: a list that is sorted now and then while the group holds few of
/// all units, one bit per unit once it holds more than one in 64.
#[derive(Debug)]
enum UnitSet {
    List { units: Vec<u32>, sort_at: usize },
    Bits(Vec<u64>),
}

const SORT_AT_FIRST: usize = 16;
/// A bit set of this many units per member takes 8 bytes per member.
const UNITS_PER_MEMBER: usize = 64;

impl Default for UnitSet {
    fn default() -> Self {
        Self::List {
            units: Vec::new(),
            sort_at: SORT_AT_FIRST,
        }
    }
}

impl UnitSet {
    fn insert(&mut self, unit: u32) {
        match self {
            Self::Bits(words) => set_bit(words, unit),
            Self::List { units, sort_at } => {
                // Rows of one unit often follow one another.
                if units.last() == Some(&unit) {
                    return;
                }
                units.push(unit);
                if units.len() >= *sort_at {
                    self.compact();
                }
            }
        }
    }

    fn compact(&mut self) {
        let Self::List { units, sort_at } = self else {
            return;
        };
        units.sort_unstable();
        units.dedup();
        *sort_at = (units.len() * 2).max(SORT_AT_FIRST);
        let highest = units.last().map_or(0, |unit| *unit as usize);
        if units.len() > SORT_AT_FIRST && highest / units.len() < UNITS_PER_MEMBER {
            let mut words = vec![0; highest / 64 + 1];
            for unit in units.iter() {
                set_bit(&mut words, *unit);
            }
            *self = Self::Bits(words);
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::List { units, .. } => units.capacity() * size_of::<u32>(),
            Self::Bits(words) => words.capacity() * size_of::<u64>(),
        }
    }

    fn into_bitmap(mut self) -> RoaringBitmap {
        self.compact();
        let mut bitmap = match self {
            Self::List { units, .. } => RoaringBitmap::from_sorted_iter(units).unwrap_or_default(),
            Self::Bits(words) => of_bits(&words),
        };
        bitmap.optimize();
        bitmap
    }
}

/// Words of one container of a bitmap, and how many units it holds as a list at most.
const CONTAINER_WORDS: usize = 1024;
const CONTAINER_LIST_MAX: u32 = 4096;

/// The set of the bits. Taken from bytes, the library keeps a container of exactly 4,096 as bits, writes it so, and then
/// cannot read it, since a reader expects a list there: containers of so many or fewer are filled one by one.
fn of_bits(words: &[u64]) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::new();
    let containers = words.chunks(CONTAINER_WORDS);
    for (first, container) in (0u32..).step_by(1 << 16).zip(containers) {
        let held: u32 = container.iter().map(|word| word.count_ones()).sum();
        if held > CONTAINER_LIST_MAX {
            let bytes: Vec<u8> = container
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect();
            bitmap |= RoaringBitmap::from_lsb0_bytes(first, &bytes);
            continue;
        }
        for (start, word) in (first..).step_by(64).zip(container) {
            let mut left = *word;
            while left != 0 {
                bitmap.insert(start + left.trailing_zeros());
                left &= left - 1;
            }
        }
    }
    bitmap
}

fn set_bit(words: &mut Vec<u64>, unit: u32) {
    let word = unit as usize / 64;
    if word >= words.len() {
        words.resize(word + 1, 0);
    }
    words[word] |= 1 << (unit % 64);
}

#[derive(Debug, Default)]
struct UnitsByGroup {
    groups: Vec<UnitSet>,
    /// Bytes behind the sets, kept up to date as they grow.
    bytes: usize,
}

impl UnitsByGroup {
    fn add(&mut self, group: usize, units: impl IntoIterator<Item = u32>) {
        let set = &mut self.groups[group];
        let before = set.bytes();
        for unit in units {
            set.insert(unit);
        }
        self.bytes = (self.bytes + set.bytes()).saturating_sub(before);
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sets = emit_to.take_needed(&mut self.groups);
        let mut array = BinaryBuilder::with_capacity(sets.len(), 0);
        let mut buffer = Vec::new();
        for set in sets {
            self.bytes = self.bytes.saturating_sub(set.bytes());
            buffer.clear();
            set.into_bitmap()
                .serialize_into(&mut buffer)
                .map_err(DataFusionError::IoError)?;
            array.append_value(&buffer);
        }
        Ok(Arc::new(array.finish()))
    }
}

fn units_of(values: &[ArrayRef]) -> Result<&UInt32Array> {
    values
        .first()
        .and_then(|array| array.as_primitive_opt::<UInt32Type>())
        .ok_or_else(|| DataFusionError::Internal(format!("{NAME} takes unit numbers")))
}

impl GroupsAccumulator for UnitsByGroup {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let units = units_of(values)?;
        let plain = units.null_count() == 0 && filter.is_none();
        for (row, (group, unit)) in group_indices.iter().zip(units.values()).enumerate() {
            let counts = plain
                || (units.is_valid(row)
                    && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)));
            if counts {
                self.add(*group, [*unit]);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.emit(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let states = values
            .first()
            .and_then(|array| array.as_binary_opt::<i32>())
            .ok_or_else(|| DataFusionError::Internal(format!("{NAME} merges bitmaps")))?;
        for (state, group) in states.iter().zip(group_indices) {
            if let Some(state) = state {
                let bitmap =
                    RoaringBitmap::deserialize_from(state).map_err(DataFusionError::IoError)?;
                self.add(*group, bitmap);
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = units_of(values)?.len();
        let mut alone = Self::default();
        alone.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        alone.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<UnitSet>()
    }
}

/// An accumulator of groups that has one.
#[derive(Debug)]
pub(super) struct OneGroup<G>(pub(super) G);

/// An accumulator that can make groups without rows.
pub(super) trait Groups: GroupsAccumulator + std::fmt::Debug + Sync {
    fn grow(&mut self, groups: usize);
}

impl Groups for UnitsByGroup {
    fn grow(&mut self, groups: usize) {
        if self.groups.len() < groups {
            self.groups.resize_with(groups, UnitSet::default);
        }
    }
}

impl<G: Groups> Accumulator for OneGroup<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |array| array.len());
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |array| array.len());
        self.0.merge_batch(states, &vec![0; rows], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.grow(1);
        ScalarValue::try_from_array(&self.0.evaluate(EmitTo::All)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.grow(1);
        let states = self.0.state(EmitTo::All)?;
        states
            .iter()
            .map(|state| ScalarValue::try_from_array(state, 0))
            .collect()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn sets(array: &ArrayRef) -> Vec<BTreeSet<u32>> {
        let array = array.as_binary::<i32>();
        array
            .iter()
            .map(|bytes| {
                RoaringBitmap::deserialize_from(bytes.unwrap())
                    .unwrap()
                    .iter()
                    .collect()
            })
            .collect()
    }

    /// The library's own boundary between a list and bits, in each container and on both sides.
    #[test]
    fn sets_of_every_size_around_a_container_s_list_are_read_again() {
        for count in [
            1, 17, 4_094, 4_095, 4_096, 4_097, 8_192, 32_768, 65_535, 65_536,
        ] {
            for first in [0, 5, 65_536, 131_000] {
                for step in [1, 2, 13] {
                    let units: Vec<u32> = (0..count).map(|n| first + n * step).collect();
                    let rows: Vec<_> = units.iter().map(|unit| (0, Some(*unit))).collect();
                    let mut accumulator = UnitsByGroup::default();
                    update(&mut accumulator, &rows, 1);
                    let state = accumulator.state(EmitTo::All).unwrap();
                    let mut merged = UnitsByGroup::default();
                    merged.merge_batch(&state, &[0], 1).unwrap();
                    let read = sets(&merged.evaluate(EmitTo::All).unwrap());
                    assert_eq!(
                        read,
                        [units.iter().copied().collect::<BTreeSet<_>>()],
                        "{count} from {first} by {step}"
                    );
                }
            }
        }
    }

    fn naive(rows: &[(usize, Option<u32>)], groups: usize) -> Vec<BTreeSet<u32>> {
        let mut sets = vec![BTreeSet::new(); groups];
        for (group, unit) in rows {
            sets[*group].extend(*unit);
        }
        sets
    }

    fn update(accumulator: &mut UnitsByGroup, rows: &[(usize, Option<u32>)], groups: usize) {
        let units: UInt32Array = rows.iter().map(|(_, unit)| *unit).collect();
        let indices: Vec<_> = rows.iter().map(|(group, _)| *group).collect();
        accumulator
            .update_batch(&[Arc::new(units)], &indices, None, groups)
            .unwrap();
    }

    fn rows() -> impl Strategy<Value = Vec<(usize, Option<u32>)>> {
        let unit = prop_oneof![
            8 => (0u32..300).prop_map(Some),
            3 => (0u32..200_000).prop_map(Some),
            1 => Just(None),
        ];
        prop::collection::vec((0usize..7, unit), 0..3000)
    }

    proptest! {
        #[test]
        fn equals_the_naive_sets_in_one_and_in_two_phases(first in rows(), second in rows()) {
            let all: Vec<_> = first.iter().chain(&second).copied().collect();
            let expected = naive(&all, 7);

            let mut direct = UnitsByGroup::default();
            update(&mut direct, &first, 7);
            update(&mut direct, &second, 7);
            prop_assert!(direct.size() > 0);
            prop_assert_eq!(&sets(&direct.evaluate(EmitTo::All).unwrap()), &expected);

            let mut merged = UnitsByGroup::default();
            for part in [&first, &second] {
                let mut partial = UnitsByGroup::default();
                update(&mut partial, part, 7);
                let state = partial.state(EmitTo::All).unwrap();
                merged.merge_batch(&state, &[0, 1, 2, 3, 4, 5, 6], 7).unwrap();
            }
            prop_assert_eq!(&sets(&merged.evaluate(EmitTo::All).unwrap()), &expected);

            let units: UInt32Array = all.iter().map(|(_, unit)| *unit).collect();
            let states = merged.convert_to_state(&[Arc::new(units)], None).unwrap();
            let indices: Vec<_> = all.iter().map(|(group, _)| *group).collect();
            merged.merge_batch(&states, &indices, 7).unwrap();
            prop_assert_eq!(&sets(&merged.evaluate(EmitTo::All).unwrap()), &expected);
        }

        #[test]
        fn groups_can_leave_early(rows in rows(), keep in 1usize..7) {
            let expected = naive(&rows, 7);
            let mut accumulator = UnitsByGroup::default();
            update(&mut accumulator, &rows, 7);
            let mut out = sets(&accumulator.evaluate(EmitTo::First(keep)).unwrap());
            out.extend(sets(&accumulator.evaluate(EmitTo::All).unwrap()));
            prop_assert_eq!(out, expected);
            prop_assert_eq!(accumulator.bytes, 0);
        }
    }

    #[test]
    fn a_filter_and_an_empty_group_count_nobody() {
        let mut accumulator = UnitsByGroup::default();
        let filter = BooleanArray::from(vec![Some(true), Some(false), None]);
        let units = Arc::new(UInt32Array::from(vec![1, 2, 3]));
        accumulator
            .update_batch(&[units], &[0, 0, 0], Some(&filter), 2)
            .unwrap();
        let out = sets(&accumulator.evaluate(EmitTo::All).unwrap());
        assert_eq!(out, [BTreeSet::from([1]), BTreeSet::new()]);
        let mut alone = OneGroup(UnitsByGroup::default());
        let ScalarValue::Binary(Some(bytes)) = alone.evaluate().unwrap() else {
            unreachable!()
        };
        assert!(
            RoaringBitmap::deserialize_from(&bytes[..])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_dense_group_takes_a_bit_per_unit() {
        let mut accumulator = UnitsByGroup::default();
        let rows: Vec<_> = (0..200_000).map(|unit| (0, Some(unit % 100_000))).collect();
        update(&mut accumulator, &rows, 1);
        assert!(accumulator.size() < 100_000, "{}", accumulator.size());
    }
}
