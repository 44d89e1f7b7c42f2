//! The columns that a file has, when nothing but the file says so.

use ::parquet::file::reader::ChunkReader;
use arrow::datatypes::{DataType, Schema};

use super::encoding::{self, TextEncoding};
use super::fault::{IntakeFault, ReadError, both};
use super::{DataFormat, cell, csv, ipc, jsonl, parquet};
use crate::catalogue::ColumnType;
use crate::intake::limits::IntakeLimits;

/// What a file says of itself.
pub(crate) struct FoundColumns {
    /// Names and types in the file's order; texts for all of a text file.
    pub(crate) columns: Vec<(String, ColumnType)>,
    /// The encoding of a text file.
    pub(crate) encoding: Option<TextEncoding>,
}

/// Reads names and types, and no rows but the first of JSON lines.
///
/// # Errors
/// A file that is none of its format, has a column without a name or a type that no column may have.
pub(crate) fn columns_of<R: ChunkReader + 'static>(
    file: R,
    format: DataFormat,
    encoding: Option<TextEncoding>,
    limits: &IntakeLimits,
) -> Result<FoundColumns, ReadError> {
    let schema = match format {
        DataFormat::Parquet => parquet::schema_of(file, limits)?,
        DataFormat::Arrow => ipc::schema_of(&file, limits)?,
        DataFormat::Csv | DataFormat::Jsonl => {
            let encoding = match encoding {
                Some(encoding) => encoding,
                None => encoding::detect(file.get_read(0)?).map_err(ReadError::Source)?,
            };
            let source = file.get_read(0)?;
            let names = if format == DataFormat::Csv {
                csv::header_names(source, encoding, limits)?
            } else {
                jsonl::member_names(source, encoding, limits)?
            };
            let columns = names.into_iter().map(|name| (name, ColumnType::String));
            return Ok(FoundColumns {
                columns: columns.collect(),
                encoding: Some(encoding),
            });
        }
    };
    Ok(FoundColumns {
        columns: typed(&schema)?,
        encoding: None,
    })
}

fn typed(schema: &Schema) -> Result<Vec<(String, ColumnType)>, IntakeFault> {
    let typed = schema.fields().iter().map(|field| {
        let kind = kind_of(field.data_type()).ok_or_else(|| {
            let (name, found) = (field.name(), field.data_type());
            IntakeFault::new(
                "column_type",
                both(
                    format!("{name} 列的类型 {found} 不支持"),
                    format!("column {name} is of type {found}, which is not read"),
                ),
                both(
                    "转换为文本、整数、浮点数、布尔、日期或时间",
                    "convert it to text, whole numbers, floating point numbers, booleans, dates or times",
                ),
            )
            .at_column(name)
        })?;
        Ok((field.name().clone(), kind))
    });
    typed.collect()
}

fn kind_of(found: &DataType) -> Option<ColumnType> {
    use DataType::{
        Boolean, Date32, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8,
        Timestamp, UInt8, UInt16, UInt32, Utf8, Utf8View,
    };
    Some(match found {
        Utf8 | LargeUtf8 | Utf8View => ColumnType::String,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => ColumnType::Int64,
        Float16 | Float32 | Float64 => ColumnType::Float64,
        Boolean => ColumnType::Bool,
        Date32 => ColumnType::Date,
        Timestamp(_, _) => ColumnType::Timestamp,
        _ => return None,
    })
}

/// What the text of a cell could be.
pub(crate) struct Spelling<'a>(std::borrow::Cow<'a, str>);

impl<'a> Spelling<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(cell::folded(text))
    }

    /// No value.
    pub(crate) fn is_missing(&self) -> bool {
        cell::is_missing(&self.0)
    }

    /// A value of a type.
    pub(crate) fn is(&self, kind: ColumnType) -> bool {
        match kind {
            ColumnType::String => true,
            ColumnType::Int64 => cell::int64(&self.0).is_some(),
            ColumnType::Float64 => cell::float64(&self.0).is_some(),
            ColumnType::Bool => cell::boolean(&self.0).is_some(),
            ColumnType::Date => cell::date(&self.0).is_some(),
            ColumnType::Timestamp => cell::timestamp(&self.0).is_some(),
        }
    }

    /// A number that counts or measures: no zeros lead it, and its whole part has at most so many digits.
    pub(crate) fn is_amount(&self, digits_max: usize) -> bool {
        let unsigned = self.0.trim_start_matches(['+', '-']);
        let whole = unsigned.split(['.', 'e', 'E']).next().unwrap_or_default();
        let leading = whole.len() > 1 && whole.starts_with('0');
        !leading && whole.len() <= digits_max
    }
}

/// A column that has no name, or one that is there already.
pub(super) fn checked_names(names: Vec<String>) -> Result<Vec<String>, IntakeFault> {
    for (place, name) in names.iter().enumerate() {
        let number = place + 1;
        let (rule, zh, en) = if name.is_empty() {
            (
                "column_unnamed",
                format!("第 {number} 列没有列名"),
                format!("column {number} has no name"),
            )
        } else if names.iter().take(place).any(|before| before == name) {
            let name = super::shown_name(name);
            (
                "column_duplicate",
                format!("{name} 列出现两次"),
                format!("column {name} is named twice"),
            )
        } else {
            continue;
        };
        let remedy = both(
            "为每列写一个不同的列名",
            "give each column a name of its own",
        );
        return Err(IntakeFault::new(rule, both(zh, en), remedy)
            .at_row(0)
            .at_column(format!("#{number}")));
    }
    Ok(names)
}
