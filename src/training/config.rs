//! Everything a run is made with, from a preset, a TOML file and `--set key=value`.

use super::objective::Pretraining;
use super::optimizer::{AdamW, Muon, Optimizer};
use super::schedule::{Decay, Schedule};
use super::trainer::{INIT, Progress, Settings, Trainer};
use crate::data::TokenDataset;
use crate::model::{Gpt, GptConfig, preset};
use crate::tokenizer::TokenizerKind;
use crate::utils::{Error, Result, by_name};
use motamot_kernels::{bf16::Precision, gemm, rng::Rng};
use serde::{Deserialize, Serialize};

/// How gradients change the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// [`AdamW`] for every parameter.
    #[default]
    Adamw,
    /// [`Muon`] for the matrices of the blocks, AdamW for the rest.
    Muon,
}

/// The precision that this machine computes in, asked for another: bf16 where there are instructions that make it faster,
/// else f32.
pub fn available(asked: Precision) -> Precision {
    if gemm::bf16::pays() { asked } else { Precision::F32 }
}

/// The numbers of a training run. Sizes are counted per step: `batch · accumulate` sequences of `context` tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Updates of the weights.
    pub steps: usize,
    /// The step where the schedule begins: not 0 if the run goes on beyond the steps that it began with.
    #[serde(default)]
    pub first: usize,
    /// Sequences in a forward pass.
    pub batch: usize,
    /// Forward passes whose gradients are summed for one update.
    pub accumulate: usize,
    /// Highest learning rate.
    pub lr: f32,
    /// Last learning rate.
    pub min_lr: f32,
    /// Steps of warm-up.
    pub warmup: usize,
    /// How the rate falls.
    pub decay: Decay,
    /// See [`AdamW`].
    pub weight_decay: f32,
    /// See [`AdamW`].
    pub beta1: f32,
    /// See [`AdamW`].
    pub beta2: f32,
    /// See [`AdamW`].
    pub eps: f32,
    /// Largest gradient norm; 0: no limit.
    pub clip: f32,
    /// Steps between evaluations; 0: twelve in all, at least 20 steps apart.
    pub eval_every: usize,
    /// Most validation tokens that an evaluation *during* training scores; `motamot eval` always scores all.
    pub eval_tokens: usize,
    /// Evaluations without a new best after which training stops early; 0: never.
    pub patience: usize,
    /// Tokens of the sample shown after each evaluation; 0: none.
    pub sample_tokens: usize,
    /// Everything random follows from it.
    pub seed: u64,
    /// How text becomes tokens.
    pub tokenizer: TokenizerKind,
    /// How products are computed: f32, the same bits on every machine; or bf16, factors rounded where the processor has
    /// instructions for it, sums, weights and moments in f32: faster, and the same bits on processors of one kind.
    /// Evaluation is always in f32. A run stores what it really computes in, and goes on in it.
    #[serde(default, with = "by_name")]
    pub precision: Precision,
    /// How gradients change the weights.
    #[serde(default)]
    pub optimizer: OptimizerKind,
}

/// A run: the model and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The model.
    pub model: GptConfig,
    /// Its training.
    pub train: TrainConfig,
}

impl RunConfig {
    /// The recipe of a preset. How `mini`'s was found stands in `dev/LOG.md`.
    pub fn preset(name: &str) -> Result<RunConfig> {
        let mut model = preset(name)?;
        let mini = TrainConfig {
            steps: 5000,
            first: 0,
            batch: 8,
            accumulate: 1,
            lr: 1e-3,
            min_lr: 1e-5,
            warmup: 100,
            decay: Decay::Cosine,
            weight_decay: 1.5,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            clip: 1.0,
            eval_every: 0,
            eval_tokens: 500_000,
            patience: 0,
            sample_tokens: 60,
            seed: 1337,
            tokenizer: TokenizerKind::Bpe,
            precision: Precision::F32,
            optimizer: OptimizerKind::Adamw,
        };
        // A model of millions of weights learns a text of a megabyte by heart.
        if ["mini", "mini-10m"].contains(&name) {
            model.dropout = 0.3;
        }
        let train = match name {
            "nano" => TrainConfig { steps: 200, lr: 3e-3, min_lr: 3e-4, warmup: 20, weight_decay: 0.1, ..mini },
            // nanoGPT's config/train_shakespeare_char.py.
            "char" => TrainConfig {
                steps: 5000,
                batch: 64,
                min_lr: 1e-4,
                weight_decay: 0.1,
                eval_every: 250,
                sample_tokens: 200,
                tokenizer: TokenizerKind::Char,
                ..mini
            },
            "gpt2" => TrainConfig {
                steps: 600_000,
                batch: 4,
                accumulate: 120,
                lr: 6e-4,
                min_lr: 6e-5,
                warmup: 2000,
                weight_decay: 0.1,
                beta2: 0.95,
                ..mini
            },
            _ => mini,
        };
        Ok(RunConfig { model, train })
    }

