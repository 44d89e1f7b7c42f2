//! A batch that a guest emits: copied out of its memory, then built with full validation.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, SchemaRef};

use super::layout::code;
use super::memory::{BROKEN, numbers, range};
use crate::order::ColumnType;
use crate::outcome::Outcome;

const COLUMN_BYTES: u32 = 24;

/// Reads the batch whose descriptor is at `pointer`. Its columns must be the declared ones.
pub(super) fn read(
    memory: &[u8],
    pointer: u32,
    schema: &SchemaRef,
    types: &[ColumnType],
) -> Result<RecordBatch, Outcome> {
    let [rows, columns, mut at] = numbers::<3>(memory, pointer)?;
    if usize::try_from(columns).map_err(|_| BROKEN)? != types.len() {
        return Err(BROKEN);
    }
    let rows_usize = usize::try_from(rows).map_err(|_| BROKEN)?;
    let mut arrays = Vec::with_capacity(types.len());
    for column_type in types {
        arrays.push(Column::new(memory, at, rows_usize)?.build(*column_type)?);
        at = at.checked_add(COLUMN_BYTES).ok_or(BROKEN)?;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows_usize));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|_| BROKEN)
}

struct Column<'a> {
    memory: &'a [u8],
    rows: usize,
    code: u32,
    nulls: Option<NullBuffer>,
    offsets: u32,
    data: u32,
    data_bytes: u64,
}

impl<'a> Column<'a> {
    fn new(memory: &'a [u8], at: u32, rows: usize) -> Result<Self, Outcome> {
        let [code, null_count, validity, offsets, data, data_bytes] = numbers::<6>(memory, at)?;
        let nulls = if validity == 0 {
            None
        } else {
            Some(NullBuffer::new(bits(memory, validity, rows)?))
        };
        // Counted here rather than believed; a count that is wrong shows a guest that is.
        let counted = nulls.as_ref().map_or(0, NullBuffer::null_count);
        if u32::try_from(counted).map_err(|_| BROKEN)? != null_count {
            return Err(BROKEN);
        }
        Ok(Self {
            memory,
            rows,
            code,
            nulls,
            offsets,
            data,
            data_bytes: u64::from(data_bytes),
        })
    }

    fn build(self, column_type: ColumnType) -> Result<ArrayRef, Outcome> {
        if self.code != code(column_type) {
            return Err(BROKEN);
        }
        match column_type {
            ColumnType::Boolean => {
                self.sized(self.rows.div_ceil(8))?;
                let values = bits(self.memory, self.data, self.rows)?;
                Ok(Arc::new(BooleanArray::new(values, self.nulls)))
            }
            ColumnType::Int32 => built(Int32Array::try_new(self.values()?, self.nulls)),
            ColumnType::Int64 => built(Int64Array::try_new(self.values()?, self.nulls)),
            ColumnType::Float64 => built(Float64Array::try_new(self.values()?, self.nulls)),
            ColumnType::Date32 => built(Date32Array::try_new(self.values()?, self.nulls)),
            ColumnType::TimestampMicros => built(TimestampMicrosecondArray::try_new(
                self.values()?,
                self.nulls,
            )),
            ColumnType::Utf8 => self.text(),
        }
    }

    /// The data buffer must hold what the rows need; more is permitted and not read.
    fn sized(&self, needed: usize) -> Result<(), Outcome> {
        if self.data_bytes < needed as u64 {
            Err(BROKEN)
        } else {
            Ok(())
        }
    }

    fn values<T: ArrowNativeType>(&self) -> Result<ScalarBuffer<T>, Outcome> {
        let needed = self.rows.checked_mul(size_of::<T>()).ok_or(BROKEN)?;
        self.sized(needed)?;
        let bytes = range(self.memory, self.data, needed as u64)?;
        // Copied into memory of the host, which is aligned.
        Ok(ScalarBuffer::new(Buffer::from(bytes), 0, self.rows))
    }

    fn text(self) -> Result<ArrayRef, Outcome> {
        let count = self.rows.checked_add(1).ok_or(BROKEN)?;
        let bytes = count.checked_mul(size_of::<i32>()).ok_or(BROKEN)?;
        let raw = range(self.memory, self.offsets, bytes as u64)?;
        let offsets: ScalarBuffer<i32> = ScalarBuffer::new(Buffer::from(raw), 0, count);
        // `OffsetBuffer::new` would panic on what is refused here.
        let rising = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        let first = offsets.first().copied().unwrap_or(-1);
        let last = offsets
            .last()
            .copied()
            .and_then(|last| u64::try_from(last).ok());
        if first < 0 || !rising || last.is_none_or(|last| last > self.data_bytes) {
            return Err(BROKEN);
        }
        let data = range(self.memory, self.data, last.unwrap_or(0))?;
        built(StringArray::try_new(
            OffsetBuffer::new(offsets),
            Buffer::from(data),
            self.nulls,
        ))
    }
}

fn bits(memory: &[u8], pointer: u32, rows: usize) -> Result<BooleanBuffer, Outcome> {
    let bytes = range(memory, pointer, rows.div_ceil(8) as u64)?;
    Ok(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
}

fn built<A: arrow::array::Array + 'static, E>(array: Result<A, E>) -> Result<ArrayRef, Outcome> {
    array
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|_| BROKEN)
}

#[cfg(test)]
#[path = "emit_tests.rs"]
mod tests;
