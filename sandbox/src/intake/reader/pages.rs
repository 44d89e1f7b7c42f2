//! Page headers of a Parquet file, read before any page is decoded.
//!
//! The decoder allocates what a page header says its page unpacks to. A file of a few kilobytes
//! can say two gigabytes, a thousand times; so every header is looked at first.

use bytes::Bytes;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::fault::{IntakeFault, ReadError, both};
use crate::intake::limits::IntakeLimits;

/// The encoding whose values are prefixes of each other: a page of one mebibyte may hold
/// thousands of values of one mebibyte.
const DELTA_BYTE_ARRAY: i64 = 7;
const WINDOW_BYTES: u64 = 64 << 10;
/// A header without statistics takes some fifty bytes; with long ones a few kilobytes.
const HEADER_BYTES_LIKELY: u64 = 2 << 10;

/// What the pages of a column chunk will cost to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageCost {
    /// Bytes of all pages, decompressed.
    pub(crate) total_bytes: u64,
    /// Most bytes that one value takes, averaged over its page.
    pub(crate) value_bytes_max: u64,
}

/// Walks the page headers of one column chunk.
pub(crate) fn walk<R: ChunkReader>(
    file: &R,
    column: &ColumnChunkMetaData,
    limits: &IntakeLimits,
) -> Result<PageCost, ReadError> {
    let (mut at, end) = range(file, column)?;
    let mut cost = PageCost::default();
    let mut window = (0_u64, Bytes::new());
    while at < end {
        let header = read_header(file, &mut window, at, end)?;
        let page = header.page()?;
        if page.uncompressed > limits.page_bytes_max || page.compressed > limits.page_bytes_max {
            return Err(page_too_large(column, limits).into());
        }
        cost.total_bytes += page.uncompressed;
        let values = if page.encoding == DELTA_BYTE_ARRAY {
            1
        } else {
            page.values.max(1)
        };
        if !page.dictionary {
            cost.value_bytes_max = cost.value_bytes_max.max(page.uncompressed.div_ceil(values));
        }
        at = at
            .checked_add(header.bytes + page.compressed)
            .filter(|next| *next <= end)
            .ok_or_else(damaged)?;
    }
    Ok(cost)
}

fn range<R: ChunkReader>(file: &R, column: &ColumnChunkMetaData) -> Result<(u64, u64), ReadError> {
    let data = column.data_page_offset();
    let start = column
        .dictionary_page_offset()
        .map_or(data, |dictionary| dictionary.min(data));
    let start = u64::try_from(start).map_err(|_| damaged())?;
    let length = u64::try_from(column.compressed_size()).map_err(|_| damaged())?;
    let end = start
        .checked_add(length)
        .filter(|end| *end <= file.len())
        .ok_or_else(damaged)?;
    Ok((start, end))
}

fn read_header<R: ChunkReader>(
    file: &R,
    window: &mut (u64, Bytes),
    at: u64,
    end: u64,
) -> Result<Header, ReadError> {
    for refetch in [false, true] {
        let inside = at
            .checked_sub(window.0)
            .and_then(|skip| usize::try_from(skip).ok());
        let rest = inside
            .and_then(|skip| window.1.get(skip..))
            .unwrap_or_default();
        let enough = rest.len() as u64 >= HEADER_BYTES_LIKELY.min(end - at);
        if enough && let Some(header) = Header::parse(rest) {
            return Ok(header);
        }
        if !refetch {
            let length = usize::try_from((end - at).min(WINDOW_BYTES)).map_err(|_| damaged())?;
            let bytes = file.get_bytes(at, length).map_err(super::parquet::source)?;
            *window = (at, bytes);
        }
    }
    Err(damaged().into())
}

struct Page {
    compressed: u64,
    uncompressed: u64,
    values: u64,
    encoding: i64,
    dictionary: bool,
}

