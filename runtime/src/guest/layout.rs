//! A batch as the guest sees it: one block of descriptor, column descriptors and buffers.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::order::ColumnType;

const DESCRIPTOR_NUMBERS: usize = 3;
const COLUMN_NUMBERS: usize = 6;
/// Every buffer starts at a multiple of this.
pub(super) const ALIGN: usize = 8;

/// Number of a type in descriptors.
pub(super) fn code(column_type: ColumnType) -> u32 {
    match column_type {
        ColumnType::Boolean => 1,
        ColumnType::Int32 => 2,
        ColumnType::Int64 => 3,
        ColumnType::Float64 => 4,
        ColumnType::Utf8 => 5,
        ColumnType::Date32 => 6,
        ColumnType::TimestampMicros => 7,
    }
}

/// A batch laid out, with positions counted from the start of the block.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where in the block positions stand that are not 0.
    pointers: Vec<usize>,
}

impl Block {
    /// Lays out a batch whose columns have these types. None where it does not fit into 32 bits.
    pub(super) fn new(batch: &RecordBatch, types: &[ColumnType]) -> Option<Self> {
        let rows = u32::try_from(batch.num_rows()).ok()?;
        let columns = u32::try_from(types.len()).ok()?;
        let head = DESCRIPTOR_NUMBERS * 4;
        let mut block = Self {
            bytes: vec![0; head + types.len() * COLUMN_NUMBERS * 4],
            pointers: Vec::new(),
        };
        block.set(0, rows);
        block.set(4, columns);
        block.set_pointer(8, head)?;
        for (position, (array, column_type)) in batch.columns().iter().zip(types).enumerate() {
            block.column(
                head + position * COLUMN_NUMBERS * 4,
                array.as_ref(),
                *column_type,
            )?;
        }
        u32::try_from(block.bytes.len()).ok()?;
        Some(block)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The block for a start at `base`.
    pub(super) fn at(mut self, base: u32) -> Option<Vec<u8>> {
        for position in std::mem::take(&mut self.pointers) {
            let bytes = self.bytes.get(position..position + 4)?;
            let relative = u32::from_le_bytes(bytes.try_into().ok()?);
            self.set(position, base.checked_add(relative)?);
        }
        Some(self.bytes)
    }

    fn column(&mut self, head: usize, array: &dyn Array, column_type: ColumnType) -> Option<()> {
        self.set(head, code(column_type));
        self.set(head + 4, u32::try_from(array.null_count()).ok()?);
        if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
            let validity = self.append(nulls.inner().sliced().as_slice());
            self.set_pointer(head + 8, validity)?;
        }
        let data_bytes = match column_type {
            ColumnType::Utf8 => return self.text(head, array),
            ColumnType::Boolean => {
                let bits = array.as_boolean_opt()?.values().sliced();
                let bytes = array.len().div_ceil(8);
                self.data(head, bits.as_slice().get(..bytes)?)?
            }
            ColumnType::Int32 => {
                let array = array.as_primitive_opt::<Int32Type>()?;
                self.data(head, array.values().inner().as_slice())?
            }
            ColumnType::Date32 => {
                let array = array.as_primitive_opt::<Date32Type>()?;
                self.data(head, array.values().inner().as_slice())?
            }
            ColumnType::Int64 => {
                let array = array.as_primitive_opt::<Int64Type>()?;
                self.data(head, array.values().inner().as_slice())?
            }
            ColumnType::Float64 => {
                let array = array.as_primitive_opt::<Float64Type>()?;
                self.data(head, array.values().inner().as_slice())?
            }
            ColumnType::TimestampMicros => {
                let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
                self.data(head, array.values().inner().as_slice())?
            }
        };
        self.set(head + 20, data_bytes);
        Some(())
    }

    fn text(&mut self, head: usize, array: &dyn Array) -> Option<()> {
        let array = array.as_string_opt::<i32>()?;
        let offsets = array.value_offsets();
        // A sliced array starts somewhere in its data: the guest's offsets start at 0.
        let first = *offsets.first()?;
        let last = *offsets.last()?;
        let rebased: Vec<u8> = offsets
            .iter()
            .flat_map(|offset| (offset - first).to_le_bytes())
            .collect();
        let offsets = self.append(&rebased);
        self.set_pointer(head + 12, offsets)?;
        let range = usize::try_from(first).ok()?..usize::try_from(last).ok()?;
        let bytes = self.data(head, array.value_data().get(range)?)?;
        self.set(head + 20, bytes);
        Some(())
    }

    fn data(&mut self, head: usize, bytes: &[u8]) -> Option<u32> {
        let start = self.append(bytes);
        self.set_pointer(head + 16, start)?;
        u32::try_from(bytes.len()).ok()
    }

    /// Appends a buffer at the next aligned position.
    fn append(&mut self, bytes: &[u8]) -> usize {
        let start = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(bytes);
        start
    }

    fn set(&mut self, position: usize, value: u32) {
        if let Some(bytes) = self.bytes.get_mut(position..position + 4) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }

    fn set_pointer(&mut self, position: usize, target: usize) -> Option<()> {
        self.set(position, u32::try_from(target).ok()?);
        self.pointers.push(position);
        Some(())
    }
}
