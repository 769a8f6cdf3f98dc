//! The system's allocator with a counter, for tests of what must not allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// To be named as the `#[global_allocator]` of a test.
pub struct CountingAllocator;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How often the process asked for memory so far; 0 without a [`CountingAllocator`].
pub fn allocations() -> usize {
    COUNT.load(Relaxed)
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}
