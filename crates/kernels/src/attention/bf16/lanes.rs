//! The elementwise steps in bf16: scores are logarithms to base 2, and what a product takes up is stored as pairs.
//!
//! Blocks of scores lie as in [`super::super::lanes`]: one row per key, one lane per query.

use super::super::lanes::{Lanes, QUERIES, Running, largest};
use crate::bf16::{Bf16, Element};
use crate::gemm::bf16::PAIRS;
use crate::isa::vectorise;
use crate::math::exp2_rough as exp2;

/// Pairs of two keys, one lane per query.
pub(super) type KeyPairs = [u32; QUERIES];

/// Pairs of two queries of one key: query i with query i + 16, so that pairing needs no shuffle.
pub(super) type QueryPairs = [u32; QUERIES / 2];

/// Two numbers as one pair, rounded as [`Bf16::of`] does.
#[inline(always)]
fn pair_of(first: f32, second: f32) -> u32 {
    let half_up = |x: f32| x.to_bits().wrapping_add(0x8000);
    half_up(first) >> 16 | half_up(second) & 0xffff_0000
}

/// What the backward of a block of queries knows of them.
pub(super) struct Differentiated {
    /// Of scores, to base 2.
    pub scale: f32,
    /// To base 2.
    pub lse: Lanes,
    /// Σ dO ⊙ O.
    pub delta: Lanes,
}

