//! The transcendental functions: own polynomials, so that a result has the same bits on every machine.
//!
//! Each function is scalar, `#[inline(always)]` and without a branch (both sides of a choice are computed and one is
//! selected), so that a loop over it compiles to vector code for whatever instruction set the loop is compiled for.
//! The coefficients come from `dev/golden/polynomials.py`.
//!
//! | function | the error is at most (units in the last place; tested) | where |
//! |---|---|---|
//! | [`exp`] | 1.1 | results under 2⁻¹²⁶ become 0 |
//! | [`ln`] | 1 | everywhere, subnormal numbers included |
//! | [`ln_1p_unit`] | 3 | everywhere |
//! | [`tanh`] | 3 | everywhere, the smallest numbers included |
//! | [`sigmoid`] | 3 | x > −87.3; below, 0 |
//! | [`erf`] | 2 | everywhere |
//! | [`sin_cos_turns`] | 2⁻²³ absolute | 0 ≤ t ≤ 1 |

/// 1.5·2²³: adding it to a small number rounds that number to an integer, which then stands in the lowest bits.
pub(crate) const ROUND: f32 = 12_582_912.0;
const LN2_HI: f32 = std::f32::consts::LN_2;
/// ln 2 − `LN2_HI`.
const LN2_LO: f32 = -1.904_654_3e-9;

/// `c[0] + c[1]·x + c[2]·x² + …`, by Horner's rule with fused steps.
#[inline(always)]
fn poly<const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    let mut k = N - 1;
    while k > 0 {
        k -= 1;
        sum = sum.mul_add(x, c[k]);
    }
    sum
}

/// Splits x = n·ln 2 + r: returns (e^r − 1, the bits of n shifted to the place of the exponent).
#[inline(always)]
fn exp_parts(x: f32) -> (f32, u32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x));
    let q = poly(r, [0.499_999_97, 0.166_665_43, 0.041_667_506, 0.008_366_538, 0.001_386_420_7]);
    ((q * r).mul_add(r, r), shifted.to_bits() << 23)
}

/// e^x for −87.3 < x < 88.7, without a check of the range. A NaN gives an arbitrary number.
#[inline(always)]
fn exp_in_range(x: f32) -> f32 {
    let (m1, exponent) = exp_parts(x);
    f32::from_bits((m1 + 1.0).to_bits().wrapping_add(exponent))
}

/// e^x. Results under 2⁻¹²⁶ (x < −87.3365) are 0; e^−∞ = 0, e^∞ = ∞.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let y = exp_in_range(x);
    let y = if x < -87.3365 { 0.0 } else { y };
    let y = if x > 88.722_83 { f32::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// ln x. ln 0 = −∞, and NaN for x < 0.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // A subnormal number is first brought into the normal range.
    let small = x < f32::MIN_POSITIVE;
    let scaled = if small { x * 8_388_608.0 } else { x };
    let k0 = if small { -23.0f32 } else { 0.0 };
    // x = 2^k·(1 + f) with √½ ≤ 1 + f < √2.
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF);
    let k = ((bits as i32) >> 23) as f32 + k0;
    let f = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF) - 1.0;
    let p = poly(
        f,
        [
            0.333_333_13,
            -0.250_000_12,
            0.200_020_73,
            -0.166_678_53,
            0.142_202_3,
            -0.124_082_334,
            0.118_862_785,
            -0.116_604_41,
            0.067_325_38,
        ],
    );
    // k·ln 2 in two parts: the first has so few bits that the product is exact.
    const HI: f32 = 0.693_359_4;
    const LO: f32 = -2.121_944_4e-4;
    let ff = f * f;
    let low = k.mul_add(LO, ff.mul_add(-0.5, f * ff * p));
    let y = k.mul_add(HI, f + low);
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 { f32::NAN } else { y }
}

/// ln(1 + e) for 0 ≤ e ≤ 1, with all digits when e is small.
#[inline(always)]
pub fn ln_1p_unit(e: f32) -> f32 {
    let u = 1.0 + e;
    // What the sum lost comes back to first order.
    ln(u) + (e - (u - 1.0)) / u
}

/// tanh x = (e^2x − 1)/(e^2x + 1), with e^2x − 1 computed as such, so that small x keep their digits.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 10.0 { 10.0 } else { a };
    let (m1, exponent) = exp_parts(a + a);
    let scale = f32::from_bits(exponent.wrapping_add(0x3f80_0000));
    let e = scale.mul_add(m1, scale - 1.0);
    (e / (e + 2.0)).copysign(x)
}

