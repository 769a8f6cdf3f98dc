//! Memory for tensors: `f32`s on a cache-line boundary, so that no 64-byte vector straddles two lines.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};

/// The size of a huge page. Buffers of at least this many bytes start on such a boundary and ask for huge pages: a
/// training step walks through hundreds of megabytes, and with pages of 4 KiB each few rows of a matrix cost a look-up.
const HUGE: usize = 2 << 20;

/// Asks Linux to back a range with huge pages. Elsewhere, and where they are switched off, nothing happens.
#[cfg(target_os = "linux")]
fn advise_huge(ptr: *mut f32, bytes: usize) {
    use std::ffi::{c_int, c_void};
    const MADV_HUGEPAGE: c_int = 14;
    unsafe extern "C" {
        fn madvise(addr: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    // SAFETY: the range is whole pages of memory that this process owns; the advice does not change its content. A
    // refusal does not matter.
    unsafe { madvise(ptr.cast(), bytes / HUGE * HUGE, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge(_: *mut f32, _: usize) {}

/// A fixed-size, zero-initialised, 64-byte aligned array of `f32`.
pub struct AlignedBuf {
    ptr: *mut f32,
    len: usize,
    /// Where the allocation begins, somewhat before.
    start: *mut u8,
}

// SAFETY: an AlignedBuf owns its memory exclusively, as a Vec does.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// `len` zeros.
    ///
    /// Memory that comes from the system is zeros already, and is not touched here: the threads that use it do so first,
    /// side by side.
    pub fn zeroed(len: usize) -> AlignedBuf {
        if len == 0 {
            // Never read, but as aligned as what is.
            return AlignedBuf { ptr: std::ptr::without_provenance_mut(64), len, start: std::ptr::null_mut() };
        }
        let (layout, align) = AlignedBuf::layout(len);
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        // Asking for more alignment than malloc's own would make the standard library write the zeros.
        let ptr = start.wrapping_add(start.addr().next_multiple_of(align) - start.addr()).cast::<f32>();
        if align == HUGE {
            advise_huge(ptr, len * size_of::<f32>());
        }
        AlignedBuf { ptr, len, start }
    }

    /// How to ask for `len` elements, and where they are to begin.
    fn layout(len: usize) -> (Layout, usize) {
        let bytes = len.checked_mul(size_of::<f32>()).expect("buffer length overflows");
        let align = if bytes >= HUGE { HUGE } else { 64 };
        let layout = bytes.checked_add(align).and_then(|bytes| Layout::from_size_align(bytes, 16).ok());
        (layout.expect("buffer length overflows"), align)
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.start, AlignedBuf::layout(self.len).0) }
        }
    }
}

impl Deref for AlignedBuf {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `ptr` is valid for `len` initialised f32s (dangling but aligned when empty).
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_and_zero() {
        for len in [0, 1, 15, 16, 17, 1 << 20] {
            let mut b = AlignedBuf::zeroed(len);
            assert_eq!(b.len(), len);
            assert_eq!(b.as_ptr() as usize % if 4 * len >= HUGE { HUGE } else { 64 }, 0);
            assert!(b.iter().all(|&x| x == 0.0));
            b.fill(1.0);
            assert_eq!(b.iter().sum::<f32>(), len as f32);
        }
    }
}
