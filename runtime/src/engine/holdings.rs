//! `egret_holdings(unit, value) -> Struct`: how much of a group's total each privacy unit holds,
//! folded to what the dominance rules need. A unit's holding is the sum of its absolute values. Beside the total of
//! holdings stands what of it was negative: a booking and its reversal hold the same and are not the same. And what
//! each unit holds with its sign, for rules about differences of groups: listed for the largest holders, bounded for
//! the others (see [`write_each`]).
//!
//! Exact: every holding and the total are kept as a pair of floating-point numbers (Dekker's
//! double-double, about 106 bits), so integers are exact and the order of rows does not show. NaN
//! counts as infinite, which no dominance rule lets pass. Memory is about 60 bytes per pair of
//! group and unit, and at most 128 in groups that hold more than a quarter of all units.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, LargeBinaryBuilder,
    StructArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt32Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use roaring::RoaringBitmap;

use super::units::{Groups, OneGroup};

const NAME: &str = "egret_holdings";

/// The function.
pub(super) fn function() -> Arc<AggregateUDF> {
    let arguments = vec![DataType::UInt32, DataType::Float64];
    let signature = Signature::exact(arguments, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Holdings { signature }))
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("units", DataType::UInt64, true),
        Field::new("x1", DataType::Float64, true),
        Field::new("x2", DataType::Float64, true),
        Field::new("total", DataType::Float64, true),
        Field::new("distinct", DataType::UInt64, true),
        Field::new("negative", DataType::Float64, true),
        Field::new("each", DataType::Binary, true),
    ])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Holdings {
    signature: Signature,
}

impl AggregateUDFImpl for Holdings {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(
            "holdings",
            DataType::LargeBinary,
            true,
        ))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(HoldingsByGroup::default())))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(HoldingsByGroup::default()))
    }
}

/// A sum as an unevaluated pair: `high` rounded, `low` what that lost.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.high + value;
        if sum.is_infinite() {
            *self = Self {
                high: f64::INFINITY,
                low: 0.0,
            };
            return;
        }
        // Knuth's two-sum: the exact error of the rounded addition.
        let part = sum - self.high;
        let error = (self.high - (sum - part)) + (value - part);
        let low = self.low + error;
        // Renormalise, so that `high` is the rounded value of the pair.
        let high = sum + low;
        *self = Self {
            high,
            low: low - (high - sum),
        };
    }

    fn add_sum(&mut self, other: Self) {
        self.add(other.high);
        if other.low != 0.0 {
            self.add(other.low);
        }
    }

    fn value(self) -> f64 {
        self.high + self.low
    }

    fn write(self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.high.to_le_bytes());
        buffer.extend_from_slice(&self.low.to_le_bytes());
    }

    /// What [`Sum::write`] wrote, and what follows it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (high, rest) = bytes.split_first_chunk()?;
        let (low, rest) = rest.split_first_chunk()?;
        let sum = Self {
            high: f64::from_le_bytes(*high),
            low: f64::from_le_bytes(*low),
        };
        Some((sum, rest))
    }
}

/// What one unit holds of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    /// The sum of absolute values.
    held: Sum,
    /// The sum with signs.
    net: Sum,
}

/// What cancelling leaves of values that are no binary fractions, of their size.
const CANCELLED: f64 = 1e-12;

impl Holding {
    fn add(&mut self, value: f64) {
        self.held.add(held(value));
        self.net.add(if value.is_finite() {
            value
        } else {
            f64::INFINITY
        });
    }

    fn add_holding(&mut self, other: Self) {
        self.held.add_sum(other.held);
        self.net.add_sum(other.net);
    }

    /// The sum with signs in single precision; none when it cancels.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "single precision is what is listed"
    )]
    fn listed(self) -> Option<f32> {
        let net = self.net.value();
        if net.abs() <= self.held.value() * CANCELLED {
            return None;
        }
        let single = net as f32;
        Some(if single == 0.0 {
            f32::MIN_POSITIVE.copysign(single)
        } else {
            single
        })
    }

    fn write(self, buffer: &mut Vec<u8>) {
        self.held.write(buffer);
        self.net.write(buffer);
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (held, rest) = Sum::read(bytes)?;
        let (net, rest) = Sum::read(rest)?;
        Some((Self { held, net }, rest))
    }
}

