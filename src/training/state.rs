//! A run on disk: `training.json` and `optimizer.safetensors` beside the model, all changed together or not at all.
//!
//! `model.safetensors` is the *best* model so far, the one to use; `optimizer.safetensors` holds the *latest* weights with
//! what the optimiser remembers, from which the run goes on with the same bits as if it had never stopped.

use super::config::{RunConfig, available};
use super::metrics::METRICS;
use super::trainer::{Progress, Trainer};
use crate::checkpoint::{Entry, Folder, Item, Save, SpecialIds, TensorFile};
use crate::data::{Corpus, Prepared};
use crate::evaluation::Evaluation;
use crate::model::Gpt;
use crate::model::GptConfig;
use crate::nn::Module;
use crate::tokenizer::Tokenizer;
use crate::utils::fs::{OURS, io_error, is_plain_name};
use crate::utils::hash::{Hasher, hex};
use crate::utils::{Error, Result};
use motamot_kernels::bf16::Precision;
use motamot_kernels::{isa, rng::Rng};
use motamot_tensor::Buf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the run stands, what it is trained with and on what.
pub(super) const TRAINING: &str = "training.json";
/// Where [`Trainer::write`] writes.
pub const OPTIMIZER: &str = "optimizer.safetensors";

/// Begins the name of a folder with the model of one step.
pub(super) const STEP: &str = "step-";
/// What a run writes into its folder, and what is added to a model there.
const FILES: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    TRAINING,
    OPTIMIZER,
    METRICS,
    "loss.svg",
    "loss.png",
    "README.md",
];

/// `training.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainingFile {
    /// The configuration, as `--config` and `--set` name it.
    config: RunConfig,
    /// The instructions that a run in bf16 computes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Where the run stands.
    progress: Progress,
    /// What it learns from.
    text: TextId,
    /// What the model in `model.safetensors` reaches on the validation split.
    best: Option<Evaluation>,
    /// SHA-256 of the other files, by name.
    #[serde(default)]
    sums: BTreeMap<String, String>,
}

/// Which text a run learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextId {
    /// `--data`, absolute; none for the embedded corpus.
    #[serde(default, alias = "path", deserialize_with = "one_or_many")]
    pub paths: Vec<PathBuf>,
    /// `--val`, absolute; none: the last tenth of the text is held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val: Option<PathBuf>,
    /// SHA-256 of the token ids of both splits.
    pub tokens_sha256: String,
}

/// Runs of earlier versions have one path, or null.
fn one_or_many<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Paths {
        Many(Vec<PathBuf>),
        One(Option<PathBuf>),
    }
    Ok(match Paths::deserialize(d)? {
        Paths::Many(paths) => paths,
        Paths::One(path) => path.into_iter().collect(),
    })
}

