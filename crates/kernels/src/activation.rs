//! Activation functions and their derivatives.

use crate::map::{self, Each};
use crate::{Grad, math};
use std::f32::consts::FRAC_1_SQRT_2;

/// 1/√(2π)
const INV_SQRT_TAU: f32 = 0.398_942_3;
/// √(2/π)
const SQRT_2_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// The function between the two projections of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// [`gelu`], exact.
    Gelu,
    /// [`gelu_tanh`], as GPT-2 has it.
    GeluTanh,
    /// [`relu`], as in the first Transformer and in T5.
    Relu,
    /// [`swiglu`]: silu(gate) ⊙ up, three projections instead of two (Llama).
    Swiglu,
}

impl Activation {
    /// All of them, with their names in configurations.
    pub const ALL: [(Activation, &'static str); 4] = [
        (Activation::Gelu, "gelu"),
        (Activation::GeluTanh, "gelu_tanh"),
        (Activation::Relu, "relu"),
        (Activation::Swiglu, "swiglu"),
    ];

    /// y = f(x), of one that has a single input.
    ///
    /// # Panics
    /// If it is SwiGLU, or the lengths differ.
    #[track_caller]
    pub fn apply(self, x: &[f32], y: &mut [f32]) {
        match self {
            Activation::Gelu => gelu(x, y),
            Activation::GeluTanh => gelu_tanh(x, y),
            Activation::Relu => relu(x, y),
            Activation::Swiglu => panic!("activation: SwiGLU has two inputs"),
        }
    }
}

/// Runs `$body` with `$f` for x ↦ [f(x), f′(x)], which will be rounded to bf16, so that it is compiled into the loop where it
/// is called.
macro_rules! with_function {
    ($function:expr, |$f:ident| $body:expr) => {
        match $function {
            $crate::activation::Activation::Gelu => {
                let $f = $crate::activation::gelu_and_slope;
                $body
            }
            $crate::activation::Activation::GeluTanh => {
                let $f = $crate::activation::gelu_tanh_and_slope_rough;
                $body
            }
            $crate::activation::Activation::Relu => {
                let $f = $crate::activation::relu_and_slope;
                $body
            }
            $crate::activation::Activation::Swiglu => panic!("activation: SwiGLU has two inputs"),
        }
    };
}
pub(crate) use with_function;

#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 * (1.0 + math::erf(x * FRAC_1_SQRT_2))
}

#[inline(always)]
fn gelu_at([x]: [f32; 1]) -> f32 {
    x * normal_cdf(x)
}

#[inline(always)]
fn gelu_slope([x, dy]: [f32; 2]) -> f32 {
    dy * gelu_and_slope(x)[1]
}

#[inline(always)]
pub(crate) fn gelu_and_slope(x: f32) -> [f32; 2] {
    let (density, cdf) = (INV_SQRT_TAU * math::exp(-0.5 * x * x), normal_cdf(x));
    [x * cdf, x.mul_add(density, cdf)]
}

#[inline(always)]
fn gelu_tanh_at([x]: [f32; 1]) -> f32 {
    let t = math::tanh(SQRT_2_PI * x * (CUBIC * x).mul_add(x, 1.0));
    0.5 * x * (1.0 + t)
}

#[inline(always)]
fn gelu_tanh_slope([x, dy]: [f32; 2]) -> f32 {
    let t = math::tanh(SQRT_2_PI * x * (CUBIC * x).mul_add(x, 1.0));
    let du = SQRT_2_PI * (3.0 * CUBIC * x).mul_add(x, 1.0);
    dy * 0.5 * (x * (1.0 - t * t)).mul_add(du, 1.0 + t)
}

/// [`gelu_tanh`] for what is rounded to bf16, as x·σ(2u): within 2⁻¹¹ of |x|, and its slope within 2⁻¹⁰.
#[inline(always)]
pub(crate) fn gelu_tanh_and_slope_rough(x: f32) -> [f32; 2] {
    let near = within_8(x);
    let s = 1.0 / (1.0 + gelu_exp(near));
    let du = (3.0 * CUBIC * near).mul_add(near, 1.0) * (2.0 * SQRT_2_PI * near);
    [x * s, (s * (1.0 - s)).mul_add(du, s)]
}

