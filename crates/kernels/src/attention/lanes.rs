//! The elementwise steps between the products of the tiled version, on blocks of scores whose lanes are queries.
//!
//! A block of scores is stored transposed, one row per key and one lane per query, so that everything that belongs to a
//! query (maximum, sum, limit) is a vector, and no step joins lanes.

use super::dropout::{KEYS_PER_BLOCK, Keep};
use crate::bf16::Element;
use crate::isa::vectorise;
use crate::math::{exp, ln};

/// Queries of a block.
pub(super) const QUERIES: usize = 32;

/// One number per query of a block.
pub(super) type Lanes = [f32; QUERIES];

/// The running softmax of a block of queries over the keys seen so far.
pub(super) struct Running {
    /// The largest score; −∞ before the first.
    pub max: Lanes,
    /// Σ exp(score − max).
    pub sum: Lanes,
    /// What the last step multiplied older sums by.
    pub rescale: Lanes,
}

/// The largest of each lane, `max` included.
#[inline(always)]
pub(super) fn largest(scores: &[Lanes], max: &Lanes) -> Lanes {
    let mut max = [*max; 2];
    let (pairs, last) = scores.as_chunks::<2>();
    for pair in pairs {
        for h in 0..2 {
            for l in 0..QUERIES {
                max[h][l] = if pair[h][l] > max[h][l] { pair[h][l] } else { max[h][l] };
            }
        }
    }
    for s in last {
        for l in 0..QUERIES {
            max[0][l] = if s[l] > max[0][l] { s[l] } else { max[0][l] };
        }
    }
    std::array::from_fn(|l| if max[1][l] > max[0][l] { max[1][l] } else { max[0][l] })
}

