//! An aggregate of a module. The guest keeps the state of each group under a number that it is given.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature,
};

use super::ended;
use super::scalar::signature;
use crate::guest::{FunctionPlace, Functions};
use crate::order::{ColumnType, OutputField, output_schema};

/// The function, by its name in SQL.
#[derive(Debug)]
pub(super) struct CalledAggregate {
    name: String,
    signature: Signature,
    returns: ColumnType,
    calls: Calls,
}

/// What its groups need to call it.
#[derive(Clone, Debug)]
struct Calls {
    functions: Arc<Functions>,
    place: FunctionPlace,
    /// The number of the group, then the arguments.
    taken: SchemaRef,
    numbers: SchemaRef,
}

impl CalledAggregate {
    pub(super) fn new(
        functions: &Arc<Functions>,
        name: String,
        place: FunctionPlace,
        arguments: &[OutputField],
        returns: ColumnType,
    ) -> Self {
        let number = OutputField {
            name: "__egret_group".to_owned(),
            data_type: ColumnType::Int32,
        };
        let mut taken = vec![number.clone()];
        taken.extend_from_slice(arguments);
        Self {
            name,
            signature: signature(arguments),
            returns,
            calls: Calls {
                functions: Arc::clone(functions),
                place,
                taken: output_schema(&taken),
                numbers: output_schema(&[number]),
            },
        }
    }
}

impl Calls {
    fn new_groups(&self, count: usize) -> Result<i32> {
        self.functions.new_groups(self.place, count).map_err(ended)
    }

    fn update(
        &self,
        numbers: Int32Array,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(numbers)];
        columns.extend_from_slice(values);
        let mut batch = RecordBatch::try_new(Arc::clone(&self.taken), columns)?;
        if let Some(filter) = filter {
            batch = filter_record_batch(&batch, filter)?;
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.functions.update(self.place, &batch).map_err(ended)
    }

    fn finish(&self, numbers: Vec<i32>) -> Result<ArrayRef> {
        let numbers: ArrayRef = Arc::new(Int32Array::from(numbers));
        let batch = RecordBatch::try_new(Arc::clone(&self.numbers), vec![numbers])?;
        self.functions.finish(self.place, &batch).map_err(ended)
    }
}

/// The guest's state stays in the guest: it cannot be written to disk, nor merged.
fn outgrown<T>() -> Result<T> {
    let what = "the groups of a module's aggregate have to fit into memory";
    Err(DataFusionError::ResourcesExhausted(what.to_owned()))
}

impl PartialEq for CalledAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.calls.functions, &other.calls.functions)
    }
}

impl Eq for CalledAggregate {}

impl Hash for CalledAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for CalledAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.arrow())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup {
            number: self.calls.new_groups(1)?,
            calls: self.calls.clone(),
        }))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(ManyGroups {
            numbers: Vec::new(),
            calls: self.calls.clone(),
        }))
    }
}

#[derive(Debug)]
struct OneGroup {
    number: i32,
    calls: Calls,
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |values| values.len());
        self.calls
            .update(Int32Array::from(vec![self.number; rows]), values, None)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.calls.finish(vec![self.number])?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        outgrown()
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        outgrown()
    }
}

/// Groups of the engine, by the numbers that the guest knows them by.
struct ManyGroups {
    numbers: Vec<i32>,
    calls: Calls,
}

impl GroupsAccumulator for ManyGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups)?;
        let numbers = group_indices
            .iter()
            .map(|index| self.numbers.get(*index).copied());
        let numbers: Int32Array = numbers.collect();
        self.calls.update(numbers, values, opt_filter)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let numbers = emit_to.take_needed(&mut self.numbers);
        self.calls.finish(numbers)
    }

    fn state(&mut self, _: EmitTo) -> Result<Vec<ArrayRef>> {
        outgrown()
    }

    fn merge_batch(&mut self, _: &[ArrayRef], _: &[usize], _: usize) -> Result<()> {
        outgrown()
    }

    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        outgrown()
    }

    fn size(&self) -> usize {
        self.numbers.capacity() * size_of::<i32>()
    }
}

impl ManyGroups {
    fn grow(&mut self, count: usize) -> Result<()> {
        let new = count.saturating_sub(self.numbers.len());
        if new > 0 {
            let first = self.calls.new_groups(new)?;
            self.numbers.extend((first..).take(new));
        }
        Ok(())
    }
}
