//! Splitting text into records and cells, strictly and in bounded memory.
//!
//! The dialect is RFC 4180 with a choice of delimiter. What other readers guess at is a fault
//! with a place here: a quote that never closes, text after a closing quote, a zero character.
//! A cell or record that grows past its limit stops the reading before it fills the memory.

use std::io::Read;

use super::encoding::{DecodeFault, TextSource};
use super::fault::{IntakeFault, ReadError, both};
use crate::intake::limits::IntakeLimits;

/// One record: its cells one after the other, and where each ends.
#[derive(Default)]
pub(crate) struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    quoted: Vec<bool>,
}

impl Record {
    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell's text, and whether it stood in quotes.
    pub(crate) fn cell(&self, index: usize) -> Option<(&str, bool)> {
        let end = *self.ends.get(index)?;
        let start = index
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied())?;
        let text = std::str::from_utf8(self.text.get(start..end)?).ok()?;
        Some((text, *self.quoted.get(index)?))
    }

    /// Bytes of all cells.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
    }

    fn close_cell(&mut self, quoted: bool) {
        self.ends.push(self.text.len());
        self.quoted.push(quoted);
    }

    fn open_bytes(&self) -> usize {
        self.text.len() - self.ends.last().copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    CellStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Records of a text source.
pub(crate) struct Records<R> {
    text: TextSource<R>,
    delimiter: u8,
    chunk: Vec<u8>,
    at: usize,
    /// Rows handed out so far; the header is row 0, so this is the next row's number.
    row: u64,
    cell_bytes_max: usize,
    record_bytes_max: usize,
    columns_max: usize,
}

impl<R: Read> Records<R> {
    /// Records of `text`; set the delimiter before the first read.
    pub(crate) fn new(text: TextSource<R>, limits: &IntakeLimits) -> Self {
        Records {
            text,
            delimiter: b',',
            chunk: Vec::new(),
            at: 0,
            row: 0,
            cell_bytes_max: limits.cell_bytes_max,
            record_bytes_max: limits.record_bytes_max,
            columns_max: limits.columns_max,
        }
    }

    /// The first piece of text, without consuming it: what the dialect is found from.
    pub(crate) fn head(&mut self) -> Result<&[u8], ReadError> {
        if self.at >= self.chunk.len() {
            self.refill()?;
        }
        Ok(self.chunk.get(self.at..).unwrap_or_default())
    }

    /// Sets the delimiter.
    pub(crate) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Number of the record that `next` would read; the header is 0.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    /// Reads the next record; false at the end. Blank lines are skipped.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        record.clear();
        let mut state = State::RecordStart;
        loop {
            if self.at >= self.chunk.len() && !self.refill_at(record)? {
                return self.finish(state, record);
            }
            let Some(&byte) = self.chunk.get(self.at) else {
                continue;
            };
            self.at += 1;
            if byte == 0 {
                return Err(self.zero(record).into());
            }
            state = match state {
                State::RecordStart if byte == b'\n' || byte == b'\r' => State::RecordStart,
                State::RecordStart | State::CellStart if byte == b'"' => State::Quoted,
                State::Quoted if byte == b'"' => State::QuoteInQuoted,
                State::Quoted => self.push(byte, record, State::Quoted)?,
                State::QuoteInQuoted if byte == b'"' => self.push(byte, record, State::Quoted)?,
                _ if byte == self.delimiter => {
                    record.close_cell(state == State::QuoteInQuoted);
                    self.check_width(record)?;
                    State::CellStart
                }
                _ if byte == b'\n' || byte == b'\r' => {
                    record.close_cell(state == State::QuoteInQuoted);
                    self.row += 1;
                    return Ok(true);
                }
                State::QuoteInQuoted => return Err(self.misplaced(record).into()),
                State::RecordStart | State::CellStart | State::Plain => {
                    self.push(byte, record, State::Plain)?
                }
            };
        }
    }

    /// Takes `byte` and, in one go, what follows it up to the next byte that means something.
    fn push(&mut self, byte: u8, record: &mut Record, state: State) -> Result<State, ReadError> {
        record.text.push(byte);
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let delimiter = self.delimiter;
        let plain = rest
            .iter()
            .position(|&b| b == 0 || b == b'"' || b == b'\n' || b == b'\r' || b == delimiter)
            .unwrap_or(rest.len());
        record
            .text
            .extend_from_slice(rest.get(..plain).unwrap_or_default());
        self.at += plain;
        if record.open_bytes() > self.cell_bytes_max || record.bytes() > self.record_bytes_max {
            return Err(self.too_long(record).into());
        }
        Ok(state)
    }

    fn finish(&mut self, state: State, record: &mut Record) -> Result<bool, ReadError> {
        match state {
            State::RecordStart => Ok(false),
            State::Quoted => Err(self.unclosed(record).into()),
            State::CellStart | State::Plain | State::QuoteInQuoted => {
                record.close_cell(state == State::QuoteInQuoted);
                self.row += 1;
                Ok(true)
            }
        }
    }

    fn refill(&mut self) -> Result<bool, ReadError> {
        self.refill_at(&Record::default())
    }

    fn refill_at(&mut self, record: &Record) -> Result<bool, ReadError> {
        self.at = 0;
        match self.text.next_chunk(&mut self.chunk) {
            Ok(more) => Ok(more),
            Err(DecodeFault::Source(error)) => Err(ReadError::Source(error)),
            Err(DecodeFault::Malformed { offset }) => Err(self.malformed(offset, record).into()),
        }
    }

    fn check_width(&self, record: &Record) -> Result<(), ReadError> {
        if record.len() < self.columns_max {
            return Ok(());
        }
        let most = self.columns_max;
        Err(IntakeFault::new(
            "row_too_wide",
            both(
                format!("第 {} 行超过 {most} 列", self.row),
                format!("row {} has more than {most} columns", self.row),
            ),
            both("检查分隔符和引号", "check delimiters and quotes"),
        )
        .at_row(self.row)
        .into())
    }

    fn place(&self, fault: IntakeFault, record: &Record) -> IntakeFault {
        fault
            .at_row(self.row)
            .at_column(format!("#{}", record.len() + 1))
    }

    fn malformed(&self, offset: u64, record: &Record) -> IntakeFault {
        let (name, row, column) = (self.text.encoding().name(), self.row, record.len() + 1);
        let fault = IntakeFault::new(
            "encoding",
            both(
                format!("第 {row} 行第 {column} 列（字节偏移 {offset}）不是合法的 {name} 编码"),
                format!("row {row}, column {column} (byte offset {offset}) is not valid {name}"),
            ),
            both(
                "按声明的编码重新导出，或在清单中声明正确的 encoding",
                "export the file again in the declared encoding, or declare the right `encoding` in the manifest",
            ),
        );
        self.place(fault, record).at_offset(offset)
    }

    fn zero(&self, record: &Record) -> IntakeFault {
        let (row, column) = (self.row, record.len() + 1);
        let fault = IntakeFault::new(
            "nul_character",
            both(
                format!("第 {row} 行第 {column} 列含空字符（U+0000）"),
                format!("row {row}, column {column} contains a NUL character (U+0000)"),
            ),
            both(
                "去掉空字符后重新推送",
                "remove NUL characters and push again",
            ),
        );
        self.place(fault, record)
    }

    fn too_long(&self, record: &Record) -> IntakeFault {
        let (row, column) = (self.row, record.len() + 1);
        let most = self.cell_bytes_max;
        let fault = IntakeFault::new(
            "cell_too_long",
            both(
                format!(
                    "第 {row} 行第 {column} 列过长：单元格上限 {most} 字节，整行上限 {} 字节",
                    self.record_bytes_max
                ),
                format!(
                    "row {row}, column {column} is too long: at most {most} bytes a cell and {} bytes a row",
                    self.record_bytes_max
                ),
            ),
            both(
                "检查是否有未闭合的引号，或缩短文本",
                "look for a quote that never closes, or shorten the text",
            ),
        );
        self.place(fault, record)
    }

    fn unclosed(&self, record: &Record) -> IntakeFault {
        let (row, column) = (self.row, record.len() + 1);
        let fault = IntakeFault::new(
            "quote_unclosed",
            both(
                format!("第 {row} 行第 {column} 列的引号直到文件结束都没有闭合（文件可能被截断）"),
                format!(
                    "the quote of row {row}, column {column} is never closed (the file may be truncated)"
                ),
            ),
            both(
                "补上引号或重新传输完整文件",
                "close the quote, or send the whole file again",
            ),
        );
        self.place(fault, record)
    }

    fn misplaced(&self, record: &Record) -> IntakeFault {
        let (row, column) = (self.row, record.len() + 1);
        let fault = IntakeFault::new(
            "quote_misplaced",
            both(
                format!("第 {row} 行第 {column} 列在引号闭合后还有文字"),
                format!("row {row}, column {column} has text after its closing quote"),
            ),
            both(
                "引号内的引号要写两次（\"\"）",
                "write a quote inside quotes twice (\"\")",
            ),
        );
        self.place(fault, record)
    }
}

