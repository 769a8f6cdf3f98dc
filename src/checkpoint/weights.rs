//! The weights of a model on disk, in one file or in several with an index.

use super::folder::Folder;
use super::hf_config::CONFIG;
use super::layout::Piece;
use super::tensors::TensorFile;
use crate::utils::fs::is_plain_name;
use crate::utils::json::{Fields, shown};
use crate::utils::{Error, Result};
use motamot_tensor::Buf;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The file of a model that has one file.
pub const MODEL: &str = "model.safetensors";
/// The file that tells which tensor is in which of several files.
pub const INDEX: &str = "model.safetensors.index.json";

/// The open files of a model, and which of their tensors nobody has asked for yet.
pub struct Weights {
    files: Vec<TensorFile>,
    /// For errors about a tensor that is in no file.
    place: PathBuf,
    /// The names of the tensors that were not taken.
    pub left: BTreeSet<String>,
}

impl Weights {
    /// Opens `model.safetensors`, else the files that the index names.
    pub fn open(folder: &Folder) -> Result<Weights> {
        let (files, place) = match folder.has(MODEL) || !folder.has(INDEX) {
            true => {
                let no_pickle = "pytorch_model.bin can run code when loaded: save the model again as safetensors";
                let pickled = folder.has("pytorch_model.bin") || folder.has("pytorch_model.bin.index.json");
                let file = folder.tensors(MODEL).map_err(|e| if pickled { e.help(no_pickle) } else { e })?;
                (vec![file], folder.path(MODEL))
            }
            false => (open_shards(folder)?, folder.dir().join(INDEX)),
        };
        let left = files.iter().flat_map(|f| f.entries().keys().cloned()).collect();
        Ok(Weights { files, place, left })
    }

    /// The file that holds a tensor.
    fn find(&self, name: &str) -> Option<&TensorFile> {
        self.files.iter().find(|file| file.entries().contains_key(name))
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// How many numbers there are in all tensors.
    pub fn count(&self) -> usize {
        self.files.iter().flat_map(|f| f.entries().values()).map(|e| e.shape.iter().product::<usize>()).sum()
    }

    /// An error about one tensor.
    pub fn error(&self, name: &str, why: impl std::fmt::Display) -> Error {
        match self.find(name) {
            Some(file) => file.error(name, why),
            None => Error::new(format!("{}: {name}: {why}", self.place.display())),
        }
    }

    /// Checks that a tensor is there and has its shape.
    pub fn expect(&self, piece: &Piece) -> Result<&TensorFile> {
        let help = || format!("the file is incomplete, or {CONFIG} is another model's");
        let file = self.find(&piece.name).ok_or_else(|| self.error(&piece.name, "missing").help(help()))?;
        file.expect(&piece.name, &piece.shape)?;
        Ok(file)
    }

    /// The numbers of a tensor.
    pub fn take(&mut self, piece: &Piece) -> Result<Buf> {
        let data = self.expect(piece)?.tensor(&piece.name, &piece.shape)?;
        self.left.remove(&piece.name);
        Ok(data)
    }
}

/// The files that an index names. It may only name files beside it, and must name each tensor once, in the right file.
fn open_shards(folder: &Folder) -> Result<Vec<TensorFile>> {
    let index = folder.fields(INDEX)?;
    let map = index.required("weight_map", Fields::object)?;
    let mut files = BTreeMap::new();
    for name in map.names() {
        let shard = map.required(name, Fields::text)?;
        if !is_plain_name(shard) {
            let why = format!("{} is not the name of a file in the folder", shown(&shard.into()));
            return Err(map.error(name, why).help("the index of a model names files beside it and nothing else"));
        }
        if !files.contains_key(shard) {
            let file = folder.tensors(shard).map_err(|e| e.at(folder.dir().join(INDEX).display()))?;
            files.insert(shard.to_owned(), file);
        }
        if !files[shard].entries().contains_key(name) {
            return Err(map.error(name, format!("is not in {shard}")));
        }
    }
    // Each name that is listed is in its file; if there are as many tensors as names, none is anywhere else.
    let (listed, there) = (map.names().count(), files.values().map(|f| f.entries().len()).sum::<usize>());
    match listed == there && listed > 0 {
        true => Ok(files.into_values().collect()),
        false => Err(index
            .error("weight_map", format!("lists {listed} tensors; the files have {there}"))
            .help("the files are incomplete, or belong to another model")),
    }
}
