//! Columns of a batch that is to be emitted.

use core::marker::PhantomData;

use heap::vec::Vec;

use crate::kind::Kind;

/// A column that grows row by row.
#[derive(Debug)]
pub struct Builder<K: Kind + ?Sized> {
    store: Store,
    kind: PhantomData<K>,
}

impl<K: Kind + ?Sized> Default for Builder<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind + ?Sized> Builder<K> {
    /// A column without rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            store: Store::new(K::BITS == 0),
            kind: PhantomData,
        }
    }

    /// A column of these values, none of them null.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = K::Value<'a>>) -> Self {
        let mut builder = Self::new();
        for value in values {
            builder.push(Some(value));
        }
        builder
    }

    /// Adds a row; none is null.
    pub fn push(&mut self, value: Option<K::Value<'_>>) {
        self.store.valid(value.is_some());
        K::write(&mut self.store, value);
        self.store.rows += 1;
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.store.rows
    }

    /// Takes all rows out, so that the memory serves the next batch.
    pub fn clear(&mut self) {
        self.store.clear();
    }
}

/// The buffers of a column, whatever it holds; [`crate::emit`] takes them.
pub trait Buffers {
    #[doc(hidden)]
    fn code(&self) -> u32;
    #[doc(hidden)]
    fn store(&self) -> &Store;
}

impl<K: Kind + ?Sized> Buffers for Builder<K> {
    fn code(&self) -> u32 {
        K::CODE
    }

    fn store(&self) -> &Store {
        &self.store
    }
}

/// Bytes of a column. Arrow's buffers are little-endian, and so is the machine of a guest.
#[derive(Debug)]
pub struct Store {
    rows: usize,
    nulls: usize,
    validity: Vec<u8>,
    /// Of text alone: `rows + 1` positions in `data`.
    offsets: Vec<u8>,
    data: Vec<u8>,
    text: bool,
}

impl Store {
    fn new(text: bool) -> Self {
        let mut store = Self {
            rows: 0,
            nulls: 0,
            validity: Vec::new(),
            offsets: Vec::new(),
            data: Vec::new(),
            text,
        };
        store.clear();
        store
    }

    fn clear(&mut self) {
        (self.rows, self.nulls) = (0, 0);
        self.validity.clear();
        self.offsets.clear();
        self.data.clear();
        if self.text {
            self.offsets.extend_from_slice(&[0; 4]);
        }
    }

    fn valid(&mut self, valid: bool) {
        self.nulls += usize::from(!valid);
        push_bit(&mut self.validity, self.rows, valid);
    }

    pub(crate) fn bit(&mut self, value: bool) {
        push_bit(&mut self.data, self.rows, value);
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.data.extend_from_slice(text.as_bytes());
        // Above 2^31 bytes the offset is negative and the host refuses the batch; the guest's memory ends before.
        let end = self.data.len() as u32;
        self.offsets.extend_from_slice(&end.to_le_bytes());
    }
}

fn push_bit(bits: &mut Vec<u8>, row: usize, value: bool) {
    if row.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(last) = bits.last_mut() {
        *last |= u8::from(value) << (row % 8);
    }
}

/// The descriptors of a batch: `rows`, `columns`, and six words a column. None where rows differ.
///
/// `address` tells where in the guest's memory a buffer stands.
pub(crate) fn describe(
    columns: &[&dyn Buffers],
    mut address: impl FnMut(&[u8]) -> u32,
) -> Option<(u32, Vec<u32>)> {
    let rows = columns.first().map_or(0, |column| column.store().rows);
    let mut words = Vec::with_capacity(columns.len() * 6);
    for column in columns {
        let store = column.store();
        if store.rows != rows {
            return None;
        }
        let validity = if store.nulls == 0 {
            0
        } else {
            address(&store.validity)
        };
        let offsets = if store.text {
            address(&store.offsets)
        } else {
            0
        };
        words.extend([
            column.code(),
            store.nulls as u32,
            validity,
            offsets,
            address(&store.data),
            store.data.len() as u32,
        ]);
    }
    Some((rows as u32, words))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
