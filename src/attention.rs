//! Attention layers: projections around the one attention op. Multi-head and grouped-query attention.

use crate::embeddings::{PositionKind, alibi_slopes};
use crate::nn::{Linear, Pass, modules};
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, Attention, Mask};
use motamot_tensor::{Shape, Tensor};

/// The sizes and habits of an attention layer.
#[derive(Clone, Debug)]
pub struct AttentionConfig {
    /// C, width of the residual stream.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// G, divides H.
    pub kv_heads: usize,
    /// D.
    pub head_dim: usize,
    /// RoPE and ALiBi act here.
    pub positions: PositionKind,
    /// θ of RoPE.
    pub rope_theta: f32,
    /// Biases in the projections.
    pub bias: bool,
    /// On the attention weights and (see [`crate::transformer::Block`]) on what is added to the residual stream.
    pub dropout: f32,
    /// Standard deviation of the projections' weights, and of the output projection's.
    pub std: (f32, f32),
}

impl AttentionConfig {
    /// The attention op of a pass; it draws the key of its dropout.
    pub fn op(&self, mask: &Mask, pass: &mut Pass) -> Attention {
        Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            mask: mask.clone(),
            alibi: (self.positions == PositionKind::Alibi).then(|| alibi_slopes(self.heads)),
            dropout: pass.dropout_key(self.dropout),
            precision: pass.precision(),
        }
    }
}

/// y = W_o · attention(q, k, v), q, k and v from the same x by one projection. Dropout on y is the block's.
pub struct SelfAttention {
    /// C → (H + 2G)·D, rows q | k | v.
    pub c_attn: Linear,
    /// H·D → C.
    pub c_proj: Linear,
    pub(crate) config: AttentionConfig,
    /// ALiBi's slopes of the heads.
    pub(crate) alibi: Option<Vec<f32>>,
    /// Which layer of a cache is its own.
    pub(crate) layer: usize,
}
modules!(SelfAttention { c_attn, c_proj });

impl SelfAttention {
    /// The attention of block `layer`.
    pub fn new(config: AttentionConfig, layer: usize, rng: &mut Rng) -> SelfAttention {
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        SelfAttention {
            c_attn: Linear::new(config.width, q + 2 * kv, config.bias, config.std.0, rng),
            c_proj: Linear::new(q, config.width, config.bias, config.std.1, rng),
            alibi: (config.positions == PositionKind::Alibi).then(|| alibi_slopes(config.heads)),
            config,
            layer,
        }
    }

    /// x (B, T, C) → rows q | k | v, with q and k rotated if positions are rotary.
    #[track_caller]
    fn project(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let c = &self.config;
        let qkv = self.c_attn.forward(x, pass);
        if c.positions != PositionKind::Rope {
            return qkv;
        }
        let (b, t, start) = (x.shape()[0], x.shape()[1], pass.position());
        let positions: Vec<u32> = (0..b * t).map(|i| (start + i % t) as u32).collect();
        ops::rope(&qkv, c.heads + c.kv_heads, c.head_dim, &positions, c.rope_theta)
    }

    /// x (B, T, C) → (B, T, C). While decoding, x holds the newest tokens of one sequence and the cache the others; the
    /// mask is causal.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mask: &Mask, pass: &mut Pass) -> Tensor {
        let c = &self.config;
        let (t, start) = (x.shape()[1], pass.position());
        let qkv = self.project(x, pass);
        let op = c.op(mask, pass);
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let y = match pass.cache() {
            Some((cache, row)) => {
                cache.append(row, self.layer, qkv.data(), q + 2 * kv, q, q + kv);
                match start {
                    // All keys and values are in qkv.
                    0 => ops::attention_packed(&qkv, op),
                    _ => {
                        let (keys, values) = cache.layer(row, self.layer, start + t);
                        ops::attention_cached(&qkv, &keys, &values, start + t, start + t, &op)
                    }
                }
            }
            None => ops::attention_packed(&qkv, op),
        };
        self.c_proj.forward(&y, pass)
    }

    /// The attention weights of each head, (B, H, T, T), for a picture: softmax(q·kᵀ/√D) written out.
    pub fn weights(&self, x: &Tensor, mask: &Mask) -> Tensor {
        let c = &self.config;
        let mut pass = Pass::eval();
        composed_weights(&self.project(x, &pass), &c.op(mask, &mut pass))
    }
}

/// softmax(q·kᵀ/√D + mask) of packed rows (B, T, (H + 2G)·D), written out as (B, H, T, T): what the fused op never stores.
pub fn composed_weights(qkv: &Tensor, a: &Attention) -> Tensor {
    let (b, t) = (qkv.shape()[0], qkv.shape()[1]);
    let (h, g, d) = (a.heads, a.kv_heads, a.head_dim);
    let part = |start: usize, heads: usize| {
        let rows = ops::slice(qkv, 2, start, heads * d);
        ops::swap_axes_12(&ops::reshape(&rows, Shape::from([b, t, heads, d])))
    };
    let (q, mut k) = (part(0, h), part(h * d, g));
    if g < h {
        // Query head i reads key head i / (H/G): repeat each key head H/G times.
        let heads: Vec<Tensor> = (0..h).map(|i| ops::slice(&k, 1, i / (h / g), 1)).collect();
        k = heads[1..].iter().fold(heads[0].clone(), |all, head| ops::concat(&all, head, 1));
    }
    let scores = ops::scale(&ops::matmul(&q, &ops::transpose(&k)), 1.0 / (d as f32).sqrt());
    let mut bias = vec![0.0; b * h * t * t];
    for (i, x) in bias.iter_mut().enumerate() {
        let (row, head, query, key) = (i / (h * t * t), i / (t * t) % h, i / t % t, i % t);
        *x = if a.mask.hides(row, query, key) { f32::NEG_INFINITY } else { 0.0 };
        if let Some(slopes) = &a.alibi {
            *x -= slopes[head] * query.abs_diff(key) as f32;
        }
    }
    ops::softmax(&ops::add(&scores, &Tensor::new(&bias, [b, h, t, t])))
}