    /// Goes on to step `steps` from step `at`, which may be the last one. Warm-up–stable–decay and a constant rate take up
    /// where they were, as if there had always been that many steps; a cosine warms up again and falls anew.
    pub fn go_on(&mut self, at: usize, steps: usize) -> Result<()> {
        if steps <= at {
            return Err(Error::usage(format!("--steps {steps}: the run stands at step {at} already"))
                .help(format!("the steps are those of the whole run: more than {at}")));
        }
        if self.train.decay == Decay::Cosine {
            self.train.first = at;
        }
        self.train.steps = steps;
        Ok(())
    }

    /// Overlays a file with the sections `[model]` and `[train]`: TOML, or the `training.json` of a run.
    pub fn merge_file(&mut self, text: &str, name: &str) -> Result<()> {
        let wrong = |e: &dyn std::fmt::Display| Error::usage(format!("{name}: {e}"));
        if !text.trim_start().starts_with('{') {
            return self.merge_toml(text, name);
        }
        let json: serde_json::Value = serde_json::from_str(text).map_err(|e| wrong(&e))?;
        let config = json.get("config").cloned().unwrap_or(json);
        let table = toml::Table::try_from(config).map_err(|e| wrong(&e))?;
        self.merge_table(table, name)
    }

    /// Overlays TOML with the sections `[model]` and `[train]`.
    pub fn merge_toml(&mut self, text: &str, name: &str) -> Result<()> {
        self.merge_table(toml::from_str(text).map_err(|e| Error::usage(format!("{name}: {e}")))?, name)
    }

    fn merge_table(&mut self, table: toml::Table, name: &str) -> Result<()> {
        for (section, values) in table {
            let toml::Value::Table(values) = values else {
                return Err(Error::usage(format!("{name}: {section}: not a section"))
                    .help("put settings under [model] or [train]"));
            };
            for (key, value) in values {
                self.set_value(&format!("{section}.{key}"), value).map_err(|e| e.at(name))?;
            }
        }
        Ok(())
    }

    /// One `key=value`, as `--set` takes it: `lr=1e-3`, `train.lr=1e-3`, `model.positions=rope`.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (key, value) = assignment.split_once('=').ok_or_else(|| {
            Error::usage(format!("--set {assignment}: no \"=\""))
                .help("write it as key=value, for example --set lr=5e-4")
        })?;
        let (key, value) = (key.trim(), value.trim());
        // A bare word is a string: positions=rope.
        let parsed = toml::from_str::<toml::Table>(&format!("x = {value}")).ok().and_then(|mut t| t.remove("x"));
        self.set_value(key, parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()))).map_err(|e| e.at("--set"))
    }

    fn set_value(&mut self, key: &str, value: toml::Value) -> Result<()> {
        let mut table = toml::Table::try_from(&*self).map_err(|e| Error::new(format!("configuration: {e}")))?;
        let sections: Vec<String> = table
            .iter()
            .filter(|(_, t)| t.as_table().is_some_and(|t| t.contains_key(key.rsplit('.').next().unwrap_or(key))))
            .map(|(name, _)| name.clone())
            .collect();
        let (section, field) = match key.split_once('.') {
            Some((section, field)) => (section.to_owned(), field),
            None => (sections.first().cloned().unwrap_or_default(), key),
        };
        let unknown = || {
            let mut known: Vec<String> = Vec::new();
            for (name, t) in toml::Table::try_from(&*self).unwrap_or_default() {
                known.extend(t.as_table().into_iter().flatten().map(|(field, _)| format!("{name}.{field}")));
            }
            Error::usage(format!("{key}: unknown setting")).help(format!("the settings are {}", known.join(", ")))
        };
        let slot = table
            .get_mut(&section)
            .and_then(|t| t.as_table_mut())
            .and_then(|t| t.get_mut(field))
            .ok_or_else(unknown)?;
        // 1 is a fine learning rate, too.
        *slot = match (&*slot, value) {
            (toml::Value::Float(_), toml::Value::Integer(i)) => toml::Value::Float(i as f64),
            (_, value) => value,
        };
        *self = table
            .try_into()
            .map_err(|e: toml::de::Error| Error::usage(format!("{key}: {}", e.message().replace('\n', " "))))?;
        Ok(())
    }

    /// Checks that the numbers make sense; names the field that does not.
    pub fn check(&self) -> Result<()> {
        self.model.check().map_err(|e| e.at("model"))?;
        let t = &self.train;
        let wrong = |field: &str, why: &str| Err(Error::usage(format!("train.{field}: {why}")));
        if t.first > t.steps {
            return wrong("first", "must not be beyond the last step");
        }
        if t.batch == 0 || t.batch > 1 << 20 {
            return wrong("batch", "must be between 1 and 1048576");
        }
        if t.accumulate == 0 || t.accumulate > 1 << 20 {
            return wrong("accumulate", "must be between 1 and 1048576");
        }
        if t.batch as u64 * t.accumulate as u64 > 1 << 32 {
            return wrong("accumulate", "batch · accumulate must not exceed 4294967296");
        }
        if !(t.lr.is_finite() && t.lr > 0.0) {
            return wrong("lr", "must be a positive number");
        }
        if !(t.min_lr.is_finite() && t.min_lr >= 0.0 && t.min_lr <= t.lr) {
            return wrong("min_lr", "must be between 0 and lr");
        }
        for (field, beta) in [("beta1", t.beta1), ("beta2", t.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return wrong(field, "must be in [0, 1)");
            }
        }
        for (field, x) in [("weight_decay", t.weight_decay), ("clip", t.clip)] {
            if !(x.is_finite() && x >= 0.0) {
                return wrong(field, "must be 0 or a positive number");
            }
        }
        // 0 would make 0/0 of a weight that has never had a gradient.
        if !(t.eps.is_finite() && t.eps > 0.0) {
            return wrong("eps", "must be a positive number");
        }
        if t.eval_tokens < 1 {
            return wrong("eval_tokens", "must be at least 1");
        }
        Ok(())
    }

    /// A fresh model with the trainer of this configuration, from its seed.
    pub fn trainer(&self) -> Result<Trainer<Gpt>> {
        self.check()?;
        let gpt = Gpt::new(&self.model, &mut Rng::new(self.train.seed).stream(INIT))?;
        Ok(self.resume(gpt, Progress::new(self.train.seed)))
    }

    /// The trainer of a run that stands somewhere. What its optimiser remembers is still to be read.
    pub fn resume(&self, mut gpt: Gpt, progress: Progress) -> Trainer<Gpt> {
        gpt.set_dropout(self.model.dropout);
        Trainer::new(gpt, self.train.optimizer(), self.train.settings(), progress)
    }

    /// What a step goes down: the next token, in random windows of a text.
    pub fn objective<'a>(&self, data: &'a TokenDataset) -> Pretraining<'a> {
        Pretraining { data, batch: self.train.batch, context: self.model.context }
    }

    /// Tokens that one step trains on.
    pub fn tokens_per_step(&self) -> usize {
        self.train.batch * self.train.accumulate * self.model.context
    }
}

