//! Adapters alone, as a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! `PeftModel.from_pretrained(base, dir)` loads what is written here, and what PEFT saves for a GPT-2 or a Llama loads here.
//! PEFT keeps (rank, inputs) and (outputs, rank) where we have A (inputs, rank) and B (rank, outputs), and a Llama's q, k
//! and v have an adapter each where ours have one together: written, they share A; read, adapters with different A stand
//! side by side in one of higher rank.

use super::folder::{Folder, Save};
use super::hf_config::Family;
use super::layout::{Layout, Piece};
use super::tensors::{Item, TensorFile};
use crate::model::Gpt;
use crate::nn::{Linear, Lora, Param};
use crate::utils::{Error, Result};
use motamot_tensor::Buf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

const CONFIG: &str = "adapter_config.json";
const MODEL: &str = "adapter_model.safetensors";

/// `adapter_config.json`: what decides the numbers. Fields that only matter for training are not read.
#[derive(Serialize, Deserialize)]
struct AdapterConfig {
    peft_type: String,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    target_modules: Option<serde_json::Value>,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default = "none")]
    bias: String,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    modules_to_save: Option<serde_json::Value>,
    #[serde(default)]
    rank_pattern: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    alpha_pattern: Option<serde_json::Map<String, serde_json::Value>>,
}

fn none() -> String {
    "none".to_owned()
}

impl AdapterConfig {
    /// What we cannot do is an error that names the field.
    fn check(&self, place: &Path) -> Result<()> {
        let patterns = [&self.rank_pattern, &self.alpha_pattern].into_iter().flatten();
        let wrong = [
            ("peft_type", self.peft_type != "LORA"),
            ("r", self.r == 0 || self.r > 1 << 16),
            ("lora_alpha", !self.lora_alpha.is_finite()),
            ("bias", self.bias != "none"),
            ("use_dora", self.use_dora),
            ("modules_to_save", self.modules_to_save.as_ref().is_some_and(|v| !v.is_null())),
            ("rank_pattern or alpha_pattern", patterns.into_iter().any(|p| !p.is_empty())),
        ];
        match wrong.iter().find(|(_, is_wrong)| *is_wrong) {
            None => Ok(()),
            Some((field, _)) => Err(Error::new(format!("{}: {field}: not what motamot can load", place.display()))
                .help("it loads plain LoRA adapters of one rank, without biases or other trained modules")),
        }
    }

    fn scale(&self) -> f32 {
        self.lora_alpha / if self.use_rslora { (self.r as f32).sqrt() } else { self.r as f32 }
    }
}

/// Saves the adapters of a model; `base` names the model that they belong to, a folder or a name on a hub.
pub fn save_adapter(dir: impl AsRef<Path>, gpt: &mut Gpt, base: &str) -> Result<()> {
    let config = gpt.config().clone();
    let (layout, mut modules, mut rest) = (Layout::to_save(&config), BTreeSet::new(), BTreeSet::new());
    let (mut items, mut shape) = (Vec::new(), None);
    for (path, linear) in gpt.projections() {
        let pieces = pieces(&layout, &path, linear);
        let Some(lora) = &linear.lora else {
            rest.extend(pieces.iter().map(|piece| last_name(piece).to_owned()));
            continue;
        };
        let ([inputs, rank], outputs) = ([lora.a.shape()[0], lora.a.shape()[1]], lora.b.shape()[1]);
        if *shape.get_or_insert((rank, lora.scale)) != (rank, lora.scale) {
            return Err(Error::new(format!("{path}: its adapter has another rank or alpha than those before it"))
                .help("a PEFT folder has one rank: merge the adapters and save the model"));
        }
        let a = transposed(lora.a.data(), inputs, rank);
        let b = transposed(lora.b.data(), rank, outputs);
        for piece in pieces {
            let (from, outs) = (piece.column, piece.outputs());
            let b = b[from * rank..(from + outs) * rank].to_vec();
            items.push((name(&piece, "A"), vec![rank, inputs], a.clone()));
            items.push((name(&piece, "B"), vec![outs, rank], b));
            modules.insert(piece);
        }
    }
    let Some((rank, scale)) = shape else {
        return Err(Error::new("the model has no adapters to save").help("save the model itself, with save_model"));
    };
    // The short names, if they mean the adapted projections and no others.
    let short: BTreeSet<&str> = modules.iter().map(last_name).collect();
    let names: Vec<&str> = match short.iter().any(|name| rest.contains(*name)) {
        false => short.into_iter().collect(),
        true => modules.iter().map(module).collect(),
    };
    let file = AdapterConfig {
        peft_type: "LORA".to_owned(),
        task_type: Some("CAUSAL_LM".to_owned()),
        base_model_name_or_path: Some(base.to_owned()),
        r: rank,
        lora_alpha: scale * rank as f32,
        target_modules: Some(names.into()),
        fan_in_fan_out: Family::of(&config) == Family::Gpt2,
        bias: none(),
        use_rslora: false,
        use_dora: false,
        modules_to_save: None,
        rank_pattern: Some(serde_json::Map::new()),
        alpha_pattern: Some(serde_json::Map::new()),
    };
    let mut save = Save::begin(dir)?;
    let items = items.iter().map(|(name, shape, data)| Item::slice(name.clone(), shape.clone(), data));
    save.tensors(MODEL, items.collect(), &[("format", "pt")])?;
    save.json(CONFIG, &file)?;
    save.commit()
}

