//! Attention: the one op that GPT, BERT, T5 and cross attention share.

use crate::{Bf16Buf, Buf, Tensor, record};
use motamot_kernels::attention as k;
use motamot_kernels::attention::{AttentionGrads, GradView, Options, View, ViewMut};
use motamot_kernels::bf16::{self, Bf16, Precision};
use motamot_kernels::elementwise;

/// Which keys a query may look at. With fewer queries than keys, the queries are the last ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All.
    Full,
    /// Itself and those before it.
    Causal,
    /// The first n of each sequence: the rest is padding.
    Padding(Vec<u32>),
    /// Both.
    CausalPadding(Vec<u32>),
    /// Itself and those before it, n in all.
    Window(usize),
}

impl Mask {
    fn view(&self) -> k::Mask<'_> {
        match self {
            Mask::Full => k::Mask::Full,
            Mask::Causal => k::Mask::Causal,
            Mask::Padding(n) => k::Mask::Padding(n),
            Mask::CausalPadding(n) => k::Mask::CausalPadding(n),
            Mask::Window(n) => k::Mask::Window(*n),
        }
    }

    /// Whether the key at `key` is hidden from the query at `query` of sequence `row`, where both count from the same start.
    pub fn hides(&self, row: usize, query: usize, key: usize) -> bool {
        match self {
            Mask::Full => false,
            Mask::Causal => key > query,
            Mask::Padding(n) => key >= n[row] as usize,
            Mask::CausalPadding(n) => key > query || key >= n[row] as usize,
            Mask::Window(n) => key > query || key + n <= query,
        }
    }
}

/// What an attention needs besides q, k and v.
#[derive(Clone, Debug)]
pub struct Attention {
    /// H.
    pub heads: usize,
    /// G, divides H: each key–value head serves H/G query heads. G = H: multi-head; G = 1: multi-query.
    pub kv_heads: usize,
    /// D.
    pub head_dim: usize,
    /// Which keys a query may look at.
    pub mask: Mask,
    /// ALiBi: one slope per head, score −= slope·distance.
    pub alibi: Option<Vec<f32>>,
    /// Dropout on the weights: (p, key), see [`super::dropout`].
    pub dropout: Option<(f32, (u64, u64))>,
    /// How [`attention_packed`] computes products. Bf16 is for machines where it
    /// [pays](motamot_kernels::gemm::bf16::pays).
    pub precision: Precision,
}

impl Attention {
    /// Causal multi-head attention of `heads` heads of `head_dim`.
    pub fn causal(heads: usize, head_dim: usize) -> Attention {
        let precision = Precision::F32;
        Attention { heads, kv_heads: heads, head_dim, mask: Mask::Causal, alibi: None, dropout: None, precision }
    }

    fn options(&self) -> Options<'_> {
        Options {
            scale: 1.0 / (self.head_dim as f32).sqrt(),
            mask: self.mask.view(),
            alibi: self.alibi.as_deref(),
            dropout: self.dropout,
        }
    }

    fn shape(&self, batch: usize, queries: usize, keys: usize) -> k::Shape {
        k::Shape { batch, heads: self.heads, kv_heads: self.kv_heads, head_dim: self.head_dim, queries, keys }
    }

    /// H·D.
    fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// G·D.
    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// (H + 2G)·D, a row of packed q, k, v.
    pub fn packed_width(&self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }
}

