//! A block as the kernel of decoding reads it, which runs a token of each sequence through a whole model.
//!
//! `None` for what that kernel does not know, and [`crate::model::Gpt`] then decodes through the composed ops: a norm
//! behind its sub-layer, and adapters (merge them, and decoding is fast again).

use super::{Block, Mlp, NormOrder, Residual};
use crate::attention::SelfAttention;
use crate::nn::{Embedding, Linear, Norm, NormKind, Param};
use motamot_kernels::decode;

pub(crate) fn block(block: &Block) -> Option<decode::Block<'_>> {
    let Block { ln_1, attn, ln_2, mlp, residual: Residual { order, dropout: _ } } = block;
    let SelfAttention { c_attn, c_proj: attention_out, config: _, alibi: _, layer: _ } = attn;
    let Mlp { c_fc, c_gate, c_proj, activation } = mlp;
    if *order != NormOrder::Pre {
        return None;
    }
    Some(decode::Block {
        norm_1: norm(ln_1),
        qkv: linear(c_attn)?,
        attention_out: linear(attention_out)?,
        norm_2: norm(ln_2),
        up: linear(c_fc)?,
        gate: match c_gate {
            Some(gate) => Some(linear(gate)?),
            None => None,
        },
        activation: *activation,
        mlp_out: linear(c_proj)?,
    })
}

fn linear(linear: &Linear) -> Option<decode::Linear<'_>> {
    let Linear { weight, bias, lora } = linear;
    match lora {
        None => Some(decode::Linear { weights: weight.layer_panels(), bias: bias.as_ref().map(Param::data) }),
        Some(_) => None,
    }
}

pub(crate) fn norm(norm: &Norm) -> decode::Norm<'_> {
    let Norm { weight, bias, kind, eps } = norm;
    let (weight, bias) = (weight.data(), bias.as_ref().map(Param::data));
    decode::Norm { weight, bias, eps: *eps, rms: *kind == NormKind::Rms }
}

/// The token table as the output head.
pub(crate) fn head(table: &Embedding) -> decode::Linear<'_> {
    let Embedding { weight } = table;
    decode::Linear { weights: weight.table_panels(), bias: None }
}
