//! Pooled buffers: a training step asks for the same sizes again and again, so freed memory is kept for the next.

use motamot_kernels::bf16::{self, Bf16};
use motamot_kernels::buffer::AlignedBuf;
use motamot_kernels::file_map::FileMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// The most bytes of free buffers that a thread keeps; what comes back above it goes to the system.
const CAP_BYTES: usize = if usize::BITS == 32 { 1 << 30 } else { 4 << 30 };

#[derive(Default)]
struct Pool {
    /// Free buffers by capacity.
    free: BTreeMap<usize, Vec<AlignedBuf>>,
    free_bytes: usize,
    fresh: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// How many buffers this thread had to ask the system for so far. A training step in steady state adds none.
pub fn fresh_allocations() -> usize {
    POOL.with_borrow(|p| p.fresh)
}

/// `len` rounded up to one of 8 steps per power of two: lengths that differ a little share buffers, 12.5 % waste at most.
fn size_class(len: usize) -> usize {
    let step = (len.next_power_of_two() / 16).max(16);
    len.div_ceil(step) * step
}

/// An array of `f32` whose memory comes from the pool and returns to it; or, until it is first written, part of a file.
pub struct Buf {
    memory: AlignedBuf,
    len: usize,
    file: Option<(Arc<FileMap>, Range<usize>)>,
}

impl Buf {
    /// `len` elements of garbage, for a kernel that writes them all. Debug builds fill them with NaN, so that a kernel
    /// which forgets one is found out.
    pub fn stale(len: usize) -> Buf {
        let class = size_class(len);
        let memory = POOL.with_borrow_mut(|p| match p.free.get_mut(&class).and_then(Vec::pop) {
            Some(memory) => {
                p.free_bytes -= class * size_of::<f32>();
                memory
            }
            // No memory, so nothing to count: the constant that stands for an absent bias.
            None if class == 0 => AlignedBuf::zeroed(0),
            None => {
                p.fresh += 1;
                AlignedBuf::zeroed(class)
            }
        });
        let mut buf = Buf { memory, len, file: None };
        if cfg!(debug_assertions) {
            buf.fill(f32::NAN);
        }
        buf
    }

    /// The numbers in bytes `range` of a file, without a copy: `None` if they do not lie there as in memory.
    pub fn mapped(file: Arc<FileMap>, range: Range<usize>) -> Option<Buf> {
        let len = file.floats(range.clone())?.len();
        Some(Buf { memory: AlignedBuf::zeroed(0), len, file: Some((file, range)) })
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Buf {
        Buf::full(len, 0.0)
    }

    /// `len` times `value`.
    pub fn full(len: usize, value: f32) -> Buf {
        let mut buf = Buf::stale(len);
        buf.fill(value);
        buf
    }
}

impl From<&[f32]> for Buf {
    fn from(values: &[f32]) -> Buf {
        let mut buf = Buf::stale(values.len());
        buf.copy_from_slice(values);
        buf
    }
}

impl Clone for Buf {
    fn clone(&self) -> Buf {
        Buf::from(&**self)
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, AlignedBuf::zeroed(0));
        let bytes = std::mem::size_of_val(&*memory);
        // The pool is gone while the thread ends: then the memory is simply freed.
        let _ = POOL.try_with(|p| {
            let mut p = p.borrow_mut();
            if bytes > 0 && p.free_bytes + bytes <= CAP_BYTES {
                p.free_bytes += bytes;
                p.free.entry(memory.len()).or_default().push(memory);
            }
        });
    }
}

impl Deref for Buf {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.file {
            None => &self.memory[..self.len],
            Some((file, range)) => file.floats(range.clone()).expect("`mapped` has seen them"),
        }
    }
}

impl DerefMut for Buf {
    fn deref_mut(&mut self) -> &mut [f32] {
        if self.file.is_some() {
            *self = self.clone(); // in memory of its own
        }
        &mut self.memory[..self.len]
    }
}

/// An array of numbers in bf16, from the same pool: what one product leaves for the next.
pub struct Bf16Buf {
    memory: Buf,
    len: usize,
}

impl Bf16Buf {
    /// `len` elements of garbage, as [`Buf::stale`].
    pub fn stale(len: usize) -> Bf16Buf {
        Bf16Buf { memory: Buf::stale(len.div_ceil(2)), len }
    }

    /// The numbers, rounded.
    pub fn rounded(values: &[f32]) -> Bf16Buf {
        let mut buf = Bf16Buf::stale(values.len());
        bf16::copy(values, &mut buf);
        buf
    }
}

impl Deref for Bf16Buf {
    type Target = [Bf16];
    fn deref(&self) -> &[Bf16] {
        &bf16::halves(&self.memory)[..self.len]
    }
}

impl DerefMut for Bf16Buf {
    fn deref_mut(&mut self) -> &mut [Bf16] {
        &mut bf16::halves_mut(&mut self.memory)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        drop(Buf::zeros(1000));
        let before = fresh_allocations();
        drop(Buf::stale(1000));
        drop(Buf::stale(1001)); // the same size class
        assert_eq!(fresh_allocations(), before);
        let both = (Buf::zeros(1000), Buf::zeros(1000));
        assert_eq!(fresh_allocations(), before + 1);
        drop((both, Buf::zeros(0)));
        assert_eq!(fresh_allocations(), before + 1);
    }

    #[test]
    fn a_mapped_buffer_is_copied_when_it_is_written() {
        let path = std::env::temp_dir().join(format!("motamot-buf-{}", std::process::id()));
        std::fs::write(&path, [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).as_flattened()).unwrap();
        let file = Arc::new(FileMap::open(&std::fs::File::open(&path).unwrap()).unwrap());
        let mut buf = Buf::mapped(file.clone(), 4..12).unwrap();
        assert_eq!(buf[..], [2.0, 3.0]);
        buf[0] = 7.0;
        assert_eq!(buf[..], [7.0, 3.0]);
        assert_eq!(file.floats(0..12).unwrap(), [1.0, 2.0, 3.0]);
        assert!(Buf::mapped(file, 0..16).is_none());
        assert_eq!(std::fs::read(&path).unwrap(), [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).as_flattened());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn size_classes_waste_little() {
        for len in (0..5000).chain([8192 * 5000, 8192 * 768]) {
            let class = size_class(len);
            assert!(class >= len && class <= (len + len / 8 + 16), "{len} → {class}");
            assert_eq!(size_class(class), class);
        }
    }

    #[test]
    fn debug_builds_poison_stale_memory() {
        if cfg!(debug_assertions) {
            drop(Buf::full(50, 3.0));
            assert!(Buf::stale(50).iter().all(|x| x.is_nan()));
        }
    }
}
