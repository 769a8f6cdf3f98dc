//! GPT: token and position embeddings, L blocks, a norm, a head. Decoder-only, causal.

use super::config::{GptConfig, INIT_STD};
use crate::embeddings::Positions;
use crate::nn::{Embedding, KvCache, Module, Norm, Param, Pass, modules};
use crate::transformer::{Block, NormOrder};
use crate::utils::Result;
use motamot_kernels::quant::{Format, Quantised};
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, Mask};
use motamot_tensor::{Shape, Tensor};

/// A causal language model. Parameter paths are nanoGPT's: `wte.weight, wpe.weight, h.0.attn.c_attn.weight, …`.
pub struct Gpt {
    config: GptConfig,
    /// The token table (V, C).
    pub wte: Embedding,
    /// Positions (context, C), where they are learned.
    pub wpe: Positions,
    /// The blocks.
    pub h: Vec<Block>,
    /// The norm before the head; a post-norm model ends with its last block's.
    pub ln_f: Option<Norm>,
    /// (V, C); `None` if the head is the token table.
    pub lm_head: Option<Embedding>,
}
modules!(Gpt { wte, wpe, h, ln_f, lm_head });

impl Gpt {
    /// A model with fresh weights, all initialised here and in [`GptConfig::block`]:
    ///
    /// | parameter | start |
    /// |---|---|
    /// | embeddings, head, projections into a sub-layer | N(0, 0.02²) |
    /// | projections back into the residual stream (`c_proj`) | N(0, (0.02/√(2L))²) |
    /// | biases | 0 |
    /// | norm weights | 1 |
    pub fn new(config: &GptConfig, rng: &mut Rng) -> Result<Gpt> {
        config.check()?;
        let (v, c, block) = (config.vocab_size, config.width, config.block());
        Ok(Gpt {
            wte: Embedding::new(v, c, INIT_STD, rng),
            wpe: Positions::new(config.positions, config.context, c, INIT_STD, rng),
            h: (0..config.layers).map(|layer| Block::new(&block, layer, rng)).collect(),
            ln_f: (config.norm_order == NormOrder::Pre)
                .then(|| Norm::new(config.norm, c, config.bias, config.norm_eps)),
            lm_head: (!config.tied).then(|| Embedding::new(v, c, INIT_STD, rng)),
            config: config.clone(),
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// Changes the dropout of later training passes. The weights do not depend on it.
    pub fn set_dropout(&mut self, dropout: f32) {
        self.config.dropout = dropout;
        self.h.iter_mut().for_each(|block| block.set_dropout(dropout));
    }

    /// Ids (B, T) row by row → the residual stream after the last norm, (B, T, C).
    ///
    /// Panics if the sequence is longer than the context, or an id is outside the vocabulary.
    #[track_caller]
    pub fn hidden(&self, ids: &[u32], batch: usize, pass: &mut Pass) -> Tensor {
        let t = ids.len() / batch.max(1);
        assert_eq!(ids.len(), batch * t, "gpt: {} ids do not make {batch} rows", ids.len());
        let end = pass.position() + t;
        assert!(end <= self.config.context, "gpt: {end} tokens exceed the context of {}", self.config.context);
        let x = self.wte.forward(ids, [batch, t], pass);
        let x = self.wpe.add_to(&x, pass.position(), pass);
        let mut x = pass.dropout(&x, self.config.dropout);
        for block in &self.h {
            x = block.forward(&x, &Mask::Causal, None, pass);
        }
        if let Some(cache) = pass.cache() {
            cache.advance(t);
        }
        self.ln_f.as_ref().map_or(x.clone(), |norm| norm.forward(&x, pass))
    }

    /// The head: (.., C) → logits (.., V).
    #[track_caller]
    pub fn head(&self, x: &Tensor, pass: &Pass) -> Tensor {
        self.lm_head.as_ref().unwrap_or(&self.wte).logits(x, pass)
    }

    /// Ids (B, T) row by row → logits (B, T, V) of the token after each.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], batch: usize, pass: &mut Pass) -> Tensor {
        let x = self.hidden(ids, batch, pass);
        self.head(&x, pass)
    }

    /// −ln p(target) of each token in nats, (B, T): teacher forcing, the target being the next token of the text.
    #[track_caller]
    pub fn loss(&self, ids: &[u32], targets: &[u32], batch: usize, pass: &mut Pass) -> Tensor {
        ops::cross_entropy(&self.forward(ids, batch, pass), targets)
    }

    /// Σ weight·(−ln p(target)) over the tokens, one number: what a step of training goes down. The logits never stand
    /// whole in memory.
    #[track_caller]
    pub fn weighted_loss(
        &self,
        ids: &[u32],
        targets: &[u32],
        weights: &[f32],
        batch: usize,
        pass: &mut Pass,
    ) -> Tensor {
        let x = self.hidden(ids, batch, pass);
        let table = pass.param(&self.lm_head.as_ref().unwrap_or(&self.wte).weight);
        ops::linear_cross_entropy(&x, &table, targets, weights)
    }

    /// From now on evaluation and decoding read the matrices in fewer bits: less exact, and faster one token at a time.
    /// `None` goes back. The weights themselves, which training changes and files hold, stay as they are.
    pub fn quantise(&mut self, format: Option<Format>) {
        self.visit_matrices(&mut |is_head, p| {
            let cols = p.shape()[1];
            let quantised = format.map(|format| match is_head {
                true => Quantised::of_rows(format, p.data(), cols),
                false => Quantised::of_columns(format, p.data(), cols),
            });
            p.set_quantised(quantised);
        });
    }

    /// Packs the matrices that have changed, for passes with [`Precision::Bf16`](motamot_kernels::bf16::Precision).
    pub fn pack(&mut self) {
        self.visit_matrices(&mut |_, p| p.pack());
    }

    /// Calls `f` for each matrix that rows of activations are multiplied by; and is it the head's?
    fn visit_matrices(&mut self, f: &mut dyn FnMut(bool, &mut Param)) {
        let head = if self.lm_head.is_some() { "lm_head.weight" } else { "wte.weight" };
        self.visit_mut("", &mut |path, p| {
            if path == head || (path.starts_with("h.") && p.shape().len() == 2) {
                f(path == head, p);
            }
        });
    }

    /// An empty cache for `rows` sequences.
    pub fn new_cache(&self, rows: usize) -> KvCache {
        let c = &self.config;
        KvCache::new(c.layers, rows, c.context, c.kv_heads() * c.head_dim())
    }

    /// Appends `tokens` ((rows, n) row by row) to the cached sequences → logits after the last token, (rows, V).
    #[track_caller]
    pub fn step(&self, tokens: &[u32], cache: &mut KvCache) -> Tensor {
        let (rows, c) = (cache.rows(), self.config.width);
        let mut pass = Pass::decode(cache);
        let x = self.hidden(tokens, rows, &mut pass);
        let t = x.shape()[1];
        let last = ops::reshape(&ops::slice(&x, 1, t - 1, 1), Shape::from([rows, c]));
        self.head(&last, &pass)
    }
}
