//! Columns by name, and their rows as keys that are equal, and sort, as the values do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{MeasureError, internal};
use crate::text::Bilingual;

/// Turns the rows of named columns into keys; the types are those of the first batch.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    types: Option<Vec<DataType>>,
    converter: Option<RowConverter>,
}

/// The keys of one batch, one a row. Null is a value of its own and sorts first.
pub(crate) struct KeyRows(Option<Rows>);

impl Keys {
    /// The keys of a batch.
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column.
    pub(crate) fn rows(
        &mut self,
        names: &[String],
        batch: &RecordBatch,
    ) -> Result<KeyRows, MeasureError> {
        let columns = names
            .iter()
            .map(|name| column(batch, name))
            .collect::<Result<Vec<_>, _>>()?;
        self.check_types(names, &columns)?;
        if columns.is_empty() {
            return Ok(KeyRows(None));
        }
        let converter = match &mut self.converter {
            Some(converter) => converter,
            empty => {
                let fields = columns
                    .iter()
                    .map(|column| SortField::new(column.data_type().clone()))
                    .collect();
                empty
                    .insert(RowConverter::new(fields).map_err(|error| internal("observe", &error))?)
            }
        };
        let rows = converter
            .convert_columns(&columns)
            .map_err(|error| internal("observe", &error))?;
        Ok(KeyRows(Some(rows)))
    }

    /// The type of the last column, once a batch was seen.
    pub(crate) fn last_type(&self) -> Option<&DataType> {
        self.types.as_ref().and_then(|types| types.last())
    }

    fn check_types(&mut self, names: &[String], columns: &[ArrayRef]) -> Result<(), MeasureError> {
        let types: Vec<DataType> = columns
            .iter()
            .map(|column| column.data_type().clone())
            .collect();
        let known = self.types.get_or_insert_with(|| types.clone());
        match (known.iter().zip(&types).zip(names)).find(|((known, given), _)| known != given) {
            None => Ok(()),
            Some((_, name)) => Err(MeasureError::column(
                "type_changed",
                name,
                Bilingual::new(
                    "该列的类型在批次之间改变",
                    "the column's type changed between batches",
                ),
                Bilingual::new(
                    "请按同一结构传入所有批次",
                    "pass batches of one schema only",
                ),
            )),
        }
    }
}

impl KeyRows {
    /// The key of a row; without columns all rows have the empty key.
    pub(crate) fn key(&self, row: usize) -> &[u8] {
        match &self.0 {
            Some(rows) => rows.row(row).data(),
            None => &[],
        }
    }
}

/// A column of a batch in the form that is measured: -0.0 and 0.0 are one number, and dictionaries
/// are the values that they stand for.
pub(crate) fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, MeasureError> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        MeasureError::column(
            "column_missing",
            name,
            Bilingual::new("数据中没有该列", "the data have no such column"),
            Bilingual::new("请使用数据中存在的列名", "name a column of the data"),
        )
    })?;
    match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            Ok(Arc::new(
                values.unary::<_, Float64Type>(|value| value + 0.0),
            ))
        }
        DataType::Dictionary(_, values) => {
            cast(column, values).map_err(|error| internal("observe", &error))
        }
        _ => Ok(Arc::clone(column)),
    }
}

/// Numbers of distinct keys in the order of their first row.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    numbers: HashMap<Box<[u8]>, u32>,
}

impl Numbering {
    /// The number of a key, a new one if it was not seen.
    ///
    /// # Errors
    /// `values_too_many`, naming the column, beyond four billion.
    pub(crate) fn number(&mut self, key: &[u8], column: &str) -> Result<u32, MeasureError> {
        if let Some(number) = self.numbers.get(key) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| too_many(column))?;
        self.numbers.insert(key.into(), number);
        Ok(number)
    }

    /// The number of a key that was seen.
    pub(crate) fn known(&self, key: &[u8]) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// By number, the rank of its key among all keys.
    pub(crate) fn ranks(&self) -> Vec<u32> {
        let mut keys: Vec<(&[u8], u32)> = self
            .numbers
            .iter()
            .map(|(key, number)| (key.as_ref(), *number))
            .collect();
        keys.sort_unstable();
        let mut ranks = vec![0; keys.len()];
        for (rank, (_, number)) in (0u32..).zip(keys) {
            ranks[index(number)] = rank;
        }
        ranks
    }
}

/// A 32-bit number as an index.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn too_many(column: &str) -> MeasureError {
    MeasureError::column(
        "values_too_many",
        column,
        Bilingual::new(
            "该列的不同值超过 40 亿",
            "the column has over four billion distinct values",
        ),
        Bilingual::new("先对该列归并分段", "coarsen the column first"),
    )
}