impl TextId {
    /// The identity of a prepared text that was read from these paths.
    pub fn of(data: &Prepared, paths: &[PathBuf], val: Option<&Path>) -> TextId {
        let mut hasher = Hasher::default();
        for split in [&data.train, &data.val] {
            hasher.update(&(split.len() as u64).to_le_bytes());
            // In pieces: a large text need not stand in memory twice.
            for ids in split.tokens().chunks(1 << 16) {
                hasher.update(&ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
        // A run is resumed and scored from other folders, too.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let paths = paths.iter().map(|path| absolute(path)).collect();
        TextId { paths, val: val.map(absolute), tokens_sha256: hex(&hasher.finish()) }
    }

    /// Whether a prepared text is this one.
    pub fn is(&self, data: &Prepared) -> bool {
        TextId::of(data, &[], None).tokens_sha256 == self.tokens_sha256
    }

    /// Reads the texts again: what is learned from, and the validation text if it is one of its own. Only plain files and
    /// folders: a `training.json` that somebody sent may name anything.
    pub fn open(&self) -> Result<(Corpus, Option<Corpus>)> {
        for path in self.paths.iter().chain(&self.val) {
            let kind = std::fs::metadata(path).map_err(|e| {
                io_error("open", path, e).help("the run learned from it: name it with --data where it is now")
            })?;
            if !kind.is_file() && !kind.is_dir() {
                return Err(Error::new(format!("{} is neither a file nor a folder", path.display()))
                    .help("training.json names it as the run's text: name the text with --data"));
            }
        }
        Ok((Corpus::open(&self.paths)?, self.val.as_deref().map(Corpus::load).transpose()?))
    }
}

/// What a save writes besides the latest state.
pub struct Saved<'a> {
    /// The tokenizer, on the first save.
    pub tokenizer: Option<&'a Tokenizer>,
    /// The text.
    pub text: &'a TextId,
    /// The evaluation of the best model so far.
    pub best: Option<Evaluation>,
    /// Whether the model as it stands is that best model, and takes its place in `model.safetensors`.
    pub is_best: bool,
}

impl<M: Module> Trainer<M> {
    /// Writes the trainable weights and what the optimiser remembers of them, by name, for [`Trainer::read`].
    pub fn write(&mut self, save: &mut Save) -> Result<()> {
        let (model, updater) = (&self.model, &mut self.updater);
        model.visit("", &mut |path, p| _ = updater.memory(path, p).count());
        let updater = &self.updater;
        let mut weights: Vec<(String, Vec<usize>, Arc<Buf>)> = Vec::new();
        let mut memory = Vec::new();
        model.visit("", &mut |path, p| {
            let shape = p.shape().to_vec();
            if p.is_trainable() {
                weights.push((format!("weights.{path}"), shape.clone(), p.shared()));
            }
            for (name, buf) in updater.remembered(path, p) {
                memory.push(Item::slice(format!("{name}.{path}"), shape.clone(), buf));
            }
        });
        let weights = weights.iter().map(|(name, shape, data)| Item::slice(name.clone(), shape.clone(), data));
        save.tensors(OPTIMIZER, weights.chain(memory).collect(), &[])
    }

    /// Reads what [`Trainer::write`] wrote, into the file [`OPTIMIZER`], of a trainer of the same shapes.
    pub fn read(&mut self, tensors: &TensorFile) -> Result<()> {
        let (model, updater) = (&mut self.model, &mut self.updater);
        let mut result = Ok(());
        model.visit_mut("", &mut |path, p| {
            if result.is_err() || !p.is_trainable() {
                return;
            }
            let shape = p.shape();
            result = tensors.read(&format!("weights.{path}"), &shape, p.data_mut());
            for (name, buf) in updater.memory(path, p) {
                result = std::mem::replace(&mut result, Ok(()))
                    .and_then(|()| tensors.read(&format!("{name}.{path}"), &shape, buf));
            }
        });
        result
    }
}

/// Saves a run.
pub fn save(dir: &Path, trainer: &mut Trainer<Gpt>, config: &RunConfig, ids: &SpecialIds, what: &Saved) -> Result<()> {
    let mut save = Save::begin(dir)?;
    if what.is_best {
        save.model(&trainer.model, ids)?;
    }
    if let Some(tokenizer) = what.tokenizer {
        for (name, json) in tokenizer.pretrained_files(config.model.context) {
            save.json(name, &json)?;
        }
    }
    trainer.write(&mut save)?;
    // Files that are not written this time keep the sums that they have.
    let mut sums = summary(dir).ok().flatten().map(|before| before.sums).unwrap_or_default();
    sums.extend(save.sums()?);
    let file = TrainingFile {
        config: config.clone(),
        unit: unit(config.train.precision),
        progress: trainer.progress.clone(),
        text: what.text.clone(),
        best: what.best,
        sums,
    };
    save.json(TRAINING, &file)?;
    save.commit()
}

/// The instructions that products in bf16 are computed with here: they decide the last bits.
fn unit(precision: Precision) -> Option<String> {
    (precision == Precision::Bf16).then(|| isa::isa().to_string())
}

/// A run as it was saved.
pub struct Loaded {
    /// The model and where it stands.
    pub trainer: Trainer<Gpt>,
    /// What it is trained with.
    pub config: RunConfig,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its text.
    pub text: TextId,
    /// What the model in `model.safetensors` reaches.
    pub best: Option<Evaluation>,
}

impl Loaded {
    /// Goes on to step `steps`, beyond the run's end: see [`RunConfig::go_on`].
    pub fn go_on(&mut self, steps: usize) -> Result<()> {
        self.config.go_on(self.trainer.progress.step, steps)?;
        self.trainer.set_settings(self.config.train.settings());
        Ok(())
    }
}

/// Loads a run. One in bf16 is refused where its products would have other bits.
pub fn load(dir: &Path) -> Result<Loaded> {
    let folder = Folder::open(dir)?;
    if !folder.has(TRAINING) {
        return Err(Error::new(format!("there is no run to resume in {}", dir.display()))
            .help("start one without --resume, or name its folder with --out"));
    }
    let file: TrainingFile = folder.json(TRAINING)?;
    let place = folder.path(TRAINING);
    file.config.check().map_err(|e| e.at(place.display()))?;
    if file.progress.step > file.config.train.steps || file.config.train.first > file.config.train.steps {
        let (step, steps) = (file.progress.step, file.config.train.steps);
        return Err(Error::new(format!("{}: progress.step: {step} of {steps} steps", place.display())));
    }
    let precision = file.config.train.precision;
    let other = file.unit.as_ref().is_some_and(|then| Some(then) != unit(precision).as_ref());
    if available(precision) != precision || other {
        let then = file.unit.as_deref().unwrap_or("AVX-512-BF16 or AMX");
        let what = format!("{}: train.precision: bf16 on {then}, and this is {}", place.display(), isa::isa());
        return Err(Error::new(what).help(
            "its bits would change: resume it on a machine of the same kind (MOTAMOT_ISA lowers what a better one uses)",
        ));
    }
    for name in [OPTIMIZER, "tokenizer.json"] {
        if file.sums.get(name).is_some_and(|sum| folder.sum(name).is_ok_and(|now| now != *sum)) {
            return Err(Error::new(format!("{}: not as it was saved", folder.path(name).display()))
                .help("the file was damaged or exchanged: copy it again, or begin a new run with --init-from"));
        }
    }
    let tokenizer = Tokenizer::load(folder.path("tokenizer.json"))?;
    let tensors = folder.tensors(OPTIMIZER)?;
    let weights = |path: &str| format!("weights.{path}");
    // The largest tensor is checked against the file before a model of the configuration's size is made.
    let m = &file.config.model;
    tensors.expect(&weights("wte.weight"), &[m.vocab_size, m.width])?;
    tensors.expect(&weights(&format!("h.{}.ln_2.weight", m.layers - 1)), &[m.width])?;
    let least: usize = GptConfig { bias: false, ..m.clone() }.parts().iter().map(|p| p.parameters).sum();
    let weights_of = |(name, entry): (&String, &Entry)| {
        if name.starts_with("weights.") { entry.shape.iter().product() } else { 0usize }
    };
    let there: usize = tensors.entries().iter().map(weights_of).sum();
    if there < least {
        let what =
            format!("{}: its sizes make at least {least} weights, but {OPTIMIZER} holds {there}", place.display());
        return Err(Error::new(what).help("the two files do not belong together"));
    }
    let mut trainer = file.config.resume(Gpt::new(m, &mut Rng::new(0))?, file.progress);
    trainer.read(&tensors)?;
    Ok(Loaded { trainer, config: file.config, tokenizer, text: file.text, best: file.best })
}

/// The steps whose models [`Run::keep`](super::Run::keep) keeps in a run's folder, in order.
pub fn kept(dir: &Path) -> Vec<usize> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut steps: Vec<usize> = names.filter_map(|name| name.to_str()?.strip_prefix(STEP)?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

/// Whether a folder is one that [`Run::keep`](super::Run::keep) has made, beside a run's best model.
pub fn is_kept(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix(STEP).is_some_and(|step| step.parse::<usize>().is_ok())
}

/// An error if a folder holds something that no run has written.
fn check_foreign(dir: &Path) -> Result<()> {
    let ours = |name: &str| FILES.contains(&name) || name.starts_with(OURS) || is_kept(Path::new(name));
    let entries = std::fs::read_dir(dir).map_err(|e| io_error("list", dir, e))?;
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !ours(name));
    names.sort();
    match names.first() {
        None => Ok(()),
        Some(first) => Err(Error::new(format!("{} holds {first}, which is no file of a run", dir.display()))
            .help("choose a new or an empty folder with --out")),
    }
}

/// Makes room for a new run: an earlier one in `dir` is renamed to `dir.1` (or .2, …), whose name is returned.
///
/// Nothing is ever overwritten, and a folder that holds anything but a run is refused. A run that was killed before its
/// first save has left only its metrics.
pub fn set_aside(dir: &Path) -> Result<Option<PathBuf>> {
    let Ok(kind) = dir.symlink_metadata() else { return Ok(None) };
    let folder = Folder::open(dir).map_err(|e| e.help("--out is the folder that the run gets: name a new one"))?;
    check_foreign(dir)?;
    if !folder.has(TRAINING) {
        if let Some(name) =
            ["model.safetensors", "config.json", "tokenizer.json"].into_iter().find(|name| folder.has(name))
        {
            return Err(Error::new(format!("{} holds a {name} that is no run of motamot train", dir.display()))
                .help("choose another folder with --out"));
        }
        if !folder.has(METRICS) {
            return Ok(None);
        }
    }
    if kind.is_symlink() {
        return Err(Error::new(format!("{} is a link to a folder that holds an earlier run", dir.display()))
            .help("choose another folder with --out, or move that one away"));
    }
    // Beside the folder, not in it, also for "out/". A folder without a name is ".", which must not be moved away.
    let Some(name) = dir.file_name() else {
        return Err(
            Error::new(format!("{} holds an earlier run", dir.display())).help("choose another folder with --out")
        );
    };
    let _unused = super::metrics::check_unused(&dir.join(METRICS))?;
    let free = (1..).map(|n| {
        let mut name = name.to_owned();
        name.push(format!(".{n}"));
        dir.with_file_name(name)
    });
    let target = free.into_iter().find(|path| path.symlink_metadata().is_err());
    let target = target.ok_or_else(|| Error::new("no free name for the earlier run"))?;
    std::fs::rename(dir, &target).map_err(|e| io_error("set aside the earlier run in", dir, e))?;
    Ok(Some(target))
}

/// What a run's `training.json` tells without the rest of it.
pub struct Summary {
    /// Updates made.
    pub step: usize,
    /// Updates in all.
    pub steps: usize,
    /// What it learns from.
    pub text: TextId,
    /// What the model in `model.safetensors` reaches.
    pub best: Option<Evaluation>,
    sums: BTreeMap<String, String>,
}

/// The run in a folder; `None` if there is none.
pub fn summary(dir: &Path) -> Result<Option<Summary>> {
    let folder = Folder::open(dir)?;
    if !folder.has(TRAINING) {
        return Ok(None);
    }
    let TrainingFile { config, progress, text, best, sums, .. } = folder.json(TRAINING)?;
    Ok(Some(Summary { step: progress.step, steps: config.train.steps, text, best, sums }))
}

/// The files of a run, and whether each is as it was saved.
pub fn verify(dir: &Path) -> Result<Vec<(String, bool)>> {
    let folder = Folder::open(dir)?;
    let sums = summary(dir)?.map(|summary| summary.sums).filter(|sums| !sums.is_empty());
    let sums = sums.ok_or_else(|| {
        Error::new(format!("{} has no sums to compare with", dir.display()))
            .help("runs of motamot train keep them in training.json, those of earlier versions and other models do not")
    })?;
    let names: Vec<&String> = sums.keys().filter(|name| is_plain_name(name)).collect();
    Ok(names.into_iter().map(|name| (name.clone(), folder.sum(name).is_ok_and(|sum| sum == sums[name]))).collect())
}
