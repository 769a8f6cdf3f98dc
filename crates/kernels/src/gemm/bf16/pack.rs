//! How operands become pairs. A is packed row by row, since it has to be converted anyway; unless it is in bf16 and its
//! rows are whole groups of pairs already.

use super::matrix::Matrix;
use super::unit::{Block, COLS, Held, Operand, PAIRS, Unit};
use crate::gemm::micro::{self, prefetch};
use crate::gemm::micro_kernel::{MicroKernel, RowsOfA, Source};
use crate::gemm::product::{Layout, Product};
use crate::gemm::scratch::pairs_mut;
use std::ops::Range;

/// How many elements ahead packing asks for.
const AHEAD: usize = 2048;

impl MicroKernel for Unit {
    type Matrix<'a> = Matrix<'a>;
    type Held = Held;

    const STEPS: usize = 2;
    const GRAIN: usize = 2 * PAIRS;
    const TILE: [usize; 2] = [96, 2048];
    const FEW: [usize; 2] = [2, 4];
    /// Rows of many panels are written in turn, and at a power of 2 from each other they would share a set of the
    /// first-level cache.
    const GAP: usize = COLS;

    /// Whole groups of pairs.
    fn words(steps: usize) -> usize {
        steps.next_multiple_of(2 * PAIRS) / 2
    }

    #[inline]
    fn size(&self) -> [usize; 2] {
        [self.rows, COLS]
    }

    #[inline]
    fn hold(&self) -> Held {
        // SAFETY: the unit is one that runs here.
        unsafe { (self.hold)() }
    }

    fn pack_panel(&self, source: &Source<Matrix>, j: usize, steps: Range<usize>, dst: &mut [f32]) {
        match source.b {
            Matrix::F32(b) => panel(self, source, b, j, steps, pairs_mut(dst)),
            Matrix::Bf16(b) | Matrix::Padded(b, _) => panel(self, source, b, j, steps, pairs_mut(dst)),
        }
    }

    fn pack_row<'d>(
        &self,
        source: &Source<Matrix>,
        steps: Range<usize>,
        p: usize,
        dst: impl Fn(usize) -> &'d mut [f32],
    ) {
        match source.b {
            Matrix::F32(b) => row(self, source.n, b, steps, p, dst),
            Matrix::Bf16(b) | Matrix::Padded(b, _) => row(self, source.n, b, steps, p, dst),
        }
    }

    fn rows_of_a(&self, g: &Product<Matrix>, rows: Range<usize>, steps: Range<usize>, room: &mut [f32]) -> RowsOfA {
        let of = |first, row| RowsOfA { first, block: self.rows * row, row, step: 1 };
        if let Matrix::Bf16(a) | Matrix::Padded(a, _) = g.a
            && g.layout != Layout::TN
            && g.a_row.is_multiple_of(2 * PAIRS)
            && a.as_ptr().addr().is_multiple_of(4)
            // A block may read more rows than it has.
            && rows.start + rows.len().next_multiple_of(self.rows) <= g.m
        {
            return of(a[rows.start * g.a_row + steps.start..].as_ptr().cast(), g.a_row / 2);
        }
        let row = Unit::words(steps.len());
        match g.a {
            Matrix::F32(a) => pack_a(self, g, a, rows, steps, pairs_mut(room)),
            Matrix::Bf16(a) | Matrix::Padded(a, _) => pack_a(self, g, a, rows, steps, pairs_mut(room)),
        }
        of(room.as_ptr(), row)
    }

    fn ahead(a: &Matrix) -> Option<(*const u8, usize)> {
        Some(match a {
            Matrix::F32(a) => (a.as_ptr().cast(), 4),
            Matrix::Bf16(a) | Matrix::Padded(a, _) => (a.as_ptr().cast(), 2),
        })
    }

    #[inline]
    unsafe fn multiply(&self, t: &micro::Block) {
        let &micro::Block { a_row, k: pairs, c, c_row, rows, cols, start, .. } = t;
        let block = Block { a: t.a.cast(), a_row, b: t.b.cast(), pairs, c, c_row, rows, cols, start };
        // SAFETY: the caller's promise.
        unsafe { (self.block)(&block) }
    }
}