/// A page header as far as sizes go.
#[derive(Default)]
struct Header {
    bytes: u64,
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    values: i64,
    encoding: i64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        let mut thrift = Thrift { rest: bytes };
        let mut header = Header {
            uncompressed: -1,
            compressed: -1,
            ..Header::default()
        };
        let mut field = 0;
        while let Some((id, kind)) = thrift.field(field)? {
            match (id, kind) {
                (1, INTEGER) => header.kind = thrift.zigzag()?,
                (2, INTEGER) => header.uncompressed = thrift.zigzag()?,
                (3, INTEGER) => header.compressed = thrift.zigzag()?,
                // Both data page headers begin with the number of values; the encoding is the
                // second field of version 1 and the fourth of version 2.
                (5, STRUCT) => header.data_page(&mut thrift, 2)?,
                (8, STRUCT) => header.data_page(&mut thrift, 4)?,
                _ => thrift.skip(kind, 0)?,
            }
            field = id;
        }
        header.bytes = u64::try_from(bytes.len() - thrift.rest.len()).ok()?;
        Some(header)
    }

    fn data_page(&mut self, thrift: &mut Thrift<'_>, encoding: i64) -> Option<()> {
        let mut field = 0;
        while let Some((id, kind)) = thrift.field(field)? {
            match (id, kind) {
                (1, INTEGER) => self.values = thrift.zigzag()?,
                (id, INTEGER) if id == encoding => self.encoding = thrift.zigzag()?,
                _ => thrift.skip(kind, 0)?,
            }
            field = id;
        }
        Some(())
    }

    fn page(&self) -> Result<Page, IntakeFault> {
        let size = |value: i64| u64::try_from(value).map_err(|_| damaged());
        Ok(Page {
            compressed: size(self.compressed)?,
            uncompressed: size(self.uncompressed)?,
            values: size(self.values)?,
            encoding: self.encoding,
            dictionary: self.kind == 2,
        })
    }
}

const INTEGER: u8 = 5;
const STRUCT: u8 = 12;
const NESTING_MAX: u8 = 8;

/// The part of Thrift's compact protocol that page headers are written in.
struct Thrift<'a> {
    rest: &'a [u8],
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        let magnitude = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 0 {
            magnitude
        } else {
            -magnitude - 1
        })
    }

    /// The next field's number and type; none inside at the end of the structure.
    fn field(&mut self, before: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.zigzag()?,
            delta => before + i64::from(delta),
        };
        Some(Some((id, head & 0x0F)))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if depth > NESTING_MAX {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.rest = self.rest.get(8..)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.rest = self.rest.get(length..)?;
            }
            9 | 10 => self.skip_list(depth)?,
            12 => {
                let mut field = 0;
                while let Some((id, kind)) = self.field(field)? {
                    self.skip(kind, depth + 1)?;
                    field = id;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn skip_list(&mut self, depth: u8) -> Option<()> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        for _ in 0..length {
            // An element of a truth value takes a byte in a list, where a field takes none.
            match head & 0x0F {
                1 | 2 => drop(self.byte()?),
                kind => self.skip(kind, depth + 1)?,
            }
        }
        Some(())
    }
}

fn damaged() -> IntakeFault {
    super::parquet_fault::damaged()
}

fn page_too_large(column: &ColumnChunkMetaData, limits: &IntakeLimits) -> IntakeFault {
    let name = super::shown_name(column.column_path().string().as_str());
    let most = limits.page_bytes_max >> 20;
    IntakeFault::new(
        "page_too_large",
        both(
            format!("{name} 列有一页解压后超过 {most} MiB"),
            format!("column {name} has a page of more than {most} MiB when decompressed"),
        ),
        both(
            "用较小的页（如 1 MiB）重新写出文件",
            "write the file again with smaller pages, such as 1 MiB",
        ),
    )
    .at_column(name)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_read_field_by_field() {
        // type = 0 (data page), uncompressed = 100, compressed = 60, data header: 7 values,
        // encoding 7, levels 3 and 3.
        let bytes = [
            0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x78, 0x2C, 0x15, 0x0E, 0x15, 0x0E, 0x15, 0x06,
            0x15, 0x06, 0x00, 0x00, 0xAA,
        ];
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.bytes, 18);
        assert_eq!((header.uncompressed, header.compressed), (100, 60));
        assert_eq!((header.values, header.encoding), (7, 7));
        assert!(Header::parse(&bytes[..17]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(header) = Header::parse(&bytes) {
                prop_assert!(header.bytes <= bytes.len() as u64);
            }
        }
    }
}
