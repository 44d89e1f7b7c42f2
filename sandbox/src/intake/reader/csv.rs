//! CSV pushes: header against catalogue entry, then typed batches.

use std::collections::HashMap;
use std::io::Read;

use arrow::datatypes::SchemaRef;
use masking::Problem;

use super::column::{ColumnBuilder, Parsed, Tally, batch_of, type_problem};
use super::columns::checked_names;
use super::encoding::{TextEncoding, TextSource};
use super::fault::{IntakeFault, ReadError, both};
use super::record::{Record, Records, sniff_delimiter};
use super::{TypedBatch, shown_name};
use crate::catalogue::{Column, arrow_schema};
use crate::intake::limits::IntakeLimits;

/// Typed batches of a CSV text.
pub(crate) struct CsvReader<R> {
    records: Records<R>,
    record: Record,
    columns: Vec<Column>,
    /// Position in the file of each column.
    positions: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    schema: SchemaRef,
    tally: Tally,
    limits: IntakeLimits,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header of `source` and holds it against `columns`.
    ///
    /// # Errors
    /// A header that is missing, has a column twice, lacks one or has one too many.
    pub(crate) fn open(
        source: R,
        encoding: TextEncoding,
        columns: &[Column],
        limits: &IntakeLimits,
    ) -> Result<Self, ReadError> {
        let mut records = Records::new(TextSource::new(source, encoding), limits);
        let wanted = |cell: &str| find(columns, cell).is_some();
        let delimiter = sniff_delimiter(records.head()?, limits, wanted);
        records.set_delimiter(delimiter);
        let mut record = Record::default();
        if !records.next(&mut record)? {
            return Err(empty().into());
        }
        let positions = match_header(&record, columns)?;
        Ok(CsvReader {
            records,
            record,
            positions,
            builders: columns
                .iter()
                .map(|column| ColumnBuilder::new(column.kind))
                .collect(),
            schema: arrow_schema(columns),
            tally: Tally::new(columns.len()),
            columns: columns.to_vec(),
            limits: limits.clone(),
        })
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// The first record that is no record of this table, with its place.
    pub(crate) fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError> {
        let first_row = self.records.row();
        let (mut rows, mut bytes, mut problems) = (0_usize, 0_usize, Vec::new());
        while rows < self.limits.batch_rows && bytes < self.limits.batch_bytes {
            let row = self.records.row();
            if !self.records.next(&mut self.record)? {
                break;
            }
            if row > self.limits.rows_max {
                return Err(super::too_many_rows(self.limits.rows_max).into());
            }
            self.take_record(row, &mut problems)?;
            rows += 1;
            bytes += self.record.bytes();
        }
        if rows == 0 {
            let columns = self
                .columns
                .iter()
                .map(|column| (column.name.as_str(), column.kind));
            self.tally.verdict(columns, &self.limits)?;
            return Ok(None);
        }
        Ok(Some(TypedBatch {
            first_row,
            batch: batch_of(&mut self.builders, &self.schema, rows)?,
            problems,
        }))
    }

    fn take_record(&mut self, row: u64, problems: &mut Vec<Problem>) -> Result<(), ReadError> {
        let (found, wanted) = (self.record.len(), self.columns.len());
        if found != wanted {
            return Err(ragged(row, found, wanted).into());
        }
        let targets = self
            .columns
            .iter()
            .zip(&self.positions)
            .zip(&mut self.builders);
        for (index, ((column, &position), builder)) in targets.enumerate() {
            let Some((text, quoted)) = self.record.cell(position) else {
                continue;
            };
            let parsed = builder.append(text, quoted);
            self.tally.add(index, parsed);
            if parsed == Parsed::Failed {
                problems.push(type_problem(row, &column.name, column.kind, text));
            }
        }
        Ok(())
    }
}

/// The names in the first line.
///
/// # Errors
/// An empty file, a name that is missing or there twice, bytes outside the encoding.
pub(super) fn header_names<R: Read>(
    source: R,
    encoding: TextEncoding,
    limits: &IntakeLimits,
) -> Result<Vec<String>, ReadError> {
    let mut records = Records::new(TextSource::new(source, encoding), limits);
    let delimiter = sniff_delimiter(records.head()?, limits, |cell| !cell.is_empty());
    records.set_delimiter(delimiter);
    let mut record = Record::default();
    if !records.next(&mut record)? {
        return Err(empty().into());
    }
    let names = (0..record.len()).map(|place| {
        let cell = record.cell(place).map(|(text, _)| text.trim());
        cell.unwrap_or_default().to_owned()
    });
    Ok(checked_names(names.collect())?)
}

/// A header cell's column: by name, by name without regard to case, or by its comment, which in
/// exports of the bureaus is what stands in the header.
pub(in crate::intake) fn find(columns: &[Column], cell: &str) -> Option<usize> {
    columns
        .iter()
        .position(|column| column.name == cell)
        .or_else(|| {
            columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(cell))
        })
        .or_else(|| {
            let same = |column: &Column| !cell.is_empty() && column.comment == cell;
            columns.iter().position(same)
        })
}

