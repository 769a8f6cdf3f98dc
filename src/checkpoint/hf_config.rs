//! `config.json` ↔ [`GptConfig`]: GPT-2's, Llama's, or our own for what neither can say.
//!
//! What a configuration asks for and we cannot do is an error that names the field; it is never passed over.

use super::folder::Folder;
use crate::attention::AttentionConfig;
use crate::embeddings::PositionKind;
use crate::model::GptConfig;
use crate::nn::NormKind;
use crate::tokenizer::TokenRoles;
use crate::transformer::{Activation, NormOrder};
use crate::utils::json::{Fields, decimal};
use crate::utils::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// The name of the file.
pub const CONFIG: &str = "config.json";
/// How `transformers` generates with a model.
pub const GENERATION: &str = "generation_config.json";
/// The largest table of sinusoids that is made for a configuration: it is in no file whose size could vouch for it.
const SINUSOIDS: usize = 1 << 26;

/// GPT-2's names of the activations, first the one that we write; three are the same formula.
const GPT2_ACTIVATIONS: [(&str, Activation); 6] = [
    ("gelu_new", Activation::GeluTanh),
    ("gelu", Activation::Gelu),
    ("relu", Activation::Relu),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_python", Activation::Gelu),
];

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
        // Without `..`: a new setting does not compile until it is said here whether GPT-2 and Llama can say it.
        let GptConfig {
            vocab_size: _,
            context: _,
            width,
            layers: _,
            heads,
            kv_heads: _,
            head_dim: _,
            mlp_width: _,
            positions,
            rope_theta: _,
            norm,
            norm_order,
            norm_eps: _,
            activation,
            bias: _,
            tied: _,
            dropout: _,
        } = c;
        let gpt2 = *norm == NormKind::Layer
            && *positions == PositionKind::Learned
            && *activation != Activation::Swiglu
            && c.kv_heads() == *heads
            && heads * c.head_dim() == *width;
        let llama = *norm == NormKind::Rms
            && *positions == PositionKind::Rope
            && *activation == Activation::Swiglu
            && width.is_multiple_of(*heads); // LlamaConfig wants it, even where head_dim makes it pointless
        match norm_order {
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
    /// GPT-2's `scale_attn_weights` and `scale_attn_by_inverse_layer_idx`: whether the scores are scaled by 1/√D, and
    /// by 1/(l+1) in layer l.
    pub score_scales: (bool, bool),
}

impl HfConfig {
    /// What to multiply the query weights of a layer by, if anything: ours always scale the scores by 1/√D.
    pub fn query_factor(&self, layer: usize) -> Option<f32> {
        let (by_root, by_layer) = self.score_scales;
        let root = if by_root { 1.0 } else { (self.config.head_dim() as f32).sqrt() };
        let depth = if by_layer { (layer + 1) as f32 } else { 1.0 };
        (!by_root || by_layer).then_some(root / depth)
    }
}

/// Writes `config.json`.
pub fn to_json(c: &GptConfig, ids: &SpecialIds) -> Value {
    let mut v = match Family::of(c) {
        Family::Gpt2 => json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": GPT2_ACTIVATIONS.iter().find(|(_, a)| *a == c.activation).map(|(name, _)| name),
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
        Family::Motamot => {
            let mut own = own_json(c);
            own["architectures"] = json!(["MotamotForCausalLM"]);
            own["model_type"] = "motamot".into();
            own
        }
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

/// A configuration under our own names, sizes resolved.
fn own_json(c: &GptConfig) -> Value {
    let (kv_heads, head_dim, mlp_width) = (c.kv_heads(), c.head_dim(), c.mlp_width());
    let mut own = json!(GptConfig { kv_heads, head_dim, mlp_width, ..c.clone() });
    let map = own.as_object_mut().into_iter().flatten();
    map.filter(|(_, v)| v.is_f64()).for_each(|(_, v)| *v = decimal(v.as_f64().unwrap_or(f64::NAN) as f32));
    // transformers' name for it, which all families share.
    own.as_object_mut().and_then(|map| map.remove("tied"));
    own
}

/// Writes `generation_config.json`.
pub fn generation_json(ids: &SpecialIds) -> Value {
    let all = [("bos_token_id", ids.bos), ("eos_token_id", ids.eos), ("pad_token_id", ids.pad)];
    let known = all.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.into())));
    std::iter::once(("_from_model_config".to_owned(), true.into()))
        .chain(known)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What a folder says of the tokens that begin and end a text: `generation_config.json` if it is there and says so, else
/// `config.json`, as in `transformers`.
pub fn token_roles(folder: &Folder) -> Result<TokenRoles> {
    let mut roles = TokenRoles::default();
    for name in [CONFIG, GENERATION].into_iter().filter(|name| folder.has(name)) {
        let f = folder.fields(name)?;
        let ids = |field: &str| -> Result<Option<Vec<u32>>> {
            let Some(value) = f.get(field) else { return Ok(None) };
            let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
            let ids: Option<Vec<u32>> = list.iter().map(id).collect();
            ids.map(Some).ok_or_else(|| f.error(field, "not a token id, or a list of them"))
        };
        roles.bos = ids("bos_token_id")?.and_then(|ids| ids.first().copied()).or(roles.bos);
        roles.eos = ids("eos_token_id")?.unwrap_or(roles.eos);
    }
    Ok(roles)
}

