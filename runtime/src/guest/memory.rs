//! A guest's linear memory, read and written with every pointer checked.

use crate::outcome::{Fault, Outcome};

/// What a guest that breaks the interface gets.
pub(super) const BROKEN: Outcome = Outcome::Faulted(Fault::GuestOutputInvalid);

/// A range of memory, if all of it exists.
pub(super) fn range(memory: &[u8], pointer: u32, length: u64) -> Result<&[u8], Outcome> {
    let start = u64::from(pointer);
    let end = start.checked_add(length).ok_or(BROKEN)?;
    let (start, end) = (
        usize::try_from(start).map_err(|_| BROKEN)?,
        usize::try_from(end).map_err(|_| BROKEN)?,
    );
    memory.get(start..end).ok_or(BROKEN)
}

/// `N` little-endian numbers.
pub(super) fn numbers<const N: usize>(memory: &[u8], pointer: u32) -> Result<[u32; N], Outcome> {
    let bytes = range(memory, pointer, N as u64 * 4)?;
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
        *number = u32::from_le_bytes(bytes.try_into().map_err(|_| BROKEN)?);
    }
    Ok(numbers)
}

/// The bits of a number, as guests pass pointers.
pub(super) fn pointer(value: i32) -> u32 {
    value.cast_unsigned()
}
