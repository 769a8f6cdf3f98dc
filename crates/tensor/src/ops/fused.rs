//! The sub-layers of a Transformer, x + f(norm(x)), each as one op, for matrices that are packed for products in bf16.
//!
//! What one step leaves for the next alone never stands in f32: it is rounded while it is in the cache, where a product
//! would have rounded it anyway. The residual stream, its gradient and all sums are f32. Each op is what its composition
//! of `layer_norm` or `rms_norm`, `linear`, an activation function, `swiglu` or `attention_packed` (with `rope` before it),
//! and `dropout_add` is, up to that rounding.

use super::attention::PackedBf16;
use super::{Attention, matmul::init_of, unary::put};
use crate::{Bf16Buf, Bf16Matrix, Buf, Tensor, profile, record};
use motamot_kernels::activation::Activation;
use motamot_kernels::bf16::{Bf16, Element};
use motamot_kernels::fused::{
    gemm_bf16_activated, gemm_bf16_added, gemm_bf16_gated, gemm_bf16_multiplied, gemm_bf16_rounded, gemm_bf16_turned,
};
use motamot_kernels::gemm::bf16::{Matrix, gemm_bf16, gemm_bf16_packed};
use motamot_kernels::gemm::{Init, Layout};
use motamot_kernels::rope::{self, Rotary};
use motamot_kernels::{Grad, elementwise, norm};
use std::sync::Arc;

/// A layer x·W + b whose W (I, O) is packed.
pub struct Projection {
    /// W.
    pub weight: Tensor,
    /// b (O).
    pub bias: Option<Tensor>,
}

/// The norm before a sub-layer, and the dropout on what the sub-layer adds to the residual stream.
pub struct PreNorm {
    /// (C), of the norm.
    pub weight: Tensor,
    /// (C), of the norm.
    pub bias: Option<Tensor>,
    /// Root mean square norm: no bias, no mean.
    pub rms: bool,
    /// Of the norm.
    pub eps: f32,
    /// Dropout on what is added: (p, key), see [`super::dropout`].
    pub dropout: Option<(f32, (u64, u64))>,
}

/// A projection as an op keeps it.
struct Layer {
    packed: Arc<Bf16Matrix>,
    bias: Option<Arc<Buf>>,
    inputs: usize,
    outputs: usize,
}

impl Layer {
    #[track_caller]
    fn new(op: &str, what: &str, p: &Projection) -> Layer {
        let shape = p.weight.shape();
        let &[inputs, outputs] = &shape[..] else { panic!("{op}: {what} {shape} is not (I, O)") };
        let packed = p.weight.bf16.clone().unwrap_or_else(|| panic!("{op}: {what} is not packed for bf16"));
        if let Some(b) = &p.bias {
            assert_eq!(&b.shape()[..], [outputs], "{op}: {what} {shape} and its bias {}", b.shape());
        }
        Layer { packed, bias: p.bias.as_ref().map(|b| b.data.clone()), inputs, outputs }
    }

    fn bias(&self) -> Option<&[f32]> {
        self.bias.as_ref().map(|b| &b[..])
    }

    /// dW = xᵀ·dy, db = Σ_rows dy
    fn gradients<'a, T: Element>(&self, m: usize, x: &[Bf16], dy: &'a [T], dw: Option<Grad>, db: Option<Grad>)
    where
        &'a [T]: Into<Matrix<'a>>,
    {
        if let Some(dw) = dw {
            let (dy, init) = (dy.into(), init_of(dw.accumulate));
            gemm_bf16(Layout::TN, self.inputs, self.outputs, m, Matrix::Bf16(x), dy, dw.data, init);
        }
        if let Some(db) = db {
            elementwise::sum_rows(dy, self.outputs, db);
        }
    }
}

/// x, norm(x) and what their backward needs, as an op keeps them.
struct Normed {
    x: Arc<Buf>,
    /// norm(x), what the sub-layer reads.
    h: Bf16Buf,
    m: usize,
    weight: Arc<Buf>,
    /// Of each row; none in an RMS norm.
    mean: Option<Buf>,
    rstd: Buf,
    dropout: Option<(f32, (u64, u64))>,
}

