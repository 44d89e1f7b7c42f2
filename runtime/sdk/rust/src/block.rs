//! Memory that the host asked for, owned by the batch in it.

use core::alloc::Layout;
use core::ops::Deref;

/// Every buffer of a block starts at a multiple of this.
pub(crate) const ALIGN: usize = 8;

/// Bytes from the global allocator, given back when dropped.
#[derive(Debug)]
pub(crate) struct Block {
    start: *mut u8,
    length: usize,
}

impl Block {
    /// Takes bytes over.
    ///
    /// # Safety
    /// They come from the global allocator with this length and [`ALIGN`], are initialised, and nothing
    /// else points to them.
    pub(crate) unsafe fn owned(start: *mut u8, length: usize) -> Self {
        Self { start, length }
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `owned` was promised initialised bytes of this length that are the block's alone.
        unsafe { core::slice::from_raw_parts(self.start, self.length) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Ok(layout) = Layout::from_size_align(self.length, ALIGN) {
            // SAFETY: `owned` was promised memory of the global allocator with this layout.
            unsafe { heap::alloc::dealloc(self.start, layout) };
        }
    }
}

#[cfg(test)]
impl Block {
    /// A block that holds these bytes, of which there is one at least.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let layout = Layout::from_size_align(bytes.len(), ALIGN).expect("a small block");
        // SAFETY: the layout's size is not 0, and every byte is written before it is read.
        unsafe {
            let start = heap::alloc::alloc(layout);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
            Self::owned(start, bytes.len())
        }
    }
}
