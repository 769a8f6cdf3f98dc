//! What training goes down: an objective draws batches and says how wrong a model is about them.

use crate::data::{Batch, TokenDataset};
use crate::model::Gpt;
use crate::nn::{Module, Pass};
use motamot_kernels::bf16::Precision;
use motamot_kernels::rng::Rng;
use motamot_tensor::Tensor;

/// Batches and their loss, for a kind of model. The trainer knows neither: pretraining, masked words, fine-tuning on
/// answers or on preferences are objectives.
pub trait Objective<M: Module> {
    /// What one forward pass sees.
    type Batch;

    /// The next batch. All that is random about it comes from `rng`, whose state is what resuming needs.
    fn batch(&self, rng: &mut Rng) -> Self::Batch;

    /// How many predictions the batch is scored on: its weight in the mean over a step.
    fn targets(&self, batch: &Self::Batch) -> usize;

    /// `scale` · Σ loss over the targets, one number. `scale` is 1 / (targets of the whole step), so that batches of
    /// different sizes make one mean.
    fn loss(&self, model: &M, batch: &Self::Batch, scale: f32, pass: &mut Pass) -> Tensor;

    /// Called before the passes of a step, which compute with this precision.
    fn prepare(&self, _model: &mut M, _precision: Precision) {}
}

/// Predict the next token of a text, from random windows of it.
pub struct Pretraining<'a> {
    /// The text.
    pub data: &'a TokenDataset,
    /// B, windows in a batch.
    pub batch: usize,
    /// T, tokens of a window.
    pub context: usize,
}

impl Objective<Gpt> for Pretraining<'_> {
    type Batch = Batch;

    fn batch(&self, rng: &mut Rng) -> Batch {
        self.data.sample(self.batch, self.context, |n| rng.below(n))
    }

    fn targets(&self, batch: &Batch) -> usize {
        batch.targets.len()
    }

    fn loss(&self, gpt: &Gpt, batch: &Batch, scale: f32, pass: &mut Pass) -> Tensor {
        let weights = vec![scale; batch.targets.len()];
        gpt.weighted_loss(&batch.inputs, &batch.targets, &weights, self.batch, pass)
    }

    fn prepare(&self, gpt: &mut Gpt, precision: Precision) {
        if precision == Precision::Bf16 {
            // Only what is not packed yet: an update packs again.
            gpt.pack();
        }
    }
}