vectorise! {
    /// Scores become 2^(scale·(score − max)), and the running maximum (of scores) and sum take them in; `p` gets them as
    /// pairs, multiplied by `factors` if `DROP`, and zeros up to a whole group.
    pub(super) fn soften<const DROP: bool>(
        scores: &[Lanes], scale: f32, factors: &[Lanes], run: &mut Running, p: &mut [KeyPairs],
    ) {
        let max = largest(scores, &run.max);
        let mut shift = [0.0; QUERIES];
        for l in 0..QUERIES {
            // A query that has seen no key has no maximum; its terms are 2^(−∞ − 0).
            shift[l] = if max[l] == f32::NEG_INFINITY { 0.0 } else { -max[l] * scale };
            // 1, not only nearly: as a rule the maximum stays, and the error of each block would count.
            let grown = exp2(run.max[l].mul_add(scale, shift[l]));
            run.rescale[l] = if run.max[l] == max[l] { 1.0 } else { grown };
        }
        run.max = max;
        let (pairs, last) = scores.as_chunks::<2>();
        let mut sums = [[0.0f32; QUERIES]; 2];
        for (n, (s, p)) in pairs.iter().zip(p.iter_mut()).enumerate() {
            for l in 0..QUERIES {
                let (mut x, mut y) =
                    (exp2(s[0][l].mul_add(scale, shift[l])), exp2(s[1][l].mul_add(scale, shift[l])));
                sums[0][l] += x;
                sums[1][l] += y;
                if DROP {
                    x *= factors[2 * n][l];
                    y *= factors[2 * n + 1][l];
                }
                p[l] = pair_of(x, y);
            }
        }
        for s in last {
            let n = pairs.len();
            for l in 0..QUERIES {
                let x = exp2(s[l].mul_add(scale, shift[l]));
                sums[0][l] += x;
                p[n][l] = pair_of(if DROP { x * factors[2 * n][l] } else { x }, 0.0);
            }
        }
        for l in 0..QUERIES {
            run.sum[l] = run.sum[l].mul_add(run.rescale[l], sums[0][l] + sums[1][l]);
        }
        let used = scores.len().div_ceil(2);
        p[used..used.next_multiple_of(PAIRS)].fill([0; QUERIES]);
    }

    /// p = 2^(scale·score − lse), 0 where hidden (score = −∞), and ds = p·(dp − delta), as pairs of queries; ds as pairs of keys, too,
    /// and zeros up to a whole group. If `DROP`, p and dp are multiplied by `factors` where the dropped probabilities
    /// stand.
    pub(super) fn differentiate<const DROP: bool>(
        scores: &[Lanes], dp: &[Lanes], factors: &[Lanes], query: &Differentiated, p_pairs: &mut [QueryPairs],
        ds_pairs: &mut [QueryPairs], ds_keys: &mut [KeyPairs],
    ) {
        let Differentiated { scale, lse, delta } = query;
        let mut ds = [[0.0f32; QUERIES]; 2];
        for n in 0..scores.len() {
            let row = n % 2;
            let mut p = [0.0f32; QUERIES];
            for l in 0..QUERIES {
                let x = exp2(scores[n][l].mul_add(*scale, -lse[l]));
                let keep = if DROP { factors[n][l] } else { 1.0 };
                p[l] = x * keep;
                ds[row][l] = x * (dp[n][l] * keep - delta[l]);
            }
            for l in 0..QUERIES / 2 {
                p_pairs[n][l] = pair_of(p[l], p[l + QUERIES / 2]);
                ds_pairs[n][l] = pair_of(ds[row][l], ds[row][l + QUERIES / 2]);
            }
            if row == 1 {
                for l in 0..QUERIES {
                    ds_keys[n / 2][l] = pair_of(ds[0][l], ds[1][l]);
                }
            } else if n + 1 == scores.len() {
                for l in 0..QUERIES {
                    ds_keys[n / 2][l] = pair_of(ds[0][l], 0.0);
                }
            }
        }
        let used = scores.len().div_ceil(2);
        ds_keys[used..used.next_multiple_of(PAIRS)].fill([0; QUERIES]);
    }

    /// Pairs of neighbouring rows, each lane times its factor.
    pub(super) fn pair_up(rows: &[Lanes], factors: &Lanes, pairs: &mut [KeyPairs]) {
        for ([x, y], pairs) in rows.as_chunks::<2>().0.iter().zip(pairs) {
            for l in 0..QUERIES {
                pairs[l] = pair_of(x[l] * factors[l], y[l] * factors[l]);
            }
        }
    }

    /// y = or += x, for as many as y has.
    pub(super) fn put(x: &[Bf16], add: bool, y: &mut [Bf16]) {
        if add {
            for (y, x) in y.iter_mut().zip(x) {
                *y = Bf16::of(y.get() + x.get());
            }
        } else if let (Some(y), Some(x)) = (y.as_mut_array::<32>(), x.first_chunk()) {
            *y = *x;
        } else {
            y.copy_from_slice(&x[..y.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa;

    #[test]
    fn pairs_are_rounded() {
        for x in [0.0f32, 1.0, 0.3, -1.7e-3, 65_537.0, f32::INFINITY] {
            assert_eq!(pair_of(x, -x), crate::bf16::pair(x, -x), "{x}");
        }
        assert!(f32::from_bits(pair_of(f32::NAN, 0.0) << 16).is_nan());
        // Half way: up, where bf16::pair rounds to even.
        assert_eq!(pair_of(f32::from_bits(0x3f80_8000), 0.0), 0x3f81);
    }

    #[test]
    fn older_sums_keep_their_weight_while_the_maximum_stays() {
        let mut run = Running { max: [f32::NEG_INFINITY; QUERIES], sum: [0.0; QUERIES], rescale: [0.0; QUERIES] };
        let mut p = [[0; QUERIES]; 16];
        for _ in 0..3 {
            soften::<false>(&[[0.25; QUERIES]; 2], 1.5, &[], &mut run, &mut p);
        }
        assert_eq!(run.rescale, [1.0; QUERIES]);
        let one = run.sum[0] / 6.0;
        assert!((one - 1.0).abs() < 1e-4 && run.sum == [6.0 * one; QUERIES]);
    }

    #[test]
    fn soften_has_the_same_bits_on_every_instruction_set() {
        let scores: Vec<Lanes> =
            (0..7).map(|j| std::array::from_fn(|l| ((j * 37 + l * 11) % 101) as f32 * 0.3 - 20.0)).collect();
        let run = |isa| {
            isa::with(isa, || {
                let mut run = Running { max: [-3.0; QUERIES], sum: [1.5; QUERIES], rescale: [0.0; QUERIES] };
                let mut p = [[0; QUERIES]; 16];
                soften::<false>(&scores, 1.5, &[], &mut run, &mut p);
                (p, run.max, run.sum, run.rescale)
            })
        };
        for isa in isa::available() {
            assert_eq!(run(isa), run(isa::Isa::Portable), "{isa}");
        }
    }
}