/// y = softmax(q·kᵀ/√D + mask)·v for each head.
/// Shapes: q (B, Tq, H·D), k, v (B, Tk, G·D) → (B, Tq, H·D).  Saves: q, k, v, y, log-sum-exp (B, H, Tq); never (Tq, Tk).
/// Backward: with P the weights and dP = dy·vᵀ: dv = Pᵀ·dy, dS = P ⊙ (dP − Σ dy ⊙ y), dq = dS·k/√D, dk = dSᵀ·q/√D.
/// A query that may look at nothing gives 0.  Panics if a shape does not fit `a` or another's.
/// Same as torch.nn.functional.scaled_dot_product_attention.
/// Sources: Vaswani et al. 2017, arXiv:1706.03762; the tiling: Dao 2023, arXiv:2307.08691.
#[track_caller]
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, a: Attention) -> Tensor {
    let (&[b, tq, cq], &[bk, tk, ck]) = (&q.shape()[..], &k.shape()[..]) else {
        panic!("attention: q {} and k {} are not (B, T, C)", q.shape(), k.shape())
    };
    assert_eq!(k.shape(), v.shape(), "attention: k {} and v {} differ", k.shape(), v.shape());
    assert_eq!(b, bk, "attention: q {} and k {}: batches differ", q.shape(), k.shape());
    assert_eq!((cq, ck), (a.q_width(), a.kv_width()), "attention: q {} and k {} for {a:?}", q.shape(), k.shape());
    let shape = a.shape(b, tq, tk);
    let (mut y, mut lse) = (Buf::stale(q.len()), Buf::stale(b * a.heads * tq));
    let [qv, kv, vv] = [View::dense(q.data(), tq, cq), View::dense(k.data(), tk, ck), View::dense(v.data(), tk, ck)];
    k::attention(shape, a.options(), qv, kv, vv, ViewMut::dense(&mut y, tq, cq), &mut lse);
    let y = std::sync::Arc::new(y);
    let (qs, ks, vs, ys) = (q.data.clone(), k.data.clone(), v.data.clone(), y.clone());
    record("attention", y, q.shape(), [q, k, v], move |dy, [dq, dk, dv]| {
        let [dq, dk, dv] = [(dq, tq, cq), (dk, tk, ck), (dv, tk, ck)].map(|(grad, rows, width)| {
            grad.map(|g| GradView { view: ViewMut::dense(g.data, rows, width), accumulate: g.accumulate })
        });
        let [qv, kv, vv] = [View::dense(&qs, tq, cq), View::dense(&ks, tk, ck), View::dense(&vs, tk, ck)];
        let (out, d_out) = (View::dense(&ys, tq, cq), View::dense(dy, tq, cq));
        let grads = AttentionGrads::Separate { dq, dk, dv };
        k::attention_backward(shape, a.options(), qv, kv, vv, out, &lse, d_out, grads);
    })
}

/// Self-attention on rows that hold q, k and v one after the other, as one projection makes them.
/// Shapes: qkv (B, T, (H + 2G)·D) → (B, T, H·D).  Otherwise as [`attention`], without taking the parts out.
/// Saves: qkv, y, log-sum-exp (B, H, T).  Backward: dq, dk, dv as there, side by side in one d_qkv.
/// In bf16, qkv, y and their gradients are rounded.
/// Panics if the rows are not as wide as `a` says.
#[track_caller]
pub fn attention_packed(qkv: &Tensor, a: Attention) -> Tensor {
    let &[b, t, w] = &qkv.shape()[..] else { panic!("attention_packed: {} is not (B, T, C)", qkv.shape()) };
    assert_eq!(w, a.packed_width(), "attention_packed: rows of {w} for {a:?}");
    let (shape, cq, ck) = (a.shape(b, t, t), a.q_width(), a.kv_width());
    if a.precision == Precision::Bf16 {
        let saved = PackedBf16::forward(Bf16Buf::rounded(qkv.data()), [b, t], a);
        let mut y = Buf::stale(b * t * cq);
        bf16::copy(&saved.out, &mut y);
        return record("attention_packed", y, [b, t, cq], [qkv], move |dy, [d_qkv]| {
            let Some(d) = d_qkv else { return };
            let d_packed = saved.backward(&Bf16Buf::rounded(dy));
            if d.accumulate {
                let mut share = Buf::stale(d.data.len());
                bf16::copy(&d_packed, &mut share);
                elementwise::add_assign(d.data, &share);
            } else {
                bf16::copy(&d_packed, d.data);
            }
        });
    }
    let part = move |data, offset| View { data, offset, row_stride: w, batch_stride: t * w };
    let (mut y, mut lse) = (Buf::stale(b * t * cq), Buf::stale(b * a.heads * t));
    let data = qkv.data();
    let out = ViewMut::dense(&mut y, t, cq);
    k::attention(shape, a.options(), part(data, 0), part(data, cq), part(data, cq + ck), out, &mut lse);
    let y = std::sync::Arc::new(y);
    let (saved, ys) = (qkv.data.clone(), y.clone());
    record("attention_packed", y, [b, t, cq], [qkv], move |dy, [d_qkv]| {
        let Some(d) = d_qkv else { return };
        let part = |offset| View { data: &saved[..], offset, row_stride: w, batch_stride: t * w };
        let grads = AttentionGrads::Packed {
            data: d.data,
            dq: 0,
            dk: cq,
            dv: cq + ck,
            row_stride: w,
            batch_stride: t * w,
            accumulate: d.accumulate,
        };
        let (out, d_out) = (View::dense(&ys, t, cq), View::dense(dy, t, cq));
        k::attention_backward(shape, a.options(), part(0), part(cq), part(cq + ck), out, &lse, d_out, grads);
    })
}

