//! Hugging Face's `tokenizer.json`: what is understood of it gives their ids; what is not is an error that names the
//! field. What depends on the kind of tokenizer is read and written by its model.

use super::added::AddedToken;
use super::bpe::Bpe;
use super::chars::Chars;
use super::field::Field;
use super::kind::SUPPORTED;
use super::model::{Model, ModelJson};
use super::normalize::Normalizer;
use super::vocab::Vocab;
use super::wordpiece::WordPiece;
use crate::utils::{Error, Result};
use serde_json::{Map, Value, json};

/// All that a `tokenizer.json` says.
#[derive(Clone)]
pub(super) struct Definition {
    pub model: Box<dyn Model>,
    /// The spelling of each token.
    pub spellings: Vec<String>,
    /// Special tokens and other tokens beside the model, by id.
    pub added: Vec<AddedToken>,
    pub normalizers: Vec<Normalizer>,
    /// Kept as it was in the file.
    pub post_processor: Value,
    /// What it puts before and after a text: `<s>`, [CLS] and the like.
    pub around: [Vec<u32>; 2],
}

impl Definition {
    /// Reads the bytes of a `tokenizer.json`.
    pub fn read(bytes: &[u8]) -> Result<Definition> {
        let root: Value = serde_json::from_slice(bytes).map_err(|e| {
            Error::new(format!("not a JSON file: {e}"))
                .help("the file may be cut off or of another kind; get it again, or train a tokenizer")
        })?;
        let root = Field::root(&root);
        root.object()?;
        if let Some(version) = root.get("version").filter(|version| version.value != "1.0") {
            return Err(version.error("this version of the format is not known"));
        }
        check_length(&root)?;
        let model = root.need("model")?;
        // Files of old versions do not name the model.
        let kind = match model.get("type") {
            Some(kind) => kind.string()?,
            None if model.get("merges").is_some() => "BPE",
            None if model.get("max_input_chars_per_word").is_some() => "WordPiece",
            None => return Err(model.at("type").error("missing").help(SUPPORTED)),
        };
        let mut vocab = Vocab::read(&model.need("vocab")?)?;
        let normalizers = root.get("normalizer").map_or(Ok(vec![]), |field| Normalizer::read(&field))?;
        if let Some(added) = root.get("added_tokens") {
            vocab.read_added(&added, !normalizers.is_empty())?;
        }
        let post_processor = root.get("post_processor");
        let mut around = [vec![], vec![]];
        post_processor.iter().try_for_each(|field| read_post_processor(field, &mut around))?;
        if let Some(id) = around.iter().flatten().find(|id| **id as usize >= vocab.spellings.len()) {
            return Err(root.need("post_processor")?.error(format!("there is no token {id}")));
        }
        let pre = read_pre_tokenizer(&root)?;
        let model: Box<dyn Model> = match kind {
            "BPE" => Box::new(Bpe::read(&model, &pre, &vocab)?),
            "WordPiece" => Box::new(WordPiece::read(&model, &pre, root.get("decoder"), &vocab)?),
            "WordLevel" => Box::new(Chars::read(&model, &pre, &vocab)?),
            _ => return Err(model.need("type")?.unsupported("model")),
        };
        let post_processor = post_processor.map_or(Value::Null, |field| field.value.clone());
        Ok(Definition { model, spellings: vocab.spellings, added: vocab.added, normalizers, post_processor, around })
    }

    /// The JSON of Hugging Face's `tokenizers` library.
    pub fn to_json(&self) -> Value {
        let vocab: Map<String, Value> = self.spellings.iter().cloned().zip((0..).map(|id: u32| json!(id))).collect();
        let ModelJson { pre_tokenizer, decoder, model } = self.model.to_json(vocab, &self.spellings);
        let added = |t: &AddedToken| {
            json!({
                "id": t.id,
                "content": t.content,
                "single_word": false,
                "lstrip": t.lstrip,
                "rstrip": t.rstrip,
                "normalized": t.normalized,
                "special": t.special,
            })
        };
        let normalizer = match &self.normalizers[..] {
            [] => Value::Null,
            [one] => json!(one),
            more => json!({"type": "Sequence", "normalizers": more}),
        };
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added.iter().map(added).collect::<Vec<_>>(),
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.post_processor,
            "decoder": decoder,
            "model": model,
        })
    }
}

/// The pre-tokenizer, or the only element of a `Sequence` of one.
fn read_pre_tokenizer<'a>(root: &Field<'a>) -> Result<Field<'a>> {
    let field = root.need("pre_tokenizer").map_err(|e| e.help(SUPPORTED))?;
    if field.need("type")?.string()? == "Sequence" {
        let mut parts = field.need("pretokenizers")?.array()?;
        if let (Some(sole), None) = (parts.next(), parts.next()) {
            return Ok(sole);
        }
    }
    Ok(field)
}

/// A post-processor adds tokens around a text.
fn read_post_processor(field: &Field, around: &mut [Vec<u32>; 2]) -> Result<()> {
    let kind = field.need("type")?;
    // ["[CLS]", 101]
    let pair = |name: &str| -> Result<u32> {
        let pair = field.need(name)?;
        pair.array()?.nth(1).ok_or_else(|| pair.error("no id"))?.id()
    };
    match kind.string()? {
        "ByteLevel" => Ok(()),
        "BertProcessing" | "RobertaProcessing" => {
            around[0].push(pair("cls")?);
            around[1].push(pair("sep")?);
            Ok(())
        }
        "TemplateProcessing" => {
            let specials = field.need("special_tokens")?;
            let mut side = 0;
            for piece in field.need("single")?.array()? {
                let Some(special) = piece.get("SpecialToken") else {
                    piece.need("Sequence")?;
                    side = 1;
                    continue;
                };
                let name = special.need("id")?.string()?;
                let ids = specials.need(name)?.need("ids")?;
                ids.array()?.try_for_each(|id| id.id().map(|id| around[side].push(id)))?;
            }
            Ok(())
        }
        "Sequence" => field.need("processors")?.array()?.try_for_each(|part| read_post_processor(&part, around)),
        _ => Err(kind.unsupported("post-processor")),
    }
}

/// What would change every text, and is not done here, is refused: a limit on its length, or tokens that fill it up.
fn check_length(root: &Field) -> Result<()> {
    match ["truncation", "padding"].iter().find_map(|name| root.get(name)) {
        Some(field) => Err(field.error("not supported").help("set it to null: a text is encoded whole, and as it is")),
        None => Ok(()),
    }
}
