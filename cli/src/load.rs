//! A model and its tokenizer from a checkpoint folder.

use motamot::checkpoint::Folder;
use motamot::checkpoint::load_model;
use motamot::generation::chat::ModelKind;
use motamot::model::Gpt;
use motamot::tokenizer::Tokenizer;
use motamot::utils::{Error, Result};
use motamot_kernels::panels::Format;
use std::path::Path;

/// In how many bits the weights are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Weights {
    /// As they are
    #[default]
    F32,
    /// Half the memory traffic
    Bf16,
    /// A quarter of it, with a scale per row
    Int8,
}

impl Weights {
    /// What [`Gpt::quantise`] takes.
    pub fn format(self) -> Option<Format> {
        match self {
            Weights::F32 => None,
            Weights::Bf16 => Some(Format::Bf16),
            Weights::Int8 => Some(Format::Int8),
        }
    }
}

/// The tokenizer of a checkpoint folder.
pub fn tokenizer(dir: &Path) -> Result<Tokenizer> {
    let folder = Folder::open(dir)?;
    if !folder.has("tokenizer.json") {
        return Err(Error::new(format!("{} has no tokenizer.json", dir.display())).help(
            "a model can only be used with the tokenizer that it was trained with: put its tokenizer.json there",
        ));
    }
    Tokenizer::load(folder.path("tokenizer.json"))
}

/// A model and its tokenizer, which must fit each other.
pub fn model(dir: &Path, weights: Weights) -> Result<(Gpt, Tokenizer)> {
    let tokenizer = tokenizer(dir)?;
    let mut gpt = load_model(dir)?;
    gpt.quantise(weights.format());
    let (v, t) = (gpt.config().vocab_size, tokenizer.vocab_size());
    if t > v {
        return Err(Error::new(format!("{}: the tokenizer has {t} tokens, the model {v}", dir.display()))
            .help("tokenizer.json and model.safetensors do not belong together"));
    }
    Ok((gpt, tokenizer))
}

/// As [`model`], and whether it was fine-tuned to chat: then its tokenizer carries a chat template, as on Hugging Face.
pub fn chat_model(dir: &Path, weights: Weights) -> Result<(Gpt, Tokenizer, ModelKind)> {
    let (gpt, tokenizer) = model(dir, weights)?;
    let folder = Folder::open(dir)?;
    let template = folder.has("tokenizer_config.json")
        && folder
            .json::<serde_json::Value>("tokenizer_config.json")?
            .get("chat_template")
            .is_some_and(|t| !t.is_null());
    let kind = if template || folder.has("chat_template.jinja") { ModelKind::Chat } else { ModelKind::Base };
    Ok((gpt, tokenizer, kind))
}