/// The delimiter under which the first line of `head` names most of `wanted`; comma at a tie.
pub(crate) fn sniff_delimiter(
    head: &[u8],
    limits: &IntakeLimits,
    wanted: impl Fn(&str) -> bool,
) -> u8 {
    let mut best = (0_usize, b',');
    for delimiter in [b',', b'\t', b';', b'|'] {
        let text = TextSource::new(head, super::encoding::TextEncoding::Utf8);
        let mut records = Records::new(text, limits);
        records.set_delimiter(delimiter);
        let mut record = Record::default();
        // A head that ends inside a quote is the reading's to report, not the sniffing's.
        if !records.next(&mut record).unwrap_or(false) {
            continue;
        }
        let named = (0..record.len())
            .filter(|&index| {
                record
                    .cell(index)
                    .is_some_and(|(name, _)| wanted(name.trim()))
            })
            .count();
        if named > best.0 {
            best = (named, delimiter);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::super::encoding::TextEncoding;
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Result<Vec<Vec<(String, bool)>>, IntakeFault> {
        let limits = IntakeLimits {
            cell_bytes_max: 64,
            record_bytes_max: 256,
            ..Default::default()
        };
        let mut records = Records::new(
            TextSource::new(text.as_bytes(), TextEncoding::Utf8),
            &limits,
        );
        let (mut all, mut record) = (Vec::new(), Record::default());
        loop {
            match records.next(&mut record) {
                Ok(true) => all.push(
                    (0..record.len())
                        .map(|index| record.cell(index).unwrap())
                        .map(|(text, quoted)| (text.to_owned(), quoted))
                        .collect(),
                ),
                Ok(false) => return Ok(all),
                Err(ReadError::Fault(fault)) => return Err(*fault),
                Err(ReadError::Source(error)) => panic!("{error}"),
            }
        }
    }

    fn cells(text: &str) -> Vec<Vec<String>> {
        split(text)
            .unwrap()
            .into_iter()
            .map(|r| r.into_iter().map(|c| c.0).collect())
            .collect()
    }

    #[test]
    fn records_and_line_ends() {
        let want = vec![vec!["a", "b"], vec!["1", "2"], vec!["3", ""]];
        for text in [
            "a,b\n1,2\n3,\n",
            "a,b\r\n1,2\r\n3,",
            "a,b\r1,2\r3,\r",
            "\n\na,b\n\n1,2\n\r\n3,\n\n",
        ] {
            assert_eq!(cells(text), want, "{text:?}");
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(
            split("\"a,\"\"b\"\"\n\",\"\",\n").unwrap(),
            vec![vec![
                ("a,\"b\"\n".to_owned(), true),
                (String::new(), true),
                (String::new(), false)
            ]]
        );
        assert_eq!(cells("5\" pipe,x\n"), vec![vec!["5\" pipe", "x"]]);
    }

    #[test]
    fn faults_name_their_place() {
        for (text, rule, row, column) in [
            ("a,b\n1,\"2", "quote_unclosed", 1, "#2"),
            ("a,b\n1,2\n\"3\"x,4\n", "quote_misplaced", 2, "#1"),
            ("a,b\n1,2\0\n", "nul_character", 1, "#2"),
            (
                &format!("a,b\n1,2\n{},4\n", "x".repeat(65)),
                "cell_too_long",
                2,
                "#1",
            ),
            (
                &format!("a\n\"{}", "x,\n".repeat(100)),
                "cell_too_long",
                1,
                "#1",
            ),
        ] {
            let fault = split(text).unwrap_err();
            assert_eq!(
                (fault.rule.as_str(), fault.row, fault.column.as_deref()),
                (rule, Some(row), Some(column))
            );
        }
        assert_eq!(split(&",".repeat(600)).unwrap_err().rule, "row_too_wide");
    }

    #[test]
    fn mis_encoded_bytes_have_row_column_and_offset() {
        let bytes = b"a,b\n1,2\n3,x\xFFy\n";
        let limits = IntakeLimits::default();
        let mut records = Records::new(TextSource::new(&bytes[..], TextEncoding::Utf8), &limits);
        let mut record = Record::default();
        assert!(records.next(&mut record).unwrap());
        assert!(records.next(&mut record).unwrap());
        let Err(ReadError::Fault(fault)) = records.next(&mut record) else {
            panic!("no fault")
        };
        assert_eq!(
            (fault.rule.as_str(), fault.row, fault.offset),
            ("encoding", Some(2), Some(11))
        );
        assert_eq!(fault.column.as_deref(), Some("#2"));
    }

    #[test]
    fn the_delimiter_is_the_one_that_names_columns() {
        let limits = IntakeLimits::default();
        let wanted = |name: &str| ["id", "age", "note"].contains(&name);
        for (head, delimiter) in [
            ("id,age,note\n1,2,a;b|c", b','),
            ("id;age;note\n1;2;a,b,c,d", b';'),
            ("id\tage\tnote\n", b'\t'),
            ("\"id\"|age|note", b'|'),
            ("nothing of it", b','),
            ("", b','),
        ] {
            assert_eq!(
                sniff_delimiter(head.as_bytes(), &limits, wanted),
                delimiter,
                "{head}"
            );
        }
    }

    proptest! {
        #[test]
        fn splits_as_the_csv_crate_does(
            rows in proptest::collection::vec(
                proptest::collection::vec("[a-z\",\r\n\u{4e00}]{0,12}", 2..5), 1..8)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            prop_assert_eq!(cells(std::str::from_utf8(&bytes).unwrap()), rows);
        }

        #[test]
        fn never_panics(text in "[a,\"\n\r\0;\u{ffff}]{0,300}") {
            let _ = split(&text);
        }
    }
}
