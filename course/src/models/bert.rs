//! BERT: the same blocks as GPT, but every token sees all others; it learns by filling in words that were masked.
//!
//! Source: Devlin et al. 2018, arXiv:1810.04805; without its second task (is this the next sentence?), which later work
//! found useless (Liu et al. 2019, arXiv:1907.11692).

use motamot::embeddings::Positions;
use motamot::model::{GptConfig, INIT_STD};
use motamot::nn::{Embedding, Linear, Norm, NormKind, Param, Pass, modules};
use motamot::transformer::{Activation, Block, NormOrder};
use motamot::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, IGNORE, Mask};
use motamot_tensor::{Buf, Tensor};
use serde::{Deserialize, Serialize};

/// Everything that decides a BERT's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BertConfig {
    /// The blocks and tables.
    pub body: GptConfig,
    /// Kinds of segment (question and answer, say); 0: the model does not tell segments apart.
    pub segments: usize,
}

/// A tiny one with the habits of the original: post-norm, exact GELU, learned positions, ε = 10⁻¹².
impl Default for BertConfig {
    fn default() -> BertConfig {
        let body = GptConfig {
            vocab_size: 512,
            context: 64,
            width: 64,
            layers: 2,
            heads: 4,
            norm_order: NormOrder::Post,
            norm_eps: 1e-12,
            activation: Activation::Gelu,
            ..GptConfig::default()
        };
        BertConfig { body, segments: 0 }
    }
}

impl BertConfig {
    /// Checks that the sizes fit together; names the field that does not.
    pub fn check(&self) -> Result<()> {
        self.body.check().map_err(|e| e.at("body"))?;
        if self.segments > 1 << 16 {
            return Err(Error::usage(format!("segments: {} is above {}", self.segments, 1 << 16)));
        }
        Ok(())
    }
}

/// An encoder with a head for masked tokens.
pub struct Bert {
    config: BertConfig,
    /// The token table (V, C).
    pub wte: Embedding,
    /// Positions (context, C), where they are learned.
    pub wpe: Positions,
    /// Segments (S, C), if any.
    pub wse: Option<Embedding>,
    /// Norm of the sum of the embeddings.
    pub ln_emb: Norm,
    /// The blocks.
    pub h: Vec<Block>,
    /// Norm behind the blocks; a post-norm model ends with its last block's.
    pub ln_f: Option<Norm>,
    /// C → C, first layer of the head.
    pub head_dense: Linear,
    /// Norm of the head.
    pub head_ln: Norm,
    /// (V, C); `None` if the head decodes with the token table.
    pub lm_head: Option<Embedding>,
    /// (V), added to the logits.
    pub head_bias: Param,
}
modules!(Bert { wte, wpe, wse, ln_emb, h, ln_f, head_dense, head_ln, lm_head, head_bias });