/// σ(x) = 1/(1 + e^−x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// erf x = 2/√π · ∫₀ˣ e^(−t²) dt.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let near = {
        let z = a * a;
        let c =
            [0.128_379_17, -0.376_126_32, 0.112_836_76, -0.026_858_53, 0.005_199_125_5, -8.122_774e-4, 8.290_629e-5];
        a.mul_add(poly(z, c), a)
    };
    let far = {
        // Beyond 4, 1 − erf is under half a unit in the last place of 1.
        let a = if a > 4.0 { 4.0 } else { a };
        let c = [
            1.604_397_4e-4,
            -1.129_434_3,
            -0.633_542_84,
            -0.108_012_87,
            0.024_895_99,
            -0.004_053_850_7,
            3.968_125e-4,
            -1.432_806_3e-5,
            -5.208_299e-7,
        ];
        1.0 - exp_in_range(poly(a, c))
    };
    let y = if a < 0.92 { near } else { far };
    if x.is_nan() { x } else { y.copysign(x) }
}

/// (sin 2πt, cos 2πt) for t in [0, 1]: an angle in turns reduces without an error.
#[inline(always)]
pub fn sin_cos_turns(t: f32) -> (f32, f32) {
    let quarters = t * 4.0;
    let shifted = quarters + ROUND;
    let quadrant = shifted.to_bits();
    let r = quarters - (shifted - ROUND);
    let z = r * r;
    let s = r * poly(z, [1.570_796_4, -0.645_969_3, 0.079_793_02, -0.005_312_688, 0.001_405_795_2]);
    let c = poly(z, [1.0, -1.233_700_5, 0.253_668_52, -0.020_855_207, 8.933_332e-4]);
    let (sin, cos) = if quadrant & 1 == 0 { (s, c) } else { (c, s) };
    // sin is negative in quadrants 2 and 3, cos in 1 and 2: the second bit of q and of q + 1.
    let sin = f32::from_bits(sin.to_bits() ^ ((quadrant & 2) << 30));
    let cos = f32::from_bits(cos.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 30));
    (sin, cos)
}