/// As [`attention_packed`] for the newest tokens, with the keys and values of all tokens in a cache. Records nothing.
/// Shapes: qkv (B, n, (H + 2G)·D), keys, values (B, capacity, G·D) of which the first `len` rows count → (B, n, H·D).
/// The keys and values of the newest tokens must be in the cache already; those in `qkv` are not read.
/// Panics if the rows are not as wide as `a` says, or the caches are shorter than (B, capacity, G·D).
#[track_caller]
pub fn attention_cached(
    qkv: &Tensor,
    keys: &[f32],
    values: &[f32],
    capacity: usize,
    len: usize,
    a: &Attention,
) -> Tensor {
    let &[b, n, w] = &qkv.shape()[..] else { panic!("attention_cached: {} is not (B, n, C)", qkv.shape()) };
    assert_eq!(w, a.packed_width(), "attention_cached: rows of {w} for {a:?}");
    let (cq, ck) = (a.q_width(), a.kv_width());
    let (mut y, mut lse) = (Buf::stale(b * n * cq), Buf::stale(b * a.heads * n));
    let q = View { data: qkv.data(), offset: 0, row_stride: w, batch_stride: n * w };
    let [keys, values] = [keys, values].map(|data| View::dense(data, capacity, ck));
    k::attention(a.shape(b, n, len), a.options(), q, keys, values, ViewMut::dense(&mut y, n, cq), &mut lse);
    Tensor::from_buf(y, [b, n, cq])
}

/// Attention on packed rows in bf16, and what its backward needs.
pub(super) struct PackedBf16 {
    a: Attention,
    batch: usize,
    time: usize,
    qkv: Bf16Buf,
    /// y.
    pub(super) out: Bf16Buf,
    lse: Buf,
}

impl PackedBf16 {
    /// Rows (B, T, (H + 2G)·D).
    pub(super) fn forward(qkv: Bf16Buf, [batch, time]: [usize; 2], a: Attention) -> PackedBf16 {
        let out = Bf16Buf::stale(batch * time * a.q_width());
        let mut this = PackedBf16 { batch, time, qkv, out, lse: Buf::stale(batch * a.heads * time), a };
        let shape = this.a.shape(batch, time, time);
        let [q, k, v] = Self::parts(&this.a, time, &this.qkv);
        let out = ViewMut::dense(&mut this.out[..], time, this.a.q_width());
        k::attention_bf16(shape, this.a.options(), q, k, v, out, &mut this.lse);
        this
    }

    /// d_qkv of d_out.
    pub(super) fn backward(&self, d_out: &[Bf16]) -> Bf16Buf {
        let PackedBf16 { a, batch, time, qkv, out, lse } = self;
        let (w, cq) = (a.packed_width(), a.q_width());
        let mut d_qkv = Bf16Buf::stale(qkv.len());
        let grads = AttentionGrads::Packed {
            data: &mut d_qkv[..],
            dq: 0,
            dk: cq,
            dv: cq + a.kv_width(),
            row_stride: w,
            batch_stride: time * w,
            accumulate: false,
        };
        let [q, k, v] = Self::parts(a, *time, qkv);
        let (out, d_out) = (View::dense(&out[..], *time, cq), View::dense(d_out, *time, cq));
        k::attention_backward_bf16(a.shape(*batch, *time, *time), a.options(), q, k, v, out, lse, d_out, grads);
        d_qkv
    }

    fn parts<'a>(a: &Attention, time: usize, data: &'a [Bf16]) -> [View<'a, Bf16>; 3] {
        let (w, cq) = (a.packed_width(), a.q_width());
        [0, cq, cq + a.kv_width()].map(|offset| View { data, offset, row_stride: w, batch_stride: time * w })
    }
}
