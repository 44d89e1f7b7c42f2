//! Answers as rows of texts, and when two of them are the same.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// A row; a null is none.
pub(crate) type Row = Vec<Option<String>>;

/// How far numbers of one engine may lie apart, as a share: sums of floating-point numbers depend on their order.
pub(crate) const SAME_ENGINE: f64 = 1e-9;
/// The same for two engines, which keep different numbers of decimals.
pub(crate) const OTHER_ENGINE: f64 = 1e-3;

/// The rows of batches.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| (column, ArrayFormatter::try_new(column, &options).unwrap()))
            .collect();
        for row in 0..batch.num_rows() {
            let shown = columns.iter().map(|(column, formatter)| {
                (!column.is_null(row)).then(|| formatter.value(row).to_string())
            });
            rows.push(shown.collect());
        }
    }
    rows
}

/// Whether two answers hold the same rows, in whatever order: rows that `ORDER BY` does not tell apart come in any.
pub(crate) fn same(ours: &[Row], others: &[Row], share: f64) -> Result<(), String> {
    if ours.len() != others.len() {
        return Err(format!("{} rows and {}", ours.len(), others.len()));
    }
    let (ours, others) = (sorted(ours), sorted(others));
    for (our, other) in ours.iter().zip(&others) {
        let equal = our.len() == other.len()
            && our
                .iter()
                .zip(other.iter())
                .all(|(our, other)| cells_equal(our.as_deref(), other.as_deref(), share));
        if !equal {
            return Err(format!("{our:?} and {other:?}"));
        }
    }
    Ok(())
}

/// Sorted by what does not depend on the last digits of numbers.
fn sorted(rows: &[Row]) -> Vec<&Row> {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_cached_key(|row| {
        let coarse = |cell: &Option<String>| match cell.as_deref().map(number) {
            Some(Some(number)) => format!("{number:.3e}"),
            _ => cell.clone().unwrap_or_default().trim_end().to_owned(),
        };
        row.iter().map(coarse).collect::<Vec<_>>()
    });
    sorted
}

fn cells_equal(our: Option<&str>, other: Option<&str>, share: f64) -> bool {
    match (our, other) {
        (Some(our), Some(other)) => match (number(our), number(other)) {
            (Some(our), Some(other)) => (our - other).abs() <= share * our.abs().max(other.abs()),
            // Columns of a fixed width are padded.
            _ => our.trim_end() == other.trim_end(),
        },
        (None, None) => true,
        _ => false,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}
