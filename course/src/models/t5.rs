//! T5: an encoder reads, a decoder writes and looks at what was read through cross attention.
//!
//! Source: Raffel et al. 2019, arXiv:1910.10683. As there: pre-norm with RMSNorm, ReLU, no biases, one token table for
//! encoder, decoder and head. Not as there: order comes from the configuration's positions (learned ones unless told
//! otherwise) where T5 adds a learned bias per head and bucket of distances to the scores; scores are divided by √D, which
//! T5 folds into its initialisation; and the head does not scale by 1/√C, since our table starts from N(0, 0.02²), not
//! from N(0, 1).

use motamot::attention::AttentionConfig;
use motamot::embeddings::{PositionKind, Positions};
use motamot::model::{GptConfig, INIT_STD};
use motamot::nn::{Embedding, Linear, Norm, NormKind, Pass, modules};
use motamot::transformer::{Activation, Block, NormOrder};
use motamot::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, IGNORE, Mask};
use serde::{Deserialize, Serialize};

/// Everything that decides a T5's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct T5Config {
    /// The blocks and tables; `layers` of them in the encoder and as many in the decoder.
    pub body: GptConfig,
    /// What the decoder reads first. T5 takes its padding token.
    pub start: u32,
    /// What the decoder writes last.
    pub end: u32,
}

/// A tiny one with the habits of the original.
impl Default for T5Config {
    fn default() -> T5Config {
        let body = GptConfig {
            vocab_size: 512,
            context: 64,
            width: 64,
            layers: 2,
            heads: 4,
            norm: NormKind::Rms,
            norm_eps: 1e-6,
            activation: Activation::Relu,
            bias: false,
            ..GptConfig::default()
        };
        T5Config { body, start: 0, end: 1 }
    }
}

impl T5Config {
    /// Checks that the sizes fit together; names the field that does not.
    pub fn check(&self) -> Result<()> {
        self.body.check().map_err(|e| e.at("body"))?;
        for (name, id) in [("start", self.start), ("end", self.end)] {
            if id as usize >= self.body.vocab_size {
                return Err(Error::usage(format!("{name}: {id} is outside a vocabulary of {}", self.body.vocab_size)));
            }
        }
        Ok(())
    }
}

/// Queries from one sequence, keys and values from another: what T5's decoder asks its encoder with.
pub struct CrossAttention {
    /// C → H·D.
    pub c_q: Linear,
    /// C → 2·G·D, rows k | v.
    pub c_kv: Linear,
    /// H·D → C.
    pub c_proj: Linear,
    config: AttentionConfig,
}
modules!(CrossAttention { c_q, c_kv, c_proj });

impl CrossAttention {
    /// Positions play no part here: both sequences carry their own.
    pub fn new(config: AttentionConfig, rng: &mut Rng) -> CrossAttention {
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let config = AttentionConfig { positions: PositionKind::None, ..config };
        CrossAttention {
            c_q: Linear::new(config.width, q, config.bias, config.std.0, rng),
            c_kv: Linear::new(config.width, 2 * kv, config.bias, config.std.0, rng),
            c_proj: Linear::new(q, config.width, config.bias, config.std.1, rng),
            config,
        }
    }

    /// x (B, Tq, C), memory (B, Tk, C) → (B, Tq, C). `mask` says which of the memory is padding.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, memory: &Tensor, mask: &Mask, pass: &mut Pass) -> Tensor {
        let c = &self.config;
        let (q, kv) = (self.c_q.forward(x, pass), self.c_kv.forward(memory, pass));
        let width = c.kv_heads * c.head_dim;
        let (k, v) = (ops::slice(&kv, 2, 0, width), ops::slice(&kv, 2, width, width));
        let y = ops::attention(&q, &k, &v, c.op(mask, pass));
        self.c_proj.forward(&y, pass)
    }
}

/// Positions, blocks and a norm: what the encoder and the decoder each are.
pub struct Stack {
    /// Positions (context, C), where they are learned.
    pub wpe: Positions,
    /// The blocks.
    pub h: Vec<Block>,
    /// Between attention and MLP of each block, in the decoder: its norm and its cross attention.
    pub ln_cross: Vec<Norm>,
    /// See `ln_cross`.
    pub cross: Vec<CrossAttention>,
    /// The norm behind them; a post-norm model ends with its last block's.
    pub ln_f: Option<Norm>,
    dropout: f32,
}
modules!(Stack { wpe, h, ln_cross, cross, ln_f });

impl Stack {
    fn new(config: &GptConfig, cross: bool, rng: &mut Rng) -> Stack {
        let mut block = config.block();
        if cross {
            // Three sub-layers per block write into the residual stream.
            block.attention.std.1 = INIT_STD / (3.0 * config.layers as f32).sqrt();
        }
        let (c, pre) = (config.width, config.norm_order == NormOrder::Pre);
        let norm = || Norm::new(config.norm, c, config.bias, config.norm_eps);
        let crossed = if cross { config.layers } else { 0 };
        Stack {
            wpe: Positions::new(config.positions, config.context, c, INIT_STD, rng),
            h: (0..config.layers).map(|layer| Block::new(&block, layer, rng)).collect(),
            ln_cross: (0..crossed).map(|_| norm()).collect(),
            cross: (0..crossed).map(|_| CrossAttention::new(block.attention.clone(), rng)).collect(),
            ln_f: pre.then(norm),
            dropout: config.dropout,
        }
    }

