//! A run on disk: `training.json` and `optimizer.safetensors` beside the model, all changed together or not at all.
//!
//! `model.safetensors` is the *best* model so far, the one to use; `optimizer.safetensors` holds the *latest* weights with
//! AdamW's moments, from which the run goes on with the same bits as if it had never stopped.

use super::config::RunConfig;
use super::trainer::{Progress, Trainer};
use crate::checkpoint::{Entry, Folder, Item, Save, SpecialIds};
use crate::data::Prepared;
use crate::evaluation::Evaluation;
use crate::model::Gpt;
use crate::model::GptConfig;
use crate::nn::{Module, Param};
use crate::tokenizer::Tokenizer;
use crate::utils::hash::{Hasher, hex};
use crate::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use motamot_tensor::Buf;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TRAINING: &str = "training.json";
const OPTIMIZER: &str = "optimizer.safetensors";

/// `training.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainingFile {
    /// The configuration, as `--config` and `--set` name it.
    config: RunConfig,
    /// Where the run stands.
    progress: Progress,
    /// What it learns from.
    text: TextId,
    /// What the model in `model.safetensors` reaches on the validation split.
    best: Option<Evaluation>,
}

/// Which text a run learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextId {
    /// `--data`; none for the embedded corpus.
    pub path: Option<PathBuf>,
    /// SHA-256 of the token ids of both splits.
    pub tokens_sha256: String,
}

impl TextId {
    /// The identity of a prepared text.
    pub fn of(data: &Prepared, path: Option<&Path>) -> TextId {
        let mut hasher = Hasher::default();
        for split in [&data.train, &data.val] {
            hasher.update(&(split.len() as u64).to_le_bytes());
            // In pieces: a large text need not stand in memory twice.
            for ids in split.tokens().chunks(1 << 16) {
                hasher.update(&ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
        TextId { path: path.map(Path::to_owned), tokens_sha256: hex(&hasher.finish()) }
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

/// Saves a run.
pub fn save(dir: &Path, trainer: &mut Trainer, ids: &SpecialIds, what: &Saved) -> Result<()> {
    let mut save = Save::begin(dir)?;
    if what.is_best {
        save.model(&trainer.gpt, ids)?;
    }
    if let Some(tokenizer) = what.tokenizer {
        for (name, json) in tokenizer.pretrained_files(trainer.config().model.context) {
            save.json(name, &json)?;
        }
    }
    let file = TrainingFile {
        config: trainer.config().clone(),
        progress: trainer.progress.clone(),
        text: what.text.clone(),
        best: what.best,
    };
    save.json(TRAINING, &file)?;
    let mut tensors: Vec<(String, Vec<usize>, Arc<Buf>)> = Vec::new();
    let optimizer = &mut trainer.optimizer;
    let mut moments = Vec::new();
    trainer.gpt.visit("", &mut |path, p| {
        tensors.push((format!("weights.{path}"), p.shape().to_vec(), p.shared()));
        moments.push((path.to_owned(), p.shape().to_vec(), p.id()));
        optimizer.moments(p);
    });
    let mut items: Vec<Item> =
        tensors.iter().map(|(name, shape, data)| Item::slice(name.clone(), shape.clone(), data)).collect();
    for (path, shape, id) in &moments {
        if let Some((m, v)) = trainer.optimizer.get(*id) {
            items.push(Item::slice(format!("m.{path}"), shape.clone(), m));
            items.push(Item::slice(format!("v.{path}"), shape.clone(), v));
        }
    }
    save.tensors(OPTIMIZER, items, &[])?;
    save.commit()
}

/// A run as it was saved: the trainer, its tokenizer, its text.
pub fn load(dir: &Path) -> Result<(Trainer, Tokenizer, TextId, Option<Evaluation>)> {
    let folder = Folder::open(dir)?;
    if !folder.has(TRAINING) {
        return Err(Error::new(format!("there is no run to resume in {}", dir.display()))
            .help("start one without --resume, or name its folder with --out"));
    }
    let file: TrainingFile = folder.json(TRAINING)?;
    let place = folder.path(TRAINING);
    file.config.check().map_err(|e| e.at(place.display()))?;
    if file.progress.step > file.config.train.steps {
        let (step, steps) = (file.progress.step, file.config.train.steps);
        return Err(Error::new(format!("{}: progress.step: {step} of {steps} steps", place.display())));
    }
    let tokenizer_path = folder.path("tokenizer.json");
    let tokenizer = Tokenizer::load(tokenizer_path)?;
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
    let mut gpt = Gpt::new(m, &mut Rng::new(0))?;
    let mut result = Ok(());
    gpt.visit_mut("", &mut |path, p| {
        if result.is_ok() {
            let shape = p.shape();
            result = tensors.read(&weights(path), &shape, p.data_mut());
        }
    });
    result?;
    let mut trainer = Trainer::resume(&file.config, gpt, file.progress);
    let mut result = Ok(());
    let optimizer = &mut trainer.optimizer;
    trainer.gpt.visit("", &mut |path, p: &Param| {
        if result.is_ok() {
            let (m, v) = optimizer.moments(p);
            result = tensors
                .read(&format!("m.{path}"), &p.shape(), m)
                .and_then(|()| tensors.read(&format!("v.{path}"), &p.shape(), v));
        }
    });
    result?;
    Ok((trainer, tokenizer, file.text, file.best))
}

/// Makes room for a new run: an earlier one in `dir` is renamed to `dir.1` (or .2, …), whose name is returned.
///
/// Nothing is ever overwritten, and a folder that holds some other model is refused. A run that was killed before its
/// first save has left only its metrics.
pub fn set_aside(dir: &Path) -> Result<Option<PathBuf>> {
    if dir.symlink_metadata().is_err() {
        return Ok(None);
    }
    let folder = Folder::open(dir)?;
    if !folder.has(TRAINING) {
        if let Some(name) =
            ["model.safetensors", "config.json", "tokenizer.json"].into_iter().find(|name| folder.has(name))
        {
            return Err(Error::new(format!("{} holds a {name} that is no run of motamot train", dir.display()))
                .help("choose another folder with --out"));
        }
        if !folder.has(super::METRICS) {
            return Ok(None);
        }
    }
    // Beside the folder, not in it, also for "out/". A folder without a name is ".", which must not be moved away.
    let Some(name) = dir.file_name() else {
        return Err(
            Error::new(format!("{} holds an earlier run", dir.display())).help("choose another folder with --out")
        );
    };
    super::metrics::check_unused(&dir.join(super::METRICS))?;
    let free = (1..).map(|n| {
        let mut name = name.to_owned();
        name.push(format!(".{n}"));
        dir.with_file_name(name)
    });
    let target = free.into_iter().find(|path| path.symlink_metadata().is_err());
    let target = target.ok_or_else(|| Error::new("no free name for the earlier run"))?;
    std::fs::rename(dir, &target).map_err(|e| crate::utils::fs::io_error("set aside the earlier run in", dir, e))?;
    Ok(Some(target))
}

/// Which text the run in a folder learned from: its `--data`, `None` for the embedded corpus or a folder without a run.
pub fn text_path(dir: &Path) -> Result<Option<PathBuf>> {
    let folder = Folder::open(dir)?;
    if !folder.has(TRAINING) {
        return Ok(None);
    }
    Ok(folder.json::<TrainingFile>(TRAINING)?.text.path)
}