impl Normed {
    #[track_caller]
    fn new(op: &str, x: &Tensor, pre: &PreNorm, width: usize) -> Normed {
        let (m, c) = (x.shape().rows(), x.shape().last_axis());
        assert_eq!(c, width, "{op}: x {} · W₁: inner axes {c} ≠ {width}", x.shape());
        for w in [Some(&pre.weight), pre.bias.as_ref()].into_iter().flatten() {
            assert_eq!(&w.shape()[..], [c], "{op}: x {} and its norm {}", x.shape(), w.shape());
        }
        assert!(!pre.rms || pre.bias.is_none(), "{op}: an RMS norm has no bias");
        let (mut h, mut rstd) = (Bf16Buf::stale(m * c), Buf::stale(m));
        let mean = if pre.rms {
            norm::rms_norm(x.data(), pre.weight.data(), pre.eps, &mut h[..], &mut rstd);
            None
        } else {
            let (mut mean, bias) = (Buf::stale(m), pre.bias.as_ref().map(Tensor::data));
            norm::layer_norm(x.data(), pre.weight.data(), bias, pre.eps, &mut h[..], &mut mean, &mut rstd);
            Some(mean)
        };
        profile::end(NORM, false);
        Normed { x: x.data.clone(), h, m, weight: pre.weight.data.clone(), mean, rstd, dropout: pre.dropout }
    }

    /// x + dropout(a·W + b)
    #[track_caller]
    fn add_projection(&self, op: &str, a: &[Bf16], l: &Layer) -> Buf {
        let mut y = Buf::stale(self.x.len());
        assert_eq!(self.m * l.outputs, y.len(), "{op}: W₂ does not lead back to the width of x");
        match self.dropout {
            None => gemm_bf16_added(self.m, a, &l.packed.plain, l.bias(), &self.x, &mut y),
            Some((p, key)) => {
                let mut added = Buf::stale(y.len());
                gemm_bf16_packed(self.m, a, &l.packed.plain, &mut added, l.bias().map_or(Init::Zero, Init::Bias));
                elementwise::dropout_add(&added, &self.x, p, key, &mut y);
            }
        }
        y
    }

    /// The gradient of what was added to x, where dropout makes it another than dy.
    fn dropped(&self, dy: &[f32]) -> Option<Buf> {
        self.dropout.map(|(p, key)| {
            let mut d = Buf::stale(dy.len());
            elementwise::dropout_grad(dy, p, key, Grad { data: &mut d, accumulate: false });
            d
        })
    }

    /// dx, and the gradients of the norm: dh, the sum of d·Wᵀ over what read h, reaches x through the norm, dy past it.
    fn backward(
        &self,
        op: &'static str,
        readers: &[(&[Bf16], &Layer)],
        dy: &[f32],
        dx: Option<Grad>,
        d_norm: [Option<Grad>; 2],
    ) {
        if dx.is_none() && d_norm.iter().all(Option::is_none) {
            return;
        }
        if let [(d, layer)] = readers {
            let mut dh = Bf16Buf::stale(self.h.len());
            gemm_bf16_rounded(self.m, *d, &layer.packed.turned, None, &mut dh);
            profile::end_part(op, true);
            return self.norm_backward(&dh[..], dy, dx, d_norm);
        }
        let mut dh = Buf::stale(self.h.len());
        for (i, (d, layer)) in readers.iter().enumerate() {
            let init = if i == 0 { Init::Zero } else { Init::Accumulate };
            gemm_bf16_packed(self.m, *d, &layer.packed.turned, &mut dh, init);
        }
        profile::end_part(op, true);
        self.norm_backward(&dh[..], dy, dx, d_norm);
    }

    fn norm_backward<T: Element>(&self, dh: &[T], dy: &[f32], dx: Option<Grad>, [dw, db]: [Option<Grad>; 2]) {
        let backward = |to: &mut [f32]| {
            norm::norm_backward_onto(&self.x, &self.weight, self.mean.as_deref(), &self.rstd, dh, dy, to, dw, db);
        };
        match dx {
            Some(dx) => put(dx, backward),
            None => backward(&mut Buf::stale(dy.len())),
        }
        profile::end(NORM, true);
    }
}

/// The inputs of a sub-layer's op; `constant` stands for an absent bias.
fn inputs<'a>(x: &'a Tensor, pre: &'a PreNorm, [l1, l2]: [&'a Projection; 2], constant: &'a Tensor) -> [&'a Tensor; 7] {
    let or = |bias: &'a Option<Tensor>| bias.as_ref().unwrap_or(constant);
    [x, &pre.weight, or(&pre.bias), &l1.weight, or(&l1.bias), &l2.weight, or(&l2.bias)]
}

/// In a profile, apart from the ops' other parts.
const NORM: &str = "norm and residual";
const ATTENTION: &str = "attention_packed";

