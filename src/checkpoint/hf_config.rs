//! `config.json` ↔ [`GptConfig`]: GPT-2's, Llama's, or our own for what neither can say.
//!
//! What a configuration asks for and we cannot do is an error that names the field; it is never passed over.

use super::folder::Folder;
use crate::attention::AttentionConfig;
use crate::embeddings::PositionKind;
use crate::model::GptConfig;
use crate::nn::NormKind;
use crate::transformer::{Activation, NormOrder};
use crate::utils::by_name::Named;
use crate::utils::json::{Fields, decimal, parse_object, shown};
use crate::utils::{Error, Result};
use serde_json::{Map, Value, json};

/// The name of the file.
pub const CONFIG: &str = "config.json";
/// The largest table of sinusoids that is made for a configuration: it is in no file whose size could vouch for it.
const SINUSOIDS: usize = 1 << 26;

/// Whose file layout a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `GPT2LMHeadModel`: LayerNorm before each sub-layer, learned positions, GELU or ReLU, one key head per head.
    Gpt2,
    /// `LlamaForCausalLM`: RMSNorm before each sub-layer, RoPE, SwiGLU.
    Llama,
    /// Any other combination; only motamot loads it.
    Motamot,
}

impl Family {
    /// The family that can say exactly this configuration.
    pub fn of(c: &GptConfig) -> Family {
        let gpt2 = c.norm == NormKind::Layer
            && c.positions == PositionKind::Learned
            && c.activation != Activation::Swiglu
            && c.kv_heads() == c.heads
            && c.heads * c.head_dim() == c.width;
        let llama = c.norm == NormKind::Rms
            && c.positions == PositionKind::Rope
            && c.activation == Activation::Swiglu
            && c.width.is_multiple_of(c.heads); // LlamaConfig wants it, even where head_dim makes it pointless
        match c.norm_order {
            NormOrder::Pre if gpt2 => Family::Gpt2,
            NormOrder::Pre if llama => Family::Llama,
            _ => Family::Motamot,
        }
    }
}

/// The special tokens that a model's configuration names; the tokenizer knows them too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Fills up a row of a batch.
    pub pad: Option<u32>,
}

/// A configuration as read, with what the weights still need to be ours.
#[derive(Clone, Debug, PartialEq)]
pub struct HfConfig {
    /// The model.
    pub config: GptConfig,
    /// How its tensors are named and laid out.
    pub family: Family,
    /// Whether attention and MLP have biases in the file; where only one has them, ours get zeros in the other.
    pub biases: (bool, bool),
    /// GPT-2's variants of the 1/√D of attention: our scores are scaled by 1/√D, so the query weights of layer l take
    /// the difference, √D if `scale_attn_weights` is false, 1/(l+1) if `scale_attn_by_inverse_layer_idx`.
    pub query_scale: QueryScale,
}

/// See [`HfConfig::query_scale`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryScale {
    unscaled: bool,
    inverse_layer: bool,
}

impl QueryScale {
    /// What to multiply the query weights of a layer by, if anything.
    pub fn factor(self, layer: usize, head_dim: usize) -> Option<f32> {
        let root = if self.unscaled { (head_dim as f32).sqrt() } else { 1.0 };
        let depth = if self.inverse_layer { (layer + 1) as f32 } else { 1.0 };
        (self != QueryScale::default()).then_some(root / depth)
    }
}

