//! Rows as numbers: each column's distinct values numbered, each combination counted.

use std::collections::HashMap;

use arrow::record_batch::RecordBatch;

use crate::error::MeasureError;
use crate::risk::{Keys, Numbering, too_many};

/// Counts combinations of numbered values batch by batch. Memory grows with distinct values and
/// combinations, not with rows.
#[derive(Debug)]
pub(crate) struct CodeTable {
    columns: Vec<Column>,
    combinations: HashMap<Box<[u32]>, u64>,
}

#[derive(Debug)]
pub(crate) struct Column {
    name: [String; 1],
    keys: Keys,
    pub(crate) values: Numbering,
}

impl CodeTable {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let column = |name: &str| Column {
            name: [name.to_owned()],
            keys: Keys::default(),
            values: Numbering::default(),
        };
        Self {
            columns: names.map(column).collect(),
            combinations: HashMap::new(),
        }
    }

    /// Counts a batch; gives the number of each row's value, column by column.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<Vec<Vec<u32>>, MeasureError> {
        let columns = self.columns.iter_mut();
        let codes = columns
            .map(|column| column.number(batch))
            .collect::<Result<Vec<_>, _>>()?;
        let mut row_codes = Vec::with_capacity(codes.len());
        for row in 0..batch.num_rows() {
            row_codes.clear();
            row_codes.extend(codes.iter().map(|column| column[row]));
            match self.combinations.get_mut(row_codes.as_slice()) {
                Some(rows) => *rows += 1,
                None => {
                    u32::try_from(self.combinations.len()).map_err(|_| too_many())?;
                    self.combinations.insert(row_codes.as_slice().into(), 1);
                }
            }
        }
        Ok(codes)
    }

    /// The number of each row's value, where it was observed.
    pub(crate) fn known(
        &mut self,
        batch: &RecordBatch,
        columns: usize,
    ) -> Result<Vec<Vec<Option<u32>>>, MeasureError> {
        let columns = self.columns.iter_mut().take(columns);
        columns.map(|column| column.known(batch)).collect()
    }

    /// Number of distinct combinations.
    pub(crate) fn len(&self) -> usize {
        self.combinations.len()
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The combinations with their rows, in one order whatever that of the rows of the data was
    /// within values already numbered.
    pub(crate) fn combinations(&self) -> Vec<(&[u32], u64)> {
        let all = self.combinations.iter();
        let mut all: Vec<(&[u32], u64)> =
            all.map(|(codes, rows)| (codes.as_ref(), *rows)).collect();
        all.sort_unstable();
        all
    }
}

impl Column {
    pub(crate) fn data_type(&self) -> Option<&arrow::datatypes::DataType> {
        self.keys.last_type()
    }

    fn number(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, MeasureError> {
        let keys = self.keys.rows(&self.name, batch)?;
        (0..batch.num_rows())
            .map(|row| self.values.number(keys.key(row), &self.name[0]))
            .collect()
    }

    fn known(&mut self, batch: &RecordBatch) -> Result<Vec<Option<u32>>, MeasureError> {
        let keys = self.keys.rows(&self.name, batch)?;
        let known = |row| self.values.known(keys.key(row));
        Ok((0..batch.num_rows()).map(known).collect())
    }
}
