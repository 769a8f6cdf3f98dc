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

pub use adapter::{load_adapter, save_adapter};
pub use folder::{Folder, Save};
pub use hf_config::{Family, SpecialIds};
pub use tensors::{Dtype, Entry, Item, TensorFile, first_not_finite, write_tensors};

use crate::model::{Gpt, GptConfig};
use crate::nn::Module;
use crate::utils::json;
use crate::utils::{Error, Result};
use hf_config::{CONFIG, HfConfig};
use layout::Layout;
use motamot_kernels::rng::Rng;
use motamot_tensor::Buf;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const MODEL: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Saves a model alone. With a tokenizer and a training state it is [`Save::begin`], [`Save::model`], the other files,
/// [`Save::commit`]: then all of them change together.
pub fn save_model(dir: impl AsRef<Path>, gpt: &Gpt, ids: &SpecialIds) -> Result<()> {
    let mut save = Save::begin(dir)?;
    save.model(gpt, ids)?;
    save.commit()
}

/// Loads a model: ours, or a GPT-2 or Llama that `transformers` saved (F32, F16, BF16; one file or several).
pub fn load_model(dir: impl AsRef<Path>) -> Result<Gpt> {
    let folder = Folder::open(dir)?;
    let hf = hf_config::read(&folder)?;
    let weights = Weights::open(&folder)?;
    let layout = Layout::to_load(&hf, |name| weights.place.contains_key(name));
    weights.check_amount(&folder, &hf, &layout)?;
    let mut gpt = Gpt::unfilled(&hf.config)?;
    let mut used = BTreeSet::new();
    let mut result = Ok(());
    gpt.visit_mut("", &mut |path, param| {
        if result.is_ok() {
            let shape = param.shape();
            match fill(&weights, &hf, &layout, path, &shape, &mut used) {
                Ok(data) => param.set_data(data),
                Err(e) => result = Err(e),
            }
        }
    });
    result?;
    for zero in layout.zero_biases() {
        if let Some(i) = weights.tensor(&zero.name, &zero.shape)?.iter().position(|&x| x != 0.0) {
            return Err(
                weights.error(&zero.name, format!("element {i} is not 0, but {CONFIG} says the model has no biases"))
            );
        }
        used.insert(zero.name);
    }
    check_tied_head(&weights, &hf, &layout, &gpt, &mut used)?;
    match layout.unexpected(weights.place.keys(), &used) {
        Some(name) => Err(weights
            .error(name, format!("unexpected: the model of {CONFIG} has no such tensor"))
            .help("the two files do not belong together, or the model has parts that motamot does not know")),
        None => Ok(gpt),
    }
}

/// Reads the configuration alone.
pub fn read_config(dir: impl AsRef<Path>) -> Result<GptConfig> {
    Ok(hf_config::read(&Folder::open(dir)?)?.config)
}

/// One parameter from its pieces: the file's own memory if it lies there as it is, else a copy.
fn fill(
    weights: &Weights,
    hf: &HfConfig,
    layout: &Layout,
    path: &str,
    shape: &[usize],
    used: &mut BTreeSet<String>,
) -> Result<Buf> {
    let columns = shape.last().copied().unwrap_or(1);
    let mut data = None;
    for piece in layout.pieces(path, shape) {
        let part = weights.tensor(&piece.name, &piece.shape)?;
        match piece.is_whole(shape) {
            true => data = Some(part),
            false => {
                let data = data.get_or_insert_with(|| Buf::zeros(shape.iter().product()));
                piece.scatter(&part, data, columns);
            }
        }
        used.insert(piece.name);
    }
    let mut data = data.unwrap_or_else(|| Buf::zeros(shape.iter().product()));
    let layer = path.strip_prefix("h.").and_then(|p| p.split_once(".attn.c_attn.")).and_then(|(n, _)| n.parse().ok());
    if let Some(factor) = layer.and_then(|layer| hf.query_scale.factor(layer, hf.config.head_dim())) {
        let queries = hf.config.heads * hf.config.head_dim();
        for row in data.chunks_mut(columns) {
            row[..queries].iter_mut().for_each(|w| *w *= factor);
        }
    }
    Ok(data)
}