/// Writes `config.json`.
pub fn to_json(c: &GptConfig, ids: &SpecialIds) -> Value {
    let mut v = match Family::of(c) {
        Family::Gpt2 => json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": match c.activation {
                Activation::Gelu => "gelu",
                Activation::Relu => "relu",
                _ => "gelu_new",
            },
            "attn_pdrop": decimal(c.dropout),
            "embd_pdrop": decimal(c.dropout),
            "resid_pdrop": decimal(c.dropout),
            "layer_norm_epsilon": decimal(c.norm_eps),
            "n_embd": c.width,
            "n_head": c.heads,
            "n_inner": (c.mlp_width() != 4 * c.width).then_some(c.mlp_width()),
            "n_layer": c.layers,
            "n_positions": c.context,
        }),
        Family::Llama => json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": c.bias,
            "attention_dropout": decimal(c.dropout),
            "head_dim": c.head_dim(),
            "hidden_act": "silu",
            "hidden_size": c.width,
            "intermediate_size": c.mlp_width(),
            "max_position_embeddings": c.context,
            "mlp_bias": c.bias,
            "num_attention_heads": c.heads,
            "num_hidden_layers": c.layers,
            "num_key_value_heads": c.kv_heads(),
            "rms_norm_eps": decimal(c.norm_eps),
            // transformers 5 reads the first, earlier versions the second.
            "rope_parameters": {"rope_type": "default", "rope_theta": decimal(c.rope_theta)},
            "rope_theta": decimal(c.rope_theta),
        }),
        Family::Motamot => json!({
            "architectures": ["MotamotForCausalLM"],
            "model_type": "motamot",
            "context": c.context,
            "width": c.width,
            "layers": c.layers,
            "heads": c.heads,
            "kv_heads": c.kv_heads(),
            "head_dim": c.head_dim(),
            "mlp_width": c.mlp_width(),
            "positions": c.positions,
            "rope_theta": decimal(c.rope_theta),
            "norm": c.norm,
            "norm_order": c.norm_order,
            "norm_eps": decimal(c.norm_eps),
            "activation": c.activation.name(),
            "bias": c.bias,
            "dropout": decimal(c.dropout),
        }),
    };
    if Family::of(c) == Family::Gpt2 && !c.bias {
        // GPT-2 always has biases: a model without them is saved with zeros, and this tells us to drop them again.
        v["motamot"] = json!({"bias": false});
    }
    v["vocab_size"] = c.vocab_size.into();
    v["tie_word_embeddings"] = c.tied.into();
    v["dtype"] = "float32".into();
    v["bos_token_id"] = ids.bos.into();
    v["eos_token_id"] = ids.eos.into();
    v["pad_token_id"] = ids.pad.into();
    v
}

/// Writes `generation_config.json`.
pub fn generation_json(ids: &SpecialIds) -> Value {
    let mut map = Map::new();
    map.insert("_from_model_config".into(), true.into());
    for (name, id) in [("bos_token_id", ids.bos), ("eos_token_id", ids.eos), ("pad_token_id", ids.pad)] {
        if let Some(id) = id {
            map.insert(name.into(), id.into());
        }
    }
    map.into()
}

/// Reads `config.json`.
pub fn read(folder: &Folder) -> Result<HfConfig> {
    let place = folder.dir().join(CONFIG);
    let map = parse_object(&folder.read(CONFIG)?, place.display())?;
    let fields = Fields::new(&map, place.display());
    if fields.get("quantization_config").is_some() {
        return Err(fields.error("quantization_config", "quantised weights cannot be loaded"));
    }
    let hf = match fields.text("model_type")? {
        Some("gpt2") => gpt2(&fields)?,
        Some("llama") => llama(&fields)?,
        Some("motamot") => motamot(&fields)?,
        Some(other) => {
            return Err(fields
                .error("model_type", format!("{} is not one that motamot can load", shown(&json!(other))))
                .help("it loads gpt2, llama and its own"));
        }
        None => return Err(fields.error("model_type", "missing").help("it has to be gpt2, llama or motamot")),
    };
    // A file is not a command line: whatever does not fit together here is a failure, not a wrong use.
    hf.config.check().map_err(|e| Error::new(format!("{}: {e}", place.display())))?;
    if hf.config.positions == PositionKind::Sinusoidal && hf.config.context * hf.config.width > SINUSOIDS {
        return Err(fields.error("context", format!("{} sinusoids of this width are too many", hf.config.context)));
    }
    Ok(hf)
}

