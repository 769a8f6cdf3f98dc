//! The elementwise steps in bf16: scores are logarithms to base 2, and what a product takes up is stored as pairs.
//!
//! Blocks of scores lie as in [`super::super::lanes`]: one row per key, one lane per query.

use super::super::lanes::{Lanes, QUERIES, Running};
use crate::isa::vectorise;

/// Pairs of two keys, one lane per query.
pub(super) type KeyPairs = [u32; QUERIES];

/// Pairs of two queries of one key: query i with query i + 16, so that pairing needs no shuffle.
pub(super) type QueryPairs = [u32; QUERIES / 2];

/// 2^x, with a relative error under 2⁻¹³: 1/16 of what rounding to bf16 adds. Under 2⁻¹²⁵ it is 0; for x < 127.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    // From dev/golden/polynomials.py.
    let y = 0.055_170_82f32.mul_add(f, 0.242_612_15).mul_add(f, 0.693_261_2).mul_add(f, 0.999_928);
    let y = f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x < -125.0 { 0.0 } else { y }
}

/// As [`crate::bf16::pair`] in three operations: ties go away from 0, and only NaNs as products make them stay NaN.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    let half_up = |x: f32| x.to_bits().wrapping_add(0x8000);
    half_up(first) >> 16 | half_up(second) & 0xffff_0000
}

vectorise! {
    /// Scores become 2^(score − max), and the running maximum and sum take them in; `p` gets them as pairs,
    /// multiplied by `factors` if `DROP`.
    pub(super) fn soften<const DROP: bool>(
        scores: &[Lanes], factors: &[Lanes], run: &mut Running, p: &mut [KeyPairs],
    ) {
        let (pairs, last) = scores.as_chunks::<2>();
        let mut max = [run.max; 2];
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
        let mut shift = [0.0; QUERIES];
        for l in 0..QUERIES {
            let m = if max[1][l] > max[0][l] { max[1][l] } else { max[0][l] };
            // A query that has seen no key has no maximum; its terms are 2^(−∞ − 0).
            shift[l] = if m == f32::NEG_INFINITY { 0.0 } else { m };
            run.rescale[l] = exp2(run.max[l] - shift[l]);
            run.max[l] = m;
        }
        let mut sums = [[0.0f32; QUERIES]; 2];
        for (n, (s, p)) in pairs.iter().zip(p.iter_mut()).enumerate() {
            for l in 0..QUERIES {
                let (mut x, mut y) = (exp2(s[0][l] - shift[l]), exp2(s[1][l] - shift[l]));
                sums[0][l] += x;
                sums[1][l] += y;
                if DROP {
                    x *= factors[2 * n][l];
                    y *= factors[2 * n + 1][l];
                }
                p[l] = pair(x, y);
            }
        }
        for s in last {
            let n = pairs.len();
            for l in 0..QUERIES {
                let x = exp2(s[l] - shift[l]);
                sums[0][l] += x;
                p[n][l] = pair(if DROP { x * factors[2 * n][l] } else { x }, 0.0);
            }
        }
        for l in 0..QUERIES {
            run.sum[l] = run.sum[l].mul_add(run.rescale[l], sums[0][l] + sums[1][l]);
        }
    }

    /// p = 2^(score − lse), 0 where hidden, and ds = p·(dp − delta), as pairs of queries; ds as pairs of keys, too.
    /// If `DROP`, p and dp are multiplied by `factors` where the dropped probabilities stand.
    pub(super) fn differentiate<const DROP: bool>(
        scores: &[Lanes], dp: &[Lanes], factors: &[Lanes], limit: &[u32; QUERIES], first: u32, lse: &Lanes,
        delta: &Lanes, p_pairs: &mut [QueryPairs], ds_pairs: &mut [QueryPairs], ds_keys: &mut [KeyPairs],
    ) {
        let mut ds = [[0.0f32; QUERIES]; 2];
        for n in 0..scores.len() {
            let j = first + n as u32;
            let row = n % 2;
            let mut p = [0.0f32; QUERIES];
            for l in 0..QUERIES {
                let x = exp2(scores[n][l] - lse[l]);
                let keep = if DROP { factors[n][l] } else { 1.0 };
                let d = x * (dp[n][l] * keep - delta[l]);
                p[l] = if j < limit[l] { x * keep } else { 0.0 };
                ds[row][l] = if j < limit[l] { d } else { 0.0 };
            }
            for l in 0..QUERIES / 2 {
                p_pairs[n][l] = pair(p[l], p[l + QUERIES / 2]);
                ds_pairs[n][l] = pair(ds[row][l], ds[row][l + QUERIES / 2]);
            }
            if row == 1 {
                for l in 0..QUERIES {
                    ds_keys[n / 2][l] = pair(ds[0][l], ds[1][l]);
                }
            } else if n + 1 == scores.len() {
                for l in 0..QUERIES {
                    ds_keys[n / 2][l] = pair(ds[0][l], 0.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa;

    #[test]
    fn exp2_is_as_exact_as_it_says() {
        let mut worst = 0.0f64;
        for n in 0..=400_000 {
            let x = n as f32 * (251.0 / 400_000.0) - 125.0;
            let want = (x as f64).exp2();
            worst = worst.max((exp2(x) as f64 / want - 1.0).abs());
        }
        assert!(worst < 2f64.powi(-13), "relative error {worst:e}");
        assert!(exp2(-125.1) == 0.0 && exp2(f32::NEG_INFINITY) == 0.0 && exp2(f32::NAN).is_nan());
    }

    #[test]
    fn pairs_are_rounded() {
        for x in [0.0f32, 1.0, 0.3, -1.7e-3, 65_537.0, f32::INFINITY] {
            assert_eq!(pair(x, -x), crate::bf16::pair(x, -x), "{x}");
        }
        assert!(f32::from_bits(pair(f32::NAN, 0.0) << 16).is_nan());
        // Half way: up, where bf16::pair rounds to even.
        assert_eq!(pair(f32::from_bits(0x3f80_8000), 0.0), 0x3f81);
    }

    #[test]
    fn soften_has_the_same_bits_on_every_instruction_set() {
        let scores: Vec<Lanes> =
            (0..7).map(|j| std::array::from_fn(|l| ((j * 37 + l * 11) % 101) as f32 * 0.3 - 20.0)).collect();
        let run = |isa| {
            isa::with(isa, || {
                let mut run = Running { max: [-3.0; QUERIES], sum: [1.5; QUERIES], rescale: [0.0; QUERIES] };
                let mut p = [[0; QUERIES]; 4];
                soften::<false>(&scores, &[], &mut run, &mut p);
                (p, run.max, run.sum, run.rescale)
            })
        };
        for isa in isa::available() {
            assert_eq!(run(isa), run(isa::Isa::Portable), "{isa}");
        }
    }
}
