//! Lines of a text source, in bounded memory.

use std::io::Read;

use super::encoding::{DecodeFault, TextSource};
use super::fault::{IntakeFault, ReadError, both};
use crate::intake::limits::IntakeLimits;

/// Lines of a text that are not blank, counted from 1.
pub(crate) struct Lines<R> {
    text: TextSource<R>,
    chunk: Vec<u8>,
    at: usize,
    row: u64,
    line_bytes_max: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(text: TextSource<R>, limits: &IntakeLimits) -> Self {
        Lines {
            text,
            chunk: Vec::new(),
            at: 0,
            row: 0,
            line_bytes_max: limits.record_bytes_max,
        }
    }

    /// Number of the line that was read last.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    /// Replaces `line` by the next one; false at the end.
    ///
    /// # Errors
    /// A line longer than a record may be, or bytes that are not of the encoding.
    pub(crate) fn next(&mut self, line: &mut String) -> Result<bool, ReadError> {
        let mut bytes = std::mem::take(line).into_bytes();
        bytes.clear();
        loop {
            if self.at >= self.chunk.len() && !self.refill()? {
                if bytes.trim_ascii().is_empty() {
                    return Ok(false);
                }
                return self.take(bytes, line).map(|()| true);
            }
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let end = rest.iter().position(|&byte| byte == b'\n');
            bytes.extend_from_slice(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            if bytes.len() > self.line_bytes_max {
                return Err(self.too_long().into());
            }
            self.at += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                if !bytes.trim_ascii().is_empty() {
                    return self.take(bytes, line).map(|()| true);
                }
                bytes.clear();
            }
        }
    }

    fn take(&mut self, bytes: Vec<u8>, line: &mut String) -> Result<(), ReadError> {
        self.row += 1;
        // The source decodes to UTF-8, and a line feed is no part of another character.
        *line = String::from_utf8(bytes)
            .map_err(|error| ReadError::Source(std::io::Error::other(error)))?;
        Ok(())
    }

    fn refill(&mut self) -> Result<bool, ReadError> {
        self.at = 0;
        match self.text.next_chunk(&mut self.chunk) {
            Ok(more) => Ok(more),
            Err(DecodeFault::Source(error)) => Err(ReadError::Source(error)),
            Err(DecodeFault::Malformed { offset }) => Err(self.malformed(offset).into()),
        }
    }

    fn malformed(&self, offset: u64) -> IntakeFault {
        let (name, row) = (self.text.encoding().name(), self.row + 1);
        IntakeFault::new(
            "encoding",
            both(
                format!("第 {row} 行（字节偏移 {offset}）不是合法的 {name} 编码"),
                format!("line {row} (byte offset {offset}) is not valid {name}"),
            ),
            both(
                "按声明的编码重新导出，或在清单中声明正确的 encoding",
                "export the file again in the declared encoding, or declare the right `encoding` in the manifest",
            ),
        )
        .at_row(row)
        .at_offset(offset)
    }

    fn too_long(&self) -> IntakeFault {
        let (row, most) = (self.row + 1, self.line_bytes_max);
        IntakeFault::new(
            "row_too_long",
            both(
                format!("第 {row} 行超过 {most} 字节"),
                format!("line {row} has more than {most} bytes"),
            ),
            both(
                "每行一个对象，且缩短文本",
                "put one object on each line, and shorten its texts",
            ),
        )
        .at_row(row)
    }
}
