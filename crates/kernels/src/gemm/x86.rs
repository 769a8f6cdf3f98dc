//! The block products of AVX-512 and AVX2, and the transpositions in registers with which they pack.

use super::micro::{Block, Kernel, Start, prefetch};
use std::arch::x86_64::*;

/// Of 32 registers 24 hold sums, 2 a row of B and 1 an element of A.
pub(super) static AVX512: Kernel = Kernel::new(12, 32, avx512_block, avx512_pack);
/// Of 16 registers 12 hold sums, 2 a row of B and 1 an element of A.
pub(super) static AVX2: Kernel = Kernel::new(6, 16, avx2_block, avx2_pack);

/// The lowest `n` of 16 lanes (all for more).
pub(super) fn mask16(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

/// Calls the version of `$f` with as many rows as the block has.
macro_rules! by_rows {
    ($f:ident, $block:expr, $($rows:literal)+) => {
        match $block.rows {
            0 => (),
            // SAFETY: the caller of the block product promised all elements and the instructions.
            $($rows => unsafe { $f::<$rows>($block) },)+
            more => unreachable!("a block of {more} rows"),
        }
    };
}
pub(super) use by_rows;

unsafe fn avx512_block(t: &Block) {
    by_rows!(avx512_rows, t, 1 2 3 4 5 6 7 8 9 10 11 12);
}

#[target_feature(enable = "avx512f")]
unsafe fn avx512_rows<const R: usize>(t: &Block) {
    let (m0, m1) = (mask16(t.cols), mask16(t.cols.saturating_sub(16)));
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    // SAFETY: the caller promised that rows, columns and k of the block are there; masked lanes touch no memory, so
    // that the addresses right of the last column are computed (without `add`'s promise) but never used.
    unsafe {
        for i in 0..R {
            let c = t.c.add(i * t.c_row);
            match t.start {
                // Written at the end, or read when the next block begins; a row may straddle a line.
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
        for _ in 0..t.k {
            let b0 = _mm512_maskz_loadu_ps(m0, b);
            let b1 = _mm512_maskz_loadu_ps(m1, b.wrapping_add(16));
            if R <= 8 {
                // With few rows B comes from far away, and the hardware does not foresee rows that are far apart.
                prefetch(b.wrapping_add(8 * t.b_k), 32);
            }
            for i in 0..R {
                let x = _mm512_set1_ps(*a.add(i * t.a_row));
                sums[i][0] = _mm512_fmadd_ps(x, b0, sums[i][0]);
                sums[i][1] = _mm512_fmadd_ps(x, b1, sums[i][1]);
            }
            a = a.wrapping_add(t.a_k);
            b = b.wrapping_add(t.b_k);
        }
        for i in 0..R {
            let c = t.c.add(i * t.c_row);
            _mm512_mask_storeu_ps(c, m0, sums[i][0]);
            _mm512_mask_storeu_ps(c.wrapping_add(16), m1, sums[i][1]);
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn avx512_pack(src: *const f32, stride: usize, k: usize, cols: usize, dst: *mut f32) {
    for half in [0, 16] {
        for p in (0..k).step_by(16) {
            let depth = (k - p).min(16);
            // SAFETY: only rows below `cols` and lanes below k are read, as the caller promised; the destination has k
            // rows of 32.
            unsafe {
                let src = src.wrapping_add(half * stride + p);
                let mut rows = [_mm512_setzero_ps(); 16];
                if depth == 16 && half + 16 <= cols {
                    for i in 0..16 {
                        rows[i] = _mm512_loadu_ps(src.add(i * stride));
                    }
                    transpose16(&mut rows);
                    for q in 0..16 {
                        _mm512_storeu_ps(dst.add((p + q) * 32 + half), rows[q]);
                    }
                } else {
                    for i in 0..cols.saturating_sub(half).min(16) {
                        rows[i] = _mm512_maskz_loadu_ps(mask16(depth), src.add(i * stride));
                    }
                    transpose16(&mut rows);
                    for q in 0..depth {
                        _mm512_storeu_ps(dst.add((p + q) * 32 + half), rows[q]);
                    }
                }
            }
        }
    }
}

/// Lane j of register i becomes lane i of register j.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose16(r: &mut [__m512; 16]) {
    // Within each 128-bit quarter, as 4×4 blocks: first pairs of registers, then pairs of pairs …
    for i in (0..16).step_by(4) {
        let (x0, x1) = (_mm512_unpacklo_ps(r[i], r[i + 1]), _mm512_unpackhi_ps(r[i], r[i + 1]));
        let (y0, y1) = (_mm512_unpacklo_ps(r[i + 2], r[i + 3]), _mm512_unpackhi_ps(r[i + 2], r[i + 3]));
        r[i] = _mm512_shuffle_ps::<0b01_00_01_00>(x0, y0);
        r[i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(x0, y0);
        r[i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(x1, y1);
        r[i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(x1, y1);
    }
    // … then the 4×4 matrix of quarters: r[4i + j] quarter q goes to r[4q + j] quarter i.
    for j in 0..4 {
        let (a, b) = (r[j], r[4 + j]);
        let (c, d) = (r[8 + j], r[12 + j]);
        let (ab02, ab13) = (_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
        let (cd02, cd13) = (_mm512_shuffle_f32x4::<0b10_00_10_00>(c, d), _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d));
        r[j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab02, cd02);
        r[8 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab02, cd02);
        r[4 + j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab13, cd13);
        r[12 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab13, cd13);
    }
}

unsafe fn avx2_block(t: &Block) {
    if t.cols == 16 {
        by_rows!(avx2_full, t, 1 2 3 4 5 6);
    } else {
        by_rows!(avx2_edge, t, 1 2 3 4 5 6);
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_full<const R: usize>(t: &Block) {
    // SAFETY: the caller's promise, all 16 columns.
    unsafe {
        avx2_rows::<R>(
            t,
            |p| [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))],
            |p, x| {
                _mm256_storeu_ps(p, x[0]);
                _mm256_storeu_ps(p.add(8), x[1]);
            },
        );
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_edge<const R: usize>(t: &Block) {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let cols = t.cols as i32;
    let m0 = _mm256_cmpgt_epi32(_mm256_set1_epi32(cols), lanes);
    let m1 = _mm256_cmpgt_epi32(_mm256_set1_epi32(cols - 8), lanes);
    // SAFETY: the caller's promise; masked lanes touch no memory.
    unsafe {
        avx2_rows::<R>(
            t,
            |p| [_mm256_maskload_ps(p, m0), _mm256_maskload_ps(p.wrapping_add(8), m1)],
            |p, x| {
                _mm256_maskstore_ps(p, m0, x[0]);
                _mm256_maskstore_ps(p.wrapping_add(8), m1, x[1]);
            },
        );
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_rows<const R: usize>(
    t: &Block,
    load: impl Fn(*const f32) -> [__m256; 2],
    store: impl Fn(*mut f32, [__m256; 2]),
) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    // SAFETY: the caller promised that rows, columns and k of the block are there.
    unsafe {
        for i in 0..R {
            let c = t.c.add(i * t.c_row);
            match t.start {
                // Written at the end, or read when the next block begins; a row may straddle a line.
                Start::Zero => prefetch(c, 32),
                Start::Load => {
                    prefetch(c.wrapping_add(R * t.c_row), 32);
                    sums[i] = load(c);
                }
                Start::Row(bias) => {
                    prefetch(c, 32);
                    sums[i] = load(bias);
                }
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.k {
            let [b0, b1] = load(b);
            if R <= 4 {
                prefetch(b.wrapping_add(8 * t.b_k), 16);
            }
            for i in 0..R {
                let x = _mm256_broadcast_ss(&*a.add(i * t.a_row));
                sums[i][0] = _mm256_fmadd_ps(x, b0, sums[i][0]);
                sums[i][1] = _mm256_fmadd_ps(x, b1, sums[i][1]);
            }
            a = a.wrapping_add(t.a_k);
            b = b.wrapping_add(t.b_k);
        }
        for i in 0..R {
            store(t.c.add(i * t.c_row), sums[i]);
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn avx2_pack(src: *const f32, stride: usize, k: usize, cols: usize, dst: *mut f32) {
    let whole = k / 8 * 8;
    for half in [0, 8] {
        for p in (0..whole).step_by(8) {
            let mut rows = [_mm256_setzero_ps(); 8];
            // SAFETY: only rows below `cols` and lanes below k are read, as the caller promised; the destination has k
            // rows of 16.
            unsafe {
                for (i, row) in rows.iter_mut().enumerate() {
                    if half + i < cols {
                        *row = _mm256_loadu_ps(src.add((half + i) * stride + p));
                    }
                }
                transpose8(&mut rows);
                for q in 0..8 {
                    _mm256_storeu_ps(dst.add((p + q) * 16 + half), rows[q]);
                }
            }
        }
    }
    for p in whole..k {
        for j in 0..16 {
            // SAFETY: as above.
            unsafe { *dst.add(p * 16 + j) = if j < cols { *src.add(j * stride + p) } else { 0.0 } };
        }
    }
}

/// Lane j of register i becomes lane i of register j.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose8(r: &mut [__m256; 8]) {
    for i in [0, 4] {
        let (x0, x1) = (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1]));
        let (y0, y1) = (_mm256_unpacklo_ps(r[i + 2], r[i + 3]), _mm256_unpackhi_ps(r[i + 2], r[i + 3]));
        r[i] = _mm256_shuffle_ps::<0b01_00_01_00>(x0, y0);
        r[i + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(x0, y0);
        r[i + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(x1, y1);
        r[i + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(x1, y1);
    }
    for j in 0..4 {
        let (a, b) = (r[j], r[4 + j]);
        r[j] = _mm256_permute2f128_ps::<0x20>(a, b);
        r[4 + j] = _mm256_permute2f128_ps::<0x31>(a, b);
    }
}
