//! Low-rank adapters: what fine-tuning adds to a projection while the projection itself stays as it is.

use super::{Param, Pass, modules};
use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Buf, Tensor, ops};

/// Which projections get an adapter, and how large.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// Columns of A, rows of B.
    pub rank: usize,
    /// α: what an adapter computes is multiplied by α / rank.
    pub alpha: f32,
    /// Paths of projections, whole or their ends: `c_attn` is that of every block, `h.0.mlp.c_fc` a single one.
    pub targets: Vec<String>,
}

impl LoraConfig {
    /// Whether a projection gets an adapter.
    pub fn adapts(&self, path: &str) -> bool {
        self.targets.iter().any(|target| LoraConfig::means(target, path))
    }

    /// Whether a target is a path, or its end from a dot on.
    pub fn means(target: &str, path: &str) -> bool {
        path.strip_suffix(target).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// y += scale·(x·A)·B, beside y = x·W + b.
///
/// A starts from N(0, 1/I) and B from 0, so that a fresh adapter changes nothing. Both are computed in f32 in every pass.
/// Source: Hu et al. 2021, arXiv:2106.09685.
pub struct Lora {
    /// A (inputs, rank).
    pub a: Param,
    /// B (rank, outputs).
    pub b: Param,
    /// α / rank.
    pub scale: f32,
}
modules!(Lora { a, b });

impl Lora {
    /// A fresh adapter for a projection from `inputs` to `outputs`.
    pub fn new(inputs: usize, outputs: usize, rank: usize, alpha: f32, rng: &mut Rng) -> Lora {
        Lora {
            a: Param::normal(rng, 1.0 / (inputs as f32).sqrt(), [inputs, rank]),
            b: Param::new(Buf::zeros(rank * outputs), [rank, outputs]),
            scale: alpha / rank as f32,
        }
    }

    /// y + scale·(x·A)·B: x (.., inputs), y (.., outputs) → (.., outputs).
    #[track_caller]
    pub(super) fn add_to(&self, y: &Tensor, x: &Tensor, pass: &Pass) -> Tensor {
        let Lora { a, b, scale } = self;
        let low = ops::linear(x, &pass.param(a), None);
        ops::add(y, &ops::scale(&ops::linear(&low, &pass.param(b), None), *scale))
    }

    /// weight += scale·A·B.
    pub(super) fn merge_into(&self, weight: &mut Param) {
        let [inputs, outputs] = [weight.shape()[0], weight.shape()[1]];
        let scaled: Vec<f32> = self.a.data().iter().map(|a| a * self.scale).collect();
        let (rank, b) = (self.b.shape()[0], self.b.data());
        weight.update(|w| gemm(Layout::NN, inputs, outputs, rank, &scaled, b, w, Init::Accumulate));
    }
}
