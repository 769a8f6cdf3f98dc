//! Plain Rust on pairs: the judge of the instructions.

use super::{Block, COLS, Held, PAIRS, Unit};
use crate::bf16::{pair, to_f32};
use crate::gemm::micro::Start;

pub(super) static UNIT: Unit = Unit { rows: 8, hold: Held::default, block, along, across, turn_along, turn_across };

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

/// The two numbers of a pair.
#[inline(always)]
fn halves(pair: u32) -> (f32, f32) {
    (to_f32(pair as u16), to_f32((pair >> 16) as u16))
}

unsafe fn along(src: *const f32, n: usize, dst: *mut u32) {
    for p in 0..n.div_ceil(2).next_multiple_of(PAIRS) {
        // SAFETY: below n the source is readable; the destination has whole groups.
        unsafe {
            let at = |i: usize| if i < n { *src.add(i) } else { 0.0 };
            *dst.add(p) = pair(at(2 * p), at(2 * p + 1));
        }
    }
}

unsafe fn across(first: *const f32, second: *const f32, n: usize, dst: *mut u32) {
    for j in 0..COLS {
        // SAFETY: below n the sources are readable, unless null.
        unsafe {
            let at = |row: *const f32| if j < n && !row.is_null() { *row.add(j) } else { 0.0 };
            *dst.add(j) = pair(at(first), at(second));
        }
    }
}

unsafe fn turn_along(src: *const f32, stride: usize, rows: usize, n: usize, dst: *mut u32, dst_stride: usize) {
    for p in 0..PAIRS {
        for j in 0..16 {
            // SAFETY: below n and `rows` the source is readable.
            unsafe {
                let at = |i: usize| if j < rows && i < n { *src.add(j * stride + i) } else { 0.0 };
                *dst.add(p * dst_stride + j) = pair(at(2 * p), at(2 * p + 1));
            }
        }
    }
}

unsafe fn turn_across(src: *const f32, stride: usize, cols: usize, n: usize, dst: *mut u32, dst_stride: usize) {
    for i in 0..cols {
        for p in 0..PAIRS {
            // SAFETY: below n and `cols` the source is readable.
            unsafe {
                let at = |row: usize| if row < n { *src.add(row * stride + i) } else { 0.0 };
                *dst.add(i * dst_stride + p) = pair(at(2 * p), at(2 * p + 1));
            }
        }
    }
}
