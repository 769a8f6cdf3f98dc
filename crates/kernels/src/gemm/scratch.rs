//! Memory that a thread keeps for packing, so that a product allocates nothing once the largest was seen.

/// Words of 32 bits, aligned to a cache line: numbers or [pairs](pairs_mut).
#[derive(Default)]
pub(super) struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "only its size and alignment are used")]
struct Line([f32; 16]);

impl Scratch {
    /// At least `len` words of unspecified content.
    pub fn get(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; 16]));
        }
        // SAFETY: a `Line` is 16 f32 without padding.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), lines * 16) }
    }
}

/// Words as pairs of bf16, to be written.
pub(crate) fn pairs_mut(memory: &mut [f32]) -> &mut [u32] {
    // SAFETY: an f32 has the size and alignment of a u32, and any bits are a value of both.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), memory.len()) }
}
