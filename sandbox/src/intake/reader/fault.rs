//! Why a push cannot be read or taken: rule, place, reason and what would pass.

use masking::Bilingual;
use serde::{Deserialize, Serialize};

/// A fault of a whole push, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeFault {
    /// Stable name of the rule, for programs: `row_ragged`, `column_missing`.
    pub rule: String,
    /// Data row, counted from 1; 0 is the header of a CSV file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub row: Option<u64>,
    /// Column by name, or by number (`#3`) where it has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// Byte offset in the file as pushed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// What is wrong.
    pub reason: Bilingual,
    /// What would pass.
    pub remedy: Bilingual,
}

impl IntakeFault {
    /// A fault without a place; add one with the `at_` methods.
    pub fn new(rule: &str, reason: Bilingual, remedy: Bilingual) -> Self {
        IntakeFault {
            rule: rule.to_owned(),
            row: None,
            column: None,
            offset: None,
            reason,
            remedy,
        }
    }

    /// Sets the data row.
    #[must_use]
    pub fn at_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    /// Sets the column.
    #[must_use]
    pub fn at_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Sets the byte offset.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

/// Why reading stopped: the push is at fault, or the storage below it is.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The push is at fault; it will fail the same way again.
    Fault(Box<IntakeFault>),
    /// The bytes could not be fetched; another attempt may succeed.
    Source(std::io::Error),
}

impl From<IntakeFault> for ReadError {
    fn from(fault: IntakeFault) -> Self {
        ReadError::Fault(Box::new(fault))
    }
}

/// Shorthand for the two languages.
pub(crate) fn both(zh: impl Into<String>, en: impl Into<String>) -> Bilingual {
    Bilingual {
        zh: zh.into(),
        en: en.into(),
    }
}
