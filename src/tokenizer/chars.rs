//! One token per character: the vocabulary is the sorted set of characters of a text, as in nanoGPT's `char` data.

use super::field::{Field, quoted};
use super::kind::{SUPPORTED, TokenizerKind};
use super::model::{Model, ModelJson};
use super::vocab::Vocab;
use crate::utils::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The pre-tokenizer of character vocabularies: every character by itself, line ends too.
const EACH_CHAR: &str = r"[\s\S]";

/// The character model: each character of the vocabulary and its id.
#[derive(Clone)]
pub(super) struct Chars {
    ids: HashMap<char, u32>,
    /// Ids of ASCII characters, which are most of them.
    ascii: [Option<u32>; 128],
    /// What stands for every other character, if anything does.
    unk: Option<u32>,
}

impl Chars {
    pub fn new(ids: HashMap<char, u32>, unk: Option<u32>) -> Chars {
        let ascii = std::array::from_fn(|code| ids.get(&(code as u8 as char)).copied());
        Chars { ids, ascii, unk }
    }

    /// Reads a `WordLevel` model, which is one of characters if the pre-tokenizer isolates each of them.
    pub fn read(model: &Field, pre: &Field, vocab: &Vocab) -> Result<Chars> {
        let refuse = |field: &Field| {
            field
                .unsupported("a WordLevel pre-tokenizer")
                .help(format!("only one token per character is: Split, Regex {EACH_CHAR:?}, Isolated"))
        };
        let kind = pre.need("type")?;
        if kind.value != "Split" {
            return Err(refuse(&kind));
        }
        let (pattern, behavior) = (pre.need("pattern")?, pre.need("behavior")?);
        if ![EACH_CHAR, "(?s:.)", "(?s)."].iter().any(|regex| pattern.value["Regex"] == *regex) {
            return Err(refuse(&pattern));
        }
        if behavior.value != "Isolated" {
            return Err(refuse(&behavior));
        }
        let unk = vocab.id(model.need("unk_token")?.string()?);
        let mut ids = HashMap::new();
        for (spelling, id) in vocab.model_tokens() {
            let mut chars = spelling.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => drop(ids.insert(c, id)),
                _ if Some(id) == unk || vocab.is_added(id) => {}
                _ => {
                    let why = format!("token {} is not one character", quoted(spelling));
                    return Err(model.at("vocab").error(why).help(SUPPORTED));
                }
            }
        }
        Ok(Chars::new(ids, unk))
    }
}

impl Model for Chars {
    fn kind(&self) -> TokenizerKind {
        TokenizerKind::Char
    }

    fn encode(&self, text: &str, _threads: usize, out: &mut Vec<u32>) -> Result<()> {
        out.reserve(text.len());
        for (offset, char) in text.char_indices() {
            let known = match self.ascii.get(char as usize) {
                Some(id) => *id,
                None => self.ids.get(&char).copied(),
            };
            out.push(known.or(self.unk).ok_or_else(|| {
                let count = self.ids.len();
                let why = format!("character {char:?} at byte {offset}: not among the {count} of this tokenizer");
                Error::new(why).help("leave it out, or use a BPE tokenizer, which knows every byte")
            })?);
        }
        Ok(())
    }

    fn token_bytes(&self, spelling: &str, _first: bool) -> Vec<u8> {
        spelling.into()
    }

    fn to_json(&self, vocab: Map<String, Value>, spellings: &[String]) -> ModelJson {
        ModelJson {
            pre_tokenizer: json!({
                "type": "Split",
                "pattern": {"Regex": EACH_CHAR},
                "behavior": "Isolated",
                "invert": false,
            }),
            decoder: json!({"type": "Fuse"}),
            model: json!({
                "type": "WordLevel",
                "vocab": vocab,
                "unk_token": self.unk.map_or("<unk>", |id| &spellings[id as usize]),
            }),
        }
    }

    fn copy(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}
