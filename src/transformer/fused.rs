//! A block in bf16: each sub-layer, with the norm before it and the sum behind it, as one op.
//!
//! `None` where there is no such op, before anything random was drawn: outside passes in bf16, while decoding with a
//! cache, with a norm behind the sub-layer, and with adapters, whose products are in f32.

use super::{Block, Mlp, NormOrder, Residual};
use crate::attention::SelfAttention;
use crate::embeddings::PositionKind;
use crate::nn::{Linear, Norm, NormKind, Pass};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Mask};

pub(super) fn attention(block: &Block, x: &Tensor, mask: &Mask, pass: &mut Pass) -> Option<Tensor> {
    let Block { ln_1, attn, ln_2: _, mlp: _, residual } = block;
    let SelfAttention { c_attn, c_proj, config, alibi: _, layer: _ } = attn;
    if pass.cache().is_some() || residual.order != NormOrder::Pre {
        return None;
    }
    let (qkv, out) = (projection(c_attn, pass)?, projection(c_proj, pass)?);
    let attention = config.op(mask, pass);
    let rope = (config.positions == PositionKind::Rope).then_some(config.rope_theta);
    Some(ops::self_attention_bf16(x, &pre_norm(ln_1, residual, pass), &qkv, &out, attention, rope))
}

pub(super) fn mlp(block: &Block, x: &Tensor, pass: &mut Pass) -> Option<Tensor> {
    let Block { ln_1: _, attn: _, ln_2, mlp, residual } = block;
    let Mlp { c_fc, c_gate, c_proj, activation } = mlp;
    if residual.order != NormOrder::Pre {
        return None;
    }
    let (up, down) = (projection(c_fc, pass)?, projection(c_proj, pass)?);
    match c_gate {
        Some(gate) => {
            let gate = projection(gate, pass)?;
            Some(ops::swiglu_bf16(x, &pre_norm(ln_2, residual, pass), &gate, &up, &down))
        }
        None => Some(ops::mlp_bf16(x, &pre_norm(ln_2, residual, pass), &up, &down, *activation)),
    }
}

/// A projection whose products are in bf16 in this pass.
fn projection(linear: &Linear, pass: &Pass) -> Option<ops::Projection> {
    let Linear { weight, bias, lora } = linear;
    if lora.is_some() || pass.is_quantised(weight) {
        return None;
    }
    let weight = pass.param(weight);
    weight.has_bf16().then(|| ops::Projection { weight, bias: bias.as_ref().map(|b| pass.param(b)) })
}

fn pre_norm(norm: &Norm, residual: &Residual, pass: &mut Pass) -> ops::PreNorm {
    let Norm { weight, bias, kind, eps } = norm;
    ops::PreNorm {
        weight: pass.param(weight),
        bias: bias.as_ref().map(|b| pass.param(b)),
        rms: *kind == NormKind::Rms,
        eps: *eps,
        dropout: pass.dropout_key(residual.dropout),
    }
}
