//! Plain Rust on pairs: the judge of the instructions.

use super::unit::{Block, COLS, Held, PAIRS, Packs, Unit};
use crate::bf16::{Element, pair, to_f32};
use crate::gemm::micro::Start;

pub(in crate::gemm) static UNIT: Unit =
    Unit { rows: 8, hold: Held::default, block, transpose, of_f32: packs(), of_bf16: packs() };

const fn packs<T: Element>() -> Packs<T> {
    Packs { along, across, turn_along, turn_across }
}

/// Per pair the second product is added first, as `vdpbf16ps` does.
unsafe fn block(t: &Block) {
    for i in 0..t.rows {
        let mut sums = [0.0f32; COLS];
        // SAFETY: the caller promised rows and columns of C, pairs of A and panel rows of B.
        unsafe {
            let c = std::slice::from_raw_parts_mut(t.c.add(i * t.c_row), t.cols);
            match t.start {
                Start::Zero => (),
                Start::Load => sums[..t.cols].copy_from_slice(c),
                Start::Row(bias) => sums[..t.cols].copy_from_slice(std::slice::from_raw_parts(bias, t.cols)),
            }
            for p in 0..t.pairs {
                let (x0, x1) = halves(*t.a.add(i * t.a_row + p));
                let b = &*t.b.add(p * COLS).cast::<[u32; COLS]>();
                for j in 0..COLS {
                    let (b0, b1) = halves(b[j]);
                    sums[j] = x0.mul_add(b0, x1.mul_add(b1, sums[j]));
                }
            }
            c.copy_from_slice(&sums[..t.cols]);
        }
    }
}

unsafe fn transpose(src: *const u32, stride: usize, dst: *mut u32, to: usize) {
    for (i, j) in (0..16).flat_map(|i| (0..16).map(move |j| (i, j))) {
        // SAFETY: the caller promised 16 rows of 16 on both sides.
        unsafe { *dst.add(j * to + i) = *src.add(i * stride + j) };
    }
}

/// The two numbers of a pair.
#[inline(always)]
fn halves(pair: u32) -> (f32, f32) {
    (to_f32(pair as u16), to_f32((pair >> 16) as u16))
}

unsafe fn along<T: Element>(src: *const T, n: usize, dst: *mut u32) {
    for p in 0..n.div_ceil(2).next_multiple_of(PAIRS) {
        // SAFETY: below n the source is readable; the destination has whole groups.
        unsafe {
            let at = |i: usize| if i < n { (*src.add(i)).get() } else { 0.0 };
            *dst.add(p) = pair(at(2 * p), at(2 * p + 1));
        }
    }
}

unsafe fn across<T: Element>(first: *const T, second: *const T, n: usize, dst: *mut u32) {
    for j in 0..COLS {
        // SAFETY: below n the sources are readable, unless null.
        unsafe {
            let at = |row: *const T| if j < n && !row.is_null() { (*row.add(j)).get() } else { 0.0 };
            *dst.add(j) = pair(at(first), at(second));
        }
    }
}

unsafe fn turn_along<T: Element>(src: *const T, stride: usize, rows: usize, n: usize, dst: *mut u32, to: usize) {
    for p in 0..PAIRS {
        for j in 0..16 {
            // SAFETY: below n and `rows` the source is readable.
            unsafe {
                let at = |i: usize| if j < rows && i < n { (*src.add(j * stride + i)).get() } else { 0.0 };
                *dst.add(p * to + j) = pair(at(2 * p), at(2 * p + 1));
            }
        }
    }
}

unsafe fn turn_across<T: Element>(src: *const T, stride: usize, cols: usize, n: usize, dst: *mut u32, to: usize) {
    for i in 0..cols {
        for p in 0..PAIRS {
            // SAFETY: below n and `cols` the source is readable.
            unsafe {
                let at = |row: usize| if row < n { (*src.add(row * stride + i)).get() } else { 0.0 };
                *dst.add(i * to + p) = pair(at(2 * p), at(2 * p + 1));
            }
        }
    }
}
