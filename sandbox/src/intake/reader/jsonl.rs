//! JSON lines: one object a line, its members against the catalogue entry, then typed batches.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use arrow::datatypes::SchemaRef;
use masking::Problem;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{ColumnBuilder, Parsed, Tally, batch_of, type_problem};
use super::columns::checked_names;
use super::csv::find;
use super::encoding::{TextEncoding, TextSource};
use super::fault::{IntakeFault, ReadError, both};
use super::line::Lines;
use super::{TypedBatch, shown_name};
use crate::catalogue::{Column, arrow_schema};
use crate::intake::limits::IntakeLimits;

/// Typed batches of JSON lines.
pub(crate) struct JsonReader<R> {
    lines: Lines<R>,
    line: String,
    columns: Vec<Column>,
    builders: Vec<ColumnBuilder>,
    /// Whether any row named the column: one that no row has is missing, not empty.
    named: Vec<bool>,
    schema: SchemaRef,
    tally: Tally,
    limits: IntakeLimits,
}

impl<R: Read> JsonReader<R> {
    /// Reads objects of `source`; nothing is read yet.
    pub(crate) fn new(
        source: R,
        encoding: TextEncoding,
        columns: &[Column],
        limits: &IntakeLimits,
    ) -> Self {
        JsonReader {
            lines: Lines::new(TextSource::new(source, encoding), limits),
            line: String::new(),
            builders: columns
                .iter()
                .map(|column| ColumnBuilder::new(column.kind))
                .collect(),
            named: vec![false; columns.len()],
            schema: arrow_schema(columns),
            tally: Tally::new(columns.len()),
            columns: columns.to_vec(),
            limits: limits.clone(),
        }
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// The first line that is no object of this table, with its place.
    pub(crate) fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError> {
        let first_row = self.lines.row() + 1;
        let (mut rows, mut bytes, mut problems) = (0_usize, 0_usize, Vec::new());
        while rows < self.limits.batch_rows && bytes < self.limits.batch_bytes {
            if !self.lines.next(&mut self.line)? {
                break;
            }
            let row = self.lines.row();
            if row > self.limits.rows_max {
                return Err(super::too_many_rows(self.limits.rows_max).into());
            }
            self.take_line(row, &mut problems)?;
            rows += 1;
            bytes += self.line.len();
        }
        if rows == 0 {
            return self.end(first_row).map(|()| None);
        }
        Ok(Some(TypedBatch {
            first_row,
            batch: batch_of(&mut self.builders, &self.schema, rows)?,
            problems,
        }))
    }

    fn end(&self, next_row: u64) -> Result<(), ReadError> {
        let missing = self.columns.iter().zip(&self.named);
        if let Some((column, _)) = missing.into_iter().find(|(_, named)| !**named)
            && next_row > 1
        {
            return Err(super::missing_column(&column.name).into());
        }
        let columns = self
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column.kind));
        Ok(self.tally.verdict(columns, &self.limits)?)
    }

    fn take_line(&mut self, row: u64, problems: &mut Vec<Problem>) -> Result<(), ReadError> {
        let Members(members) =
            serde_json::from_str(&self.line).map_err(|error| not_an_object(row, error.column()))?;
        let mut cells: Vec<Option<&RawValue>> = vec![None; self.columns.len()];
        for (name, value) in members {
            let Some(index) = find(&self.columns, name.trim()) else {
                return Err(unknown_member(row, &name).into());
            };
            if let (Some(cell), Some(named)) = (cells.get_mut(index), self.named.get_mut(index)) {
                if cell.replace(value).is_some() {
                    return Err(member_twice(row, &self.columns, index).into());
                }
                *named = true;
            }
        }
        let targets = self.columns.iter().zip(cells).zip(&mut self.builders);
        for (index, ((column, value), builder)) in targets.enumerate() {
            let text = match value.map(|value| scalar(value, row, column, &self.limits)) {
                None => None,
                Some(text) => text?,
            };
            let Some((text, quoted)) = text else {
                builder.append_null();
                continue;
            };
            let parsed = builder.append(&text, quoted);
            self.tally.add(index, parsed);
            if parsed == Parsed::Failed {
                problems.push(type_problem(row, &column.name, column.kind, &text));
            }
        }
        Ok(())
    }
}