fn match_header(header: &Record, columns: &[Column]) -> Result<Vec<usize>, IntakeFault> {
    let mut found: HashMap<usize, usize> = HashMap::new();
    let mut unknown = Vec::new();
    for position in 0..header.len() {
        let cell = header
            .cell(position)
            .map(|(text, _)| text.trim())
            .unwrap_or_default();
        match find(columns, cell) {
            None => unknown.push((position, shown_name(cell))),
            Some(index) if found.contains_key(&index) => {
                let name = columns
                    .get(index)
                    .map(|column| column.name.as_str())
                    .unwrap_or(cell);
                return Err(duplicate(name));
            }
            Some(index) => {
                found.insert(index, position);
            }
        }
    }
    if found.is_empty() {
        return Err(no_header(columns));
    }
    if let Some(missing) = (0..columns.len()).find(|index| !found.contains_key(index)) {
        let name = columns
            .get(missing)
            .map(|column| column.name.as_str())
            .unwrap_or_default();
        return Err(super::missing_column(name));
    }
    if let Some((position, name)) = unknown.first() {
        return Err(unknown_column(*position, name));
    }
    Ok((0..columns.len())
        .filter_map(|index| found.get(&index).copied())
        .collect())
}

fn empty() -> IntakeFault {
    IntakeFault::new(
        "file_empty",
        both(
            "文件为空，没有表头",
            "the file is empty: there is no header",
        ),
        both("推送含表头的数据", "push data with a header"),
    )
}

fn no_header(columns: &[Column]) -> IntakeFault {
    let names: Vec<&str> = columns
        .iter()
        .map(|column| column.name.as_str())
        .take(20)
        .collect();
    let names = names.join(", ");
    IntakeFault::new(
        "header_mismatch",
        both(
            format!("首行不是表头，或分隔符不是逗号、制表符、分号、竖线之一；应有列：{names}"),
            format!("the first line is no header of this data set, or the delimiter is none of comma, tab, semicolon, pipe; columns wanted: {names}"),
        ),
        both("首行写列名", "put the column names into the first line"),
    )
    .at_row(0)
}

fn duplicate(name: &str) -> IntakeFault {
    IntakeFault::new(
        "column_duplicate",
        both(
            format!("表头中 {name} 列出现两次"),
            format!("the header names column {name} twice"),
        ),
        both("每列只写一次", "name each column once"),
    )
    .at_row(0)
    .at_column(name)
}

fn unknown_column(position: usize, name: &str) -> IntakeFault {
    IntakeFault::new(
        "column_unknown",
        both(
            format!("表头第 {} 列 {name} 不在目录中", position + 1),
            format!(
                "column {name} (number {} of the header) is not in the catalogue entry",
                position + 1
            ),
        ),
        both(
            "去掉该列，或先更新目录",
            "leave the column out, or update the entry first",
        ),
    )
    .at_row(0)
    .at_column(name)
}

fn ragged(row: u64, found: usize, wanted: usize) -> IntakeFault {
    let place = found.min(wanted) + 1;
    IntakeFault::new(
        "row_ragged",
        both(
            format!("第 {row} 行有 {found} 列，表头有 {wanted} 列"),
            format!("row {row} has {found} columns, the header has {wanted}"),
        ),
        both(
            "检查该行的分隔符和引号",
            "check the row's delimiters and quotes",
        ),
    )
    .at_row(row)
    .at_column(format!("#{place}"))
}
