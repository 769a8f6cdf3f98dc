//! GPT: token and position embeddings, L blocks, a norm, a head. Decoder-only, causal.

use super::config::{GptConfig, INIT_STD};
use crate::embeddings::{PositionKind, Positions};
use crate::nn::{Embedding, KvCache, Linear, Norm, Param, Pass, UNFILLED, modules};
use crate::transformer::{Block, BlockConfig, NormOrder, decoding};
use crate::utils::Result;
use motamot_kernels::panels::Format;
use motamot_kernels::rng::Rng;
use motamot_kernels::{decode, elementwise};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Mask};

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
        Gpt::build(config, config.block(), INIT_STD, rng)
    }

    /// A model whose matrices have no weights yet, only their shapes: for a file that brings all of them.
    pub(crate) fn unfilled(config: &GptConfig) -> Result<Gpt> {
        let mut block = config.block();
        block.attention.std = (UNFILLED, UNFILLED);
        Gpt::build(config, block, UNFILLED, &mut Rng::new(0))
    }

    fn build(config: &GptConfig, block: BlockConfig, std: f32, rng: &mut Rng) -> Result<Gpt> {
        config.check()?;
        let (v, c) = (config.vocab_size, config.width);
        Ok(Gpt {
            wte: Embedding::new(v, c, std, rng),
            wpe: Positions::new(config.positions, config.context, c, std, rng),
            h: (0..config.layers).map(|layer| Block::new(&block, layer, rng)).collect(),
            ln_f: (config.norm_order == NormOrder::Pre)
                .then(|| Norm::new(config.norm, c, config.bias, config.norm_eps)),
            lm_head: (!config.tied).then(|| Embedding::new(v, c, std, rng)),
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
        assert!(batch == 1 || pass.cache().is_none(), "gpt: a row of a cache holds one sequence, not {batch}");
        let x = self.wte.forward(ids, [batch, t], pass);
        let x = self.wpe.add_to(&x, pass.position(), pass);
        let mut x = pass.dropout(&x, self.config.dropout);
        for block in &self.h {
            x = block.forward(&x, &Mask::Causal, pass);
        }
        if let Some((cache, row)) = pass.cache() {
            cache.advance(row, t);
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
        self.visit_matrices(&mut |p| p.set_format(format.unwrap_or(Format::F32)));
    }

    /// Packs the matrices that have changed, for passes with [`Precision::Bf16`](motamot_kernels::bf16::Precision).
    pub fn pack(&mut self) {
        self.visit_matrices(&mut |p| p.pack());
    }

    /// Calls `f` for the matrix of each projection and that of the head, which rows of activations are multiplied by.
    /// Adapters stay as they are: in f32.
    fn visit_matrices(&mut self, f: &mut dyn FnMut(&mut Param)) {
        self.projections().for_each(|(_, linear)| f(&mut linear.weight));
        f(&mut self.lm_head.as_mut().unwrap_or(&mut self.wte).weight);
    }

    /// The projections of the blocks, under their paths.
    pub fn projections(&mut self) -> impl Iterator<Item = (String, &mut Linear)> {
        self.h.iter_mut().enumerate().flat_map(|(layer, block)| {
            block.projections().map(move |(path, linear)| (format!("h.{layer}.{path}"), linear))
        })
    }

    /// A cache of `rows` empty rows.
    pub fn new_cache(&self, rows: usize) -> KvCache {
        let c = &self.config;
        KvCache::new(c.layers, rows, c.context, c.kv_heads(), c.head_dim())
    }

    /// Appends `tokens` (M, n) to M rows of the cache, no two the same, layer by layer and row after row; `logits`
    /// receives those after the last token of each, (M, V).
    #[track_caller]
    pub fn decode_composed(&self, rows: &[usize], tokens: &[u32], cache: &mut KvCache, logits: &mut Vec<f32>) {
        let n = tokens.len() / rows.len();
        assert!(n > 0 && tokens.len() == n * rows.len(), "gpt: {} tokens for {} rows", tokens.len(), rows.len());
        logits.clear();
        for (row, tokens) in rows.iter().zip(tokens.chunks_exact(n)) {
            let mut pass = Pass::decode(cache, *row);
            let x = self.hidden(tokens, 1, &mut pass);
            logits.extend_from_slice(self.head(&ops::slice(&x, 1, n - 1, 1), &pass).data());
        }
    }

    /// [`Gpt::decode_composed`] of one token per row: the same bits by a kernel of its own, which reads the weights once
    /// for all rows and allocates nothing once it has run.
    #[track_caller]
    pub fn decode_token(&self, rows: &[usize], tokens: &[u32], cache: &mut KvCache, logits: &mut Vec<f32>) {
        let (m, c) = (rows.len(), &self.config);
        assert_eq!(tokens.len(), m, "gpt: {} tokens for {m} rows", tokens.len());
        if !self.h.iter().all(|block| decoding::block(block).is_some()) {
            return self.decode_composed(rows, tokens, cache, logits);
        }
        let attention = &self.h[0].attn;
        let shape = decode::Shape {
            width: c.width,
            mlp_width: c.mlp_width(),
            layers: c.layers,
            heads: c.heads,
            cache: cache.layout(),
            rope: (c.positions == PositionKind::Rope).then_some(attention.config.rope_theta),
            alibi: attention.alibi.as_deref(),
        };
        let (stream, scratch_len) = (m * c.width, shape.scratch(m, c.vocab_size));
        logits.resize(m * c.vocab_size, 0.0);
        let (lens, [keys, values, memory]) = cache.buffers(scratch_len + stream);
        let (scratch, x) = memory.split_at_mut(scratch_len);
        for ((x, token), row) in x.chunks_exact_mut(c.width).zip(tokens).zip(rows) {
            let len = lens[*row];
            assert!(len < c.context, "gpt: {} tokens exceed the context of {}", len + 1, c.context);
            self.wte.copy_row(*token, x);
            if let Some(position) = self.wpe.row(len) {
                elementwise::add_assign(x, position);
            }
        }
        let state = decode::State { x, rows, lens, keys, values, scratch, logits };
        let block = |layer: usize| decoding::block(&self.h[layer]).expect("all blocks are alike");
        let last_norm = self.ln_f.as_ref().map(decoding::norm);
        decode::step(&shape, block, last_norm, decoding::head(self.lm_head.as_ref().unwrap_or(&self.wte)), state);
        rows.iter().for_each(|row| cache.advance(*row, 1));
    }
}