vectorise! {
    /// x *= factor
    pub(super) fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }

    /// y = or += factor·x, rounded, for as many as y has.
    pub(super) fn put<T: Element>(x: &[f32], factor: f32, add: bool, y: &mut [T]) {
        let (xs, x_tail) = x[..y.len()].as_chunks::<16>();
        let (ys, y_tail) = y.as_chunks_mut::<16>();
        if add {
            for (y, x) in ys.iter_mut().zip(xs) {
                for l in 0..16 {
                    y[l] = T::of(y[l].get() + x[l] * factor);
                }
            }
            for (y, x) in y_tail.iter_mut().zip(x_tail) {
                *y = T::of(y.get() + x * factor);
            }
        } else {
            for (y, x) in ys.iter_mut().zip(xs) {
                for l in 0..16 {
                    y[l] = T::of(x[l] * factor);
                }
            }
            for (y, x) in y_tail.iter_mut().zip(x_tail) {
                *y = T::of(x * factor);
            }
        }
    }

    /// Each row times `factors`, lane by lane.
    pub(super) fn multiply_each(rows: &mut [Lanes], factors: &Lanes) {
        for row in rows {
            for l in 0..QUERIES {
                row[l] *= factors[l];
            }
        }
    }

    /// Row t of `dst`, dense, is `width` elements of `src` from `t·stride` on.
    pub(super) fn copy_rows(src: &[f32], stride: usize, width: usize, dst: &mut [f32]) {
        for (t, row) in dst.chunks_exact_mut(width).enumerate() {
            let from = &src[t * stride..][..width];
            let (blocks, tail) = row.as_chunks_mut::<16>();
            let (from_blocks, from_tail) = from.as_chunks::<16>();
            for (y, x) in blocks.iter_mut().zip(from_blocks) {
                *y = *x;
            }
            for (y, x) in tail.iter_mut().zip(from_tail) {
                *y = *x;
            }
        }
    }

    /// The end of a softmax: log-sum-exp (−∞ if no key was seen) and 1/Σ.
    pub(super) fn finish(run: &Running, lse: &mut Lanes, inverse: &mut Lanes) {
        for l in 0..QUERIES {
            lse[l] = run.max[l] + ln(run.sum[l]);
            inverse[l] = 1.0 / run.sum[l];
        }
    }

    /// The 16 lanes of Σ a·b, to be added up (apart from here, or that would shape the loop).
    pub(super) fn dot_lanes<T: Element>(a: &[T], b: &[T]) -> [f32; 16] {
        let (a, a_tail) = a.as_chunks::<16>();
        let (b, b_tail) = b.as_chunks::<16>();
        let mut sums = [0.0f32; 16];
        for (a, b) in a.iter().zip(b) {
            for l in 0..16 {
                sums[l] = a[l].get().mul_add(b[l].get(), sums[l]);
            }
        }
        for (s, (a, b)) in sums.iter_mut().zip(a_tail.iter().zip(b_tail)) {
            *s = a.get().mul_add(b.get(), *s);
        }
        sums
    }

    /// ALiBi: score −= slope·|position − j|, for keys j = first, first + 1, …
    pub(super) fn add_alibi(scores: &mut [Lanes], slope: f32, position: &Lanes, first: f32) {
        for (j, s) in scores.iter_mut().enumerate() {
            let j = first + j as f32;
            for l in 0..QUERIES {
                s[l] = (-slope).mul_add((position[l] - j).abs(), s[l]);
            }
        }
    }

    /// Scores, of keys `first`, …, that a query does not see become −∞: query l sees `from[l]..to[l]`.
    pub(super) fn hide(scores: &mut [Lanes], from: &[u32; QUERIES], to: &[u32; QUERIES], first: u32) {
        for (j, s) in scores.iter_mut().enumerate() {
            // Opaque, or LLVM takes several rows for the lanes of a vector, and scatters.
            let j = std::hint::black_box(first + j as u32);
            for l in 0..QUERIES {
                // By bits: as a choice between "store" and "leave" it would not become vector code.
                let seen = if j.wrapping_sub(from[l]) < to[l].wrapping_sub(from[l]) { u32::MAX } else { 0 };
                s[l] = f32::from_bits(s[l].to_bits() & seen | f32::NEG_INFINITY.to_bits() & !seen);
            }
        }
    }

    /// Scores become exp(score − max), and the running maximum and sum take them in.
    ///
    /// The sum of a block has four chains, keys j ≡ 0, 1, 2, 3 (mod 4).
    pub(super) fn soften(scores: &mut [Lanes], run: &mut Running) {
        let max = largest(scores, &run.max);
        let mut shift = [0.0; QUERIES];
        for l in 0..QUERIES {
            // A query that has seen no key has no maximum; its terms are exp(−∞ − 0).
            shift[l] = if max[l] == f32::NEG_INFINITY { 0.0 } else { max[l] };
            run.rescale[l] = exp(run.max[l] - shift[l]);
        }
        run.max = max;
        let mut sums = [[0.0f32; QUERIES]; 4];
        let (fours, last) = scores.as_chunks_mut::<4>();
        for four in fours {
            for n in 0..4 {
                for l in 0..QUERIES {
                    let p = exp(four[n][l] - shift[l]);
                    four[n][l] = p;
                    sums[n][l] += p;
                }
            }
        }
        for (n, s) in last.iter_mut().enumerate() {
            for l in 0..QUERIES {
                let p = exp(s[l] - shift[l]);
                s[l] = p;
                sums[n][l] += p;
            }
        }
        for l in 0..QUERIES {
            let sum = (sums[0][l] + sums[2][l]) + (sums[1][l] + sums[3][l]);
            run.sum[l] = run.sum[l].mul_add(run.rescale[l], sum);
        }
    }

    /// Scores s become probabilities p = exp(s − lse), 0 where hidden (s = −∞); dp becomes ds = p·(dp − delta).
    pub(super) fn differentiate(scores: &mut [Lanes], dp: &mut [Lanes], lse: &Lanes, delta: &Lanes) {
        for (s, dp) in scores.iter_mut().zip(dp) {
            for l in 0..QUERIES {
                let p = exp(s[l] - lse[l]);
                dp[l] = p * (dp[l] - delta[l]);
                s[l] = p;
            }
        }
    }

    /// Elementwise x *= y.
    pub(super) fn multiply(x: &mut [Lanes], y: &[Lanes]) {
        for (x, y) in x.iter_mut().zip(y) {
            for l in 0..QUERIES {
                x[l] *= y[l];
            }
        }
    }

    /// Dropout's factors for queries `i`, … and keys `first`, … (a multiple of 8) of row `bh` = b·H + h.
    ///
    /// Writes up to the next multiple of 8 keys.
    pub(super) fn keep_factors(keep: &Keep, bh: u32, i: u32, first: u32, factors: &mut [Lanes]) {
        let (blocks, _) = factors.as_chunks_mut::<KEYS_PER_BLOCK>();
        for (n, block) in blocks.iter_mut().enumerate() {
            let mut words = [[0u32; QUERIES]; 4];
            for l in 0..QUERIES {
                let w = keep.words(bh, i.wrapping_add(l as u32), first / KEYS_PER_BLOCK as u32 + n as u32);
                for q in 0..4 {
                    words[q][l] = w[q];
                }
            }
            for q in 0..4 {
                for l in 0..QUERIES {
                    block[2 * q][l] = keep.factor_of(words[q][l] & 0xffff);
                    block[2 * q + 1][l] = keep.factor_of(words[q][l] >> 16);
                }
            }
        }
    }
}
