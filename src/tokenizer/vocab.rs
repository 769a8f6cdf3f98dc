//! The vocabulary of a `tokenizer.json`: the model's tokens, and those added beside it.

use super::added::AddedToken;
use super::field::{Field, quoted};
use crate::utils::Result;
use std::collections::{HashMap, HashSet};

/// The tokens of a file.
pub(super) struct Vocab<'a> {
    /// All tokens by id: the model's, then those that only `added_tokens` names.
    pub spellings: Vec<String>,
    /// The model's tokens.
    ids: HashMap<&'a str, u32>,
    /// By id.
    pub added: Vec<AddedToken>,
}

impl<'a> Vocab<'a> {
    /// Reads `model.vocab`.
    pub fn read(vocab: &Field<'a>) -> Result<Vocab<'a>> {
        let count = vocab.object()?.len();
        if count == 0 {
            return Err(vocab.error("no tokens"));
        }
        let mut by_id: Vec<Option<&str>> = vec![None; count];
        let mut ids = HashMap::with_capacity(count);
        for (token, field) in vocab.entries()? {
            let id = field.id()?;
            match by_id.get_mut(id as usize) {
                None => {
                    let last = count - 1;
                    return Err(field.error(format!(
                        "id {id} in a vocabulary of {count} tokens: ids must be 0 to {last} without holes"
                    )));
                }
                Some(Some(other)) => return Err(field.error(format!("id {id} already belongs to {}", quoted(other)))),
                Some(slot) => *slot = Some(token),
            }
            ids.insert(token, id);
        }
        // As many ids as tokens, all below the count, none twice: every slot is filled.
        Ok(Vocab { spellings: by_id.into_iter().flatten().map(String::from).collect(), ids, added: vec![] })
    }

    /// Reads `added_tokens`. A normaliser would have to change those that ask for it, which is not supported.
    pub fn read_added(&mut self, field: &Field, has_normalizer: bool) -> Result<()> {
        let (mut contents, mut ids) = (HashSet::new(), HashSet::new());
        for token in field.array()? {
            let content = token.need("content")?.string()?;
            let id = token.need("id")?.id()?;
            if content.is_empty() {
                return Err(token.at("content").error("empty"));
            }
            if !contents.insert(content) || !ids.insert(id) {
                return Err(token.error(format!("token {} or id {id} is listed twice", quoted(content))));
            }
            let (known, next) = (self.id(content), self.spellings.len());
            match known {
                Some(known) if known != id => {
                    let why = format!("is {id}, but model.vocab gives {} the id {known}", quoted(content));
                    return Err(token.at("id").error(why));
                }
                Some(_) => {}
                None if id as usize == next => self.spellings.push(content.to_string()),
                None => return Err(token.at("id").error(format!("is {id}, but the next free id is {next}"))),
            }
            let flag = |name| token.bool_or(name, false);
            let off = "set it to false in the file";
            if flag("single_word")? {
                return Err(token.at("single_word").error("not supported").help(off));
            }
            let normalized = flag("normalized")?;
            if normalized && has_normalizer {
                return Err(token.at("normalized").error("not supported together with a normalizer").help(off));
            }
            let (special, lstrip, rstrip) = (flag("special")?, flag("lstrip")?, flag("rstrip")?);
            self.added.push(AddedToken { id, content: content.into(), special, lstrip, rstrip, normalized });
        }
        self.added.sort_by_key(|t| t.id);
        Ok(())
    }

    /// The id of one of the model's tokens.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The model's tokens by id.
    pub fn model_tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.spellings.iter().map(String::as_str).zip(0..).take(self.ids.len())
    }

    /// Whether `added_tokens` names this id.
    pub fn is_added(&self, id: u32) -> bool {
        self.added.binary_search_by_key(&id, |t| t.id).is_ok()
    }

    /// Whether it is a special token there.
    pub fn is_special(&self, id: u32) -> bool {
        self.added.binary_search_by_key(&id, |t| t.id).is_ok_and(|at| self.added[at].special)
    }
}
