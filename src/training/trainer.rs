//! One update after another: draw a batch, predict, go back, step. All that it depends on can be saved and restored.

use super::objective::Objective;
use super::optimizer::{Optimizer, Updater};
use super::schedule::Schedule;
use crate::nn::{Module, Pass};
use crate::utils::{Error, Result};
use motamot_kernels::{bf16::Precision, rng::Rng};
use motamot_tensor::{Gradients, profile};
use serde::{Deserialize, Serialize};

/// The generators of a run: independent streams of one seed, so that more dropout does not change the batches.
pub(super) const INIT: u64 = 0;
const BATCHES: u64 = 1;
const DROPOUT: u64 = 2;

/// Where a run stands, besides its weights and what its optimiser remembers.
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

impl Progress {
    /// The start of a run.
    pub fn new(seed: u64) -> Progress {
        let seed = Rng::new(seed);
        Progress {
            step: 0,
            tokens: 0,
            elapsed_s: 0.0,
            best: None,
            evaluations_since_best: 0,
            batches: seed.stream(BATCHES).state(),
            dropout: seed.stream(DROPOUT).state(),
        }
    }
}

/// How an update is made, whatever the objective and the optimiser.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The learning rate of each step, and how many there are.
    pub schedule: Schedule,
    /// Batches whose gradients are summed for one update.
    pub accumulate: usize,
    /// Largest norm of all gradients together; 0: no limit.
    pub clip: f32,
    /// How products are computed.
    pub precision: Precision,
}

/// A model being trained.
pub struct Trainer<M> {
    /// The model.
    pub model: M,
    /// How gradients change it.
    pub updater: Updater,
    /// Where it stands.
    pub progress: Progress,
    settings: Settings,
    gradients: Gradients,
}

/// A loss whose gradients wait for [`Trainer::update`].
#[must_use = "the gradients wait for Trainer::update"]
pub struct Pending {
    /// Mean loss of the step's batches, in nats per token.
    pub loss: f32,
    tokens: u64,
    batches: Rng,
    dropout: Rng,
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

impl<M: Module> Trainer<M> {
    /// A model at the point of its training that `progress` tells.
    pub fn new(model: M, optimizer: Box<dyn Optimizer>, settings: Settings, progress: Progress) -> Trainer<M> {
        let mut updater = Updater::of(optimizer);
        updater.set_steps(progress.step as u64);
        Trainer { model, updater, progress, settings, gradients: Gradients::new() }
    }

    /// Changes how later updates are made.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether all steps are made.
    pub fn is_finished(&self) -> bool {
        self.progress.step >= self.settings.schedule.steps
    }

    /// One update towards the objective: [`Trainer::backward`], then [`Trainer::update`].
    ///
    /// A loss or a gradient that is not finite is an error, and leaves the weights as they were.
    pub fn step(&mut self, objective: &impl Objective<M>) -> Result<StepReport> {
        let pending = self.backward(objective)?;
        self.update(pending)
    }

    /// Draws the batches of a step and computes the gradient of their mean loss, without changing the model.
    pub fn backward<O: Objective<M>>(&mut self, objective: &O) -> Result<Pending> {
        let mut batches = Rng::from_state(self.progress.batches);
        let mut dropout = Rng::from_state(self.progress.dropout);
        objective.prepare(&mut self.model, self.settings.precision);
        self.gradients.clear();
        let drawn: Vec<O::Batch> = (0..self.settings.accumulate).map(|_| objective.batch(&mut batches)).collect();
        profile::mark("batch");
        let targets: usize = drawn.iter().map(|batch| objective.targets(batch)).sum();
        let mut loss = 0.0;
        for batch in &drawn {
            let pass = &mut Pass::train(&mut dropout).with_precision(self.settings.precision);
            let share = objective.loss(&self.model, batch, 1.0 / targets.max(1) as f32, pass);
            loss += share.item();
            share.backward(&mut self.gradients);
        }
        if !loss.is_finite() {
            return Err(self.diverged("loss", loss));
        }
        Ok(Pending { loss, tokens: targets as u64, batches, dropout })
    }

    /// The gradients between [`Trainer::backward`] and [`Trainer::update`]: to look at, or to sum with those of others.
    pub fn gradients(&mut self) -> &mut Gradients {
        &mut self.gradients
    }

    /// Changes the model by the gradients that are there.
    pub fn update(&mut self, pending: Pending) -> Result<StepReport> {
        let lr = self.settings.schedule.at(self.progress.step);
        let grad_norm = self.updater.step(&mut self.model, &self.gradients, lr, self.settings.clip);
        profile::mark("optimiser");
        if !grad_norm.is_finite() {
            return Err(self.diverged("norm of the gradients", grad_norm));
        }
        self.progress.batches = pending.batches.state();
        self.progress.dropout = pending.dropout.state();
        self.progress.step += 1;
        self.progress.tokens += pending.tokens;
        Ok(StepReport { loss: pending.loss, grad_norm, lr })
    }

    fn diverged(&self, what: &str, value: f32) -> Error {
        let Schedule { lr, warmup, .. } = self.settings.schedule;
        Error::new(format!("training diverged: the {what} of step {} is {value}", self.progress.step + 1)).help(
            format!(
                "lower the learning rate (--set lr={:e}) or lengthen the warm-up (--set warmup={})",
                lr / 3.0,
                warmup.max(50).saturating_mul(2)
            ),
        )
    }
}
