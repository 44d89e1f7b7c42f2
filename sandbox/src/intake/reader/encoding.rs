//! Character encodings of a push: which one it is, and strict decoding with positions.
//!
//! A wrong guess turns every Han character into another one without an error, so the guess is
//! made over the whole file and prefers a damaged UTF-8 file over a "valid" GB18030 one that
//! only looks valid because almost any byte pair is.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};

/// The encodings that a text push may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB 18030, which contains GBK and GB 2312.
    #[serde(rename = "gb18030", alias = "gbk", alias = "gb2312")]
    Gb18030,
    /// UTF-16, least significant byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

impl TextEncoding {
    /// The name as written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            TextEncoding::Utf8 => "utf-8",
            TextEncoding::Gb18030 => "gb18030",
            TextEncoding::Utf16Le => "utf-16le",
            TextEncoding::Utf16Be => "utf-16be",
        }
    }

    /// The encoding of a name, as it is written in a manifest.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let quoted = serde_json::Value::String(name.to_ascii_lowercase());
        serde_json::from_value(quoted).ok()
    }

    fn table(self) -> &'static Encoding {
        match self {
            TextEncoding::Utf8 => UTF_8,
            TextEncoding::Gb18030 => GB18030,
            TextEncoding::Utf16Le => UTF_16LE,
            TextEncoding::Utf16Be => UTF_16BE,
        }
    }

    /// Bytes of the byte order mark at the start of `head`, when it is this encoding's.
    fn mark_bytes(self, head: &[u8]) -> usize {
        let mark: &[u8] = match self {
            TextEncoding::Utf8 => &[0xEF, 0xBB, 0xBF],
            TextEncoding::Gb18030 => &[0x84, 0x31, 0x95, 0x33],
            TextEncoding::Utf16Le => &[0xFF, 0xFE],
            TextEncoding::Utf16Be => &[0xFE, 0xFF],
        };
        if head.starts_with(mark) {
            mark.len()
        } else {
            0
        }
    }
}

/// The encoding of a text, from its byte order mark, its zero bytes, or a scan of all of it.
///
/// Never fails on content: when no encoding fits the whole text it names the likeliest one, and
/// reading then reports where the text departs from it.
///
/// # Errors
/// Only those of reading `source`.
pub(crate) fn detect(mut source: impl Read) -> io::Result<TextEncoding> {
    let mut chunk = vec![0_u8; 64 << 10];
    let mut scan = Scan::default();
    let mut first = true;
    loop {
        let filled = fill(&mut source, &mut chunk)?;
        let bytes = chunk.get(..filled).unwrap_or_default();
        if first {
            if let Some(marked) = from_mark(bytes).or_else(|| from_zero_bytes(bytes)) {
                return Ok(marked);
            }
            first = false;
        }
        scan.observe(bytes, filled < chunk.len());
        if filled < chunk.len() {
            return Ok(scan.verdict());
        }
    }
}

fn from_mark(head: &[u8]) -> Option<TextEncoding> {
    [
        TextEncoding::Utf8,
        TextEncoding::Gb18030,
        TextEncoding::Utf16Le,
        TextEncoding::Utf16Be,
    ]
    .into_iter()
    .find(|encoding| encoding.mark_bytes(head) > 0)
}

/// UTF-16 without a mark: ASCII (delimiters, digits) leaves a zero in every second byte.
fn from_zero_bytes(head: &[u8]) -> Option<TextEncoding> {
    let pairs = head.chunks_exact(2).take(2048);
    let total = pairs.len();
    let (mut high_zero, mut low_zero) = (0_usize, 0_usize);
    for pair in pairs {
        high_zero += usize::from(pair.first() == Some(&0) && pair.get(1) != Some(&0));
        low_zero += usize::from(pair.get(1) == Some(&0) && pair.first() != Some(&0));
    }
    if total < 4 {
        None
    } else if low_zero * 4 > total && low_zero > high_zero * 8 {
        Some(TextEncoding::Utf16Le)
    } else if high_zero * 4 > total && high_zero > low_zero * 8 {
        Some(TextEncoding::Utf16Be)
    } else {
        None
    }
}

/// Counts that tell damaged UTF-8 from GB18030.
#[derive(Default)]
struct Scan {
    carry: Vec<u8>,
    /// Well-formed sequences of three or four bytes: Han text in UTF-8 is made of them.
    wide: u64,
    /// Well-formed sequences of two bytes; GB18030 pairs form them by chance.
    narrow: u64,
    malformed: u64,
    /// Pairs of bytes that GB 2312 writes Han text with.
    pairs: u64,
    /// The last byte, when it may begin such a pair.
    lead: bool,
}

