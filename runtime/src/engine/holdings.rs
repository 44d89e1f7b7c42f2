//! `egret_holdings(unit, value) -> Struct`: how much of a group's total each privacy unit holds,
//! folded to what the dominance rules need. A unit's holding is the sum of its absolute values.
//!
//! Exact: every holding and the total are kept as a pair of floating-point numbers (Dekker's
//! double-double, about 106 bits), so integers are exact and the order of rows does not show. NaN
//! counts as infinite, which no dominance rule lets pass. Memory is about 40 bytes per pair of
//! group and unit.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, LargeBinaryBuilder, StructArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt32Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

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

/// A sum of non-negative numbers as an unevaluated pair: `high` rounded, `low` what that lost.
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

/// Mixes a pair of group and unit; both are dense numbers that nobody outside chooses.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let [low, high] = halves(u128::from(self.0 ^ value).wrapping_mul(MIX));
        self.0 = low ^ high;
    }
}

/// An odd number without pattern: the golden ratio in binary.
const MIX: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

fn halves(value: u128) -> [u64; 2] {
    let bytes = value.to_le_bytes();
    let half = |from: usize| {
        bytes[from..]
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    [half(0), half(8)]
}

type Table = HashMap<u64, Sum, BuildHasherDefault<PairHasher>>;

#[derive(Debug, Default)]
struct HoldingsByGroup {
    /// Group in the upper half, unit in the lower.
    holdings: Table,
    distinct: Vec<Distinct>,
}

fn pair(group: usize, unit: u32) -> Result<u64> {
    let group = u32::try_from(group)
        .map_err(|_| DataFusionError::ResourcesExhausted("too many groups".to_owned()))?;
    Ok((u64::from(group) << 32) | u64::from(unit))
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
        if self.distinct.len() < groups {
            self.distinct.resize_with(groups, Distinct::default);
        }
    }
}

/// One group taken out: who holds how much, and the distinct values.
type Taken = (Vec<(u32, Sum)>, Distinct);

impl HoldingsByGroup {
    /// Takes the first groups out and counts the remaining ones from 0 again.
    fn take(&mut self, emit_to: EmitTo) -> Result<Vec<Taken>> {
        let distinct = emit_to.take_needed(&mut self.distinct);
        let count = distinct.len();
        let mut taken: Vec<Taken> = distinct
            .into_iter()
            .map(|values| (Vec::new(), values))
            .collect();
        for (key, sum) in std::mem::take(&mut self.holdings) {
            let [group, unit] = split(key);
            match taken.get_mut(group as usize) {
                Some((holdings, _)) => holdings.push((unit, sum)),
                None => {
                    self.holdings
                        .insert(pair(group as usize - count, unit)?, sum);
                }
            }
        }
        Ok(taken)
    }

    fn add(&mut self, group: usize, unit: u32, value: f64) -> Result<()> {
        self.distinct[group].add(value);
        let held = held(value);
        if held > 0.0 {
            self.holdings
                .entry(pair(group, unit)?)
                .or_default()
                .add(held);
        }
        Ok(())
    }

    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let broken = || DataFusionError::Internal(format!("{NAME} merges its own state"));
        let (count, mut rest) = state.split_first().ok_or_else(broken)?;
        for _ in 0..*count {
            let (bits, after) = rest.split_first_chunk().ok_or_else(broken)?;
            self.distinct[group].add(f64::from_bits(u64::from_le_bytes(*bits)));
            rest = after;
        }
        while !rest.is_empty() {
            let (unit, after) = rest.split_first_chunk().ok_or_else(broken)?;
            let (high, after) = after.split_first_chunk().ok_or_else(broken)?;
            let (low, after) = after.split_first_chunk().ok_or_else(broken)?;
            let sum = Sum {
                high: f64::from_le_bytes(*high),
                low: f64::from_le_bytes(*low),
            };
            let key = pair(group, u32::from_le_bytes(*unit))?;
            self.holdings.entry(key).or_default().add_sum(sum);
            rest = after;
        }
        Ok(())
    }
}

fn split(key: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = key.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
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
                self.add(*group, units.value(row), values.value(row))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let taken = self.take(emit_to)?;
        let mut folded = Folded::default();
        for (holdings, distinct) in &taken {
            folded.push(holdings, distinct);
        }
        folded.finish()
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let taken = self.take(emit_to)?;
        let mut array = LargeBinaryBuilder::with_capacity(taken.len(), 0);
        let mut buffer = Vec::new();
        for (holdings, distinct) in &taken {
            buffer.clear();
            buffer.push(distinct.count);
            for bits in distinct.values() {
                buffer.extend_from_slice(&bits.to_le_bytes());
            }
            for (unit, sum) in holdings {
                buffer.extend_from_slice(&unit.to_le_bytes());
                buffer.extend_from_slice(&sum.high.to_le_bytes());
                buffer.extend_from_slice(&sum.low.to_le_bytes());
            }
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
        // One byte of control per slot, and an eighth of the slots is never used.
        let slot = size_of::<(u64, Sum)>() + 1;
        self.holdings.capacity() / 7 * 8 * slot + self.distinct.capacity() * size_of::<Distinct>()
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
}

impl Folded {
    fn push(&mut self, holdings: &[(u32, Sum)], distinct: &Distinct) {
        let (mut largest, mut second) = (0.0, 0.0);
        let mut total = Sum::default();
        for (_, sum) in holdings {
            let holding = sum.value();
            total.add_sum(*sum);
            if holding > largest {
                second = largest;
                largest = holding;
            } else if holding > second {
                second = holding;
            }
        }
        self.units.push(holdings.len() as u64);
        self.largest.push(largest);
        self.second.push(second);
        self.total.push(total.value());
        self.distinct.push(u64::from(distinct.count));
    }

    fn finish(self) -> Result<ArrayRef> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.units)),
            Arc::new(Float64Array::from(self.largest)),
            Arc::new(Float64Array::from(self.second)),
            Arc::new(Float64Array::from(self.total)),
            Arc::new(UInt64Array::from(self.distinct)),
        ];
        Ok(Arc::new(StructArray::try_new(fields(), columns, None)?))
    }
}

#[cfg(test)]
#[path = "holdings_tests.rs"]
mod tests;
