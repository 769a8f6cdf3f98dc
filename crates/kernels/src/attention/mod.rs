//! Attention: softmax(scale · Q·Kᵀ + mask)·V for many heads, grouped-query, self or cross, forward and backward.
//!
//! One kernel serves GPT, BERT, T5 and cross attention. Nothing of size Tq × Tk is kept: the forward saves one
//! log-sum-exp per query row, and the backward computes the probabilities again from it. Memory is linear in T.
//!
//! * [`simple`]: the formula as one reads it, a row at a time. It is the judge of the fast version in the tests.
//! * `tiled`: the fast version, blocks of 32 queries by 128 keys with a running softmax, on the GEMM's block product;
//!   `row`: the same bits for a row or two; `cached`: the same bits for one query per sequence and a cache laid out for
//!   it, as decoding needs; `lanes`: the steps between the products.
//! * `bf16`: the tiled version on numbers in bf16, at twice the rate or more where there are instructions for them.
//!
//! Source: Vaswani et al. 2017, arXiv:1706.03762; grouped-query: Ainslie et al. 2023, arXiv:2305.13245; ALiBi: Press
//! et al. 2021, arXiv:2108.12409; the backward from log-sum-exp: Dao 2023 (FlashAttention-2), arXiv:2307.08691.

mod bf16;
pub(crate) mod cached;
mod dropout;
mod lanes;
mod memory;
mod prefetch;
mod row;
pub mod simple;
mod tiled;

#[cfg(test)]
mod tests;

use crate::bf16::{Bf16, Element};
pub use cached::CacheLayout;
use memory::{Dst, Src};

/// The sizes of one attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// B, sequences in the batch.
    pub batch: usize,
    /// H, query heads.
    pub heads: usize,
    /// G, key and value heads; divides H, and query head h reads key head h / (H / G).
    pub kv_heads: usize,
    /// D, width of a head.
    pub head_dim: usize,
    /// Tq, query rows of a sequence.
    pub queries: usize,
    /// Tk, key and value rows of a sequence.
    pub keys: usize,
}

/// Which keys a query sees. With Tq ≠ Tk the queries are the *last* Tq positions of the Tk: their absolute position is
/// i + Tk − Tq, as it is when keys come from a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask<'a> {
    /// Every key.
    Full,
    /// Keys j ≤ i + Tk − Tq.
    Causal,
    /// The first `n` keys of each sequence: one `n` per batch row, capped at Tk.
    Padding(&'a [u32]),
    /// Both: j ≤ i + Tk − Tq and j < n.
    CausalPadding(&'a [u32]),
}

/// What is read: row t of sequence b, head h is `data[offset + b·batch_stride + t·row_stride + h·D ..][..D]`.
///
/// So q, k and v may live in one packed (B, T, (H + 2G)·D) buffer, or in a key-value cache longer than Tk.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T = f32> {
    /// The buffer.
    pub data: &'a [T],
    /// Where row 0 of sequence 0, head 0 starts.
    pub offset: usize,
    /// From one row to the next.
    pub row_stride: usize,
    /// From one sequence to the next.
    pub batch_stride: usize,
}