/// y = x + dropout(f(h·W₁ + b₁)·W₂ + b₂), h = norm(x): the MLP of a Transformer in bf16.
/// Shapes: x (.., C), W₁ (C, F), b₁ (F), W₂ (F, C), b₂ (C) → (.., C).
/// Saves: x; h and, for u = h·W₁ + b₁, f(u) and f′(u) in bf16; μ (N), r (N).
/// Backward: with d the gradient of what is added, du = d·W₂ᵀ ⊙ f′(u), dW₂ = f(u)ᵀ·d, dW₁ = hᵀ·du, dh = du·W₁ᵀ;
/// dx = dy + the norm's of dh.
/// Panics if the axes do not fit or a matrix is not packed.
#[track_caller]
pub fn mlp_bf16(x: &Tensor, pre: &PreNorm, up: &Projection, down: &Projection, f: Activation) -> Tensor {
    const OP: &str = "mlp_bf16";
    let (l1, l2) = (Layer::new(OP, "W₁", up), Layer::new(OP, "W₂", down));
    assert_eq!(l1.outputs, l2.inputs, "{OP}: W₁ {} · W₂ {}", up.weight.shape(), down.weight.shape());
    let normed = Normed::new(OP, x, pre, l1.inputs);
    let (m, len) = (normed.m, normed.m * l1.outputs);
    let (mut a, mut slope) = (Bf16Buf::stale(len), Bf16Buf::stale(len));
    gemm_bf16_activated(m, &normed.h[..], &l1.packed.plain, l1.bias(), f, &mut a, &mut slope);
    let y = normed.add_projection(OP, &a, &l2);
    let constant = Tensor::zeros([0]);
    let inputs = inputs(x, pre, [up, down], &constant);
    record(OP, y, x.shape(), inputs, move |dy, [dx, dnw, dnb, dw1, db1, dw2, db2]| {
        let dropped = normed.dropped(dy);
        let d = dropped.as_deref().unwrap_or(dy);
        l2.gradients(m, &a, d, dw2, db2);
        drop(a);
        let mut du = slope;
        gemm_bf16_multiplied(m, d, &l2.packed.turned, [&mut du]);
        drop(dropped);
        l1.gradients(m, &normed.h, &du[..], dw1, db1);
        normed.backward(OP, &[(&du, &l1)], dy, dx, [dnw, dnb]);
    })
}

/// y = x + dropout((silu(h·W₃ + b₃) ⊙ (h·W₁ + b₁))·W₂ + b₂), h = norm(x): the gated MLP of a Transformer in bf16.
/// Shapes: x (.., C), W₃ (`gate`) and W₁ (`up`) (C, F), b₃ and b₁ (F), W₂ (`down`) (F, C), b₂ (C) → (.., C).
/// Saves: x; h and, for g = h·W₃ + b₃ and u = h·W₁ + b₁, a = silu(g) ⊙ u, silu(g) and u ⊙ silu′(g) in bf16; μ (N), r (N).
/// Backward: with d the gradient of what is added and da = d·W₂ᵀ, du = da ⊙ silu(g), dg = da ⊙ u ⊙ silu′(g), dW₂ = aᵀ·d,
/// dW₁ = hᵀ·du, dW₃ = hᵀ·dg, dh = du·W₁ᵀ + dg·W₃ᵀ; dx = dy + the norm's of dh.
/// Panics if the axes do not fit or a matrix is not packed.
#[track_caller]
pub fn swiglu_bf16(x: &Tensor, pre: &PreNorm, gate: &Projection, up: &Projection, down: &Projection) -> Tensor {
    const OP: &str = "swiglu_bf16";
    let (l3, l1, l2) = (Layer::new(OP, "W₃", gate), Layer::new(OP, "W₁", up), Layer::new(OP, "W₂", down));
    let (s3, s1) = (gate.weight.shape(), up.weight.shape());
    assert_eq!(&s3[..], &s1[..], "{OP}: W₃ {s3} beside W₁ {s1}");
    assert_eq!(l1.outputs, l2.inputs, "{OP}: W₁ {s1} · W₂ {}", down.weight.shape());
    let normed = Normed::new(OP, x, pre, l1.inputs);
    let (m, len) = (normed.m, normed.m * l1.outputs);
    let [mut by_gate, mut by_up, mut a] = [(); 3].map(|()| Bf16Buf::stale(len));
    gemm_bf16_rounded(m, &normed.h[..], &l3.packed.plain, l3.bias(), &mut by_gate);
    gemm_bf16_gated(m, &normed.h[..], &l1.packed.plain, l1.bias(), &mut by_gate, &mut a, &mut by_up);
    let y = normed.add_projection(OP, &a, &l2);
    let constant = Tensor::zeros([0]);
    let [x, nw, nb, w1, b1, w2, b2] = inputs(x, pre, [up, down], &constant);
    let inputs = [x, nw, nb, &gate.weight, gate.bias.as_ref().unwrap_or(&constant), w1, b1, w2, b2];
    record(OP, y, x.shape(), inputs, move |dy, [dx, dnw, dnb, dw3, db3, dw1, db1, dw2, db2]| {
        let dropped = normed.dropped(dy);
        let d = dropped.as_deref().unwrap_or(dy);
        l2.gradients(m, &a, d, dw2, db2);
        drop(a);
        let (mut dg, mut du) = (by_gate, by_up);
        gemm_bf16_multiplied(m, d, &l2.packed.turned, [&mut dg, &mut du]);
        drop(dropped);
        l3.gradients(m, &normed.h, &dg[..], dw3, db3);
        l1.gradients(m, &normed.h, &du[..], dw1, db1);
        normed.backward(OP, &[(&du, &l1), (&dg, &l3)], dy, dx, [dnw, dnb]);
    })
}