/// Up to three distinct values, by their bits.
#[derive(Clone, Copy, Debug, Default)]
struct Distinct {
    bits: [u64; DISTINCT_MAX],
    count: u8,
}

/// Where counting of distinct values stops: constant and binary columns are what matters.
const DISTINCT_MAX: usize = 3;

impl Distinct {
    fn add(&mut self, value: f64) {
        let count = usize::from(self.count);
        if count == DISTINCT_MAX {
            return;
        }
        // Both zeroes are one value, and so is whatever is not a number.
        let bits = if value.is_nan() {
            f64::NAN.to_bits()
        } else {
            (value + 0.0).to_bits()
        };
        if !self.bits[..count].contains(&bits) {
            self.bits[count] = bits;
            self.count += 1;
        }
    }

    fn values(&self) -> &[u64] {
        &self.bits[..usize::from(self.count)]
    }
}

/// Mixes a unit number; these are dense numbers that nobody outside chooses.
#[derive(Default)]
struct UnitHasher(u64);

/// An odd number without pattern: the golden ratio in binary.
const MIX: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

impl Hasher for UnitHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, unit: u32) {
        let product = (u128::from(self.0) ^ u128::from(unit))
            .wrapping_mul(MIX)
            .to_le_bytes();
        let [low, high] = [0, 8].map(|from| {
            product[from..]
                .first_chunk()
                .map_or(0, |half| u64::from_le_bytes(*half))
        });
        self.0 = low ^ high;
    }
}

type Table = HashMap<u32, Holding, BuildHasherDefault<UnitHasher>>;

/// Who holds how much in one group: a table while it holds few of all units, a list by unit number
/// once it holds more than a quarter of them.
#[derive(Debug)]
enum Holders {
    Table {
        sums: Table,
        highest: u32,
        look_at: usize,
    },
    List(Vec<Holding>),
}

const LOOK_AT_FIRST: usize = 64;
const UNITS_PER_HOLDER: usize = 4;

impl Default for Holders {
    fn default() -> Self {
        Self::Table {
            sums: Table::default(),
            highest: 0,
            look_at: LOOK_AT_FIRST,
        }
    }
}

