//! Lines of a table's text, and what is wrong with one of them.

use crate::error::TableError;
use crate::text::Bilingual;

/// One line that says something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'t> {
    file: &'static str,
    /// Counted from one.
    line: usize,
    pub(crate) text: &'t str,
}

/// The lines of a file without its comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The lines of a file without its comments, with their places.
///
/// # Errors
/// `table_empty` when there is none: a table that knows nothing is a mistake.
pub(crate) fn rows<'t>(file: &'static str, text: &'t str) -> Result<Vec<Row<'t>>, TableError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows: Vec<Row<'t>> = text
        .lines()
        .enumerate()
        .map(|(place, line)| Row {
            file,
            line: place + 1,
            text: line.trim_end(),
        })
        .filter(|row| !row.text.starts_with('#') && !row.text.is_empty())
        .collect();
    if rows.is_empty() {
        return Err(TableError::general(
            "table_empty",
            Bilingual::new(format!("{file} 没有内容"), format!("{file} says nothing")),
            Bilingual::new("请检查文件", "check the file"),
        ));
    }
    Ok(rows)
}

impl<'t> Row<'t> {
    /// The fields, which must be this many.
    pub(crate) fn fields<const N: usize>(&self) -> Result<[&'t str; N], TableError> {
        let fields: Vec<&'t str> = self.text.split(',').map(str::trim).collect();
        let count = fields.len();
        fields.try_into().map_err(|_| {
            self.fault(
                &format!("应有 {N} 个以逗号分隔的字段，实有 {count} 个"),
                &format!("{N} fields parted by commas are expected, there are {count}"),
            )
        })
    }

    /// Digits, as many as said.
    pub(crate) fn digits(
        &self,
        text: &'t str,
        lengths: std::ops::RangeInclusive<usize>,
    ) -> Result<&'t str, TableError> {
        if lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(text);
        }
        let (from, to) = (lengths.start(), lengths.end());
        Err(self.fault(
            &format!("应为 {from} 至 {to} 位数字"),
            &format!("{from} to {to} digits are expected"),
        ))
    }

    /// Numbers of digits parted by blanks, each at most 31, as the bits of a word.
    pub(crate) fn lengths(&self, text: &str) -> Result<u32, TableError> {
        let mut bits = 0;
        for length in text.split_whitespace() {
            let length: u32 = length
                .parse()
                .ok()
                .filter(|length| *length < 32)
                .ok_or_else(|| {
                    self.fault(
                        "长度应为 0 至 31 的数",
                        "a length must be a number from 0 to 31",
                    )
                })?;
            bits |= 1 << length;
        }
        if bits == 0 {
            return Err(self.fault("缺少长度", "a length is missing"));
        }
        Ok(bits)
    }

    /// What is wrong here.
    pub(crate) fn fault(&self, zh: &str, en: &str) -> TableError {
        let Self { file, line, .. } = self;
        TableError::general(
            "table_unreadable",
            Bilingual::new(
                format!("{file} 第 {line} 行无法读取：{zh}"),
                format!("{file}, line {line} cannot be read: {en}"),
            ),
            Bilingual::new("请改正该行", "correct the line"),
        )
    }
}