/// Gives a model the adapters of a PEFT folder; the model is frozen.
pub fn load_adapter(dir: impl AsRef<Path>, gpt: &mut Gpt) -> Result<()> {
    let folder = Folder::open(dir)?;
    let file: AdapterConfig = folder.json(CONFIG)?;
    file.check(&folder.path(CONFIG))?;
    if gpt.has_lora() {
        return Err(Error::usage("LoRA: the model has adapters already").help("merge them first"));
    }
    let tensors = folder.tensors(MODEL)?;
    let config = gpt.config().clone();
    let (layout, mut used) = (Layout::to_save(&config), BTreeSet::new());
    for (path, linear) in gpt.projections() {
        let present: Vec<Piece> = pieces(&layout, &path, linear)
            .into_iter()
            .filter(|piece| ["A", "B"].iter().any(|part| tensors.entries().contains_key(&name(piece, part))))
            .collect();
        used.extend(present.iter().flat_map(|piece| ["A", "B"].map(|part| name(piece, part))));
        if !present.is_empty() {
            linear.lora = Some(read(&tensors, &present, linear, &file)?);
        }
    }
    if let Some(stranger) = tensors.entries().keys().find(|name| !used.contains(*name)) {
        let why = tensors.error(stranger, "unexpected: the model has no such projection");
        gpt.projections().for_each(|(_, linear)| linear.lora = None);
        return Err(why.help("the adapter belongs to another model"));
    }
    gpt.freeze_all_but_lora();
    Ok(())
}

/// The adapter of a projection from those of its pieces.
fn read(tensors: &TensorFile, pieces: &[Piece], linear: &Linear, file: &AdapterConfig) -> Result<Lora> {
    let ([inputs, outputs], r) = ([linear.weight.shape()[0], linear.weight.shape()[1]], file.r);
    let mut parts = Vec::new();
    for piece in pieces {
        let a = tensors.tensor(&name(piece, "A"), &[r, inputs])?;
        parts.push((piece, a, tensors.tensor(&name(piece, "B"), &[piece.outputs(), r])?));
    }
    let shared = parts.iter().all(|(_, a, _)| a[..] == parts[0].1[..]);
    let rank = if shared { r } else { r * parts.len() };
    let (mut a_all, mut b_all) = (Buf::zeros(inputs * rank), Buf::zeros(rank * outputs));
    for (i, (piece, a, b)) in parts.iter().enumerate() {
        let first = if shared { 0 } else { i * r };
        for k in 0..r {
            (0..inputs).for_each(|x| a_all[x * rank + first + k] = a[k * inputs + x]);
            (0..piece.outputs()).for_each(|y| b_all[(first + k) * outputs + piece.column + y] = b[y * r + k]);
        }
    }
    let (a, b) = (Param::new(a_all, [inputs, rank]), Param::new(b_all, [rank, outputs]));
    Ok(Lora { a, b, scale: file.scale() })
}

/// The matrices of a projection in a file of its model.
fn pieces(layout: &Layout, path: &str, linear: &Linear) -> Vec<Piece> {
    layout.pieces(&format!("{path}.weight"), &linear.weight.shape())
}

/// `transformer.h.0.attn.c_attn`
fn module(piece: &Piece) -> &str {
    piece.name.strip_suffix(".weight").unwrap_or(&piece.name)
}

/// `c_attn`
fn last_name(piece: &Piece) -> &str {
    module(piece).rsplit('.').next().unwrap_or_default()
}

/// PEFT's name of A or B of a matrix.
fn name(piece: &Piece, part: &str) -> String {
    format!("base_model.model.{}.lora_{part}.weight", module(piece))
}

/// (rows, cols) → (cols, rows)
fn transposed(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..x.len()).map(|i| x[i % rows * cols + i / rows]).collect()
}
