//! The configuration of a Transformer, its presets, and what it costs.

use crate::attention::AttentionConfig;
use crate::embeddings::PositionKind;
use crate::nn::NormKind;
use crate::transformer::{Activation, BlockConfig, NormOrder};
use crate::utils::{Error, Result, by_name};
use serde::{Deserialize, Serialize};

/// Everything that decides a GPT's shape. Also the blocks of BERT and T5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GptConfig {
    /// V, tokens in the vocabulary.
    pub vocab_size: usize,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// C, width of the residual stream.
    pub width: usize,
    /// L, blocks.
    pub layers: usize,
    /// H, attention heads.
    pub heads: usize,
    /// G, key–value heads; 0 means as many as heads. Fewer: grouped-query attention.
    pub kv_heads: usize,
    /// D, width of a head; 0 means width / heads.
    pub head_dim: usize,
    /// F, width of the MLP; 0 means 4·width.
    pub mlp_width: usize,
    /// How order is learned.
    pub positions: PositionKind,
    /// θ of RoPE.
    pub rope_theta: f32,
    /// LayerNorm or RMSNorm.
    pub norm: NormKind,
    /// Before or after each sub-layer.
    pub norm_order: NormOrder,
    /// ε of the norms.
    pub norm_eps: f32,
    /// The MLP's function.
    #[serde(with = "by_name")]
    pub activation: Activation,
    /// Biases in projections and LayerNorms.
    pub bias: bool,
    /// Whether the output head is the token table.
    pub tied: bool,
    /// Dropout of embeddings, attention weights and sub-layers.
    pub dropout: f32,
}

/// The preset `mini`.
impl Default for GptConfig {
    fn default() -> GptConfig {
        GptConfig {
            vocab_size: 5000,
            context: 256,
            width: 256,
            layers: 6,
            heads: 8,
            kv_heads: 0,
            head_dim: 0,
            mlp_width: 0,
            positions: PositionKind::Learned,
            rope_theta: 10000.0,
            norm: NormKind::Layer,
            norm_order: NormOrder::Pre,
            norm_eps: 1e-5,
            activation: Activation::GeluTanh,
            bias: true,
            tied: true,
            dropout: 0.0,
        }
    }
}

/// The largest value of any size in a configuration: above it, products could overflow.
const LARGEST: usize = 1 << 24;

impl GptConfig {
    /// G, resolved.
    pub fn kv_heads(&self) -> usize {
        if self.kv_heads == 0 { self.heads } else { self.kv_heads }
    }

    /// D, resolved.
    pub fn head_dim(&self) -> usize {
        if self.head_dim == 0 { self.width / self.heads.max(1) } else { self.head_dim }
    }

    /// F, resolved.
    pub fn mlp_width(&self) -> usize {
        if self.mlp_width == 0 { self.width.saturating_mul(4) } else { self.mlp_width }
    }

