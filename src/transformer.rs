//! The Transformer block: attention mixes tokens, the MLP works on each; both add to the residual stream, with dropout.

use crate::attention::{AttentionConfig, CrossAttention, SelfAttention};
use crate::nn::{Linear, Norm, NormKind, Pass, modules};
use motamot_kernels::rng::Rng;
use motamot_kernels::{activation, decode};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Mask};
use serde::{Deserialize, Serialize};

/// The function between an MLP's two projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU, exact.
    Gelu,
    /// GELU by tanh, as GPT-2 has it.
    GeluTanh,
    /// max(x, 0), as in the first Transformer and in T5.
    Relu,
    /// silu(gate) ⊙ up: three projections instead of two (Llama).
    Swiglu,
}

/// Whether a sub-layer normalises what it reads or what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormOrder {
    /// x + f(norm(x)): GPT-2 and everything since; the residual stream stays untouched.
    Pre,
    /// norm(x + f(x)): the first Transformer, BERT.
    Post,
}

/// One MLP: C → F → C.
pub struct Mlp {
    /// C → F.
    pub c_fc: Linear,
    /// C → F, SwiGLU's gate.
    pub c_gate: Option<Linear>,
    /// F → C.
    pub c_proj: Linear,
    activation: Activation,
}
modules!(Mlp { c_fc, c_gate, c_proj });

impl Mlp {
    /// What stands between two projections alone.
    fn function(&self) -> Option<ops::Function> {
        match self.activation {
            Activation::Gelu => Some(ops::Function::Gelu),
            Activation::GeluTanh => Some(ops::Function::GeluTanh),
            Activation::Relu => Some(ops::Function::Relu),
            Activation::Swiglu => None,
        }
    }

    /// The op that is this MLP with the norm before it and the sum behind it, in a pass that has it: one in bf16.
    fn sublayer(&self, x: &Tensor, pass: &mut Pass, frame: impl FnOnce(&mut Pass) -> ops::Frame) -> Option<Tensor> {
        let (up, down) = (self.c_fc.in_bf16(pass)?, self.c_proj.in_bf16(pass)?);
        Some(match (self.function(), &self.c_gate) {
            (Some(f), _) => ops::mlp_bf16(x, &frame(pass), &up, &down, f),
            (None, Some(gate)) => {
                let gate = gate.in_bf16(pass)?;
                ops::swiglu_bf16(x, &frame(pass), &gate, &up, &down)
            }
            (None, None) => unreachable!("Block::new gives SwiGLU its gate"),
        })
    }

    /// (.., C) → (.., C).
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        let up = self.c_fc.forward(x, pass);
        let h = match (self.activation, &self.c_gate) {
            (Activation::Swiglu, Some(gate)) => ops::swiglu(&gate.forward(x, pass), &up),
            (Activation::Swiglu, None) => unreachable!("Block::new gives SwiGLU its gate"),
            (Activation::Gelu, _) => ops::gelu(&up),
            (Activation::GeluTanh, _) => ops::gelu_tanh(&up),
            (Activation::Relu, _) => ops::relu(&up),
        };
        self.c_proj.forward(&h, pass)
    }
}

/// What a block is made of.
#[derive(Clone, Debug)]
pub struct BlockConfig {
    /// The attention.
    pub attention: AttentionConfig,
    /// F.
    pub mlp_width: usize,
    /// The MLP's function.
    pub activation: Activation,
    /// LayerNorm or RMSNorm.
    pub norm: NormKind,
    /// Before or after.
    pub norm_order: NormOrder,
    /// ε of the norms.
    pub norm_eps: f32,
    /// Whether there is a cross attention between attention and MLP.
    pub cross: bool,
}

/// x + attention, then (in a decoder that has an encoder) + cross attention, then + MLP.
pub struct Block {
    /// Norm of the attention.
    pub ln_1: Norm,
    /// Tokens look at each other.
    pub attn: SelfAttention,
    /// Norm of the cross attention.
    pub ln_cross: Option<Norm>,
    /// Tokens look at the encoder's.
    pub cross: Option<CrossAttention>,
    /// Norm of the MLP.
    pub ln_2: Norm,
    /// Each token thinks.
    pub mlp: Mlp,
    norm_order: NormOrder,
    /// On what each sub-layer adds to the residual stream.
    dropout: f32,
}
modules!(Block { ln_1, attn, ln_cross, cross, ln_2, mlp });

