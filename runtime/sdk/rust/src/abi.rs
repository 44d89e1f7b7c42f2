//! The interface itself: three imports, four exports. What is unsafe is here and in the allocator.

use core::alloc::Layout;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::batch::Batch;
use crate::block::{ALIGN, Block};
use crate::builder::{Buffers, describe};
use crate::failure::Failure;
use crate::random;

/// The interface's version.
pub const VERSION: i32 = 1;

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "egret")]
    unsafe extern "C" {
        pub(super) safe fn next_batch(input: u32) -> u32;
        pub(super) safe fn emit(batch: u32) -> u32;
        pub(super) safe fn log(text: u32, length: u32);
    }
}

/// A host without inputs, so that guests compile for the machine that tests them.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    pub(super) fn next_batch(_: u32) -> u32 {
        0
    }

    pub(super) fn emit(_: u32) -> u32 {
        0
    }

    pub(super) fn log(_: u32, _: u32) {}
}

/// Length of the block that the host asked for at last: it tells the start of a batch and not its end.
static ASKED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Memory for the host: a block of `size` bytes. When none is left, 0, which ends the run.
#[must_use]
pub fn allocate(size: i32, align: i32) -> i32 {
    let (size, align) = (size as u32 as usize, align as u32 as usize);
    // The host asks for the alignment of buffers, and for no other.
    let Ok(layout) = Layout::from_size_align(size.max(1), ALIGN) else {
        return 0;
    };
    if align > ALIGN {
        return 0;
    }
    ASKED_BYTES.store(layout.size(), Relaxed);
    // SAFETY: the layout's size is not 0.
    unsafe { heap::alloc::alloc(layout) as usize as i32 }
}

pub(crate) fn next_batch(input: u32) -> Option<Batch> {
    let base = host::next_batch(input);
    if base == 0 {
        return None;
    }
    // SAFETY: `next_batch` called `allocate` once, which took these bytes from the global allocator; the
    // host wrote all of them, and nothing else points to them.
    let block = unsafe { Block::owned(base as usize as *mut u8, ASKED_BYTES.load(Relaxed)) };
    match Batch::new(base, block) {
        Ok(batch) => Some(batch),
        // Rows that are silently missing would be worse than a run that ends.
        Err(failure) => panic!("{failure}"),
    }
}

/// Writes a batch of these columns to the output; the host copies it before this returns.
///
/// Columns must be those of the program's `output`, in its order and of its types: others end the run. A
/// batch without rows writes nothing.
///
/// # Errors
/// Columns that have different numbers of rows.
pub fn emit(columns: &[&dyn Buffers]) -> Result<(), Failure> {
    let (rows, words) = describe(columns, |bytes| bytes.as_ptr() as usize as u32).ok_or(
        Failure::new("the columns of a batch have different numbers of rows"),
    )?;
    let head = [rows, columns.len() as u32, words.as_ptr() as usize as u32];
    match host::emit(head.as_ptr() as usize as u32) {
        0 => Ok(()),
        _ => Err(Failure::new("the host refused a batch")),
    }
}

/// Adds a line to the guest's log, which is cut at its limit (16 KiB by default).
///
/// The log is kept with a held result and never released. Write counts and stages, never values.
pub fn log(text: &str) {
    host::log(text.as_ptr() as usize as u32, text.len() as u32);
    host::log(b"\n".as_ptr() as usize as u32, 1);
}

/// What `run` answers: 0, or 1 after the reason was logged.
#[must_use]
pub fn report(end: Result<(), Failure>) -> i32 {
    match end {
        Ok(()) => 0,
        Err(failure) => {
            log(failure.reason());
            1
        }
    }
}

/// Keeps the seed at a pointer to 32 bytes, which the host hands over once before `run`.
pub fn plant_seed(pointer: i32) {
    let mut seed = [0; 32];
    let source = pointer as u32 as usize as *const u8;
    // SAFETY: the host asked `allocate` for these 32 bytes and wrote them.
    unsafe { core::ptr::copy_nonoverlapping(source, seed.as_mut_ptr(), seed.len()) };
    random::plant(seed);
}
