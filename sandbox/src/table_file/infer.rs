//! Types of text columns, from what their first values look like.

use arrow::array::AsArray;

use super::source::{Rows, TableError};
use crate::catalogue::ColumnType;
use crate::intake::Spelling;

/// Rows that are looked at.
const LOOK_ROWS: u64 = 65_536;
/// Digits from which a whole number is a number of something rather than an amount: it stays text,
/// as detectors and masks want it.
const DIGITS_MAX: usize = 10;

/// The types that values have not spoken against yet.
#[derive(Clone, Copy)]
struct Candidates {
    values: bool,
    int: bool,
    float: bool,
    date: bool,
    timestamp: bool,
    bool: bool,
}

impl Candidates {
    const ALL: Self = Self {
        values: false,
        int: true,
        float: true,
        date: true,
        timestamp: true,
        bool: true,
    };

    fn look(&mut self, text: &str) {
        let spelling = Spelling::of(text);
        if spelling.is_missing() {
            return;
        }
        self.values = true;
        let number = spelling.is_amount(DIGITS_MAX);
        self.int &= number && spelling.is(ColumnType::Int64);
        self.float &= number && spelling.is(ColumnType::Float64);
        self.date &= spelling.is(ColumnType::Date);
        self.timestamp &= spelling.is(ColumnType::Timestamp);
        self.bool &= spelling.is(ColumnType::Bool);
    }

    fn kind(self) -> ColumnType {
        match self {
            Self { values: false, .. } => ColumnType::String,
            Self { int: true, .. } => ColumnType::Int64,
            Self { float: true, .. } => ColumnType::Float64,
            Self { date: true, .. } => ColumnType::Date,
            Self {
                timestamp: true, ..
            } => ColumnType::Timestamp,
            Self { bool: true, .. } => ColumnType::Bool,
            _ => ColumnType::String,
        }
    }
}

/// The types of the columns of a file that was opened with texts alone.
pub(super) fn inferred(rows: &mut Rows<'_>) -> Result<Vec<ColumnType>, TableError> {
    let mut columns: Vec<Candidates> = Vec::new();
    let mut seen = 0;
    while seen < LOOK_ROWS
        && let Some((_, batch)) = rows.next_batch()?
    {
        columns.resize(batch.num_columns(), Candidates::ALL);
        for (candidates, column) in columns.iter_mut().zip(batch.columns()) {
            let texts = column.as_string::<i32>();
            for text in texts.iter().flatten() {
                candidates.look(text);
            }
        }
        seen += u64::try_from(batch.num_rows()).unwrap_or(0);
    }
    Ok(columns.into_iter().map(Candidates::kind).collect())
}