    /// Checks that the sizes fit together; names the field that does not.
    pub fn check(&self) -> Result<()> {
        let field = |name: &str, why: String| Err(Error::usage(format!("{name}: {why}")));
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("context", self.context),
            ("width", self.width),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads()),
            ("head_dim", self.head_dim()),
            ("mlp_width", self.mlp_width()),
        ];
        for (name, value) in sizes {
            if value == 0 || value > LARGEST {
                return field(name, format!("{value} is not between 1 and {LARGEST}"));
            }
        }
        if self.head_dim == 0 && !self.width.is_multiple_of(self.heads) {
            return field("heads", format!("{} does not divide the width {}", self.heads, self.width));
        }
        if !self.heads.is_multiple_of(self.kv_heads()) {
            return field("kv_heads", format!("{} does not divide the {} heads", self.kv_heads, self.heads));
        }
        if self.positions == PositionKind::Rope && !self.head_dim().is_multiple_of(2) {
            return field("head_dim", format!("RoPE turns pairs, and {} is odd", self.head_dim()));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return field("dropout", format!("{} is not in [0, 1)", self.dropout));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return field("norm_eps", format!("{} is not between 0 and 1", self.norm_eps));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta >= 1.0) {
            return field("rope_theta", format!("{} is not a number from 1", self.rope_theta));
        }
        if self.parameter_estimate() > 1 << 36 {
            return Err(Error::usage("width, layers, vocab_size: together they make over 68 billion parameters"));
        }
        Ok(())
    }

    /// The parameters by formula, without building the model.
    fn parameter_estimate(&self) -> u128 {
        let [v, c, l, f] = [self.vocab_size, self.width, self.layers, self.mlp_width()].map(|x| x as u128);
        let q = self.heads as u128 * self.head_dim() as u128;
        v * c + l * (2 * q * c + 2 * c * f)
    }

    /// The configuration of one block.
    ///
    /// Weights start from N(0, 0.02²); those that write into the residual stream from N(0, (0.02/√(2L))²), because 2L
    /// of them add up there (Radford et al. 2019).
    pub fn block(&self) -> BlockConfig {
        BlockConfig {
            attention: AttentionConfig {
                width: self.width,
                heads: self.heads,
                kv_heads: self.kv_heads(),
                head_dim: self.head_dim(),
                positions: self.positions,
                rope_theta: self.rope_theta,
                bias: self.bias,
                dropout: self.dropout,
                std: (INIT_STD, INIT_STD / (2.0 * self.layers as f32).sqrt()),
            },
            mlp_width: self.mlp_width(),
            activation: self.activation,
            norm: self.norm,
            norm_order: self.norm_order,
            norm_eps: self.norm_eps,
        }
    }

    /// The parts of a model: name, parameters, multiply–adds per token (forward).
    pub fn parts(&self) -> Vec<Part> {
        let [v, c, t, l, f] = [self.vocab_size, self.width, self.context, self.layers, self.mlp_width()];
        let (q, kv) = (self.heads * self.head_dim(), self.kv_heads() * self.head_dim());
        let bias = usize::from(self.bias);
        let norm = c * if self.norm == NormKind::Layer { 1 + bias } else { 1 };
        let gated = if self.activation == Activation::Swiglu { 2 } else { 1 };
        let part =
            |name: &'static str, parameters: usize, multiply_adds: usize| Part { name, parameters, multiply_adds };
        let final_norm = if self.norm_order == NormOrder::Pre { norm } else { 0 };
        let qkv = q + 2 * kv;
        vec![
            part("token embedding", v * c, 0),
            part("position embedding", if self.positions == PositionKind::Learned { t * c } else { 0 }, 0),
            part("attention projections", l * (c * qkv + q * c + bias * (qkv + c)), l * (c * qkv + q * c)),
            // A token at position t looks at t + 1 keys: (T + 1)/2 on average, once for the scores, once for the values.
            part("attention scores", 0, l * q * (t + 1)),
            part("MLP", l * (gated * c * f + f * c + bias * (gated * f + c)), l * (gated + 1) * c * f),
            part("norms", l * 2 * norm + final_norm, 0),
            part("output head", if self.tied { 0 } else { v * c }, v * c),
        ]
    }
}

/// A line of `motamot info`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Weights.
    pub parameters: usize,
    /// Multiply–adds per token, forward; 2 FLOP each, and backward costs twice the forward.
    pub multiply_adds: usize,
}

/// Standard deviation of the initial weights (GPT-2's).
pub const INIT_STD: f32 = 0.02;

/// The names of the presets, smallest first.
pub const PRESETS: [&str; 5] = ["nano", "mini", "mini-10m", "char", "gpt2"];

/// The model of a preset.
pub fn preset(name: &str) -> Result<GptConfig> {
    let mini = GptConfig::default();
    Ok(match name {
        "nano" => GptConfig { vocab_size: 512, context: 64, width: 64, layers: 2, heads: 4, ..mini },
        "mini" => mini,
        "mini-10m" => GptConfig { width: 320, tied: false, ..mini },
        // nanoGPT's train_shakespeare_char in GPT-2's layout, so with biases (nanoGPT leaves them out: 10.65 M).
        "char" => GptConfig { vocab_size: 65, width: 384, layers: 6, heads: 6, dropout: 0.2, ..mini },
        "gpt2" => GptConfig { vocab_size: 50257, context: 1024, width: 768, layers: 12, heads: 12, ..mini },
        _ => {
            return Err(Error::usage(format!("unknown preset {name:?}"))
                .help(format!("the presets are {}", PRESETS.join(", "))));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_sizes_they_are_known_by() {
        let total = |name| preset(name).unwrap().parts().iter().map(|p| p.parameters).sum::<usize>();
        assert_eq!(total("gpt2"), 124_439_808);
        assert_eq!(total("mini"), 6_084_608);
        assert!((10_600_000..10_800_000).contains(&total("mini-10m")), "{}", total("mini-10m"));
        assert!((10_750_000..10_850_000).contains(&total("char")), "{}", total("char"));
        for name in PRESETS {
            preset(name).unwrap().check().unwrap();
        }
        assert_eq!(preset("huge").err().unwrap().exit_code(), 2);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let wrong = |change: &dyn Fn(&mut GptConfig)| {
            let mut config = GptConfig::default();
            change(&mut config);
            config.check().err().unwrap().to_string()
        };
        assert!(wrong(&|c| c.heads = 7).starts_with("heads:"));
        assert!(wrong(&|c| c.kv_heads = 3).starts_with("kv_heads:"));
        assert!(wrong(&|c| c.width = 0).starts_with("width:"));
        assert!(wrong(&|c| c.rope_theta = 0.5).starts_with("rope_theta:"));
        assert!(wrong(&|c| c.dropout = 1.0).starts_with("dropout:"));
        assert!(wrong(&|c| c.norm_eps = f32::NAN).starts_with("norm_eps:"));
        assert!(wrong(&|c| c.context = usize::MAX).starts_with("context:"));
    }
}
