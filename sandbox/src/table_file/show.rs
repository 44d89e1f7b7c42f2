//! Rows as text, for people.

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The names of the columns, and the rows as texts; nulls are empty.
#[must_use]
pub fn shown_cells(batch: &RecordBatch) -> (Vec<String>, Vec<Vec<String>>) {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    let options = FormatOptions::default();
    let columns: Vec<Option<ArrayFormatter<'_>>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).ok())
        .collect();
    let rows = (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| {
                    column
                        .as_ref()
                        .map_or(String::new(), |column| column.value(row).to_string())
                })
                .collect()
        })
        .collect();
    (names.collect(), rows)
}
