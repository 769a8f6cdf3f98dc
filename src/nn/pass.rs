//! One pass over a model: training, evaluation or decoding, with the same `forward`.

use super::{KvCache, Param};
use motamot_kernels::bf16::Precision;
use motamot_kernels::panels::Format;
use motamot_kernels::rng::Rng;
use motamot_tensor::{Tensor, ops};

/// What a `forward` has to know besides its input.
pub struct Pass<'a> {
    mode: Mode<'a>,
    precision: Precision,
}

enum Mode<'a> {
    Train(&'a mut Rng),
    Eval,
    Decode(&'a mut KvCache, usize),
}

impl<'a> Pass<'a> {
    /// Ops are recorded and dropout is on; its randomness comes from `rng`.
    pub fn train(rng: &'a mut Rng) -> Pass<'a> {
        Pass { mode: Mode::Train(rng), precision: Precision::F32 }
    }

    /// Nothing is recorded, nothing is dropped.
    pub fn eval() -> Pass<'static> {
        Pass { mode: Mode::Eval, precision: Precision::F32 }
    }

    /// As [`Pass::eval`], for the tokens of one sequence that follow those in a row of `cache`, where their keys and
    /// values are kept.
    pub fn decode(cache: &'a mut KvCache, row: usize) -> Pass<'a> {
        Pass { mode: Mode::Decode(cache, row), precision: Precision::F32 }
    }

    /// The same pass with products computed otherwise than in f32: those of matrices that have been packed (see
    /// [`Param::pack`]), and self-attention.
    pub fn with_precision(self, precision: Precision) -> Pass<'a> {
        Pass { precision, ..self }
    }

    /// How products are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The parameter as a tensor; tracked while training, if it is trainable.
    pub fn param(&self, p: &Param) -> Tensor {
        let tensor = self.leaf(p);
        match p.bf16() {
            Some(matrix) if self.precision == Precision::Bf16 => tensor.with_bf16(matrix.clone()),
            _ => tensor,
        }
    }

    fn leaf(&self, p: &Param) -> Tensor {
        if p.is_trainable() && matches!(self.mode, Mode::Train(_)) {
            Tensor::parameter(p.id(), p.shared(), p.shape())
        } else {
            Tensor::shared(p.shared(), p.shape())
        }
    }

    /// Whether the parameter is read in fewer bits; never while training.
    pub fn is_quantised(&self, p: &Param) -> bool {
        p.format() != Format::F32 && !matches!(self.mode, Mode::Train(_))
    }

    /// [`ops::dropout`] while training, `x` itself otherwise.
    pub fn dropout(&mut self, x: &Tensor, p: f32) -> Tensor {
        match self.dropout_key(p) {
            Some((p, key)) => ops::dropout(x, p, key),
            None => x.clone(),
        }
    }

    /// residual + [`Pass::dropout`] of x.
    pub fn dropout_add(&mut self, x: &Tensor, residual: &Tensor, p: f32) -> Tensor {
        match self.dropout_key(p) {
            Some((p, key)) => ops::dropout_add(x, residual, p, key),
            None => residual + x,
        }
    }

    /// For an op that drops by itself: the probability and a fresh key, or `None` outside training.
    pub fn dropout_key(&mut self, p: f32) -> Option<(f32, (u64, u64))> {
        match &mut self.mode {
            Mode::Train(rng) if p > 0.0 => Some((p, (rng.next_u64(), 0))),
            _ => None,
        }
    }

    /// How many tokens stand before the ones of this pass.
    pub fn position(&self) -> usize {
        match &self.mode {
            Mode::Decode(cache, row) => cache.len(*row),
            _ => 0,
        }
    }

    /// The cache and the row in it, while decoding.
    pub fn cache(&mut self) -> Option<(&mut KvCache, usize)> {
        match &mut self.mode {
            Mode::Decode(cache, row) => Some((cache, *row)),
            _ => None,
        }
    }
}
