//! Hierarchies written as a table.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::{Fault, MeasureError};
use crate::generalise::hierarchy::{Placed, check_height};
use crate::risk::count;
use crate::text::Bilingual;

const BYTES_MAX: usize = 16 << 20;
const LINES_MAX: usize = 1_000_000;

/// Values with their labels from level 1 upwards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    height: usize,
    paths: HashMap<String, Vec<String>>,
    /// By level, values with each label.
    leaves: Vec<HashMap<String, u64>>,
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, MeasureError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() > BYTES_MAX || text.lines().count() > LINES_MAX {
            return Err(too_large());
        }
        let separator = separator(text.lines().next().unwrap_or(""));
        let mut table = Self {
            height: 0,
            paths: HashMap::new(),
            leaves: Vec::new(),
        };
        for (line, text) in (1..).zip(text.lines()) {
            if !text.is_empty() {
                table.add(line, fields(text, separator))?;
            }
        }
        if table.paths.is_empty() {
            return Err(unreadable(1));
        }
        table.check_coarser()?;
        Ok(table)
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn paths(&self, values: &ArrayRef) -> Option<Vec<Placed>> {
        let texts = cast(values, &DataType::Utf8).ok()?;
        let place = |text: Option<&str>| {
            text.map_or(Placed::Null, |text| {
                Placed::of(self.paths.get(text).cloned())
            })
        };
        Some(texts.as_string::<i32>().iter().map(place).collect())
    }

    pub(super) fn leaves(&self, level: usize, label: &str) -> (u64, u64) {
        let with_label = level
            .checked_sub(1)
            .and_then(|level| self.leaves.get(level)?.get(label))
            .copied();
        (count(self.paths.len()), with_label.unwrap_or(1))
    }

    fn add(&mut self, line: usize, fields: Option<Vec<String>>) -> Result<(), MeasureError> {
        let mut fields = fields.ok_or_else(|| unreadable(line))?;
        if self.paths.is_empty() {
            self.height = fields.len() - 1;
            check_height(self.height)?;
            self.leaves = vec![HashMap::new(); self.height];
        }
        if fields.len() != self.height + 1 {
            return Err(unreadable(line));
        }
        let value = fields.remove(0);
        for (leaves, label) in self.leaves.iter_mut().zip(&fields) {
            *leaves.entry(label.clone()).or_default() += 1;
        }
        match self.paths.insert(value, fields) {
            None => Ok(()),
            Some(_) => Err(value_twice(line)),
        }
    }

    /// Each label of a level must have one label on the level above.
    fn check_coarser(&self) -> Result<(), MeasureError> {
        for level in 1..self.height {
            let mut above: HashMap<&str, &str> = HashMap::new();
            for labels in self.paths.values() {
                let (label, upper) = (&labels[level - 1], &labels[level]);
                if *above.entry(label).or_insert(upper) != upper {
                    return Err(not_coarser(level));
                }
            }
        }
        Ok(())
    }
}

fn separator(line: &str) -> char {
    let found = [';', '\t', ',']
        .into_iter()
        .find(|mark| line.contains(*mark));
    found.unwrap_or(';')
}

/// The fields of a line; nothing if a quotation does not end, or something follows it.
fn fields(line: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quotation(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(separator) {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// The text of a quotation whose first mark is read, where two marks stand for one, and what
/// follows it.
fn quotation(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                text.push('"');
                rest = next;
            }
            None => return Some((text, rest)),
        }
    }
}

fn too_large() -> MeasureError {
    Fault::general(
        "hierarchy_too_large",
        Bilingual::new(
            "泛化层次表超过 16 MiB 或 1,000,000 行",
            "the hierarchy's table is larger than 16 MiB or 1,000,000 lines",
        ),
        Bilingual::new(
            "改用区间、日期、后缀或区划层次",
            "use a hierarchy of intervals, dates, suffixes or regions",
        ),
    )
}

fn unreadable(line: usize) -> MeasureError {
    Fault::general(
        "hierarchy_unreadable",
        Bilingual::new(
            format!("泛化层次表第 {line} 行无法读取"),
            format!("line {line} of the hierarchy's table cannot be read"),
        ),
        Bilingual::new(
            "每行写一个值及其各级标签，各行字段数相同",
            "write a value and its labels on each line, equally many on each",
        ),
    )
}

fn value_twice(line: usize) -> MeasureError {
    Fault::general(
        "hierarchy_value_twice",
        Bilingual::new(
            format!("泛化层次表第 {line} 行的值已经出现过"),
            format!("the value on line {line} of the hierarchy's table was there before"),
        ),
        Bilingual::new("每个值只写一行", "write each value once"),
    )
}

fn not_coarser(level: usize) -> MeasureError {
    let above = level + 1;
    Fault::general(
        "hierarchy_not_coarser",
        Bilingual::new(
            format!("第 {level} 级的同一标签在第 {above} 级有不同标签"),
            format!("one label of level {level} has several labels on level {above}"),
        ),
        Bilingual::new(
            "使每一级都由下一级合并而成",
            "make each level by merging labels of the level below",
        ),
    )
}
