//! Memory for tensors: `f32`s on a cache-line boundary, so that no 64-byte vector straddles two lines.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};

/// Buffers of at least this many bytes start on a boundary of it, so that the system can back them with huge pages.
const HUGE: usize = 2 << 20;

/// A fixed-size, zero-initialised, 64-byte aligned array of `f32`.
pub struct AlignedBuf {
    ptr: *mut f32,
    len: usize,
}

// SAFETY: an AlignedBuf owns its memory exclusively, as a Vec does.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> AlignedBuf {
        if len == 0 {
            return AlignedBuf { ptr: std::ptr::NonNull::dangling().as_ptr(), len };
        }
        let layout = AlignedBuf::layout(len);
        // SAFETY: the layout is not empty. All-zero bytes are valid f32s.
        let ptr = unsafe { alloc_zeroed(layout) }.cast::<f32>();
        if ptr.is_null() {
            handle_alloc_error(layout);
        }
        AlignedBuf { ptr, len }
    }

    fn layout(len: usize) -> Layout {
        let bytes = len.checked_mul(size_of::<f32>()).expect("buffer length overflows");
        Layout::from_size_align(bytes, if bytes >= HUGE { HUGE } else { 64 }).expect("buffer length overflows")
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.ptr.cast(), AlignedBuf::layout(self.len)) }
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
            assert_eq!(b.as_ptr() as usize % if len == 0 { 4 } else { 64 }, 0);
            assert!(b.iter().all(|&x| x == 0.0));
            b.fill(1.0);
            assert_eq!(b.iter().sum::<f32>(), len as f32);
        }
    }
}