/// Sizes that follow from the others come back as 0, "as usual": so a loaded configuration equals the one it was saved from.
fn usual(mut c: GptConfig) -> GptConfig {
    let AttentionConfig { kv_heads, head_dim, .. } = c.block().attention;
    c.kv_heads = if kv_heads == c.heads { 0 } else { kv_heads };
    c.head_dim = if c.width.is_multiple_of(c.heads) && head_dim == c.width / c.heads { 0 } else { head_dim };
    c.mlp_width = if c.mlp_width() == 4 * c.width { 0 } else { c.mlp_width };
    c
}

/// The one place where a missing field takes the default of transformers' `GPT2Config`.
fn gpt2(f: &Fields) -> Result<HfConfig> {
    let width = f.size_or("n_embd", "hidden_size", 768)?;
    let heads = f.size_or("n_head", "num_attention_heads", 12)?;
    if !width.is_multiple_of(heads) {
        return Err(f.error("n_head", format!("{heads} does not divide n_embd, {width}")));
    }
    if f.flag("add_cross_attention", false)? {
        return Err(f.error("add_cross_attention", "a GPT-2 that looks at an encoder cannot be loaded"));
    }
    let activation = match f.text("activation_function")?.unwrap_or("gelu_new") {
        // The same formula under three names.
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "gelu" | "gelu_python" => Activation::Gelu,
        "relu" => Activation::Relu,
        other => {
            return Err(f
                .error("activation_function", format!("{} is not supported", shown(&json!(other))))
                .help("gelu_new, gelu and relu are"));
        }
    };
    let mut bias = true;
    if let Some(own) = f.object("motamot")? {
        if let Some(other) = own.names().find(|n| *n != "bias") {
            return Err(own.error(other, "unknown field").help("the model may come from a newer version of motamot"));
        }
        bias = own.flag("bias", true)?;
    }
    Ok(HfConfig {
        config: usual(GptConfig {
            vocab_size: f.size("vocab_size")?.unwrap_or(50257),
            context: f.size_or("n_positions", "max_position_embeddings", 1024)?,
            width,
            layers: f.size_or("n_layer", "num_hidden_layers", 12)?,
            heads,
            mlp_width: f.size("n_inner")?.unwrap_or(4 * width),
            norm_eps: f.number("layer_norm_epsilon")?.unwrap_or(1e-5),
            activation,
            bias,
            tied: f.flag("tie_word_embeddings", true)?,
            dropout: f.number("resid_pdrop")?.unwrap_or(0.1),
            positions: PositionKind::Learned,
            norm: NormKind::Layer,
            norm_order: NormOrder::Pre,
            ..GptConfig::default()
        }),
        family: Family::Gpt2,
        biases: (true, true),
        query_scale: QueryScale {
            unscaled: !f.flag("scale_attn_weights", true)?,
            inverse_layer: f.flag("scale_attn_by_inverse_layer_idx", false)?,
        },
    })
}