/// Beyond ±8 σ(2u) is 0 or 1, and 8³ does not overflow. A NaN stays one.
#[inline(always)]
fn within_8(x: f32) -> f32 {
    let x = if x > 8.0 { 8.0 } else { x };
    if x < -8.0 { -8.0 } else { x }
}

/// e^(−2u) for x within ±8.
#[inline(always)]
fn gelu_exp(x: f32) -> f32 {
    const TO_BASE_2: f32 = -2.0 * SQRT_2_PI * std::f32::consts::LOG2_E;
    math::exp2_rough(x * (TO_BASE_2 * CUBIC * x).mul_add(x, TO_BASE_2))
}

#[inline(always)]
fn relu_at([x]: [f32; 1]) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn relu_slope([x, dy]: [f32; 2]) -> f32 {
    if x <= 0.0 { 0.0 } else { dy }
}

#[inline(always)]
pub(crate) fn relu_and_slope(x: f32) -> [f32; 2] {
    [relu_at([x]), relu_slope([x, 1.0])]
}

#[inline(always)]
fn silu_at([x]: [f32; 1]) -> f32 {
    x * math::sigmoid(x)
}

#[inline(always)]
fn silu_slope([x, dy]: [f32; 2]) -> f32 {
    let s = math::sigmoid(x);
    dy * s * x.mul_add(1.0 - s, 1.0)
}

/// σ(x) for what is rounded to bf16.
#[inline(always)]
fn sigmoid_rough(x: f32) -> f32 {
    // The power must not overflow; σ is under 2⁻¹¹⁵ there.
    let x = if x < -80.0 { -80.0 } else { x };
    1.0 / (1.0 + math::exp2_rough(-std::f32::consts::LOG2_E * x))
}

/// silu(gate)·up and its slopes by gate and by up, for what is rounded to bf16: within 2⁻¹² of |gate·up|, |up|·(1 + |gate|)
/// and |gate|.
#[inline(always)]
pub(crate) fn swiglu_and_slopes_rough(gate: f32, up: f32) -> [f32; 3] {
    let s = sigmoid_rough(gate);
    let silu = gate * s;
    [silu * up, up * s * gate.mul_add(1.0 - s, 1.0), silu]
}

#[inline(always)]
fn log_sigmoid_at([x]: [f32; 1]) -> f32 {
    let below = if x > 0.0 { 0.0 } else { x };
    below - math::ln_1p_unit(math::exp(-x.abs()))
}

#[inline(always)]
fn log_sigmoid_slope([x, dy]: [f32; 2]) -> f32 {
    dy * math::sigmoid(-x)
}

#[inline(always)]
fn swiglu_at([gate, up]: [f32; 2]) -> f32 {
    silu_at([gate]) * up
}

#[inline(always)]
fn swiglu_gate_slope([gate, up, dy]: [f32; 3]) -> f32 {
    silu_slope([gate, dy * up])
}

#[inline(always)]
fn swiglu_up_slope([gate, dy]: [f32; 2]) -> f32 {
    dy * silu_at([gate])
}

/// y = x·Φ(x), Φ(x) = ½(1 + erf(x/√2)): the exact GELU. Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
#[track_caller]
pub fn gelu(x: &[f32], y: &mut [f32]) {
    map::map("gelu", [x], y, gelu_at);
}

/// dst = or += dy·(Φ(x) + x·φ(x)), φ(x) = e^(−x²/2)/√(2π)
#[track_caller]
pub fn gelu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad("gelu_backward", [x, dy], dst, gelu_slope);
}

/// y = ½x(1 + tanh u), u = √(2/π)·(x + 0.044715x³): GPT-2's GELU.
#[track_caller]
pub fn gelu_tanh(x: &[f32], y: &mut [f32]) {
    map::map("gelu_tanh", [x], y, gelu_tanh_at);
}

