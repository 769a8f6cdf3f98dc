//! Activation functions and their derivatives.

use crate::{Grad, map, math};
use std::f32::consts::FRAC_1_SQRT_2;

/// 1/√(2π)
const INV_SQRT_TAU: f32 = 0.398_942_3;
/// √(2/π)
const SQRT_2_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 * (1.0 + math::erf(x * FRAC_1_SQRT_2))
}

#[inline(always)]
fn gelu_at(x: f32) -> f32 {
    x * normal_cdf(x)
}

#[inline(always)]
fn gelu_slope(x: f32, dy: f32) -> f32 {
    let density = INV_SQRT_TAU * math::exp(-0.5 * x * x);
    dy * x.mul_add(density, normal_cdf(x))
}

#[inline(always)]
fn gelu_tanh_at(x: f32) -> f32 {
    let t = math::tanh(SQRT_2_PI * x * (CUBIC * x).mul_add(x, 1.0));
    0.5 * x * (1.0 + t)
}

#[inline(always)]
fn gelu_tanh_slope(x: f32, dy: f32) -> f32 {
    let t = math::tanh(SQRT_2_PI * x * (CUBIC * x).mul_add(x, 1.0));
    let du = SQRT_2_PI * (3.0 * CUBIC * x).mul_add(x, 1.0);
    dy * 0.5 * (x * (1.0 - t * t)).mul_add(du, 1.0 + t)
}

#[inline(always)]
fn silu_at(x: f32) -> f32 {
    x * math::sigmoid(x)
}

#[inline(always)]
fn silu_slope(x: f32, dy: f32) -> f32 {
    let s = math::sigmoid(x);
    dy * s * x.mul_add(1.0 - s, 1.0)
}

#[inline(always)]
fn log_sigmoid_at(x: f32) -> f32 {
    let below = if x > 0.0 { 0.0 } else { x };
    below - math::ln_1p_unit(math::exp(-x.abs()))
}

#[inline(always)]
fn log_sigmoid_slope(x: f32, dy: f32) -> f32 {
    dy * math::sigmoid(-x)
}

#[inline(always)]
fn swiglu_at(gate: f32, up: f32) -> f32 {
    silu_at(gate) * up
}

#[inline(always)]
fn swiglu_gate_slope(gate: f32, up: f32, dy: f32) -> f32 {
    silu_slope(gate, dy * up)
}

#[inline(always)]
fn swiglu_up_slope(gate: f32, dy: f32) -> f32 {
    dy * silu_at(gate)
}

/// y = x·Φ(x), Φ(x) = ½(1 + erf(x/√2)): the exact GELU. Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
#[track_caller]
pub fn gelu(x: &[f32], y: &mut [f32]) {
    map::map1("gelu", x, y, gelu_at);
}

/// dst = or += dy·(Φ(x) + x·φ(x)), φ(x) = e^(−x²/2)/√(2π)
#[track_caller]
pub fn gelu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("gelu_backward", x, dy, dst, gelu_slope);
}

/// y = ½x(1 + tanh u), u = √(2/π)·(x + 0.044715x³): GPT-2's GELU.
#[track_caller]
pub fn gelu_tanh(x: &[f32], y: &mut [f32]) {
    map::map1("gelu_tanh", x, y, gelu_tanh_at);
}

/// dst = or += dy·½(1 + t + x(1 − t²)·u′), t = tanh u, u′ = √(2/π)·(1 + 3·0.044715x²)
#[track_caller]
pub fn gelu_tanh_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("gelu_tanh_backward", x, dy, dst, gelu_tanh_slope);
}

/// y = max(x, 0); NaN stays NaN
#[track_caller]
pub fn relu(x: &[f32], y: &mut [f32]) {
    map::map1("relu", x, y, |x: f32| if x <= 0.0 { 0.0 } else { x });
}

/// dst = or += dy where x > 0 (0 at x = 0)
#[track_caller]
pub fn relu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("relu_backward", x, dy, dst, |x: f32, dy: f32| if x <= 0.0 { 0.0 } else { dy });
}

/// y = x·σ(x), also called swish
#[track_caller]
pub fn silu(x: &[f32], y: &mut [f32]) {
    map::map1("silu", x, y, silu_at);
}

/// dst = or += dy·σ(x)(1 + x(1 − σ(x)))
#[track_caller]
pub fn silu_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("silu_backward", x, dy, dst, silu_slope);
}

/// y = σ(x) = 1/(1 + e^−x)
#[track_caller]
pub fn sigmoid(x: &[f32], y: &mut [f32]) {
    map::map1("sigmoid", x, y, math::sigmoid);
}

/// dst = or += dy·y(1 − y); takes the result y, not x
#[track_caller]
pub fn sigmoid_backward(y: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("sigmoid_backward", y, dy, dst, |y: f32, dy: f32| dy * y * (1.0 - y));
}

/// y = tanh x
#[track_caller]
pub fn tanh(x: &[f32], y: &mut [f32]) {
    map::map1("tanh", x, y, math::tanh);
}

/// dst = or += dy·(1 − y²); takes the result y, not x
#[track_caller]
pub fn tanh_backward(y: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("tanh_backward", y, dy, dst, |y: f32, dy: f32| dy * (-y).mul_add(y, 1.0));
}

/// y = e^x (its backward is dx = dy ⊙ y)
#[track_caller]
pub fn exp(x: &[f32], y: &mut [f32]) {
    map::map1("exp", x, y, math::exp);
}

/// y = ln x (its backward is dx = dy / x)
#[track_caller]
pub fn ln(x: &[f32], y: &mut [f32]) {
    map::map1("ln", x, y, math::ln);
}

/// y = ln σ(x) = min(x, 0) − ln(1 + e^−|x|)
#[track_caller]
pub fn log_sigmoid(x: &[f32], y: &mut [f32]) {
    map::map1("log_sigmoid", x, y, log_sigmoid_at);
}

/// dst = or += dy·σ(−x)
#[track_caller]
pub fn log_sigmoid_backward(x: &[f32], dy: &[f32], dst: Grad) {
    map::grad2("log_sigmoid_backward", x, dy, dst, log_sigmoid_slope);
}

/// y = silu(gate) ⊙ up. Source: Shazeer 2020, arXiv:2002.05202.
#[track_caller]
pub fn swiglu(gate: &[f32], up: &[f32], y: &mut [f32]) {
    map::map2("swiglu", gate, up, y, swiglu_at);
}

/// d_gate = or += dy·up·silu′(gate), d_up = or += dy·silu(gate)
#[track_caller]
pub fn swiglu_backward(gate: &[f32], up: &[f32], dy: &[f32], d_gate: Option<Grad>, d_up: Option<Grad>) {
    if let Some(dst) = d_gate {
        map::grad3("swiglu_backward", gate, up, dy, dst, swiglu_gate_slope);
    }
    if let Some(dst) = d_up {
        map::grad2("swiglu_backward", gate, dy, dst, swiglu_up_slope);
    }
}
