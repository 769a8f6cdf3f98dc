//! The product with `vdpbf16ps`.

use super::product::{COLS, Product};
use std::arch::x86_64::*;

/// Rows of a block: 16 of 32 registers hold sums, 2 a row of B; A comes from memory.
const ROWS: usize = 8;

/// # Safety
/// The slices of `t` and C hold what it says, and the machine has AVX512-BF16.
pub(super) unsafe fn product(t: &Product, rows: usize, half: bool, c: *mut f32) {
    for i in (0..rows).step_by(ROWS) {
        let (a, c, rows) = (t.a.as_ptr().wrapping_add(i * t.a_row), c.wrapping_add(i * t.c_row), ROWS.min(rows - i));
        macro_rules! by_rows {
            ($($rows:literal)+) => {
                match (rows, half) {
                    // SAFETY: rows i.. of what the caller promised.
                    $(($rows, false) => unsafe { block::<$rows, 2>(t, a, c) },
                    ($rows, true) => unsafe { block::<$rows, 1>(t, a, c) },)+
                    more => unreachable!("a block of {more:?}"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8);
    }
}

/// R rows of V vectors.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn block<const R: usize, const V: usize>(t: &Product, a: *const u32, c: *mut f32) {
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: the caller promised R rows of A and C, and V vectors of each row of B.
    unsafe {
        if t.accumulate {
            for i in 0..R {
                for v in 0..V {
                    sums[i][v] = _mm512_loadu_ps(c.add(i * t.c_row + 16 * v));
                }
            }
        }
        let (mut a, mut b) = (a, t.b.as_ptr());
        for _ in 0..t.pairs {
            let mut row = [_mm512_setzero_si512(); V];
            for v in 0..V {
                row[v] = _mm512_loadu_si512(b.add(16 * v).cast());
            }
            for i in 0..R {
                let x = pairs(_mm512_set1_epi32(a.add(i * t.a_row).read() as i32));
                for v in 0..V {
                    sums[i][v] = _mm512_dpbf16_ps(sums[i][v], x, pairs(row[v]));
                }
            }
            a = a.wrapping_add(t.a_pair);
            b = b.wrapping_add(COLS);
        }
        for i in 0..R {
            for v in 0..V {
                _mm512_storeu_ps(c.add(i * t.c_row + 16 * v), sums[i][v]);
            }
        }
    }
}

/// 16 lanes of 32 bits as 16 pairs.
#[inline(always)]
unsafe fn pairs(x: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(x) }
}