    /// Token embeddings (B, T, C) → (B, T, C).
    #[track_caller]
    fn forward(&self, x: &Tensor, mask: &Mask, memory: Option<(&Tensor, &Mask)>, pass: &mut Pass) -> Tensor {
        let x = self.wpe.add_to(x, 0, pass);
        let mut x = pass.dropout(&x, self.dropout);
        for (i, block) in self.h.iter().enumerate() {
            x = block.attend(&x, mask, pass);
            if let Some((memory, padding)) = memory {
                let (norm, cross) = (&self.ln_cross[i], &self.cross[i]);
                x = block.residual.add(&x, norm, pass, |x, pass| cross.forward(x, memory, padding, pass));
            }
            x = block.think(&x, pass);
        }
        let x = self.ln_f.as_ref().map_or(x.clone(), |norm| norm.forward(&x, pass));
        pass.dropout(&x, self.dropout)
    }
}

/// An encoder–decoder.
pub struct T5 {
    config: T5Config,
    /// The token table (V, C) of both stacks.
    pub shared: Embedding,
    /// Sees the whole source.
    pub encoder: Stack,
    /// Sees what has been written so far and, through cross attention, the encoder's output.
    pub decoder: Stack,
    /// (V, C); `None` if the head is the token table.
    pub lm_head: Option<Embedding>,
}
modules!(T5 { shared, encoder, decoder, lm_head });

