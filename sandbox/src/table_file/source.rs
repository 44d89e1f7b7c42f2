//! A file as typed batches.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::file::reader::{ChunkReader, Length};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use masking::{ColumnHint, Fault};

use super::infer::inferred;
use crate::catalogue::{Column, ColumnType, arrow_schema};
use crate::intake::{
    DataFormat, IntakeFault, IntakeLimits, ReadError, Reader, TextEncoding, both, columns_of,
};

/// A table in a file.
#[derive(Debug)]
pub struct TableFile {
    path: PathBuf,
    format: DataFormat,
    encoding: Option<TextEncoding>,
    columns: Vec<Column>,
    bytes: u64,
    limits: IntakeLimits,
}

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its format.
    pub format: DataFormat,
    /// Its encoding, for texts; found when absent.
    pub encoding: Option<TextEncoding>,
    /// Types of columns by name, where what the first rows look like is not what they are.
    pub types: Vec<(String, ColumnType)>,
}

/// Why a file cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is at fault, with the place.
    #[error("{}", .0.reason)]
    Fault(Box<IntakeFault>),
    /// The policy cannot be applied to this file: each reason.
    #[error("the policy cannot be applied")]
    Refused(Vec<Fault>),
    /// Identifiers are left in columns that the policy keeps; nothing was written.
    #[error("identifiers are left in kept columns")]
    Residual(Vec<IntakeFault>),
    /// Another file than the one that is worked on is at fault.
    #[error("{}: {error}", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// Why.
        error: Box<TableError>,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<IntakeFault> for TableError {
    fn from(fault: IntakeFault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl TableError {
    /// The same, of another file than the one that is worked on.
    pub(super) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Io { .. } => self,
            error => Self::Other {
                path: path.to_owned(),
                error: Box::new(error),
            },
        }
    }
}

impl TableFile {
    /// Opens a file: its names, and the types of its values.
    ///
    /// # Errors
    /// A file that is none of its format, with the place; one that cannot be read.
    pub fn open(path: &Path, reading: Reading) -> Result<Self, TableError> {
        let limits = IntakeLimits::default();
        let io = |source| TableError::Io {
            path: path.to_owned(),
            source,
        };
        let file = Counted::open(path, Arc::default()).map_err(io)?;
        let bytes = file.len();
        let found = columns_of(file, reading.format, reading.encoding, &limits)
            .map_err(|error| of_reading(path, error))?;
        let mut table = Self {
            path: path.to_owned(),
            format: reading.format,
            encoding: found.encoding,
            columns: found
                .columns
                .into_iter()
                .map(|(name, kind)| Column {
                    name,
                    kind,
                    comment: String::new(),
                    class: None,
                    level: None,
                })
                .collect(),
            bytes,
            limits,
        };
        if table.format.is_text() {
            let kinds = inferred(&mut table.rows(Arc::default())?)?;
            for (column, kind) in table.columns.iter_mut().zip(kinds) {
                column.kind = kind;
            }
        }
        for (name, kind) in reading.types {
            let column = table.columns.iter_mut().find(|column| column.name == name);
            column.ok_or_else(|| no_column(&name))?.kind = kind;
        }
        Ok(table)
    }

    /// Opens a file whose columns are to be compared with those of this one: what has the same name is read as the same type.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_beside(&self, path: &Path, reading: Reading) -> Result<Self, TableError> {
        let mut other = Self::open(path, reading)?;
        let is_text = other.format.is_text();
        for column in &mut other.columns {
            match self.columns.iter().find(|own| own.name == column.name) {
                Some(own) => column.kind = own.kind,
                // Nobody looks at the others, so that no value of theirs can be at fault.
                None if is_text => column.kind = ColumnType::String,
                None => {}
            }
        }
        Ok(other)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns by name and type.
    pub fn columns(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.columns
            .iter()
            .map(|column| (column.name.as_str(), column.kind))
    }

    /// Size of the file, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> DataFormat {
        self.format
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        arrow_schema(&self.columns)
    }

    pub(super) fn hints(&self) -> Vec<ColumnHint> {
        self.columns
            .iter()
            .map(|column| ColumnHint {
                name: column.name.clone(),
                comment: column.comment.clone(),
            })
            .collect()
    }

    /// Reads the file from its begin; `read` counts bytes of it.
    pub(crate) fn rows(&self, read: Arc<AtomicU64>) -> Result<Rows<'_>, TableError> {
        let io = |source| TableError::Io {
            path: self.path.clone(),
            source,
        };
        let file = Counted::open(&self.path, read).map_err(io)?;
        let reader = Reader::open(
            file,
            self.format,
            self.encoding,
            &self.columns,
            &self.limits,
        )
        .map_err(|error| of_reading(&self.path, error))?;
        Ok(Rows {
            path: &self.path,
            reader,
        })
    }
}

/// The rows of a file, batch by batch.
pub(crate) struct Rows<'a> {
    path: &'a Path,
    reader: Reader<Counted>,
}

impl Rows<'_> {
    /// Number of the first row, and the rows; none at the end.
    ///
    /// # Errors
    /// The first fault of the file; a value that is not of its column's type is one, since nobody
    /// may lose a value by masking.
    pub(crate) fn next_batch(&mut self) -> Result<Option<(u64, RecordBatch)>, TableError> {
        let next = self.reader.next_batch();
        let Some(typed) = next.map_err(|error| of_reading(self.path, error))? else {
            return Ok(None);
        };
        match typed.problems.into_iter().next() {
            Some(problem) => Err(not_of_type(&problem).into()),
            None => Ok(Some((typed.first_row, typed.batch))),
        }
    }
}

/// A file that counts what is read of it.
pub(crate) struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Counted {
    fn open(path: &Path, read: Arc<AtomicU64>) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            read,
        })
    }
}

impl Length for Counted {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Counted {
    type T = CountedRead;

    fn get_read(&self, start: u64) -> ::parquet::errors::Result<CountedRead> {
        Ok(CountedRead {
            inner: self.file.get_read(start)?,
            read: Arc::clone(&self.read),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ::parquet::errors::Result<Bytes> {
        let bytes = self.file.get_bytes(start, length)?;
        let count = u64::try_from(length).unwrap_or(0);
        self.read.fetch_add(count, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A part of such a file.
pub(crate) struct CountedRead {
    inner: io::BufReader<File>,
    read: Arc<AtomicU64>,
}

impl Read for CountedRead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.read
            .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

pub(super) fn of_reading(path: &Path, error: ReadError) -> TableError {
    match error {
        ReadError::Fault(fault) => TableError::Fault(fault),
        ReadError::Source(source) => TableError::Io {
            path: path.to_owned(),
            source,
        },
    }
}

fn no_column(name: &str) -> IntakeFault {
    IntakeFault::new(
        "column_missing",
        both(
            format!("文件没有 {name} 列"),
            format!("the file has no column {name}"),
        ),
        both("检查 --type 中的列名", "look at the name in --type"),
    )
    .at_column(name)
}

fn not_of_type(problem: &masking::Problem) -> IntakeFault {
    let column = problem.column.clone().unwrap_or_default();
    let fault = IntakeFault::new(
        "type",
        both(
            format!(
                "第 {} 行 {column} 列的值（{}）与该列其他值的类型不同",
                problem.row, problem.masked_value
            ),
            format!(
                "row {}, column {column}: the value ({}) is not of the type of the others",
                problem.row, problem.masked_value
            ),
        ),
        both(
            format!("更正该值，或以 --type {column}=string 按文本处理"),
            format!("correct the value, or take the column as text: --type {column}=string"),
        ),
    );
    fault.at_row(problem.row).at_column(column)
}
