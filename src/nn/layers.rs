//! Layers made of one op and its parameters.

use super::{Lora, Param, Pass, modules};
use motamot_kernels::panels::{Panels, matmul_panels};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Buf, Shape, Tensor, ops};
use serde::{Deserialize, Serialize};

/// x·Wᵀ + b for weights in fewer bits, (.., K) → (.., N): nothing to train.
#[track_caller]
fn product(x: &Tensor, w: &Panels, bias: Option<&Param>) -> Tensor {
    let (shape, [n, _]) = (x.shape(), w.shape());
    let mut y = Buf::stale(shape.rows() * n);
    matmul_panels(x.data(), w, bias.map(Param::data), &mut y);
    Tensor::from_buf(y, shape.with_last_axis(n))
}

/// y = x·W + b, W (inputs, outputs).
pub struct Linear {
    /// (inputs, outputs), as GPT-2's Conv1D; torch.nn.Linear stores the transpose.
    pub weight: Param,
    /// (outputs).
    pub bias: Option<Param>,
    /// What fine-tuning adds.
    pub lora: Option<Lora>,
}
modules!(Linear { weight, bias, lora });

impl Linear {
    /// Weights from N(0, std²), bias 0.
    pub fn new(inputs: usize, outputs: usize, bias: bool, std: f32, rng: &mut Rng) -> Linear {
        Linear {
            weight: Param::normal(rng, std, [inputs, outputs]),
            bias: bias.then(|| Param::constant(0.0, outputs)),
            lora: None,
        }
    }

    /// (.., inputs) → (.., outputs).
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let Linear { weight, bias, lora } = self;
        let y = if pass.is_quantised(weight) {
            product(x, weight.layer_panels(), bias.as_ref())
        } else {
            ops::linear(x, &pass.param(weight), bias.as_ref().map(|b| pass.param(b)).as_ref())
        };
        lora.as_ref().map_or(y.clone(), |lora| lora.add_to(&y, x, pass))
    }

    /// Puts a fresh adapter beside the projection.
    pub fn adapt(&mut self, rank: usize, alpha: f32, rng: &mut Rng) {
        let [inputs, outputs] = [self.weight.shape()[0], self.weight.shape()[1]];
        self.lora = Some(Lora::new(inputs, outputs, rank, alpha, rng));
    }

    /// Adds the adapter, if there is one, to the weights: one product again, which every pass computes fastest.
    pub fn merge(&mut self) {
        if let Some(lora) = self.lora.take() {
            lora.merge_into(&mut self.weight);
        }
    }
}

/// A table of rows, (V, C).
pub struct Embedding {
    /// (V, C).
    pub weight: Param,
}
modules!(Embedding { weight });

impl Embedding {
    /// Rows from N(0, std²).
    pub fn new(rows: usize, width: usize, std: f32, rng: &mut Rng) -> Embedding {
        Embedding { weight: Param::normal(rng, std, [rows, width]) }
    }

    /// Ids in `shape` → (shape.., C).
    #[track_caller]
    pub fn forward(&self, ids: &[u32], shape: impl Into<Shape>, pass: &Pass) -> Tensor {
        ops::embedding(&pass.param(&self.weight), ids, shape)
    }

    /// The table as an output head: (.., C) → (.., V), x·tableᵀ.
    #[track_caller]
    pub fn logits(&self, x: &Tensor, pass: &Pass) -> Tensor {
        if pass.is_quantised(&self.weight) {
            return product(x, self.weight.table_panels(), None);
        }
        ops::matmul_nt(x, &pass.param(&self.weight))
    }

    /// The row of one id.
    #[track_caller]
    pub(crate) fn copy_row(&self, id: u32, out: &mut [f32]) {
        let (rows, width) = (self.weight.shape()[0], out.len());
        assert!((id as usize) < rows, "embedding: id {id} of {rows} rows");
        out.copy_from_slice(&self.weight.data()[id as usize * width..][..width]);
    }
}

/// Which normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Mean 0, variance 1: [`ops::layer_norm`].
    Layer,
    /// Root mean square 1: [`ops::rms_norm`].
    Rms,
}

/// LayerNorm or RMSNorm over the last axis.
pub struct Norm {
    /// (C), from 1.
    pub weight: Param,
    /// (C), from 0; LayerNorm only.
    pub bias: Option<Param>,
    /// Which of the two.
    pub kind: NormKind,
    /// ε under the root.
    pub eps: f32,
}
modules!(Norm { weight, bias });

impl Norm {
    /// Weight 1 and, where a LayerNorm wants one, bias 0.
    pub fn new(kind: NormKind, width: usize, bias: bool, eps: f32) -> Norm {
        let bias = (bias && kind == NormKind::Layer).then(|| Param::constant(0.0, width));
        Norm { weight: Param::constant(1.0, width), bias, kind, eps }
    }

    /// (.., C) → (.., C).
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let weight = pass.param(&self.weight);
        match self.kind {
            NormKind::Layer => {
                ops::layer_norm(x, &weight, self.bias.as_ref().map(|b| pass.param(b)).as_ref(), self.eps)
            }
            NormKind::Rms => ops::rms_norm(x, &weight, self.eps),
        }
    }
}
