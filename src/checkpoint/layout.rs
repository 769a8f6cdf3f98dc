//! Where each of our parameters stands in a file: under which name, and whether split or transposed.
//!
//! GPT-2's files are ours: same paths (behind `transformer.`), same (inputs, outputs) matrices. Llama's have one tensor each
//! for q, k and v where we have `c_attn`, and torch's (outputs, inputs) matrices.

use super::hf_config::{Family, HfConfig};
use crate::model::GptConfig;
use std::borrow::Cow;

/// A tensor of a file, which is a parameter or some columns of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// Its name in the file.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Where its columns begin in the parameter.
    pub column: usize,
    /// (outputs, inputs) in the file, (inputs, outputs) in the parameter.
    transposed: bool,
}

impl Piece {
    fn whole(name: String, shape: &[usize]) -> Piece {
        Piece { name, shape: shape.to_vec(), column: 0, transposed: false }
    }

    /// Whether it is the parameter, byte by byte.
    pub fn is_whole(&self, param: &[usize]) -> bool {
        !self.transposed && self.shape == param
    }

    /// Columns of the parameter that a matrix fills.
    pub fn outputs(&self) -> usize {
        self.shape[if self.transposed { 0 } else { 1 }]
    }

    /// Numbers in it.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Calls `f(index in the parameter of `columns` columns, index in the piece)` for each number.
    fn each(&self, columns: usize, mut f: impl FnMut(usize, usize)) {
        if !self.transposed {
            (0..self.count()).for_each(|i| f(self.column + i, i)); // a bias
            return;
        }
        let (outputs, inputs) = (self.shape[0], self.shape[1]);
        // In squares, so that neither side is walked through in strides for long.
        for o0 in (0..outputs).step_by(32) {
            for i0 in (0..inputs).step_by(32) {
                for o in o0..outputs.min(o0 + 32) {
                    for i in i0..inputs.min(i0 + 32) {
                        f(i * columns + self.column + o, o * inputs + i);
                    }
                }
            }
        }
    }

    /// Piece → parameter, whose last axis is `columns`.
    pub fn scatter(&self, piece: &[f32], param: &mut [f32], columns: usize) {
        self.each(columns, |p, i| param[p] = piece[i]);
    }

    /// Parameter → piece.
    pub fn gather<'a>(&self, param: &'a [f32], shape: &[usize]) -> Cow<'a, [f32]> {
        if self.is_whole(shape) {
            return param.into();
        }
        let mut piece = vec![0.0; self.count()];
        self.each(shape.last().copied().unwrap_or(1), |p, i| piece[i] = param[p]);
        piece.into()
    }
}

/// The layout of one model's file.
pub struct Layout<'a> {
    config: &'a GptConfig,
    family: Family,
    biases: (bool, bool),
    prefix: &'static str,
}