/// Rows whose members make the columns of a file without a catalogue entry.
const NAMING_ROWS: u64 = 1_000;

/// The members of the first objects, in the order in which they occur.
///
/// # Errors
/// The first of these lines that is no object.
pub(super) fn member_names<R: Read>(
    source: R,
    encoding: TextEncoding,
    limits: &IntakeLimits,
) -> Result<Vec<String>, ReadError> {
    let mut lines = Lines::new(TextSource::new(source, encoding), limits);
    let (mut line, mut names): (String, Vec<String>) = Default::default();
    while lines.row() < NAMING_ROWS && lines.next(&mut line)? {
        let row = lines.row();
        let Members(members) =
            serde_json::from_str(&line).map_err(|error| not_an_object(row, error.column()))?;
        for (name, _) in members {
            let name = name.trim();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            if names.len() > limits.columns_max {
                return Err(too_many_members(row, limits.columns_max).into());
            }
        }
    }
    Ok(checked_names(names)?)
}

/// A value as text, and whether it was a string; none for `null`.
fn scalar<'a>(
    value: &'a RawValue,
    row: u64,
    column: &Column,
    limits: &IntakeLimits,
) -> Result<Option<(Cow<'a, str>, bool)>, ReadError> {
    let raw = value.get();
    let text = match raw.as_bytes().first() {
        Some(b'"') => {
            let text: Cow<'a, str> = serde_json::from_str::<Text<'a>>(raw)
                .map_err(|error| not_an_object(row, error.column()))?
                .0;
            (text, true)
        }
        Some(b'{' | b'[') => return Err(nested(row, &column.name).into()),
        Some(b'n') | None => return Ok(None),
        Some(_) => (Cow::Borrowed(raw), false),
    };
    if text.0.contains('\0') {
        return Err(super::parquet_fault::zero(row, &column.name).into());
    }
    if text.0.len() > limits.cell_bytes_max {
        return Err(super::parquet_fault::too_long(row, limits.cell_bytes_max)
            .at_column(&column.name)
            .into());
    }
    Ok(Some(text))
}

/// A string that borrows where nothing was escaped.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object in their order, doubles included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn not_an_object(row: u64, column: usize) -> IntakeFault {
    IntakeFault::new(
        "not_a_json_object",
        both(
            format!("第 {row} 行第 {column} 个字符处不是合法的 JSON 对象"),
            format!("line {row} is no JSON object, at character {column}"),
        ),
        both(
            "每行写一个完整的 JSON 对象；文件可能被截断",
            "write one whole JSON object on each line; the file may be truncated",
        ),
    )
    .at_row(row)
}

fn unknown_member(row: u64, name: &str) -> IntakeFault {
    let name = shown_name(name);
    IntakeFault::new(
        "column_unknown",
        both(
            format!("第 {row} 行的 {name} 不在目录中"),
            format!("line {row} has a member {name}, which is not in the catalogue entry"),
        ),
        both(
            "去掉该成员，或先更新目录",
            "leave the member out, or update the entry first",
        ),
    )
    .at_row(row)
    .at_column(name)
}

fn too_many_members(row: u64, most: usize) -> IntakeFault {
    IntakeFault::new(
        "row_too_wide",
        both(
            format!("到第 {row} 行已超过 {most} 个成员"),
            format!("there are more than {most} members up to line {row}"),
        ),
        both("减少成员", "use fewer members"),
    )
    .at_row(row)
}

fn member_twice(row: u64, columns: &[Column], index: usize) -> IntakeFault {
    let name = columns
        .get(index)
        .map(|column| column.name.as_str())
        .unwrap_or_default();
    IntakeFault::new(
        "column_duplicate",
        both(
            format!("第 {row} 行的 {name} 出现两次"),
            format!("line {row} names {name} twice"),
        ),
        both("每个成员只写一次", "name each member once"),
    )
    .at_row(row)
    .at_column(name)
}

fn nested(row: u64, name: &str) -> IntakeFault {
    IntakeFault::new(
        "value_nested",
        both(
            format!("第 {row} 行 {name} 是对象或数组"),
            format!("line {row}: {name} is an object or an array"),
        ),
        both(
            "展开为列，或写成文本",
            "spread it over columns, or write it as text",
        ),
    )
    .at_row(row)
    .at_column(name)
}