/// What is written; laid out as [`View`] is. Rows must not overlap.
#[derive(Debug)]
pub struct ViewMut<'a, T = f32> {
    /// The buffer.
    pub data: &'a mut [T],
    /// Where row 0 of sequence 0, head 0 starts.
    pub offset: usize,
    /// From one row to the next.
    pub row_stride: usize,
    /// From one sequence to the next.
    pub batch_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// A dense (B, T, width) buffer: `width` = heads · D.
    pub fn dense(data: &'a [T], rows: usize, width: usize) -> View<'a, T> {
        View { data, offset: 0, row_stride: width, batch_stride: rows * width }
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// A dense (B, T, width) buffer: `width` = heads · D.
    pub fn dense(data: &'a mut [T], rows: usize, width: usize) -> ViewMut<'a, T> {
        ViewMut { data, offset: 0, row_stride: width, batch_stride: rows * width }
    }
}

/// Everything of an attention call that is not a buffer or a size. The backward must get the forward's own.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Multiplies Q·Kᵀ; 1/√D as a rule (T5: 1).
    pub scale: f32,
    /// Which keys a query sees.
    pub mask: Mask<'a>,
    /// ALiBi: one slope per query head; adds −slope·|i_abs − j| to the scaled score, i_abs = i + Tk − Tq.
    pub alibi: Option<&'a [f32]>,
    /// Dropout on the probabilities: (p, (seed, stream)). A probability is kept with probability 1 − p (to a multiple of
    /// 2⁻¹⁶) and divided by 1 − p; the choice is a function of seed, stream, b·H + h, i and j alone.
    pub dropout: Option<(f32, (u64, u64))>,
}

/// One gradient destination of its own.
#[derive(Debug)]
pub struct GradView<'a, T = f32> {
    /// Where it goes.
    pub view: ViewMut<'a, T>,
    /// `true`: add to what is there; `false`: overwrite every element of the view.
    pub accumulate: bool,
}

/// Where the backward puts dq, dk and dv.
#[derive(Debug)]
pub enum AttentionGrads<'a, T = f32> {
    /// Three parts of one buffer whose rows are (dq | dk | dv), in any order; needs Tq = Tk.
    Packed {
        /// The buffer.
        data: &'a mut [T],
        /// Where dq of row 0, sequence 0, head 0 starts (width H·D).
        dq: usize,
        /// Where dk starts (width G·D).
        dk: usize,
        /// Where dv starts (width G·D).
        dv: usize,
        /// From one row to the next.
        row_stride: usize,
        /// From one sequence to the next.
        batch_stride: usize,
        /// `true`: add to what is there; `false`: overwrite (elements of the buffer outside the three parts are left).
        accumulate: bool,
    },
    /// Three buffers; `None` where a gradient is not wanted.
    Separate {
        /// Gradient of the queries, H·D wide.
        dq: Option<GradView<'a, T>>,
        /// Gradient of the keys, G·D wide.
        dk: Option<GradView<'a, T>>,
        /// Gradient of the values, G·D wide.
        dv: Option<GradView<'a, T>>,
    },
}

/// [`attention`], [`attention_bf16`], or [`simple`]'s.
pub type Forward<T = f32> = fn(Shape, Options, View<T>, View<T>, View<T>, ViewMut<T>, &mut [f32]);

/// [`attention_backward`], [`attention_backward_bf16`], or [`simple`]'s.
pub type Backward<T = f32> = fn(Shape, Options, View<T>, View<T>, View<T>, View<T>, &[f32], View<T>, AttentionGrads<T>);

/// out_i = Σ_j p_ij·v_j,  p_i = softmax_j(scale·q_i·k_j + bias),  lse_i = log Σ_j exp(scale·q_i·k_j + bias)
///
/// Shapes: q, out (B, Tq, H·D), k, v (B, Tk, G·D), lse (B, H, Tq).  A query that sees no key: out 0, lse −∞.
/// Keys beyond the padding are never read; those that only the causal mask hides must be finite.
/// Panics if a view does not fit its buffer.  Same as torch.nn.functional.scaled_dot_product_attention.
#[track_caller]
pub fn attention(shape: Shape, opts: Options, q: View, k: View, v: View, out: ViewMut, lse: &mut [f32]) {
    let call = Call::new("attention", shape, opts, q, k, v);
    let out = call.dst("out", out, shape.queries, shape.heads, false);
    call.check_lse(lse);
    tiled::forward(&call, &out, lse);
}

