//! What a guest without `std` needs: an allocator and an end for panics.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE_BYTES: usize = 65_536;
/// Every block starts at a multiple of this; more is not given.
const ALIGN_MAX: usize = 16;
/// Sizes that blocks come in: four between powers of two, so that at most a fifth is wasted.
const SIZES: usize = 128;

/// Free blocks by size, and memory that was never used. A guest has one thread.
struct Heap {
    free: [AtomicUsize; SIZES],
    unused: AtomicUsize,
    end: AtomicUsize,
}

#[global_allocator]
static HEAP: Heap = Heap {
    free: [const { AtomicUsize::new(0) }; SIZES],
    unused: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
};

// SAFETY: a block is in a free list or in use, never both, and blocks do not overlap; sizes are multiples of
// 16, so every block starts at one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((size, bytes)) = size(layout) else {
            return core::ptr::null_mut();
        };
        let head = &self.free[size];
        let block = head.load(Relaxed);
        if block == 0 {
            return self.grow(bytes) as *mut u8;
        }
        // SAFETY: a block of the free list is at least a word long and holds the next one's address.
        head.store(unsafe { *(block as *const usize) }, Relaxed);
        block as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((size, _)) = size(layout) else {
            return;
        };
        let head = &self.free[size];
        // SAFETY: the block is not used any more, and at least a word long.
        unsafe { *block.cast::<usize>() = head.load(Relaxed) };
        head.store(block as usize, Relaxed);
    }
}

impl Heap {
    /// Memory that was never used; 0 when there is no more.
    fn grow(&self, bytes: usize) -> usize {
        let at = self.unused.load(Relaxed);
        let end = self.end.load(Relaxed);
        if end - at >= bytes {
            self.unused.store(at + bytes, Relaxed);
            return at;
        }
        let pages = bytes.div_ceil(PAGE_BYTES);
        let before = core::arch::wasm32::memory_grow::<0>(pages);
        if before == usize::MAX {
            return 0;
        }
        // Growth that continues the last one leaves no gap.
        let start = before * PAGE_BYTES;
        let at = if start == end { at } else { start };
        self.unused.store(at + bytes, Relaxed);
        self.end.store(start + pages * PAGE_BYTES, Relaxed);
        at
    }
}

/// The number of the size that a layout gets, and its bytes.
fn size(layout: Layout) -> Option<(usize, usize)> {
    let bytes = layout.size().max(1);
    if layout.align() > ALIGN_MAX || bytes > isize::MAX as usize / 2 {
        return None;
    }
    let shift = if bytes < 64 { 4 } else { bytes.ilog2() - 2 };
    let quarters = bytes.div_ceil(1 << shift);
    Some((4 * shift as usize + quarters - 4, quarters << shift))
}

/// Says where, and not what: a message may hold a value.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    if let Some(place) = info.location() {
        crate::log("panicked in");
        crate::log(place.file());
    }
    core::arch::wasm32::unreachable()
}