impl<'a> Layout<'a> {
    /// As it is saved.
    pub fn to_save(config: &'a GptConfig) -> Layout<'a> {
        let family = Family::of(config);
        let prefix = match family {
            Family::Gpt2 => "transformer.",
            Family::Llama => "model.",
            Family::Motamot => "",
        };
        Layout { config, family, biases: (config.bias, config.bias), prefix }
    }

    /// As a file has it that holds tensors of these names. A model without its head is saved without the prefix.
    pub fn to_load(hf: &'a HfConfig, has: impl Fn(&str) -> bool) -> Layout<'a> {
        let mut layout = Layout { family: hf.family, biases: hf.biases, ..Layout::to_save(&hf.config) };
        let bare = Layout { prefix: "", ..layout };
        if !has(&layout.token_table().name) && has(&bare.token_table().name) {
            layout = bare;
        }
        layout
    }

    /// The token table, which every model has.
    pub fn token_table(&self) -> Piece {
        self.pieces("wte.weight", &[self.config.vocab_size, self.config.width]).remove(0)
    }

    /// The tensors that make up a parameter; none: it is not in the file, and zero.
    pub fn pieces(&self, path: &str, shape: &[usize]) -> Vec<Piece> {
        if path == "lm_head.weight" {
            return vec![Piece::whole(path.to_owned(), shape)];
        }
        if self.family != Family::Llama {
            return vec![Piece::whole(format!("{}{path}", self.prefix), shape)];
        }
        let prefix = self.prefix;
        let (block, rest) = match path.strip_prefix("h.").and_then(|p| p.split_once('.')) {
            Some((layer, rest)) => (format!("{prefix}layers.{layer}."), rest),
            None => (prefix.to_owned(), path),
        };
        let (part, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
        let (q, kv) = (self.config.heads * self.config.head_dim(), self.config.kv_heads() * self.config.head_dim());
        let columns = *shape.last().unwrap_or(&0);
        let (has_bias, linears): (bool, &[(&str, usize)]) = match part {
            "wte" => return vec![Piece::whole(format!("{block}embed_tokens.{kind}"), shape)],
            "ln_1" => return vec![Piece::whole(format!("{block}input_layernorm.{kind}"), shape)],
            "ln_2" => return vec![Piece::whole(format!("{block}post_attention_layernorm.{kind}"), shape)],
            "ln_f" => return vec![Piece::whole(format!("{block}norm.{kind}"), shape)],
            "attn.c_attn" => {
                (self.biases.0, &[("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)])
            }
            "attn.c_proj" => (self.biases.0, &[("self_attn.o_proj", columns)]),
            "mlp.c_fc" => (self.biases.1, &[("mlp.up_proj", columns)]),
            "mlp.c_gate" => (self.biases.1, &[("mlp.gate_proj", columns)]),
            "mlp.c_proj" => (self.biases.1, &[("mlp.down_proj", columns)]),
            _ => unreachable!("a Llama has no parameter {path}"),
        };
        if kind == "bias" && !has_bias {
            return Vec::new();
        }
        let mut column = 0;
        let piece = |&(linear, outputs): &(&str, usize)| {
            let matrix = kind == "weight";
            let shape = if matrix { vec![outputs, shape[0]] } else { vec![outputs] };
            let piece = Piece { name: format!("{block}{linear}.{kind}"), shape, column, transposed: matrix };
            column += outputs;
            piece
        };
        linears.iter().map(piece).collect()
    }

    /// The biases that `GPT2LMHeadModel` has and a GPT without biases has not: zeros in the file.
    pub fn zero_biases(&self) -> Vec<Piece> {
        if self.family != Family::Gpt2 || self.config.bias {
            return Vec::new();
        }
        let c = self.config;
        let in_block = [("ln_1", c.width), ("attn.c_attn", 3 * c.width), ("attn.c_proj", c.width), ("ln_2", c.width)];
        let in_block = in_block.into_iter().chain([("mlp.c_fc", c.mlp_width()), ("mlp.c_proj", c.width)]);
        let blocks =
            (0..c.layers).flat_map(|l| in_block.clone().map(move |(part, n)| (format!("h.{l}.{part}.bias"), n)));
        let all = blocks.chain([("ln_f.bias".to_owned(), c.width)]);
        all.flat_map(|(path, n)| self.pieces(&path, &[n])).collect()
    }

    /// Whether a tensor is a constant that transformers used to save with the weights: a causal mask, RoPE's frequencies.
    pub fn is_buffer(&self, name: &str) -> bool {
        match self.family {
            Family::Gpt2 => {
                let layer = name.strip_prefix(self.prefix).and_then(|n| n.strip_prefix("h."));
                let rest = layer.and_then(|n| n.split_once('.')).map(|(_, rest)| rest);
                rest.is_some_and(|rest| ["attn.bias", "attn.masked_bias"].contains(&rest))
            }
            Family::Llama => name.ends_with("self_attn.rotary_emb.inv_freq"),
            Family::Motamot => false,
        }
    }
}
