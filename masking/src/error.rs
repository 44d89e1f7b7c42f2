//! What went wrong, where, and what would do instead.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Bilingual;

/// A refusal or failure of this crate: every one names its column (where there is one) and what
/// would do.
///
/// Messages hold names of columns, rules and options, never values of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which rule was broken, in snake case and stable (`direct_identifier_kept`).
    pub code: String,
    /// The column it is about, if it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub message: Bilingual,
    /// What would do instead.
    pub remedy: Bilingual,
}

/// A policy document that cannot be read.
pub type PolicyError = Fault;
/// A reason why a policy is not compiled: it would be unsafe, or does not fit the schema.
pub type PolicyFault = Fault;
/// A batch that cannot be masked.
pub type MaskError = Fault;
/// Quality rules that cannot be read, or do not fit the schema or the data.
pub type QualityError = Fault;
/// A number table that cannot be read.
pub type TableError = Fault;
/// A batch that a meter or a classifier cannot take.
pub type MeasureError = Fault;

impl Fault {
    /// A fault about one column.
    pub(crate) fn column(
        code: &str,
        column: impl Into<String>,
        message: Bilingual,
        remedy: Bilingual,
    ) -> Self {
        Self {
            code: code.to_owned(),
            column: Some(column.into()),
            message,
            remedy,
        }
    }

    /// A fault about no column in particular.
    pub(crate) fn general(code: &str, message: Bilingual, remedy: Bilingual) -> Self {
        Self {
            code: code.to_owned(),
            column: None,
            message,
            remedy,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(
                formatter,
                "column {column:?}: {}: {}",
                self.message, self.remedy
            ),
            None => write!(formatter, "{}: {}", self.message, self.remedy),
        }
    }
}

impl std::error::Error for Fault {}

/// The parts of a batch operation that only a fault of this crate can break (same lengths, same
/// types).
pub(crate) fn internal(operation: &str, error: &arrow::error::ArrowError) -> Fault {
    // Arrow's own text may quote a value, so only the kind of the error is kept.
    let kind = match error {
        arrow::error::ArrowError::MemoryError(_) => "memory",
        arrow::error::ArrowError::SchemaError(_) => "schema",
        arrow::error::ArrowError::CastError(_) => "cast",
        arrow::error::ArrowError::ArithmeticOverflow(_) => "overflow",
        arrow::error::ArrowError::OffsetOverflowError(_) => "offsets",
        _ => "arrow",
    };
    Fault::general(
        "batch_operation",
        Bilingual::new(
            format!("{operation}失败（{kind}）"),
            format!("{operation} failed on a batch ({kind})"),
        ),
        Bilingual::new("请用较小的批次重试", "retry with smaller batches"),
    )
}
