//! Batches that the host lays into the guest's memory.

use core::marker::PhantomData;

use crate::abi;
use crate::block::Block;
use crate::failure::Failure;
use crate::kind::Kind;

const BATCH_BYTES: usize = 12;
/// Bytes of a descriptor.
const COLUMN_BYTES: usize = 24;
const BROKEN: Failure = Failure::new("a batch is not laid out as interface version 1 says");

/// One input of the job, by its position in the program's `inputs`: an iterator over its batches.
///
/// An input is read once, from its start to its end. A job that needs its rows again keeps them.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    position: u32,
}

impl Input {
    /// The input at a position, from 0. A position that the program does not have ends the run.
    #[must_use]
    pub const fn new(position: u32) -> Self {
        Self { position }
    }
}

impl Iterator for Input {
    type Item = Batch;

    /// The next batch, of 1 row at least.
    fn next(&mut self) -> Option<Batch> {
        abi::next_batch(self.position)
    }
}

/// A batch: rows of some columns. It owns its memory; columns borrow from it.
#[derive(Debug)]
pub struct Batch {
    /// Where the block lies in the memory that its pointers mean.
    base: u32,
    block: Block,
    rows: usize,
    columns: usize,
    /// Where in the block the column descriptors start.
    descriptors: usize,
}

impl Batch {
    /// A batch of a block that starts at `base`.
    pub(crate) fn new(base: u32, block: Block) -> Result<Self, Failure> {
        let head = block.get(..BATCH_BYTES).ok_or(BROKEN)?;
        let (rows, columns) = (word(head, 0)?, word(head, 4)?);
        let descriptors = word(head, 8)?.checked_sub(base).ok_or(BROKEN)?;
        Ok(Self {
            base,
            rows: rows as usize,
            columns: columns as usize,
            descriptors: descriptors as usize,
            block,
        })
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns it has: as many as the program lists for the input.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The column at a position, from 0 and in the program's order, as values of a kind.
    ///
    /// # Errors
    /// A position that the batch does not have, or a column of another kind.
    pub fn column<K: Kind + ?Sized>(&self, position: usize) -> Result<Column<'_, K>, Failure> {
        if position >= self.columns {
            return Err(Failure::new("the input has fewer columns than are read"));
        }
        let start = self.descriptors + position * COLUMN_BYTES;
        let words = self.block.get(start..start + COLUMN_BYTES).ok_or(BROKEN)?;
        if word(words, 0)? != K::CODE {
            return Err(Failure::new("a column of the input is of another type"));
        }
        let validity = match word(words, 8)? {
            0 => None,
            pointer => Some(self.range(pointer, self.rows.div_ceil(8))?),
        };
        let text = K::BITS == 0;
        let offsets = if text {
            self.range(word(words, 12)?, (self.rows + 1) * 4)?
        } else {
            &[]
        };
        let data = self.range(word(words, 16)?, word(words, 20)? as usize)?;
        if data.len() < (self.rows * K::BITS).div_ceil(8) {
            return Err(BROKEN);
        }
        Ok(Column {
            nulls: word(words, 4)? as usize,
            rows: self.rows,
            raw: Raw {
                validity,
                offsets,
                data,
            },
            kind: PhantomData,
        })
    }

    fn range(&self, pointer: u32, length: usize) -> Result<&[u8], Failure> {
        let start = pointer.checked_sub(self.base).ok_or(BROKEN)? as usize;
        let end = start.checked_add(length).ok_or(BROKEN)?;
        self.block.get(start..end).ok_or(BROKEN)
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Failure> {
    let bytes = bytes.get(at..at + 4).ok_or(BROKEN)?;
    Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| BROKEN)?))
}

/// A column of a batch.
#[derive(Debug)]
pub struct Column<'a, K: Kind + ?Sized> {
    nulls: usize,
    rows: usize,
    raw: Raw<'a>,
    kind: PhantomData<K>,
}

impl<'a, K: Kind + ?Sized> Column<'a, K> {
    /// How many of its rows are null.
    #[must_use]
    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// The value of a row; none where it is null, and none after the last row.
    #[must_use]
    pub fn value(&self, row: usize) -> Option<K::Value<'a>> {
        if row < self.rows && self.raw.holds(row) {
            K::read(&self.raw, row)
        } else {
            None
        }
    }

    /// The values of all rows in order, none for nulls.
    pub fn values(&self) -> impl Iterator<Item = Option<K::Value<'a>>> + '_ {
        (0..self.rows).map(|row| self.value(row))
    }
}

/// The buffers of a column.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    validity: Option<&'a [u8]>,
    offsets: &'a [u8],
    data: &'a [u8],
}

impl<'a> Raw<'a> {
    fn holds(&self, row: usize) -> bool {
        self.validity
            .is_none_or(|bits| bit(bits, row) == Some(true))
    }

    pub(crate) fn bit(&self, row: usize) -> Option<bool> {
        bit(self.data, row)
    }

    pub(crate) fn fixed<const N: usize>(&self, row: usize) -> Option<[u8; N]> {
        self.data.get(row * N..(row + 1) * N)?.try_into().ok()
    }

    pub(crate) fn text(&self, row: usize) -> Option<&'a [u8]> {
        let start = word(self.offsets, row * 4).ok()? as usize;
        let end = word(self.offsets, row * 4 + 4).ok()? as usize;
        self.data.get(start..end)
    }
}

/// Bit `row` of a bitmap, least significant first.
fn bit(bits: &[u8], row: usize) -> Option<bool> {
    bits.get(row / 8).map(|byte| byte >> (row % 8) & 1 == 1)
}