impl Holders {
    fn of(&mut self, unit: u32) -> &mut Holding {
        if let Self::Table {
            sums,
            highest,
            look_at,
        } = self
            && sums.len() >= *look_at
        {
            *look_at = sums.len() * 2;
            if *highest as usize / sums.len() < UNITS_PER_HOLDER {
                let mut list = vec![Holding::default(); *highest as usize + 1];
                for (unit, sum) in sums.drain() {
                    list[unit as usize] = sum;
                }
                *self = Self::List(list);
            }
        }
        match self {
            Self::Table { sums, highest, .. } => {
                *highest = unit.max(*highest);
                sums.entry(unit).or_default()
            }
            Self::List(list) => {
                let at = unit as usize;
                if at >= list.len() {
                    list.resize(at + 1, Holding::default());
                }
                &mut list[at]
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            // One byte of control per slot, and an eighth of the slots is never used.
            Self::Table { sums, .. } => sums.capacity() / 7 * 8 * (size_of::<(u32, Holding)>() + 1),
            Self::List(list) => list.capacity() * size_of::<Holding>(),
        }
    }

    /// Those that hold something.
    fn each(&self, mut visit: impl FnMut(u32, Holding)) {
        let holds = |holding: &Holding| holding.held.high > 0.0;
        match self {
            Self::Table { sums, .. } => {
                for (unit, sum) in sums.iter().filter(|(_, sum)| holds(sum)) {
                    visit(*unit, *sum);
                }
            }
            Self::List(list) => {
                for (unit, sum) in (0u32..).zip(list).filter(|(_, sum)| holds(sum)) {
                    visit(unit, *sum);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    holders: Holders,
    distinct: Distinct,
    /// Sum of the absolute values of negative values.
    negative: Sum,
}

#[derive(Debug, Default)]
struct HoldingsByGroup {
    groups: Vec<Group>,
    /// Bytes behind the groups, kept up to date as they grow.
    bytes: usize,
}

/// What a dominance rule can use of a value.
fn held(value: f64) -> f64 {
    if value.is_nan() {
        f64::INFINITY
    } else {
        value.abs()
    }
}

impl Groups for HoldingsByGroup {
    fn grow(&mut self, groups: usize) {
        if self.groups.len() < groups {
            self.groups.resize_with(groups, Group::default);
        }
    }
}

impl HoldingsByGroup {
    fn take(&mut self, emit_to: EmitTo) -> Vec<Group> {
        let groups = emit_to.take_needed(&mut self.groups);
        let bytes: usize = groups.iter().map(|group| group.holders.bytes()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        groups
    }

    fn add(&mut self, group: usize, unit: u32, value: f64) {
        let group = &mut self.groups[group];
        group.distinct.add(value);
        let held = held(value);
        if held > 0.0 {
            let before = group.holders.bytes();
            group.holders.of(unit).add(value);
            if value < 0.0 {
                group.negative.add(held);
            }
            self.bytes = (self.bytes + group.holders.bytes()).saturating_sub(before);
        }
    }

    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let broken = || DataFusionError::Internal(format!("{NAME} merges its own state"));
        let group = &mut self.groups[group];
        let before = group.holders.bytes();
        let (count, mut rest) = state.split_first().ok_or_else(broken)?;
        for _ in 0..*count {
            let (bits, after) = rest.split_first_chunk().ok_or_else(broken)?;
            group
                .distinct
                .add(f64::from_bits(u64::from_le_bytes(*bits)));
            rest = after;
        }
        let (negative, after) = Sum::read(rest).ok_or_else(broken)?;
        group.negative.add_sum(negative);
        rest = after;
        while !rest.is_empty() {
            let (unit, after) = rest.split_first_chunk().ok_or_else(broken)?;
            let (holding, after) = Holding::read(after).ok_or_else(broken)?;
            let unit = u32::from_le_bytes(*unit);
            group.holders.of(unit).add_holding(holding);
            rest = after;
        }
        self.bytes = (self.bytes + group.holders.bytes()).saturating_sub(before);
        Ok(())
    }
}

fn arguments(values: &[ArrayRef]) -> Result<(&arrow::array::UInt32Array, &Float64Array)> {
    let [units, values] = values else {
        return Err(DataFusionError::Internal(format!(
            "{NAME} takes two arguments"
        )));
    };
    match (
        units.as_primitive_opt::<UInt32Type>(),
        values.as_primitive_opt::<Float64Type>(),
    ) {
        (Some(units), Some(values)) => Ok((units, values)),
        _ => Err(DataFusionError::Internal(format!(
            "{NAME} takes unit numbers and numbers"
        ))),
    }
}

impl GroupsAccumulator for HoldingsByGroup {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let (units, values) = arguments(values)?;
        let plain = units.null_count() == 0 && values.null_count() == 0 && filter.is_none();
        for (row, group) in group_indices.iter().enumerate() {
            let counts = plain
                || (units.is_valid(row)
                    && values.is_valid(row)
                    && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)));
            if counts {
                self.add(*group, units.value(row), values.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut folded = Folded::default();
        for group in self.take(emit_to) {
            folded.push(&group)?;
        }
        folded.finish()
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take(emit_to);
        let mut array = LargeBinaryBuilder::with_capacity(groups.len(), 0);
        let mut buffer = Vec::new();
        for group in groups {
            buffer.clear();
            buffer.push(group.distinct.count);
            for bits in group.distinct.values() {
                buffer.extend_from_slice(&bits.to_le_bytes());
            }
            group.negative.write(&mut buffer);
            group.holders.each(|unit, holding| {
                buffer.extend_from_slice(&unit.to_le_bytes());
                holding.write(&mut buffer);
            });
            array.append_value(&buffer);
        }
        Ok(vec![Arc::new(array.finish())])
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
            .and_then(|array| array.as_binary_opt::<i64>())
            .ok_or_else(|| DataFusionError::Internal(format!("{NAME} merges its own state")))?;
        for (state, group) in states.iter().zip(group_indices) {
            if let Some(state) = state {
                self.merge(*group, state)?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = arguments(values)?.0.len();
        let mut alone = Self::default();
        alone.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        alone.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Group>()
    }
}

/// The columns of the answer.
#[derive(Default)]
struct Folded {
    units: Vec<u64>,
    largest: Vec<f64>,
    second: Vec<f64>,
    total: Vec<f64>,
    distinct: Vec<u64>,
    negative: Vec<f64>,
    each: Vec<Vec<u8>>,
}

impl Folded {
    fn push(&mut self, group: &Group) -> Result<()> {
        let (mut units, mut largest, mut second) = (0, 0.0, 0.0);
        let mut total = Sum::default();
        let mut listed = Vec::new();
        group.holders.each(|unit, holds| {
            listed.extend(holds.listed().map(|value| (unit, value)));
            let holding = holds.held.value();
            units += 1;
            total.add_sum(holds.held);
            if holding > largest {
                second = largest;
                largest = holding;
            } else if holding > second {
                second = holding;
            }
        });
        self.units.push(units);
        self.largest.push(largest);
        self.second.push(second);
        self.total.push(total.value());
        self.distinct.push(u64::from(group.distinct.count));
        self.negative.push(group.negative.value());
        self.each.push(write_each(listed)?);
        Ok(())
    }

    fn finish(self) -> Result<ArrayRef> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.units)),
            Arc::new(Float64Array::from(self.largest)),
            Arc::new(Float64Array::from(self.second)),
            Arc::new(Float64Array::from(self.total)),
            Arc::new(UInt64Array::from(self.distinct)),
            Arc::new(Float64Array::from(self.negative)),
            Arc::new(self.each.iter().map(Some).collect::<BinaryArray>()),
        ];
        Ok(Arc::new(StructArray::try_new(fields(), columns, None)?))
    }
}

/// Units that are listed of one group at most: a list of more would grow with the city, and say little more of
/// who holds much.
const LISTED_MAX: usize = 8_192;
/// The form of the list.
const EACH_VERSION: u8 = 1;
/// A set of the listed follows.
const SOME_LISTED: u8 = 1;
/// Values follow one by one.
const PLAIN: u8 = 4;

/// What each unit holds: the version; the largest absolute value of the units that are not listed (single
/// precision, little-endian); a byte that says that two portable bitmaps follow, of the listed and of the
/// others; then the values of the listed by ascending unit, either once for all (`0`, a count, the value) or one by
/// one (`4`, the values). Listed are the largest by absolute value, of equal ones those with the lower numbers.
fn write_each(mut held: Vec<(u32, f32)>) -> Result<Vec<u8>> {
    let mut others = Vec::new();
    if held.len() > LISTED_MAX {
        let by_size =
            |a: &(u32, f32), b: &(u32, f32)| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0));
        held.select_nth_unstable_by(LISTED_MAX, by_size);
        others = held.split_off(LISTED_MAX);
    }
    held.sort_unstable_by_key(|(unit, _)| *unit);
    let bound = others
        .iter()
        .map(|(_, value)| value.abs())
        .fold(0.0, f32::max);
    let mut bytes = vec![EACH_VERSION];
    bytes.extend_from_slice(&bound.to_le_bytes());
    bytes.push(SOME_LISTED);
    for units in [&held, &others] {
        let units: RoaringBitmap = units.iter().map(|(unit, _)| *unit).collect();
        units
            .serialize_into(&mut bytes)
            .map_err(DataFusionError::IoError)?;
    }
    let first = held.first().map_or(0.0, |(_, value)| *value);
    let constant = held
        .iter()
        .all(|(_, value)| value.to_bits() == first.to_bits());
    if constant {
        bytes.push(0);
        bytes.extend_from_slice(&u32::from(!held.is_empty()).to_le_bytes());
        if !held.is_empty() {
            bytes.extend_from_slice(&first.to_le_bytes());
        }
    } else {
        bytes.push(PLAIN);
        held.iter()
            .for_each(|(_, value)| bytes.extend_from_slice(&value.to_le_bytes()));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "holdings_tests.rs"]
mod tests;