/// y = x + dropout(attention(h·W₁ + b₁)·W₂ + b₂), h = norm(x): the self-attention of a Transformer in bf16. With θ
/// (`rope`), token t's queries and keys are turned to place t as in [`rope`](super::rope).
/// Shapes: x (B, T, C), W₁ (C, (H + 2G)·D), W₂ (H·D, C) → (B, T, C).
/// Saves: x; h, the rows q | k | v and what attention makes of them in bf16; log-sum-exp (B, H, T), μ (N), r (N).
/// Backward: that of [`attention_packed`](super::attention_packed), and of `rope`, between those of two `linear`, and as in
/// [`mlp_bf16`].
/// Panics if the axes do not fit or a matrix is not packed.
#[track_caller]
pub fn self_attention_bf16(
    x: &Tensor,
    pre: &PreNorm,
    qkv: &Projection,
    out: &Projection,
    a: Attention,
    rope: Option<f32>,
) -> Tensor {
    const OP: &str = "self_attention_bf16";
    let (l1, l2) = (Layer::new(OP, "W₁", qkv), Layer::new(OP, "W₂", out));
    let &[b, t, _] = &x.shape()[..] else { panic!("{OP}: x {} is not (B, T, C)", x.shape()) };
    assert_eq!(l1.outputs, a.packed_width(), "{OP}: W₁ {} for {a:?}", qkv.weight.shape());
    assert_eq!(l2.inputs, a.heads * a.head_dim, "{OP}: W₂ {} for {a:?}", out.weight.shape());
    let normed = Normed::new(OP, x, pre, l1.inputs);
    let m = normed.m;
    let mut rows = Bf16Buf::stale(m * l1.outputs);
    let rotary = rope.map(|theta| Rotary { heads: a.heads + a.kv_heads, head_dim: a.head_dim, time: t, theta });
    match rotary {
        Some(rotary) => gemm_bf16_turned(m, &normed.h[..], &l1.packed.plain, l1.bias(), rotary, &mut rows),
        None => gemm_bf16_rounded(m, &normed.h[..], &l1.packed.plain, l1.bias(), &mut rows),
    }
    profile::end_part(OP, false);
    let saved = PackedBf16::forward(rows, [b, t], a);
    profile::end(ATTENTION, false);
    let y = normed.add_projection(OP, &saved.out, &l2);
    let constant = Tensor::zeros([0]);
    let inputs = inputs(x, pre, [qkv, out], &constant);
    record(OP, y, x.shape(), inputs, move |dy, [dx, dnw, dnb, dw1, db1, dw2, db2]| {
        let dropped = normed.dropped(dy);
        let d = dropped.as_deref().unwrap_or(dy);
        let mut d_out = Bf16Buf::stale(m * l2.inputs);
        gemm_bf16_rounded(m, d, &l2.packed.turned, None, &mut d_out);
        l2.gradients(m, &saved.out, d, dw2, db2);
        drop(dropped);
        profile::end_part(OP, true);
        let mut d_rows = saved.backward(&d_out);
        drop((saved, d_out));
        profile::end(ATTENTION, true);
        if let Some(Rotary { heads, head_dim, theta, .. }) = rotary {
            let places: Vec<u32> = (0..m).map(|i| (i % t) as u32).collect();
            rope::rope(&mut d_rows[..], l1.outputs, heads, head_dim, &places, theta, true);
        }
        l1.gradients(m, &normed.h, &d_rows[..], dw1, db1);
        normed.backward(OP, &[(&d_rows, &l1)], dy, dx, [dnw, dnb]);
    })
}