/// dv_j = Σ_i p_ij·do_i,  ds_ij = p_ij·(do_i·v_j − do_i·out_i),  dq_i = scale·Σ_j ds_ij·k_j,  dk_j = scale·Σ_i ds_ij·q_i
///
/// `opts`, `out` and `lse` are the forward's; p_ij = exp(scale·q_i·k_j + bias − lse_i) is computed again.  With dropout
/// p_ij·keep_ij/(1 − p) takes the place of p_ij in dv, and do_i·v_j is multiplied by keep_ij/(1 − p).
/// Gradients of a query that sees no key are 0.  Panics if a view does not fit its buffer or destinations overlap.
#[track_caller]
pub fn attention_backward(
    shape: Shape,
    opts: Options,
    q: View,
    k: View,
    v: View,
    out: View,
    lse: &[f32],
    d_out: View,
    grads: AttentionGrads,
) {
    let call = Call::new("attention_backward", shape, opts, q, k, v);
    let saved = call.saved(out, lse, d_out);
    tiled::backward(&call, &saved, &call.grads(grads));
}

/// [`attention`] of numbers in bf16: products of those, softmax and sums in f32, the result rounded.
///
/// Without instructions for it ([`crate::isa::Isa::has_bf16`]) this is the slow judge of those that have them.
/// Panics as [`attention`] does, or if the scale is not above 0.
#[track_caller]
pub fn attention_bf16(
    shape: Shape,
    opts: Options,
    q: View<Bf16>,
    k: View<Bf16>,
    v: View<Bf16>,
    out: ViewMut<Bf16>,
    lse: &mut [f32],
) {
    let call = Call::new("attention_bf16", shape, opts, q, k, v);
    let out = call.dst("out", out, shape.queries, shape.heads, false);
    call.check_lse(lse);
    call.check_scale();
    bf16::forward(&call, &out, lse);
}

/// [`attention_backward`] of [`attention_bf16`].
#[track_caller]
pub fn attention_backward_bf16(
    shape: Shape,
    opts: Options,
    q: View<Bf16>,
    k: View<Bf16>,
    v: View<Bf16>,
    out: View<Bf16>,
    lse: &[f32],
    d_out: View<Bf16>,
    grads: AttentionGrads<Bf16>,
) {
    let call = Call::new("attention_backward_bf16", shape, opts, q, k, v);
    let saved = call.saved(out, lse, d_out);
    call.check_scale();
    bf16::backward(&call, &saved, &call.grads(grads));
}

/// A checked call: every view lies inside its buffer.
struct Call<'a, T = f32> {
    name: &'static str,
    shape: Shape,
    opts: Options<'a>,
    q: Src<'a, T>,
    k: Src<'a, T>,
    v: Src<'a, T>,
    keep: Option<dropout::Keep>,
}

/// What the backward needs of the forward, and the gradient that arrives.
struct Saved<'a, T = f32> {
    out: Src<'a, T>,
    d_out: Src<'a, T>,
    lse: &'a [f32],
}

/// Checked, pairwise disjoint destinations.
struct Grads<'a, T = f32> {
    dq: Option<Dst<'a, T>>,
    dk: Option<Dst<'a, T>>,
    dv: Option<Dst<'a, T>>,
}