impl TrainConfig {
    /// The learning-rate schedule.
    pub fn schedule(&self) -> Schedule {
        // A short run must not spend itself on warming up.
        let warmup = self.warmup.min((self.steps - self.first) / 5);
        Schedule { first: self.first, lr: self.lr, min_lr: self.min_lr, warmup, steps: self.steps, decay: self.decay }
    }

    /// The optimiser.
    pub fn optimizer(&self) -> Box<dyn Optimizer> {
        let TrainConfig { beta1, beta2, eps, weight_decay, .. } = *self;
        let adamw = AdamW { beta1, beta2, eps, weight_decay };
        match self.optimizer {
            OptimizerKind::Adamw => Box::new(adamw),
            OptimizerKind::Muon => Box::new(Muon { momentum: 0.95, adamw }),
        }
    }

    /// How an update is made.
    pub fn settings(&self) -> Settings {
        let (schedule, precision) = (self.schedule(), available(self.precision));
        Settings { schedule, accumulate: self.accumulate, clip: self.clip, precision }
    }

    /// Steps between evaluations, resolved.
    pub fn eval_every(&self) -> usize {
        if self.eval_every > 0 { self.eval_every } else { self.steps.div_ceil(12).max(20) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_by_name() {
        let mut run = RunConfig::preset("mini").unwrap();
        for set in ["lr=1", "model.positions=rope", "dropout = 0.1", "decay=wsd", "train.steps=7", "tied=false"] {
            run.set(set).unwrap();
        }
        assert_eq!((run.train.lr, run.train.steps, run.model.tied, run.model.dropout), (1.0, 7, false, 0.1));
        assert_eq!(run.model.positions, crate::embeddings::PositionKind::Rope);
        let fails = |s: &str| RunConfig::preset("mini").unwrap().set(s).err().unwrap();
        assert!(fails("speed=9").help_line().unwrap().contains("train.lr"));
        for wrong in ["steps=-1", "steps=many", "positions=nowhere", "lr", "model.lr=3", "=", "a.b.c=1", "steps=1.5"] {
            assert_eq!(fails(wrong).exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn a_file_overlays_the_preset() {
        let mut run = RunConfig::preset("mini").unwrap();
        run.merge_toml("[train]\nlr = 5e-4\n[model]\nlayers = 4\n", "x.toml").unwrap();
        assert_eq!((run.train.lr, run.model.layers, run.model.width), (5e-4, 4, 256));
        for wrong in ["lr = 1", "[train]\nspeed = 1", "[train", "[other]\nx = 1"] {
            let error = run.merge_toml(wrong, "x.toml").err().unwrap();
            assert!(error.to_string().starts_with("x.toml"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn presets_are_sound() {
        for name in crate::model::PRESETS {
            RunConfig::preset(name).unwrap().check().unwrap();
        }
        let mut run = RunConfig::preset("mini").unwrap();
        run.train.min_lr = 1.0;
        assert!(run.check().err().unwrap().to_string().starts_with("train.min_lr"));
    }
}
