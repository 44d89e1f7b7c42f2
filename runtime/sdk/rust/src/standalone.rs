//! What a guest without `std` needs: an allocator and an end for panics.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE_BYTES: usize = 65_536;
/// Blocks are powers of two from here: a free one holds the next one's address.
const BLOCK_BYTES_MIN: usize = 16;
/// Every block starts at a multiple of this; more is not given.
const ALIGN_MAX: usize = 16;

/// Free blocks by power of two, and memory that was never used. A guest has one thread.
struct Heap {
    free: [AtomicUsize; usize::BITS as usize],
    unused: AtomicUsize,
    end: AtomicUsize,
}

#[global_allocator]
static HEAP: Heap = Heap {
    free: [const { AtomicUsize::new(0) }; usize::BITS as usize],
    unused: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
};

// SAFETY: a block is in the free list or in use, never both, and blocks do not overlap; sizes are powers
// of two from 16, so every block starts at a multiple of 16.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(power) = power(layout) else {
            return core::ptr::null_mut();
        };
        let head = &self.free[power];
        let block = head.load(Relaxed);
        if block == 0 {
            return self.grow(1 << power) as *mut u8;
        }
        // SAFETY: a block of the free list is at least a word long and holds the next one's address.
        head.store(unsafe { *(block as *const usize) }, Relaxed);
        block as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(power) = power(layout) else {
            return;
        };
        let head = &self.free[power];
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

fn power(layout: Layout) -> Option<usize> {
    let bytes = layout
        .size()
        .max(BLOCK_BYTES_MIN)
        .checked_next_power_of_two()?;
    (layout.align() <= ALIGN_MAX).then_some(bytes.trailing_zeros() as usize)
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