impl T5 {
    /// A model with fresh weights: tables and projections into a sub-layer from N(0, 0.02²); projections back into the
    /// residual stream from N(0, (0.02/√n)²), n = 2L of them in the encoder and 3L in the decoder; norm weights 1.
    pub fn new(config: &T5Config, rng: &mut Rng) -> Result<T5> {
        config.check()?;
        let (v, c) = (config.body.vocab_size, config.body.width);
        Ok(T5 {
            shared: Embedding::new(v, c, INIT_STD, rng),
            encoder: Stack::new(&config.body, false, rng),
            decoder: Stack::new(&config.body, true, rng),
            lm_head: (!config.body.tied).then(|| Embedding::new(v, c, INIT_STD, rng)),
            config: config.clone(),
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    #[track_caller]
    fn embed(&self, what: &str, ids: &[u32], batch: usize, pass: &Pass) -> Tensor {
        let (t, context) = (ids.len() / batch.max(1), self.config.body.context);
        assert_eq!(ids.len(), batch * t, "t5: {} {what} ids do not make {batch} rows", ids.len());
        assert!(t <= context, "t5: {t} {what} tokens exceed the context of {context}");
        self.shared.forward(ids, [batch, t], pass)
    }

    /// What the decoder will look at. Every token sees all others but padding.
    ///
    /// Shapes: ids (B, S) row by row, lengths (B): how many tokens of each row are not padding → (B, S, C).
    #[track_caller]
    pub fn encode(&self, ids: &[u32], lengths: &[u32], pass: &mut Pass) -> Tensor {
        let x = self.embed("source", ids, lengths.len(), pass);
        self.encoder.forward(&x, &Mask::Padding(lengths.to_vec()), None, pass)
    }

    /// Logits of the token after each, given the encoder's output. A token sees itself and those before it.
    ///
    /// Shapes: ids (B, T) row by row, beginning with the start token; memory (B, S, C) and its lengths (B) → (B, T, V).
    #[track_caller]
    pub fn decode(&self, ids: &[u32], memory: &Tensor, memory_lengths: &[u32], pass: &mut Pass) -> Tensor {
        let x = self.embed("target", ids, memory_lengths.len(), pass);
        // Padding stands behind the text, so the causal mask alone keeps it out of sight.
        let padding = Mask::Padding(memory_lengths.to_vec());
        let x = self.decoder.forward(&x, &Mask::Causal, Some((memory, &padding)), pass);
        self.lm_head.as_ref().unwrap_or(&self.shared).logits(&x, pass)
    }

    /// −ln p(target) of each token in nats, 0 where it is [`IGNORE`], (B, T). Teacher forcing: the decoder reads the
    /// start token and then the targets themselves, each one place late.
    ///
    /// Shapes: source (B, S) with lengths (B), targets (B, T) row by row with [`IGNORE`] behind the shorter ones.
    #[track_caller]
    pub fn loss(&self, source: &[u32], lengths: &[u32], targets: &[u32], pass: &mut Pass) -> Tensor {
        let t = (targets.len() / lengths.len().max(1)).max(1);
        let (start, pad) = (self.config.start, self.config.end);
        let shifted = |row: &[u32]| -> Vec<u32> {
            let before = row[..row.len() - 1].iter().map(|&id| if id == IGNORE { pad } else { id });
            std::iter::once(start).chain(before).collect()
        };
        let input: Vec<u32> = targets.chunks(t).flat_map(shifted).collect();
        let memory = self.encode(source, lengths, pass);
        ops::cross_entropy(&self.decode(&input, &memory, lengths, pass), targets)
    }

    /// Writes the likeliest token again and again until the end token or `max_tokens`; the end token is not returned.
    ///
    /// The source is encoded once; the decoder reads everything written so far at each step, which is simple and, for
    /// a few tokens, fast enough.
    #[track_caller]
    pub fn greedy(&self, source: &[u32], lengths: &[u32], max_tokens: usize) -> Vec<Vec<u32>> {
        let (b, end) = (lengths.len(), self.config.end);
        let mut pass = Pass::eval();
        let memory = self.encode(source, lengths, &mut pass);
        let mut written = vec![vec![self.config.start]; b];
        let mut done = vec![false; b];
        for n in 1..=max_tokens.min(self.config.body.context) {
            let logits = self.decode(&written.concat(), &memory, lengths, &mut pass);
            let v = logits.shape().last_axis();
            for (i, row) in logits.data().chunks_exact(n * v).enumerate() {
                let next = row[(n - 1) * v..]
                    .iter()
                    .enumerate()
                    .fold(0, |best, (j, x)| if *x > row[(n - 1) * v + best] { j } else { best })
                    as u32;
                done[i] |= next == end;
                written[i].push(if done[i] { end } else { next });
            }
            if done.iter().all(|&d| d) {
                break;
            }
        }
        written.iter().map(|row| row[1..].iter().copied().take_while(|&id| id != end).collect()).collect()
    }
}

/// How spans are cut out of a text, for T5's own way of learning from plain text.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanCorruption {
    /// Which share of the tokens is cut out; 0.15 in the paper.
    pub rate: f32,
    /// Mean length of a span, in tokens; 3.
    pub mean_span: f32,
    /// The first sentinel; the following ones have the ids above it.
    pub first_sentinel: u32,
    /// How many sentinels there are; n spans use n + 1.
    pub sentinels: u32,
    /// Ends the target.
    pub end: u32,
}

impl SpanCorruption {
    /// Spans (start, length) for a sequence of `n` tokens: round(rate·n) tokens in round(tokens/mean_span) spans, at
    /// least one of each; every way to cut is equally likely, spans do not touch and the first token stays.
    /// Too short a sequence (n < 2) has none.
    pub fn spans(&self, n: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        if n < 2 || self.sentinels < 2 {
            return Vec::new();
        }
        let cut = ((n as f32 * self.rate).round() as usize).clamp(1, n - 1);
        let most = cut.min(n - cut).min(self.sentinels as usize - 1);
        let count = ((cut as f32 / self.mean_span).round() as usize).clamp(1, most);
        let (kept, cut) = (pieces(n - cut, count, rng), pieces(cut, count, rng));
        let mut at = 0;
        let next = |(kept, cut): (usize, usize)| {
            at += kept + cut;
            (at - cut, cut)
        };
        kept.into_iter().zip(cut).map(next).collect()
    }

    /// Cuts random spans out of one sequence → (source, target): see [`corrupt`].
    pub fn example(&self, ids: &[u32], rng: &mut Rng) -> (Vec<u32>, Vec<u32>) {
        corrupt(ids, &self.spans(ids.len(), rng), self.first_sentinel, self.end)
    }
}

/// `total` as a sum of `count` positive numbers, every such sum equally likely.
fn pieces(total: usize, count: usize, rng: &mut Rng) -> Vec<usize> {
    let mut starts: Vec<bool> = (1..total).map(|i| i < count).collect();
    rng.shuffle(&mut starts);
    let mut lengths = vec![1];
    for start in starts {
        if start {
            lengths.push(1);
        } else if let Some(last) = lengths.last_mut() {
            *last += 1;
        }
    }
    lengths
}

/// A sentinel X, Y, … takes the place of each span (start, length); the target says what stood there.
///
/// "Thank you for inviting me to your party last week" with two spans → "Thank you X me to your party Y week" and
/// "X for inviting Y last Z", then the end token. Source: Raffel et al. 2019, arXiv:1910.10683, section 3.1.4.
/// Panics if spans are not in order or reach beyond the text.
#[track_caller]
pub fn corrupt(ids: &[u32], spans: &[(usize, usize)], first_sentinel: u32, end: u32) -> (Vec<u32>, Vec<u32>) {
    let (mut source, mut target, mut at) = (Vec::new(), Vec::new(), 0);
    for (i, &(start, len)) in spans.iter().enumerate() {
        assert!(at <= start && start + len <= ids.len(), "corrupt: spans {spans:?} of {} tokens", ids.len());
        let sentinel = first_sentinel + i as u32;
        source.extend_from_slice(&ids[at..start]);
        source.push(sentinel);
        target.push(sentinel);
        at = start + len;
        target.extend_from_slice(&ids[start..at]);
    }
    source.extend_from_slice(&ids[at..]);
    target.extend([first_sentinel + spans.len() as u32, end]);
    (source, target)
}