impl Block {
    /// Block number `layer`.
    pub fn new(config: &BlockConfig, layer: usize, rng: &mut Rng) -> Block {
        let a = &config.attention;
        let (c, f, bias, std) = (a.width, config.mlp_width, a.bias, a.std);
        let norm = || Norm::new(config.norm, c, bias, config.norm_eps);
        Block {
            ln_1: norm(),
            attn: SelfAttention::new(a.clone(), layer, rng),
            ln_cross: config.cross.then(norm),
            cross: config.cross.then(|| CrossAttention::new(a.clone(), rng)),
            ln_2: norm(),
            mlp: Mlp {
                c_fc: Linear::new(c, f, bias, std.0, rng),
                c_gate: (config.activation == Activation::Swiglu).then(|| Linear::new(c, f, bias, std.0, rng)),
                c_proj: Linear::new(f, c, bias, std.1, rng),
                activation: config.activation,
            },
            norm_order: config.norm_order,
            dropout: a.dropout,
        }
    }

    pub(crate) fn set_dropout(&mut self, dropout: f32) {
        self.dropout = dropout;
        self.attn.config.dropout = dropout;
        if let Some(cross) = &mut self.cross {
            cross.config.dropout = dropout;
        }
    }

    /// x (B, T, C) → (B, T, C). `memory`: what a decoder's cross attention looks at, and which of it is padding.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mask: &Mask, memory: Option<(&Tensor, &Mask)>, pass: &mut Pass) -> Tensor {
        let pre = self.norm_order == NormOrder::Pre;
        let frame = |norm: &Norm, pass: &mut Pass| norm.frame(pass.dropout_key(self.dropout), pass);
        let fused = if pre { self.attn.sublayer(x, mask, pass, |pass| frame(&self.ln_1, pass)) } else { None };
        let x = match fused {
            Some(y) => y,
            None => self.residual(x, &self.ln_1, pass, |x, pass| self.attn.forward(x, mask, pass)),
        };
        let x = match (&self.cross, &self.ln_cross, memory) {
            (Some(cross), Some(norm), Some((memory, mask))) => {
                self.residual(&x, norm, pass, |x, pass| cross.forward(x, memory, mask, pass))
            }
            (None, None, None) => x,
            _ => panic!("block: a cross attention needs an encoder's output, and only it does"),
        };
        let fused = if pre { self.mlp.sublayer(&x, pass, |pass| frame(&self.ln_2, pass)) } else { None };
        fused.unwrap_or_else(|| self.residual(&x, &self.ln_2, pass, |x, pass| self.mlp.forward(x, pass)))
    }

    /// The block as the kernel of decoding reads it; `None` for one that it does not know: a norm behind its sub-layer,
    /// cross attention.
    pub(crate) fn for_decoding(&self) -> Option<decode::Block<'_>> {
        if self.norm_order != NormOrder::Pre || self.cross.is_some() {
            return None;
        }
        let Mlp { c_fc, c_gate, c_proj, activation, .. } = &self.mlp;
        Some(decode::Block {
            norm_1: self.ln_1.for_decoding(),
            qkv: self.attn.c_attn.for_decoding(),
            attention_out: self.attn.c_proj.for_decoding(),
            norm_2: self.ln_2.for_decoding(),
            up: c_fc.for_decoding(),
            activation: match activation {
                Activation::Gelu => decode::Activation::Of(activation::gelu),
                Activation::GeluTanh => decode::Activation::Of(activation::gelu_tanh),
                Activation::Relu => decode::Activation::Of(activation::relu),
                Activation::Swiglu => decode::Activation::Swiglu(c_gate.as_ref()?.for_decoding()),
            },
            mlp_out: c_proj.for_decoding(),
        })
    }

    fn residual(
        &self,
        x: &Tensor,
        norm: &Norm,
        pass: &mut Pass,
        f: impl FnOnce(&Tensor, &mut Pass) -> Tensor,
    ) -> Tensor {
        match self.norm_order {
            NormOrder::Pre => {
                let y = f(&norm.forward(x, pass), pass);
                pass.dropout_add(&y, x, self.dropout)
            }
            NormOrder::Post => {
                let y = f(x, pass);
                norm.forward(&pass.dropout_add(&y, x, self.dropout), pass)
            }
        }
    }
}