impl<'a, T: Element> Call<'a, T> {
    #[track_caller]
    fn new(
        name: &'static str,
        shape: Shape,
        opts: Options<'a>,
        q: View<'a, T>,
        k: View<'a, T>,
        v: View<'a, T>,
    ) -> Call<'a, T> {
        let Shape { batch, heads, kv_heads, head_dim, queries, keys } = shape;
        assert!(head_dim > 0, "{name}: heads of width 0");
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "{name}: {heads} heads do not divide into groups of {kv_heads} key-value heads"
        );
        if let Mask::Padding(n) | Mask::CausalPadding(n) = opts.mask {
            assert!(n.len() == batch, "{name}: padding has {} lengths for a batch of {batch}", n.len());
        }
        if let Some(slopes) = opts.alibi {
            assert!(slopes.len() == heads, "{name}: alibi has {} slopes for {heads} heads", slopes.len());
        }
        let keep = opts.dropout.filter(|d| d.0 != 0.0).map(|(p, (seed, stream))| {
            assert!((0.0..1.0).contains(&p), "{name}: dropout {p} is not in [0, 1)");
            dropout::Keep::new(p, seed, stream)
        });
        let src = |what, view, rows, heads| Src::new(name, what, view, shape, rows, heads);
        let (q, k, v) = (src("q", q, queries, heads), src("k", k, keys, kv_heads), src("v", v, keys, kv_heads));
        Call { name, shape, opts, q, k, v, keep }
    }

    #[track_caller]
    fn src<'b>(&self, what: &str, view: View<'b, T>, rows: usize, heads: usize) -> Src<'b, T> {
        Src::new(self.name, what, view, self.shape, rows, heads)
    }

    #[track_caller]
    fn dst<'b>(&self, what: &str, view: ViewMut<'b, T>, rows: usize, heads: usize, accumulate: bool) -> Dst<'b, T> {
        Dst::new(self.name, what, view, self.shape, rows, heads, accumulate)
    }

    #[track_caller]
    fn saved<'b>(&self, out: View<'b, T>, lse: &'b [f32], d_out: View<'b, T>) -> Saved<'b, T> {
        let Shape { queries, heads, .. } = self.shape;
        self.check_lse(lse);
        Saved { out: self.src("out", out, queries, heads), d_out: self.src("d_out", d_out, queries, heads), lse }
    }

    #[track_caller]
    fn check_lse(&self, lse: &[f32]) {
        let Shape { batch, heads, queries, .. } = self.shape;
        assert!(
            lse.len() == batch * heads * queries,
            "{}: lse has {} elements, ({batch}, {heads}, {queries}) needs {}",
            self.name,
            lse.len(),
            batch * heads * queries
        );
    }

    #[track_caller]
    fn grads<'b>(&self, grads: AttentionGrads<'b, T>) -> Grads<'b, T> {
        let Shape { heads, kv_heads, queries, keys, .. } = self.shape;
        match grads {
            AttentionGrads::Separate { dq, dk, dv } => {
                let dst = |what, g: Option<GradView<'b, T>>, rows, heads| {
                    g.map(|g| Dst::new(self.name, what, g.view, self.shape, rows, heads, g.accumulate))
                };
                Grads {
                    dq: dst("dq", dq, queries, heads),
                    dk: dst("dk", dk, keys, kv_heads),
                    dv: dst("dv", dv, keys, kv_heads),
                }
            }
            AttentionGrads::Packed { data, dq, dk, dv, row_stride, batch_stride, accumulate } => {
                assert!(queries == keys, "{}: packed gradients need Tq = Tk, got {queries} ≠ {keys}", self.name);
                let parts = [("dq", dq, heads), ("dk", dk, kv_heads), ("dv", dv, kv_heads)];
                let [dq, dk, dv] =
                    Dst::packed(self.name, data, parts, self.shape, row_stride, batch_stride, accumulate);
                Grads { dq: Some(dq), dk: Some(dk), dv: Some(dv) }
            }
        }
    }

    #[track_caller]
    fn check_scale(&self) {
        assert!(self.opts.scale > 0.0, "{}: a scale of {}", self.name, self.opts.scale);
    }

    /// How many keys query i of sequence b sees: always the first so many.
    fn visible(&self, b: usize, i: usize) -> usize {
        let Shape { queries, keys, .. } = self.shape;
        let causal = (i + 1 + keys).saturating_sub(queries);
        let seen = match self.opts.mask {
            Mask::Full => keys,
            Mask::Causal => causal,
            Mask::Padding(n) => n[b] as usize,
            Mask::CausalPadding(n) => causal.min(n[b] as usize),
        };
        seen.min(keys)
    }

    /// The absolute position of query i, as a float: the ALiBi distance to key j is its difference with j.
    fn position(&self, i: usize) -> f32 {
        (i as f64 + self.shape.keys as f64 - self.shape.queries as f64) as f32
    }

    /// The key-value head that query head h reads.
    fn kv_head(&self, h: usize) -> usize {
        h / (self.shape.heads / self.shape.kv_heads)
    }

    /// ALiBi's slope of head h, 0 without ALiBi.
    fn slope(&self, h: usize) -> f32 {
        self.opts.alibi.map_or(0.0, |s| s[h])
    }
}