fn panel<T: Operand>(unit: &Unit, source: &Source<Matrix>, b: &[T], j: usize, steps: Range<usize>, dst: &mut [u32]) {
    let (&Source { n, k, .. }, depth, turn_along) = (source, steps.len(), T::packs(unit).turn_along);
    for half in [j, j + 16] {
        let rows = n.saturating_sub(half).min(16);
        for p in (0..depth).step_by(2 * PAIRS) {
            let count = (2 * PAIRS).min(depth - p);
            // Without rows the source is not read.
            let src = if rows > 0 { &b[half * k + steps.start + p..] } else { &[] };
            assert!(rows == 0 || src.len() >= (rows - 1) * k + count);
            let dst = &mut dst[p / 2 * COLS + half - j..][..(PAIRS - 1) * COLS + 16];
            // SAFETY: the assertion, and the length of the destination.
            unsafe { turn_along(src.as_ptr(), k, rows, count, dst.as_mut_ptr(), COLS) };
        }
    }
}

/// Whole rows are read, two at a time; the pairs that fill up the last group are zeros.
fn row<'d, T: Operand>(
    unit: &Unit,
    n: usize,
    b: &[T],
    steps: Range<usize>,
    p: usize,
    dst: impl Fn(usize) -> &'d mut [f32],
) {
    let across = T::packs(unit).across;
    let far = (AHEAD / n).max(2) * 2;
    let row = |i: usize| if i < steps.len() { &b[(steps.start + i) * n..][..n] } else { &[] };
    let (x, y) = (row(2 * p), row(2 * p + 1));
    for panel in 0..n.div_ceil(COLS) {
        let j = panel * COLS;
        let cols = COLS.min(x.len().saturating_sub(j));
        let at = |row: &[T]| row.get(j..).map_or(std::ptr::null(), <[T]>::as_ptr);
        for ahead in [far, far + 1] {
            prefetch(at(x).wrapping_add(ahead * n), COLS);
        }
        let second = if y.is_empty() { std::ptr::null() } else { at(y) };
        // SAFETY: rows that are not empty have `cols` elements from j on; the destination has 32 pairs.
        unsafe { across(at(x), second, cols, pairs_mut(dst(panel)).as_mut_ptr()) };
    }
}

/// Packs rows and steps of A, row by row.
fn pack_a<T: Operand>(
    unit: &Unit,
    g: &Product<Matrix>,
    a: &[T],
    rows: Range<usize>,
    steps: Range<usize>,
    dst: &mut [u32],
) {
    let (packs, depth, stride, a_row) = (T::packs(unit), steps.len(), g.a_row, Unit::words(steps.len()));
    if g.layout != Layout::TN {
        for (i, row) in rows.enumerate() {
            let src = &a[row * stride..][steps.clone()];
            // SAFETY: the lengths of both.
            unsafe { (packs.along)(src.as_ptr(), depth, dst[i * a_row..][..a_row].as_mut_ptr()) };
        }
        return;
    }
    for p in (0..depth).step_by(2 * PAIRS) {
        let n = (2 * PAIRS).min(depth - p);
        for i in (0..rows.len()).step_by(16) {
            let cols = 16.min(rows.len() - i);
            let src = &a[(steps.start + p) * stride + rows.start + i..];
            assert!(src.len() >= (n - 1) * stride + cols);
            let dst = &mut dst[i * a_row + p / 2..][..(cols - 1) * a_row + PAIRS];
            // SAFETY: the assertion, and the length of the destination.
            unsafe { (packs.turn_across)(src.as_ptr(), stride, cols, n, dst.as_mut_ptr(), a_row) };
        }
    }
}
