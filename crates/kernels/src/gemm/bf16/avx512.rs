//! The block product with `vdpbf16ps`, and the packing of bf16 pairs.

use super::{Block, COLS, Held, PAIRS, Unit};
use crate::gemm::micro::{Start, prefetch};
use crate::gemm::x86::{mask16, transpose16};
use std::arch::x86_64::*;

/// Of 32 registers 24 hold sums, 2 a row of a panel; A comes from memory.
pub(super) static UNIT: Unit = Unit { rows: 12, hold: Held::default, block, along, across, turn_along, turn_across };

unsafe fn block(t: &Block) {
    macro_rules! by_rows {
        ($($rows:literal)+) => {
            match t.rows {
                0 => (),
                // SAFETY: the caller's promise.
                $($rows => unsafe { rows::<$rows>(t) },)+
                more => unreachable!("a block of {more} rows"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
}

#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn rows<const R: usize>(t: &Block) {
    let (m0, m1) = (mask16(t.cols), mask16(t.cols.saturating_sub(16)));
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    // SAFETY: the caller promised that rows and pairs of A, whole panel rows of B, and rows and columns of C are there;
    // masked lanes of C touch no memory, so that the addresses right of the last column are never used.
    unsafe {
        for i in 0..R {
            let c = t.c.wrapping_add(i * t.c_row);
            match t.start {
                // Written at the end; a row may straddle a line.
                Start::Zero => prefetch(c, 48),
                Start::Load => {
                    prefetch(c.wrapping_add(R * t.c_row), 48);
                    sums[i] = [_mm512_maskz_loadu_ps(m0, c), _mm512_maskz_loadu_ps(m1, c.wrapping_add(16))];
                }
                Start::Row(bias) => {
                    prefetch(c, 48);
                    sums[i] = [_mm512_maskz_loadu_ps(m0, bias), _mm512_maskz_loadu_ps(m1, bias.wrapping_add(16))];
                }
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.pairs {
            let b0 = pairs(_mm512_load_si512(b.cast()));
            let b1 = pairs(_mm512_load_si512(b.add(16).cast()));
            for i in 0..R {
                let x = pairs(_mm512_set1_epi32(a.add(i * t.a_row).read() as i32));
                sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, b0);
                sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, b1);
            }
            a = a.wrapping_add(1);
            b = b.wrapping_add(COLS);
        }
        for i in 0..R {
            let c = t.c.wrapping_add(i * t.c_row);
            _mm512_mask_storeu_ps(c, m0, sums[i][0]);
            _mm512_mask_storeu_ps(c.wrapping_add(16), m1, sums[i][1]);
        }
    }
}

/// 16 lanes of 32 bits as 16 pairs.
#[inline(always)]
unsafe fn pairs(x: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(x) }
}

/// 32 neighbours as 16 pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs_along(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Lane j of one row and lane j of the next as pair j.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pairs_across(first: __m512, second: __m512) -> __m512i {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0,
    );
    _mm512_permutexvar_epi16(order, pairs_along(first, second))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn along(src: *const f32, n: usize, dst: *mut u32) {
    for p in (0..n).step_by(32) {
        let left = n - p;
        // SAFETY: masked lanes touch no memory; the destination has whole groups.
        unsafe {
            let first = _mm512_maskz_loadu_ps(mask16(left), src.wrapping_add(p));
            let second = _mm512_maskz_loadu_ps(mask16(left.saturating_sub(16)), src.wrapping_add(p + 16));
            _mm512_storeu_si512(dst.add(p / 2).cast(), pairs_along(first, second));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn across(first: *const f32, second: *const f32, n: usize, dst: *mut u32) {
    for half in [0, 16] {
        let mask = mask16(n.saturating_sub(half));
        // SAFETY: masked lanes touch no memory; the destination has 32 pairs.
        unsafe {
            let x = _mm512_maskz_loadu_ps(mask, first.wrapping_add(half));
            let y = _mm512_maskz_loadu_ps(if second.is_null() { 0 } else { mask }, second.wrapping_add(half));
            _mm512_storeu_si512(dst.add(half).cast(), pairs_across(x, y));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn turn_along(src: *const f32, stride: usize, rows: usize, n: usize, dst: *mut u32, dst_stride: usize) {
    // As f32, whose transposition serves any 32 bits. (A closure, as `map` wants, would not be compiled for AVX-512.)
    let mut square = [_mm512_setzero_ps(); 16];
    let (m0, m1) = (mask16(n), mask16(n.saturating_sub(16)));
    // SAFETY: masked lanes touch no memory; `rows` rows of the source and 16 of the destination are there.
    unsafe {
        for j in 0..rows {
            let row = src.wrapping_add(j * stride);
            square[j] = _mm512_castsi512_ps(pairs_along(
                _mm512_maskz_loadu_ps(m0, row),
                _mm512_maskz_loadu_ps(m1, row.wrapping_add(16)),
            ));
        }
        transpose16(&mut square);
        for p in 0..PAIRS {
            _mm512_storeu_si512(dst.add(p * dst_stride).cast(), _mm512_castps_si512(square[p]));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn turn_across(src: *const f32, stride: usize, cols: usize, n: usize, dst: *mut u32, dst_stride: usize) {
    let mut square = [_mm512_setzero_ps(); 16];
    let mask = mask16(cols);
    // SAFETY: masked lanes touch no memory; n rows of the source and `cols` of the destination are there.
    unsafe {
        for p in 0..n.div_ceil(2) {
            let row = src.wrapping_add(2 * p * stride);
            // The hardware does not foresee rows that are far apart.
            prefetch(row.wrapping_add(32 * stride), 1);
            prefetch(row.wrapping_add(33 * stride), 1);
            let next = if 2 * p + 1 < n { mask } else { 0 };
            let second = _mm512_maskz_loadu_ps(next, row.wrapping_add(stride));
            square[p] = _mm512_castsi512_ps(pairs_across(_mm512_maskz_loadu_ps(mask, row), second));
        }
        transpose16(&mut square);
        for i in 0..cols {
            _mm512_storeu_si512(dst.add(i * dst_stride).cast(), _mm512_castps_si512(square[i]));
        }
    }
}