/// Reads `config.json`.
pub fn read(folder: &Folder) -> Result<HfConfig> {
    let f = folder.fields(CONFIG)?;
    if f.get("quantization_config").is_some() {
        return Err(f.error("quantization_config", "quantised weights cannot be loaded"));
    }
    type Read = fn(&Fields) -> Result<HfConfig>;
    let families: [(&str, Read); 3] = [("gpt2", gpt2), ("llama", llama), ("motamot", motamot)];
    let mut hf = f.required("model_type", |f, field| f.one_of(field, &families))?(&f)?;
    let c = &mut hf.config;
    // These products are in no file whose size could vouch for them; on 32 bits, even the first could overflow.
    if c.heads.checked_mul(c.head_dim()).is_none() {
        return Err(f.error("head_dim", format!("{} heads of {} are too many", c.heads, c.head_dim())));
    }
    // A file is not a command line: whatever does not fit together here is a failure, not a wrong use.
    c.check().map_err(|e| Error::new(format!("{}: {e}", folder.dir().join(CONFIG).display())))?;
    if c.positions == PositionKind::Sinusoidal && c.context.checked_mul(c.width).is_none_or(|n| n > SINUSOIDS) {
        return Err(f.error("context", format!("{} sinusoids of this width are too many", c.context)));
    }
    *c = usual(c.clone());
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
    let width = f.size_named("n_embd", "hidden_size")?.unwrap_or(768);
    let heads = f.size_named("n_head", "num_attention_heads")?.unwrap_or(12);
    if !width.is_multiple_of(heads) {
        return Err(f.error("n_head", format!("{heads} does not divide n_embd, {width}")));
    }
    if f.flag("add_cross_attention")? == Some(true) {
        return Err(f.error("add_cross_attention", "a GPT-2 that looks at an encoder cannot be loaded"));
    }
    let own = f.object("motamot")?;
    own.as_ref().map_or(Ok(()), |own| own.only(&["bias"]))?;
    Ok(HfConfig {
        config: GptConfig {
            vocab_size: f.size("vocab_size")?.unwrap_or(50257),
            context: f.size_named("n_positions", "max_position_embeddings")?.unwrap_or(1024),
            width,
            layers: f.size_named("n_layer", "num_hidden_layers")?.unwrap_or(12),
            heads,
            mlp_width: f.size("n_inner")?.unwrap_or(4 * width),
            norm_eps: f.number("layer_norm_epsilon")?.unwrap_or(1e-5),
            activation: f.one_of("activation_function", &GPT2_ACTIVATIONS)?.unwrap_or(Activation::GeluTanh),
            bias: own.map_or(Ok(None), |own| own.flag("bias"))?.unwrap_or(true),
            tied: f.flag("tie_word_embeddings")?.unwrap_or(true),
            dropout: f.number("resid_pdrop")?.unwrap_or(0.1),
            positions: PositionKind::Learned,
            norm: NormKind::Layer,
            norm_order: NormOrder::Pre,
            ..GptConfig::default()
        },
        family: Family::Gpt2,
        biases: (true, true),
        score_scales: (
            f.flag("scale_attn_weights")?.unwrap_or(true),
            f.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false),
        ),
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
    let head_dim = f.size("head_dim")?;
    if head_dim.is_none() && !width.is_multiple_of(heads) {
        return Err(f.error("num_attention_heads", format!("{heads} does not divide hidden_size, {width}")));
    }
    f.one_of("hidden_act", &[("silu", ()), ("swish", ())])?;
    let biases = (f.flag("attention_bias")?.unwrap_or(false), f.flag("mlp_bias")?.unwrap_or(false));
    Ok(HfConfig {
        config: GptConfig {
            vocab_size: f.size("vocab_size")?.unwrap_or(32000),
            context: f.size("max_position_embeddings")?.unwrap_or(2048),
            width,
            layers: f.size("num_hidden_layers")?.unwrap_or(32),
            heads,
            kv_heads,
            head_dim: head_dim.unwrap_or(width / heads),
            mlp_width: f.size("intermediate_size")?.unwrap_or(11008),
            positions: PositionKind::Rope,
            rope_theta: rope_theta(f)?,
            norm: NormKind::Rms,
            norm_order: NormOrder::Pre,
            norm_eps: f.number("rms_norm_eps")?.unwrap_or(1e-6),
            activation: Activation::Swiglu,
            bias: biases.0 || biases.1,
            tied: f.flag("tie_word_embeddings")?.unwrap_or(false),
            dropout: f.number("attention_dropout")?.unwrap_or(0.0),
        },
        family: Family::Llama,
        biases,
        score_scales: (true, false),
    })
}

/// θ stands in `rope_parameters` (transformers 5) or at the top (before); either may also ask for a scaling we do not have.
fn rope_theta(f: &Fields) -> Result<f32> {
    let mut theta = f.number("rope_theta")?;
    for field in ["rope_parameters", "rope_scaling"] {
        let Some(rope) = f.object(field)? else { continue };
        rope.one_of("rope_type", &[("default", ())])?;
        rope.one_of("type", &[("default", ())])?;
        rope.only(&["rope_type", "type", "rope_theta"])
            .map_err(|e| e.help("only models with plain RoPE can be loaded"))?;
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
    let tied = f.required("tie_word_embeddings", Fields::flag)?;
    let mut config = own_json(&GptConfig::default());
    for (name, value) in config.as_object_mut().into_iter().flatten() {
        *value = f.get(name).ok_or_else(|| f.error(name, "missing"))?.clone();
        // By itself, so that the error can name the field.
        GptConfig::deserialize(json!({ name: value })).map_err(|e| f.error(name, &e).caused_by(e))?;
    }
    let config = GptConfig::deserialize(config).map_err(|e| f.error("model_type", &e).caused_by(e))?;
    let known = to_json(&config, &SpecialIds::default());
    let known = known.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    f.only(&known.chain(["transformers_version"]).collect::<Vec<_>>())?;
    Ok(HfConfig {
        config: GptConfig { tied, ..config },
        family: Family::Motamot,
        biases: (true, true),
        score_scales: (true, false),
    })
}