/// dst = or += dy·½(1 + t + x(1 − t²)·u′), t = tanh u, u′ = √(2/π)·(1 + 3·0.044715x²)
#[track_caller]
pub fn gelu_tanh_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad("gelu_tanh_backward", [x, dy], dst, gelu_tanh_slope);
}

/// y = max(x, 0); NaN stays NaN
#[track_caller]
pub fn relu(x: &[f32], y: &mut [f32]) {
    map::map("relu", [x], y, relu_at);
}

/// dst = or += dy where x > 0 (0 at x = 0)
#[track_caller]
pub fn relu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad("relu_backward", [x, dy], dst, relu_slope);
}

/// y = x·σ(x), also called swish
#[track_caller]
pub fn silu(x: &[f32], y: &mut [f32]) {
    map::map("silu", [x], y, silu_at);
}

/// dst = or += dy·σ(x)(1 + x(1 − σ(x)))
#[track_caller]
pub fn silu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad("silu_backward", [x, dy], dst, silu_slope);
}

/// y = σ(x) = 1/(1 + e^−x)
#[track_caller]
pub fn sigmoid(x: &[f32], y: &mut [f32]) {
    map::update("sigmoid", y, [x], Each(math::sigmoid));
}

/// dst = or += dy·y(1 − y); takes the result y, not x
#[track_caller]
pub fn sigmoid_backward(y: &[f32], dy: &[f32], dst: Grad) {
    map::grad("sigmoid_backward", [y, dy], dst, |[y, dy]| dy * y * (1.0 - y));
}

/// y = tanh x
#[track_caller]
pub fn tanh(x: &[f32], y: &mut [f32]) {
    map::update("tanh", y, [x], Each(math::tanh));
}

/// dst = or += dy·(1 − y²); takes the result y, not x
#[track_caller]
pub fn tanh_backward(y: &[f32], dy: &[f32], dst: Grad) {
    map::grad("tanh_backward", [y, dy], dst, |[y, dy]| dy * (-y).mul_add(y, 1.0));
}

/// y = e^x (its backward is dx = dy ⊙ y)
#[track_caller]
pub fn exp(x: &[f32], y: &mut [f32]) {
    map::update("exp", y, [x], Each(math::exp));
}

/// y = ln x (its backward is dx = dy / x)
#[track_caller]
pub fn ln(x: &[f32], y: &mut [f32]) {
    map::update("ln", y, [x], Each(math::ln));
}

/// y = ln σ(x) = min(x, 0) − ln(1 + e^−|x|)
#[track_caller]
pub fn log_sigmoid(x: &[f32], y: &mut [f32]) {
    map::map("log_sigmoid", [x], y, log_sigmoid_at);
}

/// dst = or += dy·σ(−x)
#[track_caller]
pub fn log_sigmoid_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad("log_sigmoid_backward", [x, dy], dst, log_sigmoid_slope);
}

/// y = silu(gate) ⊙ up. Source: Shazeer 2020, arXiv:2002.05202.
#[track_caller]
pub fn swiglu(gate: &[f32], up: &[f32], y: &mut [f32]) {
    map::map("swiglu", [gate, up], y, swiglu_at);
}

