//! What a command prints: a table for people, JSON or CSV for programs.

use super::failure::Failure;
use super::words;
use crate::http::dto::Page;
use sandbox::Lang;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// 表格 · for people
    Table,
    /// 服务器的原样应答 · the server's answer as it is
    Json,
    /// 带表头的 CSV · for spreadsheets, with a header
    Csv,
}

/// A column of a table: its heading in both languages and where its value stands in the object.
pub(crate) struct Column {
    zh: &'static str,
    en: &'static str,
    pointer: &'static str,
}

/// A column.
pub(crate) const fn column(zh: &'static str, en: &'static str, pointer: &'static str) -> Column {
    Column { zh, en, pointer }
}

/// How and where to print.
pub(crate) struct Printer {
    pub(crate) format: Format,
    pub(crate) lang: Lang,
}

impl Printer {
    /// Prints a page of a list; says on standard error where the next one begins.
    pub(crate) fn page<T: Serialize>(
        &self,
        page: &Page<T>,
        columns: &[Column],
    ) -> Result<(), Failure> {
        self.page_by("--cursor", page, columns)
    }

    /// The same, where the next page is asked for by another option.
    pub(crate) fn page_by<T: Serialize>(
        &self,
        option: &str,
        page: &Page<T>,
        columns: &[Column],
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            return self.json(page);
        }
        self.rows(&page.items, columns)?;
        self.more(option, page.next_cursor.as_deref());
        Ok(())
    }

    /// Says on standard error that there is another page, and how to ask for it.
    pub(crate) fn more(&self, option: &str, cursor: Option<&str>) {
        if let Some(cursor) = cursor {
            let more = match self.lang {
                Lang::Zh => "还有更多：",
                Lang::En => "there are more: ",
            };
            // A note for people; nobody's result depends on it.
            let _ = writeln!(io::stderr(), "{more}{option} {}", printable(cursor));
        }
    }

    /// Prints rows.
    pub(crate) fn rows<T: Serialize>(
        &self,
        items: &[T],
        columns: &[Column],
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            return self.json(&items);
        }
        let rows = items
            .iter()
            .map(|item| {
                let value = document(item)?;
                Ok(columns
                    .iter()
                    .map(|column| self.cell(&value, column))
                    .collect())
            })
            .collect::<Result<Vec<Vec<String>>, Failure>>()?;
        let headings: Vec<String> = columns.iter().map(|column| self.heading(column)).collect();
        self.cells(&headings, &rows)
    }

    /// Prints rows that are text already.
    pub(crate) fn cells(&self, headings: &[String], rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self.format {
            Format::Csv => {
                csv_line(&mut out, headings)?;
                rows.iter().try_for_each(|row| csv_line(&mut out, row))?;
            }
            Format::Table | Format::Json => table(&mut out, headings, rows)?,
        }
        Ok(())
    }

    /// Prints one object, a line for each of its columns.
    pub(crate) fn one<T: Serialize>(&self, item: &T, columns: &[Column]) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(item),
            Format::Csv => self.rows(std::slice::from_ref(item), columns),
            Format::Table => {
                let value = document(item)?;
                let mut out = io::stdout().lock();
                let widest = columns
                    .iter()
                    .map(|column| self.heading(column).width())
                    .max()
                    .unwrap_or(0);
                for column in columns {
                    let cell = self.cell(&value, column);
                    if !cell.is_empty() {
                        writeln!(
                            out,
                            "{}  {}",
                            padded(&self.heading(column), widest),
                            printable(&cell)
                        )?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Prints a document as it is.
    pub(crate) fn json<T: Serialize + ?Sized>(&self, item: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(item).map_err(io::Error::from)?;
        writeln!(io::stdout().lock(), "{text}")?;
        Ok(())
    }

    /// Prints a line for people; programs that asked for JSON or CSV do not see it.
    pub(crate) fn say(&self, zh: &str, en: &str) -> Result<(), Failure> {
        if self.format == Format::Table {
            let text = match self.lang {
                Lang::Zh => zh,
                Lang::En => en,
            };
            writeln!(io::stdout().lock(), "{}", printable(text))?;
        }
        Ok(())
    }

    /// Prints text as it is, line by line.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        for line in text.lines() {
            writeln!(out, "{}", printable(line))?;
        }
        Ok(())
    }

    fn heading(&self, column: &Column) -> String {
        match (self.format, self.lang) {
            // Programs find the same names in every language.
            (Format::Csv, _) => column.pointer.trim_start_matches('/').replace('/', "."),
            (_, Lang::Zh) => column.zh.to_owned(),
            (_, Lang::En) => column.en.to_owned(),
        }
    }

    fn cell(&self, value: &Value, column: &Column) -> String {
        let value = value.pointer(column.pointer).unwrap_or(&Value::Null);
        match self.format {
            Format::Csv => plain(value),
            Format::Table | Format::Json => {
                let member = column.pointer.rsplit('/').next().unwrap_or_default();
                self.readable(value, words::MEMBERS.contains(&member))
            }
        }
    }

    /// A value for people: words of the language where it is `named` by the API, times of Asia/Shanghai.
    fn readable(&self, value: &Value, named: bool) -> String {
        match value {
            Value::String(text) => match (shanghai(text), self.lang) {
                (Some(time), _) => time,
                (None, lang) if named && words::is_outcome(text) => words::outcome(text, lang),
                (None, Lang::Zh) if named => words::chinese(text).unwrap_or(text).to_owned(),
                (None, _) => text.clone(),
            },
            Value::Bool(value) => match (value, self.lang) {
                (true, Lang::Zh) => "是".to_owned(),
                (false, Lang::Zh) => "否".to_owned(),
                (true, Lang::En) => "yes".to_owned(),
                (false, Lang::En) => "no".to_owned(),
            },
            Value::Array(items) => items
                .iter()
                .map(|item| self.readable(item, named))
                .collect::<Vec<_>>()
                .join(", "),
            Value::Object(members) => match (members.get("zh"), members.get("en")) {
                (Some(Value::String(zh)), Some(Value::String(en))) if members.len() == 2 => {
                    match self.lang {
                        Lang::Zh => zh.clone(),
                        Lang::En => en.clone(),
                    }
                }
                _ => plain(value),
            },
            other => plain(other),
        }
    }
}

