//! One attention call: its sizes, its options, where its gradients go, and all of it checked.

use super::dropout::Keep;
use super::view::{Dst, Size, Src, View, ViewMut};
use crate::area;
use crate::bf16::Element;
use std::ops::Range;

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
    /// The last `n` keys up to the query's own position: i + Tk − Tq − n < j ≤ i + Tk − Tq.
    Window(usize),
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

/// [`attention`](super::attention) or [`attention_bf16`](super::attention_bf16).
pub type Forward<T = f32> = fn(Shape, Options, View<T>, View<T>, View<T>, ViewMut<T>, &mut [f32]);

/// [`attention_backward`](super::attention_backward) or [`attention_backward_bf16`](super::attention_backward_bf16).
pub type Backward<T = f32> = fn(Shape, Options, View<T>, View<T>, View<T>, View<T>, &[f32], View<T>, AttentionGrads<T>);

/// A checked call: every view lies inside its buffer.
pub(super) struct Call<'a, T = f32> {
    name: &'static str,
    pub shape: Shape,
    pub opts: Options<'a>,
    pub q: Src<'a, T>,
    pub k: Src<'a, T>,
    pub v: Src<'a, T>,
    pub keep: Option<Keep>,
}

/// What the backward needs of the forward, and the gradient that arrives.
pub(super) struct Saved<'a, T = f32> {
    pub out: Src<'a, T>,
    pub d_out: Src<'a, T>,
    pub lse: &'a [f32],
}

/// Checked, pairwise disjoint destinations.
pub(super) struct Grads<'a, T = f32> {
    pub dq: Option<Dst<'a, T>>,
    pub dk: Option<Dst<'a, T>>,
    pub dv: Option<Dst<'a, T>>,
}

impl Shape {
    /// Of q, out and their gradients.
    fn of_queries(&self) -> Size {
        Size { batch: self.batch, rows: self.queries, heads: self.heads, head_dim: self.head_dim }
    }

    /// Of k, v and their gradients.
    fn of_keys(&self) -> Size {
        Size { batch: self.batch, rows: self.keys, heads: self.kv_heads, head_dim: self.head_dim }
    }
}

impl<'a, T: Element> Call<'a, T> {
    #[track_caller]
    pub fn new(
        name: &'static str,
        shape: Shape,
        opts: Options<'a>,
        q: View<'a, T>,
        k: View<'a, T>,
        v: View<'a, T>,
    ) -> Call<'a, T> {
        let Shape { batch, heads, kv_heads, head_dim, .. } = shape;
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
            Keep::new(p, seed, stream)
        });
        let q = Src::new(name, "q", q, shape.of_queries());
        let [k, v] = [("k", k), ("v", v)].map(|(what, view)| Src::new(name, what, view, shape.of_keys()));
        Call { name, shape, opts, q, k, v, keep }
    }

    /// The forward's destinations.
    #[track_caller]
    pub fn out<'b>(&self, out: ViewMut<'b, T>, lse: &[f32]) -> Dst<'b, T> {
        self.check_lse(lse);
        Dst::new(self.name, "out", out, self.shape.of_queries(), false)
    }

    #[track_caller]
    pub fn saved<'b>(&self, out: View<'b, T>, lse: &'b [f32], d_out: View<'b, T>) -> Saved<'b, T> {
        self.check_lse(lse);
        let [out, d_out] =
            [("out", out), ("d_out", d_out)].map(|(what, x)| Src::new(self.name, what, x, self.shape.of_queries()));
        Saved { out, d_out, lse }
    }

    #[track_caller]
    fn check_lse(&self, lse: &[f32]) {
        let Shape { batch, heads, queries, .. } = self.shape;
        let (name, len, needed) = (self.name, lse.len(), area(area(batch, heads), queries));
        assert!(len == needed, "{name}: lse has {len} elements, ({batch}, {heads}, {queries}) needs {needed}");
    }

    #[track_caller]
    pub fn grads<'b>(&self, grads: AttentionGrads<'b, T>) -> Grads<'b, T> {
        let (name, shape) = (self.name, self.shape);
        match grads {
            AttentionGrads::Separate { dq, dk, dv } => {
                let dst = |what, g: Option<GradView<'b, T>>, size| {
                    g.map(|g| Dst::new(name, what, g.view, size, g.accumulate))
                };
                Grads {
                    dq: dst("dq", dq, shape.of_queries()),
                    dk: dst("dk", dk, shape.of_keys()),
                    dv: dst("dv", dv, shape.of_keys()),
                }
            }
            AttentionGrads::Packed { data, dq, dk, dv, row_stride, batch_stride, accumulate } => {
                let Shape { queries, keys, .. } = shape;
                assert!(queries == keys, "{name}: packed gradients need Tq = Tk, got {queries} ≠ {keys}");
                let parts = [("dq", dq, shape.of_queries()), ("dk", dk, shape.of_keys()), ("dv", dv, shape.of_keys())];
                let view = ViewMut { data, offset: 0, row_stride, batch_stride };
                let [dq, dk, dv] = Dst::packed(name, view, parts, accumulate).map(Some);
                Grads { dq, dk, dv }
            }
        }
    }

    #[track_caller]
    pub fn check_scale(&self) {
        assert!(self.opts.scale > 0.0, "{}: a scale of {}", self.name, self.opts.scale);
    }

    /// The keys that query i of sequence b sees, the one place that knows the mask. As i grows, neither end moves back.
    pub fn keys(&self, b: usize, i: usize) -> Range<usize> {
        let Shape { queries, keys, .. } = self.shape;
        // Behind the key at the query's own position; 0 if that lies before the first key.
        let causal = (i + 1 + keys).saturating_sub(queries);
        let (start, end) = match self.opts.mask {
            Mask::Full => (0, keys),
            Mask::Causal => (0, causal),
            Mask::Padding(n) => (0, n[b] as usize),
            Mask::CausalPadding(n) => (0, causal.min(n[b] as usize)),
            Mask::Window(n) => (causal.saturating_sub(n), causal),
        };
        let end = end.min(keys);
        start.min(end)..end
    }

    /// One behind the last key of sequence b that any query sees.
    pub fn seen(&self, b: usize) -> usize {
        self.shape.queries.checked_sub(1).map_or(0, |last| self.keys(b, last).end)
    }

    /// The absolute position of query i, as a float: the ALiBi distance to key j is its difference with j.
    pub fn position(&self, i: usize) -> f32 {
        (i as f64 + self.shape.keys as f64 - self.shape.queries as f64) as f32
    }

    /// The key-value head that query head h reads.
    pub fn kv_head(&self, h: usize) -> usize {
        h / (self.shape.heads / self.shape.kv_heads)
    }

    /// ALiBi's slope of head h, 0 without ALiBi.
    pub fn slope(&self, h: usize) -> f32 {
        self.opts.alibi.map_or(0.0, |s| s[h])
    }
}