/// e^x in f64, |x| < 700, by Taylor's series after reduction. For tables, not for loops.
pub fn exp_f64(x: f64) -> f64 {
    let n = (x * std::f64::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts; the second is what f64 rounds away from the first.
    let r = n.mul_add(-2.319_046_813_846_299_6e-17, n.mul_add(-std::f64::consts::LN_2, x));
    let sum = (1..=14).rev().fold(1.0f64, |sum, k| sum.mul_add(r / f64::from(k), 1.0));
    sum * f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// ln x in f64 for a normal x > 0, by the series of 2·artanh((m − 1)/(m + 1)). For tables, not for loops.
pub fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let k = ((bits as i64) >> 52) as f64;
    let m = f64::from_bits((bits & ((1 << 52) - 1)) + SQRT_HALF);
    let s = (m - 1.0) / (m + 1.0);
    let sum = (0..=11).rev().fold(0.0f64, |sum, j| sum.mul_add(s * s, 1.0 / f64::from(2 * j + 1)));
    k.mul_add(std::f64::consts::LN_2, 2.0 * s * sum)
}

/// (sin x, cos x) in f64 for |x| < 10⁷, by Taylor's series after reduction. For tables, not for loops.
pub fn sin_cos_f64(x: f64) -> (f64, f64) {
    let n = (x * std::f64::consts::FRAC_2_PI).round_ties_even();
    // π/2 in two parts; the second is what f64 rounds away from the first.
    let r = n.mul_add(-6.123_233_995_736_766e-17, n.mul_add(-std::f64::consts::FRAC_PI_2, x));
    let z = -r * r;
    let s = (1..=9).rev().fold(1.0f64, |sum, k| sum.mul_add(z / f64::from(2 * k * (2 * k + 1)), 1.0)) * r;
    let c = (1..=9).rev().fold(1.0f64, |sum, k| sum.mul_add(z / f64::from(2 * k * (2 * k - 1)), 1.0));
    match n as i64 & 3 {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// 2^x for what is rounded to bf16, with a relative error under 2⁻¹³, 1/16 of what that adds (at x = 0 as well). Under
/// 2⁻¹²⁵ it is 0; for x < 127.
#[inline(always)]
pub(crate) fn exp2_rough(x: f32) -> f32 {
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    // From dev/golden/polynomials.py.
    let y = 0.055_170_82f32.mul_add(f, 0.242_612_15).mul_add(f, 0.693_261_2).mul_add(f, 0.999_928);
    let y = f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x < -125.0 { 0.0 } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::erf_reference;

    /// Distance of `got` from the true value, in units of the last place of the true value.
    fn ulps(got: f32, want: f64) -> f64 {
        let near = (want as f32).abs().max(f32::MIN_POSITIVE);
        let unit = f64::from(f32::from_bits(near.to_bits() + 1)) - f64::from(near);
        (f64::from(got) - want).abs() / unit
    }

    /// The largest error over numbers of every size within ±`limit`, both signs.
    fn worst(limit: f32, positive: bool, f: impl Fn(f32) -> f32, reference: impl Fn(f64) -> f64) -> f64 {
        let mut worst = 0.0f64;
        let mut bits = 1u32;
        while bits < limit.to_bits() {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                if !positive || x > 0.0 {
                    worst = worst.max(ulps(f(x), reference(f64::from(x))));
                }
            }
            bits += 9973;
        }
        // The bits above spread over exponents; these spread evenly.
        for i in 0..200_000 {
            let x = (i as f32 / 100_000.0 - 1.0) * limit.min(100.0);
            if !positive || x > 0.0 {
                worst = worst.max(ulps(f(x), reference(f64::from(x))));
            }
        }
        worst
    }

    #[test]
    fn errors_stay_within_the_documented_bounds() {
        let e = worst(88.7, false, exp, |x| if x < -87.3365 { 0.0 } else { x.exp() });
        assert!(e <= 1.1, "exp {e}");
        let e = worst(f32::MAX, true, ln, f64::ln);
        assert!(e <= 1.0, "ln {e}");
        let e = worst(100.0, false, tanh, f64::tanh);
        assert!(e <= 3.0, "tanh {e}");
        let e = worst(87.3, false, sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
        assert!(e <= 3.0, "sigmoid {e}");
        let e = worst(1.0, true, ln_1p_unit, |x| if x > 1.0 { f64::from(ln_1p_unit(x as f32)) } else { x.ln_1p() });
        assert!(e <= 3.0, "ln_1p_unit {e}");
        let e = worst(100.0, false, erf, erf_reference);
        assert!(e <= 2.0, "erf {e}");
        for i in 0..=100_000 {
            let t = i as f32 / 100_000.0;
            let (s, c) = sin_cos_turns(t);
            let (rs, rc) = (std::f64::consts::TAU * f64::from(t)).sin_cos();
            let e = (f64::from(s) - rs).abs().max((f64::from(c) - rc).abs());
            assert!(e <= 1.2e-7, "sin_cos_turns({t}) is off by {e}");
        }
    }

    #[test]
    fn ends_and_special_values_are_exact() {
        let inf = f32::INFINITY;
        for f in [exp, ln, tanh, sigmoid, erf] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!([exp(0.0), exp(-0.0), exp(inf), exp(-inf), exp(89.0), exp(-88.0)], [1.0, 1.0, inf, 0.0, inf, 0.0]);
        assert!(exp(88.72) < inf && exp(-87.33) > 0.0);
        assert_eq!([ln(1.0), ln(0.0), ln(-0.0), ln(inf)], [0.0, -inf, -inf, inf]);
        assert!(ln(-1.0).is_nan() && ln(-inf).is_nan());
        assert_eq!([tanh(inf), tanh(-inf), tanh(1e-40), tanh(50.0)], [1.0, -1.0, 1e-40, 1.0]);
        assert!(tanh(-0.0).to_bits() == (-0.0f32).to_bits() && erf(-0.0).to_bits() == (-0.0f32).to_bits());
        assert_eq!([sigmoid(0.0), sigmoid(inf), sigmoid(-inf), sigmoid(-200.0)], [0.5, 1.0, 0.0, 0.0]);
        assert_eq!([erf(inf), erf(-inf), erf(0.0), erf(9.0)], [1.0, -1.0, 0.0, 1.0]);
        let sc = [0.0, 0.25, 0.5, 0.75, 1.0].map(sin_cos_turns);
        assert_eq!(sc, [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.0, 1.0)]);
    }

    #[test]
    fn f64_functions_agree_with_the_standard_library() {
        for i in 0..20_000 {
            let x = f64::from(i) * 0.0317 + 1e-3;
            let (s, c) = sin_cos_f64(x * 100.0);
            assert!((s - (x * 100.0).sin()).abs() < 3e-16 && (c - (x * 100.0).cos()).abs() < 3e-16);
            assert!((ln_f64(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "ln {x}");
            let y = x / 40.0 - 8.0;
            assert!((exp_f64(y) / y.exp() - 1.0).abs() < 1e-15, "exp {y}");
        }
    }

    #[test]
    fn exp2_rough_is_as_exact_as_it_says() {
        let mut worst = 0.0f64;
        for n in 0..=400_000 {
            let x = n as f32 * (251.0 / 400_000.0) - 125.0;
            let want = (x as f64).exp2();
            worst = worst.max((exp2_rough(x) as f64 / want - 1.0).abs());
        }
        assert!(worst < 2f64.powi(-13), "relative error {worst:e}");
        assert!(exp2_rough(-125.1) == 0.0 && exp2_rough(f32::NEG_INFINITY) == 0.0 && exp2_rough(f32::NAN).is_nan());
    }
}
