//! Writing `tokenizer.json` in Hugging Face's format, and the `tokenizer_config.json` that `AutoTokenizer` wants.

use super::normalize::Normalizer;
use super::{Model, Tokenizer};
use crate::utils::{Error, Result};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// The pre-tokenizer of character vocabularies: every character by itself, line ends too.
pub(super) const EACH_CHAR: &str = r"[\s\S]";

impl Tokenizer {
    /// The tokenizer as the JSON of Hugging Face's `tokenizers` library.
    pub fn to_json(&self) -> Value {
        let vocab: Map<String, Value> = self.spellings.iter().cloned().zip((0..).map(|id: u32| json!(id))).collect();
        let added: Vec<Value> = self
            .added
            .iter()
            .map(|t| {
                json!({
                    "id": t.id,
                    "content": t.content,
                    "single_word": false,
                    "lstrip": t.lstrip,
                    "rstrip": t.rstrip,
                    "normalized": t.normalized,
                    "special": t.special,
                })
            })
            .collect();
        let (pre_tokenizer, decoder, model) = match &self.model {
            Model::Bpe(model) => {
                let byte_level = |add_prefix_space: bool| {
                    json!({
                        "type": "ByteLevel",
                        "add_prefix_space": add_prefix_space,
                        "trim_offsets": true,
                        "use_regex": model.use_regex,
                    })
                };
                let spell = |id: u32| self.spellings[id as usize].as_str();
                // "left right": bytes are spelled without spaces, and old versions read nothing else.
                let merges: Vec<String> =
                    model.merges.iter().map(|m| format!("{} {}", spell(m.left), spell(m.right))).collect();
                let parts = json!({
                    "type": "BPE",
                    "dropout": null,
                    "unk_token": null,
                    "continuing_subword_prefix": null,
                    "end_of_word_suffix": null,
                    "fuse_unk": false,
                    "byte_fallback": false,
                    "ignore_merges": model.whole_words.is_some(),
                    "vocab": vocab,
                    "merges": merges,
                });
                (byte_level(self.add_prefix_space), byte_level(self.add_prefix_space), parts)
            }
            Model::Chars(model) => (
                json!({
                    "type": "Split",
                    "pattern": {"Regex": EACH_CHAR},
                    "behavior": "Isolated",
                    "invert": false,
                }),
                json!({"type": "Fuse"}),
                json!({
                    "type": "WordLevel",
                    "vocab": vocab,
                    "unk_token": model.unk.map_or("<unk>", |id| &self.spellings[id as usize]),
                }),
            ),
            Model::WordPiece(model) => (
                json!({"type": model.cut.name()}),
                json!({"type": "WordPiece", "prefix": model.prefix, "cleanup": model.cleanup}),
                json!({
                    "type": "WordPiece",
                    "unk_token": model.unk_token,
                    "continuing_subword_prefix": model.prefix,
                    "max_input_chars_per_word": model.max_chars,
                    "vocab": vocab,
                }),
            ),
        };
        let normalizer = match &self.normalizers[..] {
            [] => Value::Null,
            [one] => one.to_json(),
            more => json!({
                "type": "Sequence",
                "normalizers": more.iter().map(Normalizer::to_json).collect::<Vec<_>>(),
            }),
        };
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.post_processor,
            "decoder": decoder,
            "model": model,
        })
    }

    /// Writes `tokenizer.json`, whole or not at all.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_json(path.as_ref(), &self.to_json())
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a directory, where
    /// `AutoTokenizer.from_pretrained` finds them; `context` is the longest sequence of the model, in tokens.
    pub fn save_pretrained(&self, dir: impl AsRef<Path>, context: usize) -> Result<()> {
        self.pretrained_files(context).iter().try_for_each(|(name, json)| write_json(&dir.as_ref().join(name), json))
    }

    /// The files of [`Tokenizer::save_pretrained`], as (name, content).
    pub fn pretrained_files(&self, context: usize) -> [(&'static str, Value); 2] {
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context,
            "clean_up_tokenization_spaces": false,
        });
        let roles = [
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "[UNK]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("sep_token", "[SEP]"),
            ("mask_token", "[MASK]"),
        ];
        for (role, token) in roles {
            if self.special(token).is_some() {
                config[role] = json!(token);
            }
        }
        [("tokenizer.json", self.to_json()), ("tokenizer_config.json", config)]
    }
}

/// A temporary file beside `path`, flushed to disk, then renamed over it.
fn write_json(path: &Path, value: &Value) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::usage(format!("{}: not a file name", path.display())))?;
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new("cannot write JSON").caused_by(e))?;
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|e| {
        // The error that matters is the first one; a leftover temporary file is no harm.
        let _ = std::fs::remove_file(&temporary);
        Error::io("write", path, e)
    })
}
