//! A whole run in a folder: steps, evaluations, samples, the best model, the state to resume from, the curve.

use super::config::{RunConfig, available};
use super::metrics::{METRICS, Metrics, MetricsFile};
use super::state::{self, Loaded, STEP, Saved, TRAINING, TextId};
use super::trainer::{INIT, Progress, Trainer};
use crate::checkpoint::{Save, SpecialIds};
use crate::data::Prepared;
use crate::data::corpus::END_OF_TEXT;
use crate::evaluation::{Evaluation, evaluate};
use crate::generation::{Request, SamplingOptions, generate, start_tokens};
use crate::model::Gpt;
use crate::utils::clock::Stopwatch;
use crate::utils::fs::io_error;
use crate::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A training run and its folder.
pub struct Run {
    /// The model and where it stands.
    pub trainer: Trainer<Gpt>,
    /// What it is trained with.
    pub config: RunConfig,
    /// The text.
    pub data: Prepared,
    /// n-gram bars, as (name, bits per byte).
    pub bars: Vec<(String, f64)>,
    dir: PathBuf,
    metrics: MetricsFile,
    text: TextId,
    best: Option<Evaluation>,
    /// How many models of evaluations are kept besides the best one, in folders `step-400` of the run's.
    pub keep: usize,
    /// Seconds after which the state is saved, besides at evaluations: what a kill can cost. [`SAVE_SECONDS`] at first.
    pub save_seconds: f64,
}

/// Four minutes.
pub const SAVE_SECONDS: f64 = 240.0;

