//! Normalisation over the last axis.

use crate::{Buf, Tensor, record};
use motamot_kernels::norm as k;

#[track_caller]
fn check(op: &str, x: &Tensor, name: &str, w: &Tensor) {
    let c = x.shape().last_axis();
    assert_eq!(&w.shape()[..], [c], "{op}: x {} and {name} {}: last axes differ", x.shape(), w.shape());
}

/// y = (x − μ)·r ⊙ w + b,  μ = mean_C(x),  r = 1/√(var_C(x) + ε)
/// Shapes: x (.., C), w (C), b (C) → (.., C).  Saves: x, μ (N), r (N).
/// Backward: dx = r·(g − mean(g) − x̂·mean(g·x̂)), g = dy ⊙ w;  dw = Σ_rows dy ⊙ x̂;  db = Σ_rows dy.
/// Panics if the last axes differ.  Same as torch.nn.functional.layer_norm.  Source: Ba et al. 2016, arXiv:1607.06450.
#[track_caller]
pub fn layer_norm(x: &Tensor, w: &Tensor, b: Option<&Tensor>, eps: f32) -> Tensor {
    check("layer_norm", x, "w", w);
    if let Some(b) = b {
        check("layer_norm", x, "b", b);
    }
    let rows = x.shape().rows();
    let (mut y, mut mean, mut rstd) = (Buf::stale(x.len()), Buf::stale(rows), Buf::stale(rows));
    k::layer_norm(x.data(), w.data(), b.map(Tensor::data), eps, &mut y, &mut mean, &mut rstd);
    let (xs, ws) = (x.data.clone(), w.data.clone());
    let constant = Tensor::zeros([0]);
    record("layer_norm", y, x.shape(), [x, w, b.unwrap_or(&constant)], move |dy, [dx, dw, db]| {
        k::layer_norm_backward(&xs, &ws, &mean, &rstd, dy, dx, dw, db);
    })
}

/// y = x·r ⊙ w,  r = 1/√(mean_C(x²) + ε)
/// Shapes: x (.., C), w (C) → (.., C).  Saves: x, r (N).
/// Backward: dx = r·(g − x·r²·mean(g·x)), g = dy ⊙ w;  dw = Σ_rows dy ⊙ x·r.
/// Panics if the last axes differ.  Same as torch.nn.functional.rms_norm.
/// Source: Zhang and Sennrich 2019, arXiv:1910.07467.
#[track_caller]
pub fn rms_norm(x: &Tensor, w: &Tensor, eps: f32) -> Tensor {
    check("rms_norm", x, "w", w);
    let (mut y, mut rstd) = (Buf::stale(x.len()), Buf::stale(x.shape().rows()));
    k::rms_norm(x.data(), w.data(), eps, &mut y, &mut rstd);
    let (xs, ws) = (x.data.clone(), w.data.clone());
    record("rms_norm", y, x.shape(), [x, w], move |dy, [dx, dw]| {
        k::rms_norm_backward(&xs, &ws, &rstd, dy, dx, dw);
    })
}
