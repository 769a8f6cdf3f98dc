//! Checkpoints. A checkpoint folder *is* a Hugging Face model folder:
//!
//! | file | what |
//! |---|---|
//! | `config.json` | the shape of the model, in GPT-2's words, Llama's, or ours for what neither can say |
//! | `model.safetensors` | the weights, under the names that `transformers` gives them |
//! | `generation_config.json` | ids of the special tokens |
//! | `tokenizer.json`, `tokenizer_config.json` | the tokenizer's, written by [`crate::tokenizer`] |
//! | `training.json`, `optimizer.safetensors` | ours: where training stands, for resuming |
//!
//! A GPT with LayerNorm before each sub-layer and learned positions is exactly a GPT-2, one with RMSNorm, RoPE and SwiGLU
//! exactly a Llama: `GPT2LMHeadModel.from_pretrained(dir)` and `LlamaForCausalLM.from_pretrained(dir)` load them, and their
//! models load here. Every other combination has `"model_type": "motamot"`, under our own paths.
//!
//! All files of a save change together, whenever the process is killed: see [`Save`]. A file is either loaded rightly or
//! refused with its name and the field in it: nothing is guessed, and nothing allocated that the file's length does not justify.

mod adapter;
mod folder;
mod hf_config;
mod layout;
mod tensors;
#[cfg(test)]
mod tests;
mod weights;

pub use adapter::{load_adapter, save_adapter};
pub use folder::{Folder, Save};
pub use hf_config::{Family, SpecialIds, token_roles};
pub use tensors::{Dtype, Entry, Item, TensorFile, first_not_finite, write_tensors};

use crate::model::{Gpt, GptConfig};
use crate::nn::Module;
use crate::utils::{Error, Result};
use hf_config::{CONFIG, GENERATION, HfConfig};
use layout::Layout;
use motamot_tensor::Buf;
use std::borrow::Cow;
use std::path::Path;
use weights::{MODEL, Weights};

/// Saves a model alone. With a tokenizer and a training state it is [`Save::begin`], [`Save::model`], the other files,
/// [`Save::commit`]: then all of them change together.
pub fn save_model(dir: impl AsRef<Path>, gpt: &Gpt, ids: &SpecialIds) -> Result<()> {
    let mut save = Save::begin(dir)?;
    save.model(gpt, ids)?;
    save.commit()
}

/// Reads the configuration alone.
pub fn read_config(dir: impl AsRef<Path>) -> Result<GptConfig> {
    Ok(hf_config::read(&Folder::open(dir)?)?.config)
}

/// Loads a model: ours, or a GPT-2 or Llama that `transformers` saved (F32, F16, BF16; one file or several).
pub fn load_model(dir: impl AsRef<Path>) -> Result<Gpt> {
    let folder = Folder::open(dir)?;
    let hf = hf_config::read(&folder)?;
    let mut weights = Weights::open(&folder)?;
    let layout = Layout::to_load(&hf, |name| weights.has(name));
    check_amount(&folder, &weights, &hf.config, &layout)?;
    let mut gpt = Gpt::unfilled(&hf.config)?;
    let mut result = Ok(());
    gpt.visit_mut("", &mut |path, param| {
        if result.is_ok() {
            result = load_param(&mut weights, &hf, &layout, path, &param.shape()).map(|data| param.set_data(data));
        }
    });
    result?;
    for zeros in layout.zero_biases() {
        if let Some(i) = weights.take(&zeros)?.iter().position(|&x| x != 0.0) {
            let why = format!("element {i} is not 0, but {CONFIG} says the model has no biases");
            return Err(weights.error(&zeros.name, why).help("remove \"motamot\" from the configuration to keep them"));
        }
    }
    // Old files repeat the token table as the head of a tied model. If it differs, one of the two would be lost.
    let table = layout.token_table();
    for head in layout.pieces("lm_head.weight", &table.shape) {
        if hf.config.tied && weights.has(&head.name) && *weights.take(&head)? != *gpt.wte.weight.data() {
            let why = format!("differs from {}, but {CONFIG} says that they are tied", table.name);
            let help = "set \"tie_word_embeddings\": false if the model has a head of its own";
            return Err(weights.error(&head.name, why).help(help));
        }
    }
    match weights.left.iter().find(|name| !layout.is_buffer(name)) {
        Some(name) => Err(weights
            .error(name, format!("unexpected: the model of {CONFIG} has no such tensor"))
            .help("the two files do not belong together, or the model has parts that motamot does not know")),
        None => Ok(gpt),
    }
}

