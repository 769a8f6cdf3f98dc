//! The block product with `vdpbf16ps`, and the packing of bf16 pairs.

use super::unit::{Block, COLS, Held, PAIRS, Packs, Unit};
use crate::bf16::Element;
use crate::gemm::micro::{Start, prefetch};
use crate::gemm::x86::{by_rows, mask16, transpose16};
use std::arch::x86_64::*;

/// Of 32 registers 24 hold sums, 2 a row of a panel; A comes from memory.
pub(super) static UNIT: Unit =
    Unit { rows: 12, hold: Held::default, block, transpose, of_f32: packs(), of_bf16: packs() };

const fn packs<T: Element>() -> Packs<T> {
    Packs { along, across, turn_along, turn_across }
}

unsafe fn block(t: &Block) {
    by_rows!(rows, t, 1 2 3 4 5 6 7 8 9 10 11 12);
}

#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn rows<const R: usize>(t: &Block) {
    let (m0, m1) = (mask16(t.cols), mask16(t.cols.saturating_sub(16)));
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    // Rows that lie one after the other are somebody's scratch, and in the cache.
    let ahead = if t.c_row > COLS { 48 } else { 0 };
    // SAFETY: the caller promised that rows and pairs of A, whole panel rows of B, and rows and columns of C are there;
    // masked lanes of C touch no memory, so that the addresses right of the last column are never used.
    unsafe {
        for i in 0..R {
            let c = t.c.wrapping_add(i * t.c_row);
            match t.start {
                // Written at the end; a row may straddle a line.
                Start::Zero => prefetch(c, ahead),
                Start::Load => {
                    prefetch(c.wrapping_add(R * t.c_row), ahead);
                    sums[i] = [_mm512_maskz_loadu_ps(m0, c), _mm512_maskz_loadu_ps(m1, c.wrapping_add(16))];
                }
                Start::Row(bias) => {
                    prefetch(c, ahead);
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

#[target_feature(enable = "avx512f")]
unsafe fn transpose(src: *const u32, stride: usize, dst: *mut u32, to: usize) {
    let mut square = [_mm512_setzero_ps(); 16];
    // SAFETY: the caller promised 16 rows of 16 on both sides.
    unsafe {
        for i in 0..16 {
            square[i] = _mm512_loadu_ps(src.add(i * stride).cast());
        }
        transpose16(&mut square);
        for i in 0..16 {
            _mm512_storeu_ps(dst.add(i * to).cast(), square[i]);
        }
    }
}

/// Whether elements of a type are halves of pairs already.
const fn is_half<T>() -> bool {
    size_of::<T>() == 2
}

/// `left` ≤ 32 neighbours (more count as 32) as 16 pairs, zeros behind them.
///
/// # Safety
/// They are readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs_along<T: Element>(src: *const T, left: usize) -> __m512i {
    // SAFETY: masked lanes touch no memory; vectors are bytes of any value.
    unsafe {
        if is_half::<T>() {
            let mask = if left >= 32 { !0 } else { (1u32 << left) - 1 };
            return _mm512_maskz_loadu_epi16(mask, src.cast());
        }
        let src = src.cast::<f32>();
        let first = _mm512_maskz_loadu_ps(mask16(left), src);
        let second = _mm512_maskz_loadu_ps(mask16(left.saturating_sub(16)), src.wrapping_add(16));
        std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
    }
}

/// Lane j of one row and lane j of the next as pair j, for the lanes of the masks.
///
/// # Safety
/// Those are readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pairs_across<T: Element>((first, m0): (*const T, __mmask16), (second, m1): (*const T, __mmask16)) -> __m512i {
    // SAFETY: masked lanes touch no memory; vectors are bytes of any value.
    unsafe {
        if is_half::<T>() {
            let below = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m0, first.cast()));
            let above = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m1, second.cast()));
            return _mm512_or_si512(below, _mm512_slli_epi32::<16>(above));
        }
        let below = _mm512_maskz_loadu_ps(m0, first.cast());
        let above = _mm512_maskz_loadu_ps(m1, second.cast());
        let order = _mm512_set_epi16(
            31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17,
            1, 16, 0,
        );
        let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(above, below));
        _mm512_permutexvar_epi16(order, both)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn along<T: Element>(src: *const T, n: usize, dst: *mut u32) {
    for p in (0..n).step_by(32) {
        // SAFETY: n − p numbers are left; the destination has whole groups.
        unsafe { _mm512_storeu_si512(dst.add(p / 2).cast(), pairs_along(src.wrapping_add(p), n - p)) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn across<T: Element>(first: *const T, second: *const T, n: usize, dst: *mut u32) {
    for half in [0, 16] {
        let mask = mask16(n.saturating_sub(half));
        let below = if second.is_null() { 0 } else { mask };
        // SAFETY: n columns of both rows are readable; the destination has 32 pairs.
        unsafe {
            let row = pairs_across((first.wrapping_add(half), mask), (second.wrapping_add(half), below));
            _mm512_storeu_si512(dst.add(half).cast(), row);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn turn_along<T: Element>(src: *const T, stride: usize, rows: usize, n: usize, dst: *mut u32, to: usize) {
    // As f32, whose transposition serves any 32 bits. (A closure, as `map` wants, would not be compiled for AVX-512.)
    let mut square = [_mm512_setzero_ps(); 16];
    // SAFETY: n numbers of each of `rows` rows are readable, and 16 rows of the destination are there.
    unsafe {
        for j in 0..rows {
            square[j] = _mm512_castsi512_ps(pairs_along(src.wrapping_add(j * stride), n));
        }
        transpose16(&mut square);
        for p in 0..PAIRS {
            _mm512_storeu_si512(dst.add(p * to).cast(), _mm512_castps_si512(square[p]));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn turn_across<T: Element>(src: *const T, stride: usize, cols: usize, n: usize, dst: *mut u32, to: usize) {
    let mut square = [_mm512_setzero_ps(); 16];
    let mask = mask16(cols);
    // SAFETY: n rows of the source and `cols` of the destination are there.
    unsafe {
        for p in 0..n.div_ceil(2) {
            let row = src.wrapping_add(2 * p * stride);
            // The hardware does not foresee rows that are far apart.
            prefetch(row.wrapping_add(32 * stride), 1);
            prefetch(row.wrapping_add(33 * stride), 1);
            let next = if 2 * p + 1 < n { mask } else { 0 };
            square[p] = _mm512_castsi512_ps(pairs_across((row, mask), (row.wrapping_add(stride), next)));
        }
        transpose16(&mut square);
        for i in 0..cols {
            _mm512_storeu_si512(dst.add(i * to).cast(), _mm512_castps_si512(square[i]));
        }
    }
}