/// The same for `LlamaConfig`; its defaults are those of Llama 7B.
fn llama(f: &Fields) -> Result<HfConfig> {
    let width = f.size("hidden_size")?.unwrap_or(4096);
    let heads = f.size("num_attention_heads")?.unwrap_or(32);
    let kv_heads = f.size("num_key_value_heads")?.unwrap_or(heads);
    if !heads.is_multiple_of(kv_heads) {
        return Err(f.error("num_key_value_heads", format!("{kv_heads} does not divide num_attention_heads, {heads}")));
    }
    let head_dim = match f.size("head_dim")? {
        Some(d) => d,
        None if width.is_multiple_of(heads) => width / heads,
        None => return Err(f.error("num_attention_heads", format!("{heads} does not divide hidden_size, {width}"))),
    };
    match f.text("hidden_act")?.unwrap_or("silu") {
        "silu" | "swish" => {}
        other => {
            return Err(f.error("hidden_act", format!("{} is not supported", shown(&json!(other)))).help("silu is"));
        }
    }
    let biases = (f.flag("attention_bias", false)?, f.flag("mlp_bias", false)?);
    Ok(HfConfig {
        config: usual(GptConfig {
            vocab_size: f.size("vocab_size")?.unwrap_or(32000),
            context: f.size("max_position_embeddings")?.unwrap_or(2048),
            width,
            layers: f.size("num_hidden_layers")?.unwrap_or(32),
            heads,
            kv_heads,
            head_dim,
            mlp_width: f.size("intermediate_size")?.unwrap_or(11008),
            positions: PositionKind::Rope,
            rope_theta: rope_theta(f)?,
            norm: NormKind::Rms,
            norm_order: NormOrder::Pre,
            norm_eps: f.number("rms_norm_eps")?.unwrap_or(1e-6),
            activation: Activation::Swiglu,
            bias: biases.0 || biases.1,
            tied: f.flag("tie_word_embeddings", false)?,
            dropout: f.number("attention_dropout")?.unwrap_or(0.0),
        }),
        family: Family::Llama,
        biases,
        query_scale: QueryScale::default(),
    })
}

/// θ stands in `rope_parameters` (transformers 5) or at the top (before); either may also ask for a scaling we do not have.
fn rope_theta(f: &Fields) -> Result<f32> {
    let mut theta = f.number("rope_theta")?;
    for field in ["rope_parameters", "rope_scaling"] {
        let Some(rope) = f.object(field)? else { continue };
        for name in ["rope_type", "type"] {
            if let Some(kind) = rope.text(name)?.filter(|kind| *kind != "default") {
                return Err(rope
                    .error(name, format!("the scaling {} is not supported", shown(&json!(kind))))
                    .help("only models with plain RoPE can be loaded"));
            }
        }
        let known = ["rope_type", "type", "rope_theta"];
        if let Some(other) = rope.names().find(|n| !known.contains(&n.as_str()) && rope.get(n).is_some()) {
            return Err(rope
                .error(other, "plain RoPE has no such field")
                .help("only models with plain RoPE can be loaded"));
        }
        match (theta, rope.number("rope_theta")?) {
            (Some(a), Some(b)) if a != b => return Err(rope.error("rope_theta", format!("{b}, but elsewhere {a}"))),
            (a, b) => theta = b.or(a),
        }
    }
    if f.number("partial_rotary_factor")?.is_some_and(|x| x != 1.0) {
        return Err(f.error("partial_rotary_factor", "only whole heads can be rotated"));
    }
    Ok(theta.unwrap_or(10000.0))
}

fn motamot(f: &Fields) -> Result<HfConfig> {
    let number = |field: &str| f.number(field)?.ok_or_else(|| f.error(field, "missing"));
    let config = GptConfig {
        vocab_size: f.required_size("vocab_size")?,
        context: f.required_size("context")?,
        width: f.required_size("width")?,
        layers: f.required_size("layers")?,
        heads: f.required_size("heads")?,
        kv_heads: f.required_size("kv_heads")?,
        head_dim: f.required_size("head_dim")?,
        mlp_width: f.required_size("mlp_width")?,
        positions: f.required("positions")?,
        rope_theta: number("rope_theta")?,
        norm: f.required("norm")?,
        norm_order: f.required("norm_order")?,
        norm_eps: number("norm_eps")?,
        activation: f.named("activation")?,
        bias: f.required("bias")?,
        tied: f.required("tie_word_embeddings")?,
        dropout: number("dropout")?,
    };
    let known = to_json(&config, &SpecialIds::default());
    if let Some(other) = f.names().find(|n| known.get(n.as_str()).is_none() && *n != "transformers_version") {
        return Err(f.error(other, "unknown field").help("the model may come from a newer version of motamot"));
    }
    Ok(HfConfig {
        config: usual(config),
        family: Family::Motamot,
        biases: (true, true),
        query_scale: QueryScale::default(),
    })
}