/// Checks, before anything of the configuration's size is allocated, that the files hold that much.
fn check_amount(folder: &Folder, weights: &Weights, c: &GptConfig, layout: &Layout) -> Result<()> {
    weights.expect(&layout.token_table())?;
    if !c.tied {
        weights.expect(&layout.pieces("lm_head.weight", &layout.token_table().shape)[0])?;
    }
    for layer in 0..c.layers {
        // Stops at the first block that is missing, so an absurd number of blocks costs nothing.
        for piece in layout.pieces(&format!("h.{layer}.ln_1.weight"), &[c.width]) {
            weights.expect(&piece)?;
        }
    }
    let parts = GptConfig { bias: false, ..c.clone() }.parts();
    let (least, there) = (parts.iter().map(|p| p.parameters).sum::<usize>(), weights.count());
    if there < least {
        let why = format!("its sizes make at least {least} weights, but the files hold {there}");
        return Err(Error::new(format!("{}: {why}", folder.dir().join(CONFIG).display()))
            .help("the files do not belong together"));
    }
    Ok(())
}

/// One parameter from its pieces: the file's own memory if it lies there as it is, else a copy.
fn load_param(weights: &mut Weights, hf: &HfConfig, layout: &Layout, path: &str, shape: &[usize]) -> Result<Buf> {
    let columns = shape.last().copied().unwrap_or(1);
    let mut data = None;
    for piece in layout.pieces(path, shape) {
        let part = weights.take(&piece)?;
        if piece.is_whole(shape) {
            data = Some(part);
        } else {
            piece.scatter(&part, data.get_or_insert_with(|| Buf::zeros(shape.iter().product())), columns);
        }
    }
    let mut data = data.unwrap_or_else(|| Buf::zeros(shape.iter().product()));
    let layer = path.strip_prefix("h.").and_then(|p| p.split_once(".attn.c_attn.")).and_then(|(n, _)| n.parse().ok());
    if let Some(factor) = layer.and_then(|layer| hf.query_factor(layer)) {
        let queries = hf.config.heads * hf.config.head_dim();
        for row in data.chunks_mut(columns) {
            row[..queries].iter_mut().for_each(|w| *w *= factor);
        }
    }
    Ok(data)
}

impl Save {
    /// Writes `config.json`, `generation_config.json` and `model.safetensors`.
    pub fn model(&mut self, gpt: &Gpt, ids: &SpecialIds) -> Result<()> {
        if gpt.has_lora() {
            return Err(Error::new("the model has adapters, which its own files cannot hold")
                .help("merge them first (merge_lora), or save them alone (save_adapter)"));
        }
        let layout = Layout::to_save(gpt.config());
        let mut pieces = Vec::new();
        gpt.visit("", &mut |path, param| {
            let all = layout.pieces(path, &param.shape()).into_iter();
            pieces.extend(all.map(|piece| (piece, param.shared(), param.shape())));
        });
        let items = pieces.iter().map(|(piece, data, shape)| Item {
            name: piece.name.clone(),
            shape: piece.shape.clone(),
            data: Box::new(move || piece.gather(data, shape)),
        });
        let zeros = layout.zero_biases().into_iter().map(|piece| {
            let count = piece.count();
            Item { name: piece.name, shape: piece.shape, data: Box::new(move || Cow::Owned(vec![0.0; count])) }
        });
        self.tensors(MODEL, items.chain(zeros).collect(), &[("format", "pt")])?;
        self.json(CONFIG, &hf_config::to_json(gpt.config(), ids))?;
        self.json(GENERATION, &hf_config::generation_json(ids))
    }
}