/// Old files repeat the token table as the head of a tied model. If it differs, one of the two would be lost.
fn check_tied_head(
    weights: &Weights,
    hf: &HfConfig,
    layout: &Layout,
    gpt: &Gpt,
    used: &mut BTreeSet<String>,
) -> Result<()> {
    let (head, table) = ("lm_head.weight", layout.token_table());
    if !hf.config.tied || !weights.place.contains_key(head) {
        return Ok(());
    }
    if *weights.tensor(head, &table.shape)? != *gpt.wte.weight.data() {
        return Err(weights
            .error(head, format!("differs from {}, but {CONFIG} says that they are tied", table.name))
            .help("set \"tie_word_embeddings\": false if the model has a head of its own"));
    }
    used.insert(head.to_owned());
    Ok(())
}

impl Save {
    /// Writes `config.json`, `generation_config.json` and `model.safetensors`.
    pub fn model(&mut self, gpt: &Gpt, ids: &SpecialIds) -> Result<()> {
        let layout = Layout::to_save(gpt.config());
        let mut items = Vec::new();
        gpt.visit("", &mut |path, param| {
            let (shape, columns) = (param.shape(), param.shape().last().copied().unwrap_or(1));
            for piece in layout.pieces(path, &shape) {
                let (data, whole) = (param.shared(), piece.is_whole(&shape));
                items.push((piece, data, whole, columns));
            }
        });
        let zeros = layout.zero_biases();
        let longest = zeros.iter().map(|z| z.count()).max().unwrap_or(0);
        let zero = vec![0.0; longest];
        let items = items.iter().map(|(piece, data, whole, columns)| Item {
            name: piece.name.clone(),
            shape: piece.shape.clone(),
            data: Box::new(move || match whole {
                true => Cow::Borrowed(&***data),
                false => Cow::Owned(piece.gather(data, *columns)),
            }),
        });
        let items = items.chain(zeros.iter().map(|z| Item::slice(z.name.clone(), z.shape.clone(), &zero[..z.count()])));
        self.tensors(MODEL, items.collect(), &[("format", "pt")])?;
        self.json(CONFIG, &hf_config::to_json(gpt.config(), ids))?;
        self.json("generation_config.json", &hf_config::generation_json(ids))
    }

    /// Writes a safetensors file, such as the optimiser's state, for [`Folder::tensors`].
    pub fn tensors(&mut self, name: &str, items: Vec<Item<'_>>, metadata: &[(&str, &str)]) -> Result<()> {
        let place = self.dir().join(name);
        self.write(name, |out| write_tensors(out, &place, items, metadata))
    }
}

impl Folder {
    /// Opens a safetensors file.
    pub fn tensors(&self, name: &str) -> Result<TensorFile> {
        let (path, file, len) = self.file(name)?;
        TensorFile::from_file(path, file, len)
    }
}

/// The weights of a model, in one file or in several.
struct Weights {
    files: Vec<TensorFile>,
    /// In which file a tensor is.
    place: BTreeMap<String, usize>,
}