fn document<T: Serialize>(item: &T) -> Result<Value, Failure> {
    serde_json::to_value(item).map_err(|error| Failure::Output(error.into()))
}

/// A value as programs take it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            items.iter().map(plain).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A time of the API in the time of Asia/Shanghai.
fn shanghai(text: &str) -> Option<String> {
    // Cheaper than parsing every cell: an RFC 3339 time has its `T` there.
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    Some(
        time.to_zoned(zone)
            .strftime("%Y-%m-%d %H:%M:%S+08:00")
            .to_string(),
    )
}

/// Text that cannot steer a terminal: control and formatting characters become visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            // Directions and joins of Unicode can show one text and be another.
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn table(out: &mut impl Write, headings: &[String], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, heading)| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
                .max(heading.width())
        })
        .collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| padded(cell, *width))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(headings))?;
    writeln!(
        out,
        "{}",
        widths
            .iter()
            .map(|width| "─".repeat(*width))
            .collect::<Vec<_>>()
            .join("  ")
    )?;
    rows.iter()
        .try_for_each(|row| writeln!(out, "{}", line(row)))
}

fn csv_line(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    writeln!(out, "{}", cells.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_lines_up_wide_letters_and_shows_no_escape() {
        let mut out = Vec::new();
        let rows = vec![
            vec!["思明".to_owned(), "1".to_owned()],
            vec!["a\u{1b}[2J".to_owned(), "22".to_owned()],
        ];
        table(&mut out, &["区".to_owned(), "n".to_owned()], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "区     n\n─────  ──\n思明   1\na\u{fffd}[2J  22\n");
    }

    #[test]
    fn csv_quotes_what_would_break_a_line() {
        let mut out = Vec::new();
        csv_line(
            &mut out,
            &["a,b".to_owned(), "say \"x\"".to_owned(), "plain".to_owned()],
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a,b\",\"say \"\"x\"\"\",plain\n"
        );
    }

    #[test]
    fn people_read_their_language_and_their_time_and_programs_the_value() {
        let printer = |format, lang| Printer { format, lang };
        let value = json!({
            "at": "2026-01-31T20:00:00Z", "state": "approved", "name": "approved", "why": { "zh": "因", "en": "for" },
        });
        let at = column("时间", "at", "/at");
        let state = column("状态", "state", "/state");
        let why = column("原因", "why", "/why");
        let zh = printer(Format::Table, Lang::Zh);
        assert_eq!(zh.cell(&value, &at), "2026-02-01 04:00:00+08:00");
        assert_eq!(zh.cell(&value, &state), "已通过");
        assert_eq!(
            zh.cell(&value, &column("名称", "name", "/name")),
            "approved",
            "a name is nobody's to translate"
        );
        assert_eq!(zh.cell(&value, &why), "因");
        let en = printer(Format::Table, Lang::En);
        assert_eq!(en.cell(&value, &state), "approved");
        assert_eq!(en.cell(&value, &why), "for");
        let csv = printer(Format::Csv, Lang::Zh);
        assert_eq!(csv.cell(&value, &at), "2026-01-31T20:00:00Z");
        assert_eq!(csv.cell(&value, &state), "approved");
        assert_eq!(csv.heading(&at), "at");
    }

    #[test]
    fn no_hidden_direction_reaches_the_terminal() {
        assert_eq!(printable("a\u{202e}b\u{7}c"), "a\u{fffd}b\u{fffd}c");
    }
}