/// d_gate = or += dy·up·silu′(gate), d_up = or += dy·silu(gate)
#[track_caller]
pub fn swiglu_backward(gate: &[f32], up: &[f32], dy: &[f32], d_gate: Option<Grad>, d_up: Option<Grad>) {
    if let Some(dst) = d_gate {
        map::grad("swiglu_backward", [gate, up, dy], dst, swiglu_gate_slope);
    }
    if let Some(dst) = d_up {
        map::grad("swiglu_backward", [gate, dy], dst, swiglu_up_slope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::erf_reference;
    use crate::testing::{LENGTHS, both_ways, check_gradient, close, normals, same_everywhere, special, wide};

    type Forward = fn(&[f32], &mut [f32]);
    type Backward = fn(&[f32], &[f32], Grad);

    fn sigma(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// Name, forward, backward, whether the backward takes y, and the f64 reference.
    type Row = (&'static str, Forward, Backward, bool, fn(f64) -> f64);

    fn all() -> Vec<Row> {
        vec![
            ("gelu", gelu, gelu_backward, false, |x| x * 0.5 * (1.0 + erf_reference(x / 2f64.sqrt()))),
            ("gelu_tanh", gelu_tanh, gelu_tanh_backward, false, |x| {
                x * 0.5 * (1.0 + (std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }),
            ("relu", relu, relu_backward, false, |x| x.max(0.0)),
            ("silu", silu, silu_backward, false, |x| x * sigma(x)),
            ("sigmoid", sigmoid, sigmoid_backward, true, sigma),
            ("tanh", tanh, tanh_backward, true, f64::tanh),
            ("exp", exp, |y, dy, dst| crate::elementwise::mul_grad(dy, y, dst), true, f64::exp),
            ("log_sigmoid", log_sigmoid, log_sigmoid_backward, false, |x| -(-x).exp().ln_1p()),
        ]
    }

    #[track_caller]
    fn run(f: Forward, x: &[f32]) -> Vec<f32> {
        same_everywhere(|| {
            let mut y = vec![f32::NAN; x.len()];
            f(x, &mut y);
            y
        })
    }

    #[test]
    fn forward_agrees_with_f64_and_is_the_same_everywhere() {
        for (name, f, ..) in all().into_iter().chain([(
            "ln",
            ln as Forward,
            relu_backward as Backward,
            false,
            f64::ln as fn(f64) -> f64,
        )]) {
            for n in LENGTHS.into_iter().chain([2 * map::CHUNK + 5]) {
                run(f, &special(n as u64, n));
            }
            assert!(run(f, &[f32::NAN])[0].is_nan(), "{name}");
        }
        for (_, f, _, _, reference) in all() {
            let x: Vec<f32> = normals(3, 2000).iter().map(|x| 3.0 * x).collect();
            let want: Vec<f64> = wide(&x).into_iter().map(reference).collect();
            close(&run(f, &x), &want, 3e-7);
        }
        let x: Vec<f32> = normals(3, 2000).iter().map(|x| x.abs() + 1e-6).collect();
        close(&run(ln, &x), &wide(&x).into_iter().map(f64::ln).collect::<Vec<_>>(), 3e-7);
    }

    #[test]
    fn backward_agrees_with_finite_differences() {
        for (_, f, backward, takes_y, reference) in all() {
            for n in [1, 15, 16, 17, 65, 300] {
                // Kept off 0, where relu has no derivative.
                let x: Vec<f32> = normals(4, n).iter().map(|x| 2.0 * x + 0.01 * x.signum()).collect();
                let dy = normals(5, n);
                let saved = if takes_y { run(f, &x) } else { x.clone() };
                let dx = both_ways(n, |dst| backward(&saved, &dy, dst));
                check_gradient(&x, &dy, &dx, |x| x.iter().map(|x| reference(*x)).collect());
            }
            both_ways(2 * map::CHUNK + 5, |dst| {
                backward(&special(1, 2 * map::CHUNK + 5), &special(2, 2 * map::CHUNK + 5), dst)
            });
        }
    }

    #[test]
    fn swiglu_and_its_gradients() {
        let reference = |g: f64, u: f64| g * sigma(g) * u;
        for n in LENGTHS.into_iter().chain([2 * map::CHUNK + 5]) {
            let (gate, up, dy) = (normals(1, n), normals(2, n), normals(3, n));
            let y = same_everywhere(|| {
                let mut y = vec![f32::NAN; n];
                swiglu(&gate, &up, &mut y);
                y
            });
            let want: Vec<f64> = wide(&gate).iter().zip(wide(&up)).map(|(g, u)| reference(*g, u)).collect();
            close(&y, &want, 5e-7);
            let d_gate = both_ways(n, |dst| swiglu_backward(&gate, &up, &dy, Some(dst), None));
            let d_up = both_ways(n, |dst| swiglu_backward(&gate, &up, &dy, None, Some(dst)));
            check_gradient(&gate, &dy, &d_gate, |g| {
                g.iter().zip(&up).map(|(g, u)| reference(*g, (*u).into())).collect()
            });
            check_gradient(&up, &dy, &d_up, |u| gate.iter().zip(u).map(|(g, u)| reference((*g).into(), *u)).collect());
        }
    }

    /// Values that PyTorch prints: dev/golden/kernel_literals.py.
    #[test]
    fn the_same_as_pytorch() {
        let x = [-3.0, -1.0, -0.1, 0.0, 0.5, 1.0, 2.5, 6.0];
        let check = |f: Forward, backward: Backward, y: [f64; 8], dx: [f64; 8]| {
            // At −3, PyTorch's own gelu is 5e-7 off.
            close(&run(f, &x), &y, 6e-7);
            close(&both_ways(8, |dst| backward(&x, &[1.0; 8], dst)), &dx, 2e-7);
        };
        check(
            gelu,
            gelu_backward,
            [-0.00405022502, -0.158655256, -0.0460172184, 0.0, 0.345731229, 0.841344714, 2.48447585, 6.0],
            [-0.0119456053, -0.0833154321, 0.420476824, 0.5, 0.86749506, 1.08331537, 1.03761101, 1.0],
        );
        check(
            gelu_tanh,
            gelu_tanh_backward,
            [-0.00363743305, -0.158807993, -0.0460172482, 0.0, 0.345714003, 0.841192007, 2.48491573, 6.0],
            [-0.0115842968, -0.0829640925, 0.420478195, 0.5, 0.86736989, 1.08296406, 1.03795171, 1.0],
        );
        check(
            silu,
            silu_backward,
            [-0.142277613, -0.268941432, -0.0475020818, 0.0, 0.311229676, 0.731058598, 2.31035447, 5.98516464],
            [-0.0881041065, 0.0723294839, 0.450083196, 0.5, 0.739961207, 0.927670538, 1.09940112, 1.01232624],
        );
    }

    #[test]
    fn far_ends_are_finite() {
        let ends = |f: Forward| run(f, &[-1e4, -100.0, 100.0, 1e4]);
        assert_eq!(ends(gelu), [0.0, 0.0, 100.0, 1e4]);
        assert_eq!(ends(gelu_tanh), [0.0, 0.0, 100.0, 1e4]);
        assert_eq!(ends(silu), [0.0, 0.0, 100.0, 1e4]);
        assert_eq!(ends(log_sigmoid), [-1e4, -100.0, 0.0, 0.0]);
        for (_, _, backward, ..) in all() {
            let dx = both_ways(2, |dst| backward(&[-50.0, 50.0], &[1.0, 1.0], dst));
            assert!(dx.iter().all(|d| d.is_finite()));
        }
    }

    #[test]
    fn the_rough_gelu_is_as_exact_as_it_says() {
        for n in -40_000..=40_000 {
            let x = n as f32 / 2000.0;
            let [value, slope] = gelu_tanh_and_slope_rough(x);
            let error = f64::from(value) - f64::from(gelu_tanh_at([x]));
            assert!(error.abs() <= f64::from(x.abs()) / 2048.0, "f({x}): {error:e}");
            let error = f64::from(slope) - f64::from(gelu_tanh_slope([x, 1.0]));
            assert!(error.abs() <= 1.0 / 1024.0, "f′({x}): {error:e}");
        }
        assert_eq!(gelu_tanh_and_slope_rough(1e30), [1e30, 1.0]);
        assert!(gelu_tanh_and_slope_rough(-1e6).iter().all(|x| x.abs() < 1e-9));
        assert!(gelu_tanh_and_slope_rough(f32::NAN).iter().all(|x| x.is_nan()));
    }
}
