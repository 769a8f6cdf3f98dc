//! A model and its tokenizer from a checkpoint folder.

use super::session::ModelKind;
use motamot::checkpoint::{Folder, load_model, token_roles};
use motamot::model::Gpt;
use motamot::tokenizer::Tokenizer;
use motamot::utils::{Error, Result};
use motamot_kernels::panels::Format;
use std::path::Path;

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

/// A model, its weights read in this format, and its tokenizer, which must fit each other.
pub fn model(dir: &Path, weights: Option<Format>) -> Result<(Gpt, Tokenizer)> {
    let mut tokenizer = tokenizer(dir)?;
    let mut gpt = load_model(dir)?;
    tokenizer.set_roles(token_roles(&Folder::open(dir)?)?);
    gpt.quantise(weights);
    let (v, t) = (gpt.config().vocab_size, tokenizer.vocab_size());
    if t > v {
        return Err(Error::new(format!("{}: the tokenizer has {t} tokens, the model {v}", dir.display()))
            .help("tokenizer.json and model.safetensors do not belong together"));
    }
    Ok((gpt, tokenizer))
}

/// As [`model`], and whether it was fine-tuned to chat: then its tokenizer carries a chat template, as on Hugging Face.
pub fn chat_model(dir: &Path, weights: Option<Format>) -> Result<(Gpt, Tokenizer, ModelKind)> {
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
