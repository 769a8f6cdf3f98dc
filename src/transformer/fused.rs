//! A block in bf16: each sub-layer, with the norm before it and the sum behind it, as one op.
//!
//! `None` where there is no such op, before anything random was drawn: outside passes in bf16, while decoding with a
//! cache, and with adapters, whose products are in f32.

use super::Mlp;
use crate::attention::SelfAttention;
use crate::embeddings::PositionKind;
use crate::nn::{Linear, Norm, NormKind, Pass};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Mask};

/// x + dropout(attention(norm(x)))
pub(super) fn attention(
    x: &Tensor,
    norm: &Norm,
    attention: &SelfAttention,
    mask: &Mask,
    dropout: f32,
    pass: &mut Pass,
) -> Option<Tensor> {
    let SelfAttention { c_attn, c_proj, config, alibi: _, layer: _ } = attention;
    if pass.cache().is_some() {
        return None;
    }
    let (qkv, out) = (projection(c_attn, pass)?, projection(c_proj, pass)?);
    let op = config.op(mask, pass);
    let rope = (config.positions == PositionKind::Rope).then_some(config.rope_theta);
    Some(ops::self_attention_bf16(x, &pre_norm(norm, dropout, pass), &qkv, &out, op, rope))
}

/// x + dropout(mlp(norm(x)))
pub(super) fn mlp(x: &Tensor, norm: &Norm, mlp: &Mlp, dropout: f32, pass: &mut Pass) -> Option<Tensor> {
    let Mlp { c_fc, c_gate, c_proj, activation } = mlp;
    let (up, down) = (projection(c_fc, pass)?, projection(c_proj, pass)?);
    match c_gate {
        Some(gate) => {
            let gate = projection(gate, pass)?;
            Some(ops::swiglu_bf16(x, &pre_norm(norm, dropout, pass), &gate, &up, &down))
        }
        None => Some(ops::mlp_bf16(x, &pre_norm(norm, dropout, pass), &up, &down, *activation)),
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

fn pre_norm(norm: &Norm, dropout: f32, pass: &mut Pass) -> ops::PreNorm {
    let Norm { weight, bias, kind, eps } = norm;
    ops::PreNorm {
        weight: pass.param(weight),
        bias: bias.as_ref().map(|b| pass.param(b)),
        rms: *kind == NormKind::Rms,
        eps: *eps,
        dropout: pass.dropout_key(dropout),
    }
}
