//! A block: its parts, and how they are put together.

use super::{Mlp, fused};
use crate::attention::{AttentionConfig, SelfAttention};
use crate::nn::{Linear, Norm, NormKind, Pass, modules};
use motamot_kernels::rng::Rng;
use motamot_tensor::Tensor;
use motamot_tensor::ops::{Activation, Mask};
use serde::{Deserialize, Serialize};

/// Whether a sub-layer normalises what it reads or what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormOrder {
    /// x + f(norm(x)): GPT-2 and everything since; the residual stream stays untouched.
    Pre,
    /// norm(x + f(x)): the first Transformer, BERT.
    Post,
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
}

/// How a sub-layer is added to the residual stream.
pub struct Residual {
    /// Where the norm stands.
    pub order: NormOrder,
    /// On what is added.
    pub dropout: f32,
}

impl Residual {
    /// What one op for the whole sub-layer gives, given the dropout; there is none for a norm behind it.
    fn fused(&self, op: impl FnOnce(f32) -> Option<Tensor>) -> Option<Tensor> {
        match self.order {
            NormOrder::Pre => op(self.dropout),
            NormOrder::Post => None,
        }
    }

    /// x + dropout(f(norm(x))), or norm(x + dropout(f(x))).
    #[track_caller]
    pub fn add(
        &self,
        x: &Tensor,
        norm: &Norm,
        pass: &mut Pass,
        f: impl FnOnce(&Tensor, &mut Pass) -> Tensor,
    ) -> Tensor {
        match self.order {
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

/// x + attention, then + MLP.
pub struct Block {
    /// Norm of the attention.
    pub ln_1: Norm,
    /// Tokens look at each other.
    pub attn: SelfAttention,
    /// Norm of the MLP.
    pub ln_2: Norm,
    /// Each token thinks.
    pub mlp: Mlp,
    /// How both are added.
    pub residual: Residual,
}
modules!(Block { ln_1, attn, ln_2, mlp });

impl Block {
    /// Block number `layer`.
    pub fn new(config: &BlockConfig, layer: usize, rng: &mut Rng) -> Block {
        let a = &config.attention;
        let c = a.width;
        let norm = || Norm::new(config.norm, c, a.bias, config.norm_eps);
        Block {
            ln_1: norm(),
            attn: SelfAttention::new(a.clone(), layer, rng),
            ln_2: norm(),
            mlp: Mlp::new(c, config.mlp_width, config.activation, a.bias, a.std, rng),
            residual: Residual { order: config.norm_order, dropout: a.dropout },
        }
    }

    /// x (B, T, C) → (B, T, C).
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mask: &Mask, pass: &mut Pass) -> Tensor {
        let x = self.attend(x, mask, pass);
        self.think(&x, pass)
    }

    /// x + attention(norm(x)).
    #[track_caller]
    pub fn attend(&self, x: &Tensor, mask: &Mask, pass: &mut Pass) -> Tensor {
        let Block { ln_1, attn, ln_2: _, mlp: _, residual } = self;
        residual
            .fused(|dropout| fused::attention(x, ln_1, attn, mask, dropout, pass))
            .unwrap_or_else(|| residual.add(x, ln_1, pass, |x, pass| attn.forward(x, mask, pass)))
    }

    /// x + mlp(norm(x)).
    #[track_caller]
    pub fn think(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        let Block { ln_1: _, attn: _, ln_2, mlp, residual } = self;
        residual
            .fused(|dropout| fused::mlp(x, ln_2, mlp, dropout, pass))
            .unwrap_or_else(|| residual.add(x, ln_2, pass, |x, pass| mlp.forward(x, pass)))
    }

    /// Its projections, under their paths in the block.
    pub fn projections(&mut self) -> impl Iterator<Item = (&'static str, &mut Linear)> {
        let Mlp { c_fc, c_gate, c_proj, activation: _ } = &mut self.mlp;
        let attention = [("attn.c_attn", &mut self.attn.c_attn), ("attn.c_proj", &mut self.attn.c_proj)];
        let gate = c_gate.iter_mut().map(|gate| ("mlp.c_gate", gate));
        attention.into_iter().chain([("mlp.c_fc", c_fc)]).chain(gate).chain([("mlp.c_proj", c_proj)])
    }

    pub(crate) fn set_dropout(&mut self, dropout: f32) {
        self.residual.dropout = dropout;
        self.attn.config.dropout = dropout;
    }
}