impl Bert {
    /// A model with fresh weights: all tables and projections from N(0, 0.02²), biases 0, norm weights 1. The original
    /// does not scale the projections into the residual stream down, as GPT-2 does.
    pub fn new(config: &BertConfig, rng: &mut Rng) -> Result<Bert> {
        config.check()?;
        let body = &config.body;
        let (v, c) = (body.vocab_size, body.width);
        let mut block = body.block();
        block.attention.std = (INIT_STD, INIT_STD);
        let norm = || Norm::new(body.norm, c, true, body.norm_eps);
        Ok(Bert {
            wte: Embedding::new(v, c, INIT_STD, rng),
            wpe: Positions::new(body.positions, body.context, c, INIT_STD, rng),
            wse: (config.segments > 0).then(|| Embedding::new(config.segments, c, INIT_STD, rng)),
            ln_emb: norm(),
            h: (0..body.layers).map(|layer| Block::new(&block, layer, rng)).collect(),
            ln_f: (body.norm_order == NormOrder::Pre).then(norm),
            head_dense: Linear::new(c, c, true, INIT_STD, rng),
            head_ln: Norm::new(NormKind::Layer, c, true, body.norm_eps),
            lm_head: (!body.tied).then(|| Embedding::new(v, c, INIT_STD, rng)),
            head_bias: Param::new(Buf::zeros(v), [v]),
            config: config.clone(),
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// x = norm(E_token + E_position + E_segment), dropout, then the blocks under a mask that hides padding alone.
    ///
    /// Shapes: ids (B, T) row by row, lengths (B): how many tokens of each row are not padding, segments as ids (all of
    /// segment 0 if not given) → (B, T, C). What stands at padding is of no meaning, and nothing depends on it.
    /// Panics if a row is longer than the context, or an id is outside the vocabulary.
    #[track_caller]
    pub fn hidden(&self, ids: &[u32], segments: Option<&[u32]>, lengths: &[u32], pass: &mut Pass) -> Tensor {
        let (b, body) = (lengths.len(), &self.config.body);
        let t = ids.len() / b.max(1);
        assert_eq!(ids.len(), b * t, "bert: {} ids do not make {b} rows", ids.len());
        assert!(t <= body.context, "bert: {t} tokens exceed the context of {}", body.context);
        let x = self.wte.forward(ids, [b, t], pass);
        let mut x = self.wpe.add_to(&x, 0, pass);
        match (&self.wse, segments) {
            (Some(table), Some(segments)) => x = &x + &table.forward(segments, [b, t], pass),
            (Some(table), None) => x = &x + &table.forward(&vec![0; b * t], [b, t], pass),
            (None, None) => {}
            (None, Some(_)) => panic!("bert: this model knows no segments"),
        }
        let x = self.ln_emb.forward(&x, pass);
        let mut x = pass.dropout(&x, body.dropout);
        let mask = Mask::Padding(lengths.to_vec());
        for block in &self.h {
            x = block.forward(&x, &mask, pass);
        }
        self.ln_f.as_ref().map_or(x.clone(), |norm| norm.forward(&x, pass))
    }

    /// The head: logits = norm(GELU(x·W + b))·Eᵀ + b_V, (.., C) → (.., V).
    #[track_caller]
    pub fn head(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let x = self.head_ln.forward(&ops::gelu(&self.head_dense.forward(x, pass)), pass);
        let logits = self.lm_head.as_ref().unwrap_or(&self.wte).logits(&x, pass);
        &logits + &pass.param(&self.head_bias)
    }

    /// Ids (B, T) → logits (B, T, V) of the token that belongs at each place; arguments as [`Bert::hidden`]'s.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], segments: Option<&[u32]>, lengths: &[u32], pass: &mut Pass) -> Tensor {
        let x = self.hidden(ids, segments, lengths, pass);
        self.head(&x, pass)
    }

    /// −ln p(target) in nats at each masked place, 0 where the target is [`IGNORE`], (B, T): see [`mask_tokens`].
    #[track_caller]
    pub fn loss(
        &self,
        ids: &[u32],
        targets: &[u32],
        segments: Option<&[u32]>,
        lengths: &[u32],
        pass: &mut Pass,
    ) -> Tensor {
        ops::cross_entropy(&self.forward(ids, segments, lengths, pass), targets)
    }
}

/// How tokens are hidden for the masked language model.
#[derive(Clone, Debug, PartialEq)]
pub struct Masking {
    /// Which share of the tokens must be predicted; 0.15 in the paper.
    pub rate: f32,
    /// Of those, which share becomes the mask token; 0.8.
    pub masked: f32,
    /// And which share a random token; 0.1. The rest stays as it is.
    pub random: f32,
    /// The id of `[MASK]`.
    pub mask_token: u32,
    /// V: random tokens are below it.
    pub vocab_size: usize,
    /// Ids that are never chosen: padding, `[CLS]`, `[SEP]`.
    pub special: Vec<u32>,
}

impl Masking {
    /// The paper's shares.
    pub fn new(mask_token: u32, vocab_size: usize) -> Masking {
        Masking { rate: 0.15, masked: 0.8, random: 0.1, mask_token, vocab_size, special: Vec::new() }
    }
}

/// Hides tokens of one sequence → (ids to read, targets): the target is the token that stood there, and
/// [`IGNORE`] where nothing is asked.
///
/// As the original: exactly max(1, round(rate·n)) of the n tokens that are not special are chosen, at random. Of these 80 %
/// become `[MASK]`; 10 % a random token and 10 % stay, so that the model cannot rely on `[MASK]` to know where it is asked.
pub fn mask_tokens(ids: &[u32], masking: &Masking, rng: &mut Rng) -> (Vec<u32>, Vec<u32>) {
    let (mut input, mut targets) = (ids.to_vec(), vec![IGNORE; ids.len()]);
    let mut places: Vec<usize> = (0..ids.len()).filter(|&i| !masking.special.contains(&ids[i])).collect();
    rng.shuffle(&mut places);
    let n = ((places.len() as f32 * masking.rate).round() as usize).max(1);
    for &i in places.iter().take(n) {
        targets[i] = ids[i];
        let u = rng.uniform();
        if u < masking.masked {
            input[i] = masking.mask_token;
        } else if u < masking.masked + masking.random {
            input[i] = rng.below(masking.vocab_size) as u32;
        }
    }
    (input, targets)
}
