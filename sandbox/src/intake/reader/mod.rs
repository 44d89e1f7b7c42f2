//! Reading what was pushed: CSV, JSON lines, Parquet or Arrow IPC to typed batches, with a place for every fault.
//!
//! Two kinds of trouble are kept apart. A file that is not what its manifest says (wrong
//! encoding, ragged row, other columns) is a fault of the whole push. A value that is not of its
//! column's type is a problem of one cell: it becomes a null and a problem record, and the push
//! goes on unless the column is mostly such values.

mod cell;
mod column;
mod columnar;
mod columns;
mod csv;
mod encoding;
mod fault;
mod ipc;
mod jsonl;
mod line;
mod pages;
mod parquet;
mod parquet_fault;
mod record;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_lines_and_arrow;

use ::parquet::file::reader::ChunkReader;
use arrow::record_batch::RecordBatch;
use masking::{Problem, find_identifiers};
use serde::{Deserialize, Serialize};

pub(crate) use self::columns::{Spelling, columns_of};
pub(super) use self::csv::find as find_column;
pub use self::encoding::TextEncoding;
pub use self::fault::IntakeFault;
pub(crate) use self::fault::ReadError;
pub(crate) use self::{cell::shape, column::ColumnBuilder, fault::both};

use super::limits::IntakeLimits;
use crate::catalogue::Column;

/// The formats that data may be pushed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Delimited text with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
    /// Apache Arrow IPC, as a file or a stream.
    Arrow,
}

impl DataFormat {
    /// Whether its bytes are text in some encoding.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

/// Rows of the entry's schema, and what could not be read as its type.
#[derive(Debug)]
pub(crate) struct TypedBatch {
    /// Number of the first row; rows count from 1.
    pub first_row: u64,
    /// The rows.
    pub batch: RecordBatch,
    /// Cells that are no value of their type, in order of rows.
    pub problems: Vec<Problem>,
}

/// A reader of any format.
pub(crate) enum Reader<R: ChunkReader> {
    /// Delimited text.
    Csv(Box<csv::CsvReader<R::T>>, TextEncoding),
    /// JSON lines.
    Jsonl(Box<jsonl::JsonReader<R::T>>, TextEncoding),
    /// Parquet or Arrow.
    Columnar(Box<columnar::ColumnarReader>),
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens `file`; without a declared encoding, a text is scanned once to find it.
    ///
    /// # Errors
    /// See [`IntakeFault`]; [`ReadError::Source`] when the file cannot be fetched.
    pub(crate) fn open(
        file: R,
        format: DataFormat,
        encoding: Option<TextEncoding>,
        columns: &[Column],
        limits: &IntakeLimits,
    ) -> Result<Self, ReadError> {
        let text_encoding = || match encoding {
            Some(encoding) => Ok(encoding),
            None => encoding::detect(file.get_read(0)?).map_err(ReadError::Source),
        };
        Ok(match format {
            DataFormat::Parquet => {
                Reader::Columnar(Box::new(parquet::open(file, columns, limits)?))
            }
            DataFormat::Arrow => Reader::Columnar(Box::new(ipc::open(file, columns, limits)?)),
            DataFormat::Csv => {
                let encoding = text_encoding()?;
                let reader = csv::CsvReader::open(file.get_read(0)?, encoding, columns, limits)?;
                Reader::Csv(Box::new(reader), encoding)
            }
            DataFormat::Jsonl => {
                let encoding = text_encoding()?;
                let reader = jsonl::JsonReader::new(file.get_read(0)?, encoding, columns, limits);
                Reader::Jsonl(Box::new(reader), encoding)
            }
        })
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// The first fault of the file, with its place.
    pub(crate) fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError> {
        match self {
            Reader::Csv(reader, _) => reader.next_batch(),
            Reader::Jsonl(reader, _) => reader.next_batch(),
            Reader::Columnar(reader) => reader.next_batch(),
        }
    }

    /// The encoding of a text.
    pub(crate) fn encoding(&self) -> Option<TextEncoding> {
        match self {
            Reader::Csv(_, encoding) | Reader::Jsonl(_, encoding) => Some(*encoding),
            Reader::Columnar(_) => None,
        }
    }
}

/// A column name of the file as it may stand in a message.
///
/// A file without a header has values where names should be; those are shown by shape only.
pub(super) fn shown_name(name: &str) -> String {
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '(' | ')' | '（' | '）');
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    let named = name.chars().count() <= 64
        && name.chars().all(plain)
        && digits < 4
        && find_identifiers(name).is_empty();
    if named { name.to_owned() } else { shape(name) }
}

fn missing_column(name: &str) -> IntakeFault {
    IntakeFault::new(
        "column_missing",
        both(
            format!("缺少 {name} 列"),
            format!("column {name} is missing"),
        ),
        both("按目录补上该列", "add the column as in the catalogue entry"),
    )
    .at_column(name)
}

fn too_many_rows(most: u64) -> IntakeFault {
    IntakeFault::new(
        "too_many_rows",
        both(format!("超过 {most} 行"), format!("more than {most} rows")),
        both("分几次推送", "split the push"),
    )
}