impl Scan {
    fn observe(&mut self, bytes: &[u8], last: bool) {
        self.observe_pairs(bytes);
        let mut buffer = std::mem::take(&mut self.carry);
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.count(text),
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.count(std::str::from_utf8(valid).unwrap_or_default());
                    match error.error_len() {
                        Some(length) => {
                            self.malformed += 1;
                            rest = after.get(length..).unwrap_or_default();
                        }
                        None => {
                            self.malformed += u64::from(last);
                            self.carry = after.to_vec();
                            return;
                        }
                    }
                }
            }
        }
    }

    fn observe_pairs(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let high = (0xA1..=0xFE).contains(&byte);
            self.pairs += u64::from(self.lead && high);
            self.lead = high && !self.lead;
        }
    }

    fn count(&mut self, text: &str) {
        for lead in text.bytes() {
            self.wide += u64::from(lead >= 0xE0);
            self.narrow += u64::from((0xC2..0xE0).contains(&lead));
        }
    }

    fn verdict(&self) -> TextEncoding {
        // Real GB18030 text breaks UTF-8 at least once for every few characters; a UTF-8 file
        // with a damaged place has thousands of well-formed sequences beside it.
        let damaged_utf8 = self.wide + self.narrow / 4 > self.malformed.saturating_mul(4);
        // ASCII with a damaged byte has no pair of Han text at all.
        if self.malformed == 0 || damaged_utf8 || self.pairs == 0 {
            TextEncoding::Utf8
        } else {
            TextEncoding::Gb18030
        }
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match source.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Why decoding stopped.
#[derive(Debug)]
pub(crate) enum DecodeFault {
    /// Bytes at this offset of the file are no text in the encoding.
    Malformed {
        /// Offset of the first offending byte, from the start of the file.
        offset: u64,
    },
    /// The source could not be read.
    Source(io::Error),
}

/// Text of a source, decoded strictly, chunk by chunk.
pub(crate) struct TextSource<R> {
    source: R,
    encoding: TextEncoding,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    raw_filled: usize,
    /// Offset in the file of `raw[0]`.
    raw_offset: u64,
    at_end: bool,
    finished: bool,
    pending: Option<u64>,
}

const RAW_BYTES: usize = 64 << 10;

impl<R: Read> TextSource<R> {
    /// Text of `source` in `encoding`; a byte order mark is skipped.
    pub(crate) fn new(source: R, encoding: TextEncoding) -> Self {
        TextSource {
            source,
            encoding,
            decoder: encoding.table().new_decoder_without_bom_handling(),
            raw: vec![0; RAW_BYTES],
            raw_at: 0,
            raw_filled: 0,
            raw_offset: 0,
            at_end: false,
            finished: false,
            pending: None,
        }
    }

    /// The encoding it decodes.
    pub(crate) fn encoding(&self) -> TextEncoding {
        self.encoding
    }

    /// Replaces `out` by the next piece of text; false at the end.
    ///
    /// All text before a malformed place is handed out before the fault is.
    ///
    /// # Errors
    /// A malformed place, with its offset, or a source that fails.
    pub(crate) fn next_chunk(&mut self, out: &mut Vec<u8>) -> Result<bool, DecodeFault> {
        out.clear();
        if let Some(offset) = self.pending {
            return Err(DecodeFault::Malformed { offset });
        }
        while out.is_empty() {
            if self.finished {
                return Ok(false);
            }
            if self.raw_at == self.raw_filled && !self.at_end {
                self.refill().map_err(DecodeFault::Source)?;
            }
            self.decode(out);
            if let Some(offset) = self.pending.filter(|_| out.is_empty()) {
                return Err(DecodeFault::Malformed { offset });
            }
            if self.pending.is_some() {
                break;
            }
        }
        Ok(true)
    }

    fn refill(&mut self) -> io::Result<()> {
        let start = self.raw_offset == 0 && self.raw_filled == 0;
        self.raw_offset += u64::try_from(self.raw_filled).unwrap_or(0);
        self.raw_filled = fill(&mut self.source, &mut self.raw)?;
        self.raw_at = 0;
        self.at_end = self.raw_filled < self.raw.len();
        if start {
            self.raw_at = self
                .encoding
                .mark_bytes(self.raw.get(..self.raw_filled).unwrap_or(&[]));
        }
        Ok(())
    }

    fn decode(&mut self, out: &mut Vec<u8>) {
        let raw = self
            .raw
            .get(self.raw_at..self.raw_filled)
            .unwrap_or_default();
        // Three bytes of UTF-8 for each byte of any of these encodings, and room for a tail.
        out.resize(raw.len() * 3 + 16, 0);
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(raw, out, self.at_end);
        out.truncate(written);
        self.raw_at += read;
        match result {
            DecoderResult::InputEmpty => self.finished = self.at_end,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                let position = self.raw_offset + u64::try_from(self.raw_at).unwrap_or(0);
                let back = u64::from(length) + u64::from(after);
                self.pending = Some(position.saturating_sub(back));
            }
        }
    }
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

    fn decode(bytes: &[u8], encoding: TextEncoding) -> Result<String, u64> {
        let mut source = TextSource::new(bytes, encoding);
        let (mut text, mut chunk) = (Vec::new(), Vec::new());
        loop {
            match source.next_chunk(&mut chunk) {
                Ok(true) => text.extend_from_slice(&chunk),
                Ok(false) => return Ok(String::from_utf8(text).unwrap()),
                Err(DecodeFault::Malformed { offset }) => return Err(offset),
                Err(DecodeFault::Source(error)) => panic!("{error}"),
            }
        }
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    }

    const TEXT: &str = "姓名,年龄\n白鹭,3\n鼓浪屿,𠮷\n";

    #[test]
    fn every_encoding_is_found_and_decoded() {
        let (gb, _, lossy) = GB18030.encode(TEXT);
        assert!(!lossy);
        let marked = [&[0xEF, 0xBB, 0xBF][..], TEXT.as_bytes()].concat();
        let le = [&[0xFF, 0xFE][..], &utf16(TEXT, true)].concat();
        let be = [&[0xFE, 0xFF][..], &utf16(TEXT, false)].concat();
        for (bytes, encoding) in [
            (TEXT.as_bytes().to_vec(), TextEncoding::Utf8),
            (marked, TextEncoding::Utf8),
            (gb.to_vec(), TextEncoding::Gb18030),
            (le, TextEncoding::Utf16Le),
            (be, TextEncoding::Utf16Be),
            (utf16("id,age\n1,2\n3,4\n", true), TextEncoding::Utf16Le),
            (utf16("id,age\n1,2\n3,4\n", false), TextEncoding::Utf16Be),
            (Vec::new(), TextEncoding::Utf8),
        ] {
            assert_eq!(detect(&bytes[..]).unwrap(), encoding, "{bytes:?}");
            let text = decode(&bytes, encoding).unwrap();
            assert!(
                text.is_empty() || text == TEXT || text == "id,age\n1,2\n3,4\n",
                "{text}"
            );
        }
    }

    #[test]
    fn late_han_text_after_much_ascii_is_still_gb18030() {
        let mut bytes = b"a,b\n".repeat(100_000);
        bytes.extend_from_slice(&GB18030.encode("厦门,思明\n".repeat(50).as_str()).0);
        assert_eq!(detect(&bytes[..]).unwrap(), TextEncoding::Gb18030);
    }

    #[test]
    fn damaged_utf8_is_not_taken_for_gb18030() {
        let mut bytes = "身份证号,地址\n厦门市思明区,鼓浪屿\n"
            .repeat(200)
            .into_bytes();
        let at = bytes.len() / 2;
        bytes[at] = 0xFF;
        assert_eq!(detect(&bytes[..]).unwrap(), TextEncoding::Utf8);
        let offset = decode(&bytes, TextEncoding::Utf8).unwrap_err();
        assert!(offset.abs_diff(at as u64) <= 2, "{offset} against {at}");
    }

    #[test]
    fn ascii_with_a_damaged_byte_far_in_is_damaged_utf8() {
        for damage in [&b"\xff"[..], b"\xc3", b"\xe5\x8e", b"\x81"] {
            let mut bytes = b"id,name\n1,anna\n".repeat(40_000);
            let at = bytes.len();
            bytes.extend_from_slice(damage);
            bytes.extend_from_slice(b"\n2,berta\n");
            assert_eq!(
                detect(&bytes[..]).unwrap(),
                TextEncoding::Utf8,
                "{damage:?}"
            );
            assert_eq!(
                decode(&bytes, TextEncoding::Utf8),
                Err(at as u64),
                "{damage:?}"
            );
        }
        // One Han character of a bureau's export is no damage.
        let mut bytes = b"id,name\n1,anna\n".repeat(40_000);
        bytes.extend_from_slice(&GB18030.encode("2,王\n").0);
        assert_eq!(detect(&bytes[..]).unwrap(), TextEncoding::Gb18030);
    }

    #[test]
    fn a_malformed_place_far_in_has_its_offset() {
        let mut bytes = b"x,y\n".repeat(60_000);
        let at = bytes.len();
        bytes.push(0xC3);
        bytes.extend_from_slice(b"1,2\n");
        assert_eq!(decode(&bytes, TextEncoding::Utf8), Err(at as u64));
        let mut gb = GB18030.encode("厦门").0.to_vec();
        gb.push(0x81);
        assert_eq!(decode(&gb, TextEncoding::Gb18030), Err(4));
        assert_eq!(decode(&[0xFF, 0xFE, b'a'], TextEncoding::Utf16Le), Err(2));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fault(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let encoding = detect(&bytes[..]).unwrap();
            for each in [encoding, TextEncoding::Utf8, TextEncoding::Gb18030, TextEncoding::Utf16Le] {
                match decode(&bytes, each) {
                    Ok(_) => {}
                    Err(offset) => prop_assert!(offset <= bytes.len() as u64),
                }
            }
        }

        #[test]
        fn han_text_survives_gb18030(text in "[\u{4e00}-\u{9fa5}a-z0-9,\n]{1,400}") {
            let bytes = GB18030.encode(&text).0;
            prop_assert_eq!(decode(&bytes, TextEncoding::Gb18030).unwrap(), text);
        }
    }
}