impl Weights {
    fn open(folder: &Folder) -> Result<Weights> {
        if folder.has(MODEL) || !folder.has(INDEX) {
            let file = folder.tensors(MODEL).map_err(|e| {
                match folder.has("pytorch_model.bin") || folder.has("pytorch_model.bin.index.json") {
                    true => e.help("pytorch_model.bin can run code when loaded: save the model again as safetensors"),
                    false => e,
                }
            })?;
            let place = file.entries().keys().map(|name| (name.clone(), 0)).collect();
            return Ok(Weights { files: vec![file], place });
        }
        let path = folder.dir().join(INDEX);
        let map = json::parse_object(&folder.read(INDEX)?, path.display())?;
        let fields = json::Fields::new(&map, path.display());
        let map = fields.object("weight_map")?.ok_or_else(|| fields.error("weight_map", "missing"))?;
        let (mut shards, mut listed) = (BTreeMap::new(), 0);
        let mut weights = Weights { files: Vec::new(), place: BTreeMap::new() };
        for name in map.names() {
            let shard = map.text(name)?.ok_or_else(|| map.error(name, "null"))?;
            if !folder::is_plain_name(shard) {
                let why = format!("{} is not the name of a file in the folder", json::shown(&shard.into()));
                return Err(map.error(name, why).help("the index of a model names files beside it and nothing else"));
            }
            if !shards.contains_key(shard) {
                let file = folder.tensors(shard).map_err(|e| e.at(path.display()))?;
                shards.insert(shard, weights.files.len());
                for tensor in file.entries().keys() {
                    if weights.place.insert(tensor.clone(), weights.files.len()).is_some() {
                        return Err(file.error(tensor, "also stands in another file of the model"));
                    }
                }
                weights.files.push(file);
            }
            if weights.place.get(name) != shards.get(shard) {
                return Err(map.error(name, format!("is not in {shard}")));
            }
            listed += 1;
        }
        match weights.place.len() == listed && listed > 0 {
            true => Ok(weights),
            false => {
                Err(fields
                    .error("weight_map", format!("lists {listed} tensors; the files have {}", weights.place.len())))
            }
        }
    }

    /// Checks, before anything of the configuration's size is allocated, that the files hold that much.
    fn check_amount(&self, folder: &Folder, hf: &HfConfig, layout: &Layout) -> Result<()> {
        let table = layout.token_table();
        self.file(&table.name)?.expect(&table.name, &table.shape)?;
        // A model of the same kind, as small as can be, knows the names.
        let small = GptConfig { vocab_size: 1, context: 1, width: 2, layers: 1, heads: 1, ..hf.config.clone() };
        let small = Gpt::new(&GptConfig { kv_heads: 1, head_dim: 2, mlp_width: 1, ..small }, &mut Rng::new(0))?;
        let mut names = Vec::new();
        small.visit("", &mut |path, p| {
            names.extend(layout.pieces(path, &p.shape()).into_iter().map(|piece| piece.name))
        });
        for layer in 0..hf.config.layers {
            for name in &names {
                // Stops at the first that is missing, so an absurd number of blocks costs nothing.
                self.file(&name.replace(".0.", &format!(".{layer}.")))?;
            }
        }
        let least = GptConfig { bias: false, ..hf.config.clone() }.parts().iter().map(|p| p.parameters).sum::<usize>();
        let entries = self.files.iter().flat_map(|f| f.entries().values());
        let there: usize = entries.map(|e| e.shape.iter().product::<usize>()).sum();
        if there < least {
            let why = format!("its sizes make at least {least} weights, but the files hold {there}");
            return Err(Error::new(format!("{}: {why}", folder.dir().join(CONFIG).display()))
                .help("the files do not belong together"));
        }
        Ok(())
    }

    /// The file that holds a tensor, or ought to.
    fn file(&self, name: &str) -> Result<&TensorFile> {
        let at = self.place.get(name).ok_or_else(|| {
            self.error(name, "missing").help(format!("the file is incomplete, or {CONFIG} is another model's"))
        })?;
        Ok(&self.files[*at])
    }

    fn error(&self, name: &str, why: impl std::fmt::Display) -> Error {
        match self.place.get(name).or((self.files.len() == 1).then_some(&0)) {
            Some(&at) => self.files[at].error(name, why),
            None => {
                let folder = self.files.first().and_then(|f| f.path().parent()).unwrap_or(Path::new(""));
                Error::new(format!("{}: {name}: {why}", folder.join(INDEX).display()))
            }
        }
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Buf> {
        self.file(name)?.tensor(name, shape)
    }
}
