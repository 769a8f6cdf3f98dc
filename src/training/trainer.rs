//! One update after another: sample a batch, predict, go back, step. All that it depends on can be saved and restored.

use super::config::RunConfig;
use super::optimizer::AdamW;
use crate::data::batches::TokenDataset;
use crate::model::Gpt;
use crate::nn::Pass;
use crate::utils::{Error, Result};
use motamot_kernels::{bf16::Precision, rng::Rng};
use motamot_tensor::{Gradients, profile};
use serde::{Deserialize, Serialize};

/// The generators of a run: independent streams of one seed, so that more dropout does not change the batches.
const INIT: u64 = 0;
const BATCHES: u64 = 1;
const DROPOUT: u64 = 2;

/// Where a run stands, besides its weights and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Updates made.
    pub step: usize,
    /// Tokens trained on, repetitions included.
    pub tokens: u64,
    /// Seconds of training so far, over all its parts.
    pub elapsed_s: f64,
    /// The lowest validation loss, in nats per token, and its step.
    pub best: Option<(f64, usize)>,
    /// Evaluations since then.
    pub evaluations_since_best: usize,
    /// State of the generator of batches.
    pub batches: [u64; 3],
    /// State of the generator of dropout masks.
    pub dropout: [u64; 3],
}

/// A model being trained.
pub struct Trainer {
    /// The model.
    pub gpt: Gpt,
    /// Its optimiser.
    pub optimizer: AdamW,
    /// Where it stands.
    pub progress: Progress,
    config: RunConfig,
    precision: Precision,
    gradients: Gradients,
}

/// What one update did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Mean loss of the batch before the update, in nats per token.
    pub loss: f32,
    /// Norm of all gradients, before clipping.
    pub grad_norm: f32,
    /// The learning rate used.
    pub lr: f32,
}

impl Trainer {
    /// A fresh model from the configuration's seed.
    pub fn new(config: &RunConfig) -> Result<Trainer> {
        config.check()?;
        let seed = Rng::new(config.train.seed);
        let gpt = Gpt::new(&config.model, &mut seed.stream(INIT))?;
        let progress = Progress {
            step: 0,
            tokens: 0,
            elapsed_s: 0.0,
            best: None,
            evaluations_since_best: 0,
            batches: seed.stream(BATCHES).state(),
            dropout: seed.stream(DROPOUT).state(),
        };
        Ok(Trainer::resume(config, gpt, progress))
    }

    /// A run as it stood. The optimiser's moments are still to be restored.
    pub fn resume(config: &RunConfig, mut gpt: Gpt, progress: Progress) -> Trainer {
        gpt.set_dropout(config.model.dropout);
        let mut optimizer = AdamW::new(config.train.adamw());
        optimizer.set_steps(progress.step as u64);
        let precision = config.train.precision.of_kernels();
        Trainer { gpt, optimizer, progress, config: config.clone(), precision, gradients: Gradients::new() }
    }

    /// What it is trained with.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Whether all steps are made.
    pub fn is_finished(&self) -> bool {
        self.progress.step >= self.config.train.steps
    }

    /// One update on `batch · accumulate` random windows of `data`.
    ///
    /// A loss or a gradient that is not finite is an error, and leaves the weights as they were.
    pub fn step(&mut self, data: &TokenDataset) -> Result<StepReport> {
        let (t, context) = (&self.config.train, self.config.model.context);
        let mut batches = Rng::from_state(self.progress.batches);
        let mut dropout = Rng::from_state(self.progress.dropout);
        self.gradients.clear();
        let mut loss = 0.0;
        let tokens = t.batch * context;
        let weights = vec![(1.0 / t.accumulate as f32) * (1.0 / tokens as f32); tokens];
        if self.precision == Precision::Bf16 {
            // Only what is not packed yet: an update packs again.
            self.gpt.pack();
        }
        for _ in 0..t.accumulate {
            let batch = data.sample(t.batch, context, |n| batches.below(n));
            profile::mark("batch");
            let pass = &mut Pass::train(&mut dropout).with_precision(self.precision);
            let share = self.gpt.weighted_loss(&batch.inputs, &batch.targets, &weights, t.batch, pass);
            loss += share.item();
            share.backward(&mut self.gradients);
        }
        let lr = t.schedule().at(self.progress.step);
        let diverged = |what: &str, value: f32| {
            let help = format!(
                "lower the learning rate (--set lr={:e}) or lengthen the warm-up (--set warmup={})",
                t.lr / 3.0,
                t.warmup.max(50).saturating_mul(2)
            );
            Error::new(format!("training diverged: the {what} of step {} is {value}", self.progress.step + 1))
                .help(help)
        };
        if !loss.is_finite() {
            return Err(diverged("loss", loss));
        }
        let grad_norm = self.optimizer.step(&mut self.gpt, &self.gradients, lr);
        profile::mark("adamw");
        if !grad_norm.is_finite() {
            return Err(diverged("norm of the gradients", grad_norm));
        }
        self.progress.batches = batches.state();
        self.progress.dropout = dropout.state();
        self.progress.step += 1;
        self.progress.tokens += self.config.tokens_per_step() as u64;
        Ok(StepReport { loss, grad_norm, lr })
    }
}
