//! What the tests of the kernels share.

use crate::bf16::{Bf16, from_f32};
use crate::{isa, parallel, rng::Rng};

/// The lengths at which loops over 16 lanes go wrong.
pub const LENGTHS: [usize; 8] = [0, 1, 15, 16, 17, 63, 64, 65];

/// n normal numbers.
pub fn normals(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.normal()).collect()
}

/// n normal numbers with the numbers among them that kernels stumble over.
pub fn special(seed: u64, n: usize) -> Vec<f32> {
    let odd = [f32::NAN, f32::INFINITY, -f32::INFINITY, 0.0, -0.0, 1e-40, -3e38, 100.0, -100.0];
    let mut x = normals(seed, n);
    for (i, x) in x.iter_mut().enumerate().filter(|(i, _)| i % 5 == 2) {
        *x = odd[(i / 5 + seed as usize) % odd.len()];
    }
    x
}

/// The bits of numbers, all NaNs alike (which NaN comes out is not ours to say).
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

/// Runs a kernel for every instruction set with 1, 2 and 3 threads: the bits must be the same. Returns the result.
#[track_caller]
pub fn same_everywhere(kernel: impl Fn() -> Vec<f32>) -> Vec<f32> {
    let expected = isa::with(isa::Isa::Portable, || parallel::with_threads(1, &kernel));
    for isa in isa::available() {
        for threads in [1, 2, 3] {
            let got = isa::with(isa, || parallel::with_threads(threads, &kernel));
            assert_eq!(got.len(), expected.len());
            for (i, (g, e)) in bits(&got).iter().zip(bits(&expected)).enumerate() {
                assert!(*g == e, "{isa}, {threads} threads, element {i}: {} is not {}", got[i], expected[i]);
            }
        }
    }
    expected
}

/// Numbers in bf16, as products round them.
pub fn as_factors(x: &[f32]) -> Vec<Bf16> {
    x.iter().map(|x| Bf16(from_f32(*x))).collect()
}

/// Runs `f` for every instruction set with 1, 2 and 3 threads, and tells it which.
pub fn everywhere(f: impl Fn(&str)) {
    for isa in isa::available() {
        for threads in [1, 2, 3] {
            isa::with(isa, || parallel::with_threads(threads, || f(&format!("{isa}, {threads} threads"))));
        }
    }
}

/// Every element within `tolerance·(1 + |want|)`.
#[track_caller]
pub fn close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*g) - w).abs() / (1.0 + w.abs());
        assert!(error <= tolerance, "element {i}: {g} is not {w} (error {error:.2e})");
    }
}

/// x as f64.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Compares a gradient with a finite difference of the f64 `forward` along a random direction.
///
/// `loss(x) = Σ dy ⊙ forward(x)`; `dx` is what the kernel says its gradient is.
#[track_caller]
pub fn check_gradient(x: &[f32], dy: &[f32], dx: &[f32], forward: impl Fn(&[f64]) -> Vec<f64>) {
    let loss = |x: &[f64]| -> f64 { forward(x).iter().zip(dy).map(|(y, d)| y * f64::from(*d)).sum() };
    for seed in 0..3 {
        let direction = wide(&normals(1000 + seed, x.len()));
        let moved = |h: f64| -> Vec<f64> { x.iter().zip(&direction).map(|(x, d)| f64::from(*x) + h * d).collect() };
        let h = 1e-5;
        let numeric = (loss(&moved(h)) - loss(&moved(-h))) / (2.0 * h);
        let products = dx.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d);
        let scale: f64 = products.clone().map(|p| p * p).sum::<f64>().sqrt().max(1e-3);
        let analytic: f64 = products.sum();
        assert!((numeric - analytic).abs() < 1e-4 * scale, "gradient: {analytic} is not {numeric}");
    }
}

/// Runs a backward kernel so that it overwrites NaN, then so that it adds: the second must be the first plus
/// what was there. Returns the gradient.
#[track_caller]
pub fn both_ways(n: usize, kernel: impl Fn(crate::Grad)) -> Vec<f32> {
    let set = same_everywhere(|| {
        let mut data = vec![f32::NAN; n];
        kernel(crate::Grad { data: &mut data, accumulate: false });
        data
    });
    let before = normals(77, n);
    let added = same_everywhere(|| {
        let mut data = before.clone();
        kernel(crate::Grad { data: &mut data, accumulate: true });
        data
    });
    for i in 0..n {
        let want = before[i] + set[i];
        let same = added[i].to_bits() == want.to_bits() || (added[i].is_nan() && want.is_nan());
        let near = (added[i] - want).abs() <= 1e-5 * (before[i].abs() + set[i].abs());
        assert!(same || near, "element {i}: added {} is not {want}", added[i]);
    }
    set
}

/// erf by its Taylor series (|x| < 2) or by the continued fraction of erfc (beyond), both to f64's precision.
pub fn erf_reference(x: f64) -> f64 {
    let a = x.abs();
    let y = if a < 2.5 {
        let (mut term, mut sum) = (a, a);
        for n in 1..80 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let tail = (1..120).rev().fold(0.0, |t, k| f64::from(k) / 2.0 / (a + t));
        1.0 - (-a * a).exp() / ((a + tail) * std::f64::consts::PI.sqrt())
    };
    y.copysign(x)
}