/// What happens during a run, for whoever shows it.
pub enum Event<'a> {
    /// An update was made.
    Step(&'a Metrics),
    /// The validation split was scored.
    Evaluated {
        /// After this many steps.
        step: usize,
        /// The result.
        result: Evaluation,
        /// Whether it is the best so far; then the model was saved.
        best: bool,
        /// All lines of the run's metrics: what a curve is drawn from.
        rows: &'a [Metrics],
    },
    /// What the model writes by now.
    Sample(&'a str),
    /// Something that is mended, and that the user should know.
    Warning(&'a str),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are made.
    Finished,
    /// No new best for `patience` evaluations.
    Stopped,
    /// Someone pressed Ctrl-C; the state is saved.
    Interrupted,
}

impl Run {
    /// A new run in `dir`. Panics if the data does not fit the configuration: see [`Run::check_data`].
    pub fn new(config: &RunConfig, data: Prepared, text: TextId, bars: Vec<(String, f64)>, dir: &Path) -> Result<Run> {
        Run::check_data(config, &data)?;
        config.check()?;
        let gpt = Gpt::new(&config.model, &mut Rng::new(config.train.seed).stream(INIT))?;
        Run::of(gpt, config, data, text, bars, dir)
    }

    /// A new run that begins with the weights of a model.
    pub fn of(
        gpt: Gpt,
        config: &RunConfig,
        data: Prepared,
        text: TextId,
        bars: Vec<(String, f64)>,
        dir: &Path,
    ) -> Result<Run> {
        Run::check_data(config, &data)?;
        let mut config = config.clone();
        // What training.json says is what is computed, here and on resuming.
        config.train.precision = available(config.train.precision);
        let trainer = config.resume(gpt, Progress::new(config.train.seed));
        crate::utils::fs::create_dir_all(dir)?;
        let metrics = MetricsFile::open(&dir.join(METRICS), 0)?;
        let (dir, save_seconds) = (dir.to_owned(), SAVE_SECONDS);
        let mut run = Run { trainer, config, data, bars, dir, metrics, text, best: None, keep: 0, save_seconds };
        // From the first minute on there is something to resume, and something wrong with the folder shows now.
        run.write(true, true)?;
        Ok(run)
    }

    /// The run in `dir`, exactly where it stood when it was last saved. The tokenizer is already with the data.
    pub fn resume(loaded: Loaded, data: Prepared, bars: Vec<(String, f64)>, dir: &Path) -> Result<Run> {
        let Loaded { trainer, config, tokenizer: _, text, best } = loaded;
        Run::check_data(&config, &data)?;
        let metrics = MetricsFile::open(&dir.join(METRICS), trainer.progress.step)?;
        // A save that was interrupted is finished now: a run whose steps are all made would never come to another.
        drop(Save::begin(dir)?);
        let (dir, save_seconds) = (dir.to_owned(), SAVE_SECONDS);
        Ok(Run { trainer, config, data, bars, dir, metrics, text, best, keep: 0, save_seconds })
    }

    /// Whether both splits hold at least a window, and the vocabularies agree.
    pub fn check_data(config: &RunConfig, data: &Prepared) -> Result<()> {
        data.train.check("training", config.model.context).map_err(|e| e.at(&data.name))?;
        data.val.check("validation", 1).map_err(|e| e.at(&data.name))?;
        // A model may have more logits than the tokenizer has ids.
        if config.model.vocab_size < data.tokenizer.vocab_size() {
            let (v, t) = (config.model.vocab_size, data.tokenizer.vocab_size());
            return Err(Error::new(format!("model.vocab_size is {v}, but the tokenizer has {t} tokens")));
        }
        Ok(())
    }

    /// Trains until all steps are made, patience runs out, or `stop` is set, and saves: after each evaluation, after
    /// [`Run::save_seconds`], and at the end.
    ///
    /// After an error the folder holds what was saved last.
    pub fn train(&mut self, stop: &AtomicBool, show: &mut dyn FnMut(Event)) -> Result<Outcome> {
        let config = self.config.train.clone();
        let tokens_per_step = self.config.tokens_per_step() as f64;
        let mut unsaved = Stopwatch::start();
        while !self.trainer.is_finished() {
            // Asked before a step, not after an evaluation: a run that was saved at this point must not go on when resumed.
            if config.patience > 0 && self.trainer.progress.evaluations_since_best >= config.patience {
                return Ok(Outcome::Stopped);
            }
            let clock = Stopwatch::start();
            let report = self.trainer.step(&self.config.objective(&self.data.train))?;
            let seconds = clock.seconds();
            let p = &mut self.trainer.progress;
            p.elapsed_s += seconds;
            let mut row = Metrics {
                step: p.step,
                tokens: p.tokens,
                train_loss: report.loss,
                val_loss: None,
                val_bpb: None,
                lr: report.lr,
                grad_norm: report.grad_norm,
                tokens_per_s: tokens_per_step / seconds,
                elapsed_s: p.elapsed_s,
            };
            let step = p.step;
            let due = step.is_multiple_of(config.eval_every()) || self.trainer.is_finished();
            if due {
                let clock = Stopwatch::start();
                let result = self.evaluate()?;
                self.trainer.progress.elapsed_s += clock.seconds();
                (row.val_loss, row.val_bpb) = (Some(result.nats_per_token), Some(result.bits_per_byte));
                row.elapsed_s = self.trainer.progress.elapsed_s;
                self.metrics.push(row)?;
                show(Event::Step(&row));
                let best = self.note(result);
                self.save(best, show)?;
                self.keep_model(step)?;
                unsaved = Stopwatch::start();
                show(Event::Evaluated { step, result, best, rows: self.metrics.rows() });
                if config.sample_tokens > 0 {
                    show(Event::Sample(&self.sample(config.sample_tokens)?));
                }
            } else {
                self.metrics.push(row)?;
                show(Event::Step(&row));
                if unsaved.seconds() >= self.save_seconds {
                    self.save(false, show)?;
                    unsaved = Stopwatch::start();
                }
            }
            if stop.load(Ordering::Relaxed) && !self.trainer.is_finished() {
                if !due {
                    self.save(false, show)?;
                }
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Finished)
    }

    /// What it learns from.
    pub fn text(&self) -> &TextId {
        &self.text
    }

    /// What the best model so far reaches, the one in `model.safetensors`.
    pub fn best(&self) -> Option<Evaluation> {
        self.best
    }

    fn save(&mut self, is_best: bool, show: &mut dyn FnMut(Event)) -> Result<()> {
        if self.dir.join(TRAINING).exists() {
            return self.write(false, is_best);
        }
        // Removed or renamed under the run. All that it needs is here, but for the best model: this one is it now.
        let gone = format!("the folder {} was removed or renamed: it is made anew", self.dir.display());
        show(Event::Warning(&gone));
        let result = self.evaluate()?;
        self.trainer.progress.best = None;
        self.note(result);
        crate::utils::fs::create_dir_all(&self.dir)?;
        self.metrics.restore()?;
        self.write(true, true)
    }

    /// Writes the state; on the `first` time the tokenizer, too, and the model if it is the best so far.
    fn write(&mut self, first: bool, is_best: bool) -> Result<()> {
        let ids = self.special_ids();
        let tokenizer = first.then_some(&self.data.tokenizer);
        let what = Saved { tokenizer, text: &self.text, best: self.best, is_best };
        state::save(&self.dir, &mut self.trainer, &self.config, &ids, &what)
    }

    /// Keeps the model as it is now in a folder of its own, and no more than [`Run::keep`] of them.
    fn keep_model(&self, step: usize) -> Result<()> {
        if self.keep == 0 {
            return Ok(());
        }
        let mut save = Save::begin(self.dir.join(format!("{STEP}{step}")))?;
        save.model(&self.trainer.model, &self.special_ids())?;
        for (name, json) in self.data.tokenizer.pretrained_files(self.config.model.context) {
            save.json(name, &json)?;
        }
        save.commit()?;
        let mut steps = state::kept(&self.dir);
        steps.retain(|kept| *kept <= step);
        steps[..steps.len().saturating_sub(self.keep)].iter().try_for_each(|old| {
            let dir = self.dir.join(format!("{STEP}{old}"));
            std::fs::remove_dir_all(&dir).map_err(|e| io_error("remove", &dir, e))
        })
    }

    fn special_ids(&self) -> SpecialIds {
        let end = self.data.tokenizer.special(END_OF_TEXT);
        // What begins a text is named only if the model has seen it there.
        SpecialIds { bos: end.filter(|_| self.data.separated), eos: end, pad: None }
    }

    /// Scores the validation split: all of it, or its first `eval_tokens` tokens.
    pub fn evaluate(&self) -> Result<Evaluation> {
        let most = self.config.train.eval_tokens.saturating_add(1);
        let (gpt, context) = (&self.trainer.model, self.config.model.context);
        if self.data.val.len() <= most {
            return evaluate(gpt, &self.data.val, self.data.val_bytes, context);
        }
        let part = &self.data.val.tokens()[..most];
        let bytes = self.data.tokenizer.decode_bytes(part).len();
        evaluate(gpt, &crate::data::TokenDataset::new(part.to_vec()), bytes, context)
    }

    /// Whether evaluations during training see only a part of the validation split.
    pub fn evaluates_a_part(&self) -> bool {
        self.data.val.len() > self.config.train.eval_tokens.saturating_add(1)
    }

    /// Remembers an evaluation; true if it is the best so far.
    fn note(&mut self, result: Evaluation) -> bool {
        let p = &mut self.trainer.progress;
        let best = p.best.is_none_or(|(loss, _)| result.nats_per_token < loss);
        if best {
            p.best = Some((result.nats_per_token, p.step));
            p.evaluations_since_best = 0;
            self.best = Some(result);
        } else {
            p.evaluations_since_best += 1;
        }
        best
    }

    /// A few tokens after a line feed (after the text's first token, if a character tokenizer knows no line feed), the
    /// same seed each time, so that samples can be compared.
    fn sample(&self, tokens: usize) -> Result<String> {
        let tokenizer = &self.data.tokenizer;
        let prompt = start_tokens(tokenizer, "\n").unwrap_or_else(|_| self.data.train.tokens()[..1].to_vec());
        let sampling = SamplingOptions { temperature: 0.8, seed: 1, ..SamplingOptions::default() };
        let request = Request {
            max_tokens: tokens,
            vocab_size: tokenizer.vocab_size(),
            ..Request::new(&self.trainer.model, &prompt, &sampling)
        };
        let generated = generate(&self.trainer.model, &request, |_, _| Ok(ControlFlow::Continue(())))?;
        Ok(generated.samples.first().map(|s| tokenizer.decode(&s.tokens)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Folder;
    use crate::data::{Corpus, TokenizerSource, prepare};
    use crate::tokenizer::TokenizerKind;
    use crate::utils::fs::tests::{changes_of, failing_once, killed_after};
    use std::collections::BTreeMap;

    fn config() -> RunConfig {
        let mut config = RunConfig::preset("nano").unwrap();
        for setting in
            ["context=8", "width=8", "layers=1", "heads=1", "batch=1", "steps=6", "eval_every=2", "sample_tokens=0"]
        {
            config.set(setting).unwrap();
        }
        config
    }

    fn data() -> Prepared {
        let text = "to be or not to be ".repeat(12).into_bytes();
        let source = TokenizerSource::Train { kind: TokenizerKind::Char, vocab_size: 0 };
        prepare(&Corpus::from_bytes("a text", text), source).unwrap()
    }

    /// Starts a run in `dir`, or goes on with the one there, to the end.
    fn train(dir: &Path) -> Result<()> {
        let (data, mut config) = (data(), config());
        config.model.vocab_size = data.tokenizer.vocab_size();
        let mut run = match Folder::open(dir).is_ok_and(|folder| folder.has(TRAINING)) {
            true => Run::resume(state::load(dir)?, data, Vec::new(), dir)?,
            false => {
                state::set_aside(dir)?;
                let text = TextId::of(&data, &[], None);
                Run::new(&config, data, text, Vec::new(), dir)?
            }
        };
        run.train(&AtomicBool::new(false), &mut |_| {}).map(drop)
    }

    /// All files of a folder, without what a clock told.
    fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let read = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            let mut bytes = std::fs::read(entry.path()).unwrap();
            if name == METRICS || name == TRAINING {
                let text = String::from_utf8(bytes).unwrap();
                let clock = |line: &&str| !line.contains("elapsed_s") || name == METRICS;
                let lines = text.lines().filter(clock).map(|line| line.split("\"tokens_per_s").next().unwrap());
                bytes = lines.collect::<Vec<_>>().join("\n").into_bytes();
            }
            (name, bytes)
        };
        entries.map(read).collect()
    }

    /// A kill, or an error, at each change of the file system that a run makes, from its first to its last: what is
    /// resumed ends as what was never disturbed, in names and in bytes.
    #[test]
    fn whatever_change_of_the_disk_fails_a_run_ends_the_same() {
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().join("whole");
        let changes = changes_of(|| train(&whole).unwrap());
        assert!(changes > 40, "{changes}");
        let expected = files(&whole);
        for once in [false, true] {
            for steps in 0..changes {
                let dir = root.path().join(format!("{once}-{steps}"));
                let outcome = match once {
                    true => failing_once(steps, || train(&dir)),
                    false => killed_after(steps, || train(&dir)),
                };
                // What is left over may stay: it goes away with the next save.
                assert!(outcome.is_err() || once, "change {steps} was made after a kill");
                train(&dir).unwrap();
                let found = files(&dir);
                assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{once} {steps}");
                for (name, bytes) in &found {
                    assert!(*bytes == expected[name], "{name} differs, stopped at change {steps} ({once})");
                }
            }
        }
    }
}
