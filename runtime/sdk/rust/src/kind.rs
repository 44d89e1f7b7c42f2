//! The types that cross the interface.

use core::str;

use crate::batch::Raw;
use crate::builder::Store;

/// A day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(pub i32);

/// A point in time: microseconds since 1970-01-01 00:00, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// A type that crosses the interface: `bool`, `i32`, `i64`, `f64`, `str`, [`Days`], [`Micros`].
///
/// Smaller whole numbers arrive as `i32`, unsigned 32 bit as `i64`, `f32` as `f64`; a program's JSON
/// names the output's types `boolean`, `int32`, `int64`, `float64`, `utf8`, `date32` and
/// `timestamp_micros`.
pub trait Kind: sealed::Sealed {
    /// Its number in column descriptors.
    const CODE: u32;
    /// Bits of one value in the data buffer; 0 for text, whose length varies.
    const BITS: usize;
    /// What one row holds.
    type Value<'a>: Copy;

    #[doc(hidden)]
    fn read<'a>(raw: &Raw<'a>, row: usize) -> Option<Self::Value<'a>>;
    #[doc(hidden)]
    fn write(store: &mut Store, value: Option<Self::Value<'_>>);
}

mod sealed {
    /// Keeps the list of kinds the interface's.
    pub trait Sealed {}
}

/// A kind of fixed width: what it holds, the number that crosses, and both ways between them.
macro_rules! fixed {
    ($kind:ty, $code:literal, $number:ty, $into:expr, $from:expr) => {
        impl sealed::Sealed for $kind {}

        impl Kind for $kind {
            const CODE: u32 = $code;
            const BITS: usize = size_of::<$number>() * 8;
            type Value<'a> = $kind;

            fn read<'a>(raw: &Raw<'a>, row: usize) -> Option<$kind> {
                raw.fixed(row).map(<$number>::from_le_bytes).map($from)
            }

            fn write(store: &mut Store, value: Option<$kind>) {
                // A null has a place in the buffer, and the place holds zeros.
                let number: $number = value.map_or(<$number>::default(), $into);
                store.fixed(&number.to_le_bytes());
            }
        }
    };
}

fixed!(i32, 2, i32, |value| value, |number| number);
fixed!(i64, 3, i64, |value| value, |number| number);
fixed!(f64, 4, f64, |value| value, |number| number);
fixed!(Days, 6, i32, |value: Days| value.0, Days);
fixed!(Micros, 7, i64, |value: Micros| value.0, Micros);

impl sealed::Sealed for bool {}

impl Kind for bool {
    const CODE: u32 = 1;
    const BITS: usize = 1;
    type Value<'a> = bool;

    fn read<'a>(raw: &Raw<'a>, row: usize) -> Option<bool> {
        raw.bit(row)
    }

    fn write(store: &mut Store, value: Option<bool>) {
        store.bit(value.unwrap_or(false));
    }
}

impl sealed::Sealed for str {}

impl Kind for str {
    const CODE: u32 = 5;
    const BITS: usize = 0;
    type Value<'a> = &'a str;

    fn read<'a>(raw: &Raw<'a>, row: usize) -> Option<&'a str> {
        raw.text(row).and_then(|bytes| str::from_utf8(bytes).ok())
    }

    fn write(store: &mut Store, value: Option<&str>) {
        store.text(value.unwrap_or(""));
    }
}
