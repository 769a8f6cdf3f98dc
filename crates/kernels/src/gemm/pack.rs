//! How f32 operands are packed. A is read where it is, unless it is stored transposed: packing it was measured to cost
//! more than it saves.

use super::micro::{Block, Kernel, prefetch};
use super::micro_kernel::{MicroKernel, RowsOfA, Source};
use super::product::{Layout, Product};
use std::ops::Range;

/// How many rows ahead packing asks for.
const AHEAD: usize = 4;

impl MicroKernel for Kernel {
    type Matrix<'a> = &'a [f32];
    type Held = ();

    const STEPS: usize = 1;
    const GRAIN: usize = 8;
    const TILE: [usize; 2] = [72, 1536];
    const FEW: [usize; 2] = [4, 8];
    const GAP: usize = 0;

    fn words(steps: usize) -> usize {
        steps
    }

    #[inline]
    fn size(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    #[inline]
    fn hold(&self) {}

    fn pack_panel(&self, source: &Source<&[f32]>, j: usize, steps: Range<usize>, dst: &mut [f32]) {
        let (k, cols) = (source.k, self.cols.min(source.n - j));
        let src = &source.b[j * k + steps.start..];
        assert!(src.len() >= (cols - 1) * k + steps.len() && dst.len() >= steps.len() * self.cols);
        // SAFETY: the assertion.
        unsafe { self.pack_transposed(src.as_ptr(), k, steps.len(), cols, dst.as_mut_ptr()) };
    }

    fn pack_row<'d>(
        &self,
        source: &Source<&[f32]>,
        steps: Range<usize>,
        p: usize,
        dst: impl Fn(usize) -> &'d mut [f32],
    ) {
        let row = &source.b[(steps.start + p) * source.n..][..source.n];
        for (panel, src) in row.chunks(self.cols).enumerate() {
            prefetch(src.as_ptr().wrapping_add(AHEAD * source.n), self.cols);
            copy_padded(src, dst(panel));
        }
    }

    /// A stored transposed becomes panels of a block's rows with the steps one after the other.
    fn rows_of_a(&self, g: &Product, rows: Range<usize>, steps: Range<usize>, room: &mut [f32]) -> RowsOfA {
        let (height, depth) = (self.rows, steps.len());
        if g.layout != Layout::TN {
            let first = g.a[rows.start * g.a_row + steps.start..].as_ptr();
            return RowsOfA { first, block: height * g.a_row, row: g.a_row, step: 1 };
        }
        for (q, p) in steps.enumerate() {
            let row = &g.a[p * g.a_row..][rows.clone()];
            prefetch(row.as_ptr().wrapping_add(AHEAD * g.a_row), row.len());
            for (panel, src) in row.chunks(height).enumerate() {
                copy_padded(src, &mut room[(panel * depth + q) * height..][..height]);
            }
        }
        RowsOfA { first: room.as_ptr(), block: height * depth, row: 1, step: height }
    }

    fn ahead(_: &&[f32]) -> Option<(*const u8, usize)> {
        None
    }

    #[inline]
    unsafe fn multiply(&self, block: &Block) {
        // SAFETY: the caller's promise.
        unsafe { self.block(block) }
    }
}

/// Copies what there is and fills the rest with zeros. Whole rows have a width known to the compiler: no `memcpy` call.
#[inline]
fn copy_padded(src: &[f32], dst: &mut [f32]) {
    if copy_whole::<32>(src, dst)
        || copy_whole::<16>(src, dst)
        || copy_whole::<12>(src, dst)
        || copy_whole::<8>(src, dst)
        || copy_whole::<6>(src, dst)
    {
        return;
    }
    let (head, tail) = dst.split_at_mut(src.len());
    head.copy_from_slice(src);
    tail.fill(0.0);
}

/// Copies if both have `N` elements.
#[inline(always)]
fn copy_whole<const N: usize>(src: &[f32], dst: &mut [f32]) -> bool {
    match (src.as_array::<N>(), dst.as_mut_array::<N>()) {
        (Some(src), Some(dst)) => {
            *dst = *src;
            true
        }
        _ => false,
    }
}
