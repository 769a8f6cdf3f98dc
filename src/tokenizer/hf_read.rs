//! Reading `tokenizer.json`: what is understood gives Hugging Face's ids; what is not is an error that names the field.

use super::added::AddedToken;
use super::bpe::{Bpe, Merge, NONE};
use super::byte_alphabet::unspell;
use super::chars::Chars;
use super::hf_write::EACH_CHAR;
use super::normalize::{Normalizer, WordCut};
use super::wordpiece::WordPiece;
use super::{Model, Tokenizer};
use crate::utils::{Error, Result};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The largest files in use have 35 MB; beyond this it is not a tokenizer.
const MOST_BYTES: u64 = 256 << 20;
/// The largest vocabularies in use have 260,000 tokens.
const MOST_TOKENS: usize = 1 << 24;

const SUPPORTED: &str = "supported are byte-level BPE (GPT-2's cut), WordPiece (BERT's), and one token per character";

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn load(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
        if size > MOST_BYTES {
            return Err(Error::new(format!("{}: {size} bytes are too many for a tokenizer.json", path.display()))
                .help("give the tokenizer.json of a model directory"));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Tokenizer::from_json_bytes(&bytes).map_err(|e| e.at(path.display()))
    }

    /// Reads the bytes of a `tokenizer.json`.
    pub fn from_json_bytes(bytes: &[u8]) -> Result<Tokenizer> {
        let root: Value = serde_json::from_slice(bytes).map_err(|e| {
            Error::new(format!("not a JSON file: {e}"))
                .help("the file may be cut off or of another kind; get it again, or train a tokenizer")
        })?;
        let root = Field { path: String::new(), value: &root };
        root.object()?;
        if let Some(version) = root.get("version")
            && version.value != "1.0"
        {
            return Err(version.error("this version of the format is not known"));
        }
        let model = root.need("model")?;
        // Files of old versions do not name the model.
        let kind = match model.get("type") {
            Some(kind) => kind.string()?,
            None if model.get("merges").is_some() => "BPE",
            None if model.get("max_input_chars_per_word").is_some() => "WordPiece",
            None => return Err(model.at("type").error("missing").help(SUPPORTED)),
        };
        let (mut spellings, in_model) = read_vocab(&model.need("vocab")?)?;
        let normalizers = read_normalizers(root.get("normalizer"))?;
        let added = read_added(root.get("added_tokens"), &mut spellings, &in_model, !normalizers.is_empty())?;
        let post_processor = check_post_processor(root.get("post_processor"))?;
        let mut add_prefix_space = false;
        let model = match kind {
            "BPE" => {
                let pre = read_byte_level(root.get("pre_tokenizer"))?;
                add_prefix_space = pre.add_prefix_space;
                Model::Bpe(read_bpe(&model, &spellings, &in_model, &added, pre.use_regex)?)
            }
            "WordPiece" => {
                let mut wordpiece = read_wordpiece(&model, &spellings, &in_model, &added)?;
                wordpiece.cut = read_word_cut(root.get("pre_tokenizer"))?;
                if let Some(cleanup) = root.get("decoder").and_then(|d| d.get("cleanup")) {
                    wordpiece.cleanup = cleanup.bool()?;
                }
                Model::WordPiece(wordpiece)
            }
            "WordLevel" => {
                check_each_char(root.get("pre_tokenizer"))?;
                Model::Chars(read_chars(&model, &spellings, &in_model, &added)?)
            }
            _ => return Err(model.at("type").error(format!("model {} is not supported", short(kind))).help(SUPPORTED)),
        };
        Ok(Tokenizer { normalizers, add_prefix_space, post_processor, ..Tokenizer::new(model, spellings, added) })
    }
}

/// A value with the path that leads to it, for messages.
struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    fn at(&self, key: impl std::fmt::Display) -> Field<'a> {
        let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
        Field { path, value: self.value }
    }

    /// The field, unless it is missing or null.
    fn get(&self, key: &str) -> Option<Field<'a>> {
        let value = self.value.get(key).filter(|v| !v.is_null())?;
        Some(Field { value, ..self.at(key) })
    }

    fn need(&self, key: &str) -> Result<Field<'a>> {
        self.get(key).ok_or_else(|| self.at(key).error("missing"))
    }

    fn error(&self, problem: impl std::fmt::Display) -> Error {
        Error::new(if self.path.is_empty() { problem.to_string() } else { format!("{}: {problem}", self.path) })
    }

    fn wrong(&self, wanted: &str) -> Error {
        self.error(format!("should be {wanted}, is {}", short(self.value)))
    }

    fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    fn array(&self) -> Result<impl Iterator<Item = Field<'a>> + use<'a>> {
        let array = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let path = self.path.clone();
        Ok(array.iter().enumerate().map(move |(i, value)| Field { path: format!("{path}[{i}]"), value }))
    }

    fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    fn bool(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |f| f.bool())
    }

    fn id(&self) -> Result<usize> {
        let id = self.value.as_u64().ok_or_else(|| self.wrong("a token id"))?;
        if id < MOST_TOKENS as u64 { Ok(id as usize) } else { Err(self.error(format!("token id {id} is too large"))) }
    }
}

/// A value in a message: escaped, and never longer than a few words.
fn short(value: impl std::fmt::Display) -> String {
    let text: String = value.to_string().chars().take(41).flat_map(char::escape_debug).collect();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The tokens by id, and the ids by token.
fn read_vocab<'a>(vocab: &Field<'a>) -> Result<(Vec<String>, HashMap<&'a str, u32>)> {
    let entries = vocab.object()?;
    if entries.is_empty() {
        return Err(vocab.error("no tokens"));
    }
    let mut by_id: Vec<Option<&str>> = vec![None; entries.len()];
    let mut ids = HashMap::with_capacity(entries.len());
    for (token, value) in entries {
        let field = Field { value, ..vocab.at(format!("\"{}\"", short(token))) };
        let id = field.id()?;
        match by_id.get_mut(id) {
            None => {
                return Err(field.error(format!(
                    "id {id} in a vocabulary of {} tokens: ids must be 0 to {} without holes",
                    entries.len(),
                    entries.len() - 1
                )));
            }
            Some(Some(other)) => return Err(field.error(format!("id {id} already belongs to \"{}\"", short(*other)))),
            Some(slot) => *slot = Some(token),
        }
        ids.insert(token.as_str(), id as u32);
    }
    // As many ids as tokens, all below the count, none twice: every slot is filled.
    Ok((by_id.into_iter().flatten().map(String::from).collect(), ids))
}

fn read_added(
    field: Option<Field>,
    spellings: &mut Vec<String>,
    in_model: &HashMap<&str, u32>,
    has_normalizer: bool,
) -> Result<Vec<AddedToken>> {
    let mut added: Vec<AddedToken> = Vec::new();
    let Some(field) = field else { return Ok(added) };
    let (mut contents, mut ids) = (HashSet::new(), HashSet::new());
    for token in field.array()? {
        let content = token.need("content")?.string()?;
        let id = token.need("id")?.id()?;
        if content.is_empty() {
            return Err(token.at("content").error("empty"));
        }
        if !contents.insert(content) || !ids.insert(id) {
            return Err(token.error(format!("token {} or id {id} is listed twice", short(content))));
        }
        match in_model.get(content) {
            Some(&known) if known as usize != id => {
                return Err(token
                    .at("id")
                    .error(format!("is {id}, but model.vocab gives {} the id {known}", short(content))));
            }
            Some(_) => {}
            None if id == spellings.len() => spellings.push(content.to_string()),
            None => {
                return Err(token.at("id").error(format!("is {id}, but the next free id is {}", spellings.len())));
            }
        }
        if token.bool_or("single_word", false)? {
            return Err(token.at("single_word").error("not supported").help("set it to false in the file"));
        }
        let normalized = token.bool_or("normalized", false)?;
        if normalized && has_normalizer {
            return Err(token
                .at("normalized")
                .error("not supported together with a normalizer")
                .help("set it to false in the file"));
        }
        added.push(AddedToken {
            id: id as u32,
            content: content.into(),
            special: token.bool_or("special", false)?,
            lstrip: token.bool_or("lstrip", false)?,
            rstrip: token.bool_or("rstrip", false)?,
            normalized,
        });
    }
    added.sort_by_key(|t| t.id);
    Ok(added)
}

/// Tells the ids of special tokens from others.
fn special_ids(added: &[AddedToken]) -> impl Fn(u32) -> bool {
    let ids: HashSet<u32> = added.iter().filter(|t| t.special).map(|t| t.id).collect();
    move |id| ids.contains(&id)
}

fn read_normalizers(field: Option<Field>) -> Result<Vec<Normalizer>> {
    let Some(field) = field else { return Ok(vec![]) };
    let kind = field.need("type")?;
    Ok(vec![match kind.string()? {
        "NFC" => Normalizer::Nfc,
        "NFD" => Normalizer::Nfd,
        "NFKC" => Normalizer::Nfkc,
        "NFKD" => Normalizer::Nfkd,
        "Lowercase" => Normalizer::Lowercase,
        "StripAccents" => Normalizer::StripAccents,
        "BertNormalizer" => Normalizer::Bert {
            clean_text: field.need("clean_text")?.bool()?,
            handle_chinese_chars: field.need("handle_chinese_chars")?.bool()?,
            strip_accents: field.get("strip_accents").map(|f| f.bool()).transpose()?,
            lowercase: field.need("lowercase")?.bool()?,
        },
        "Sequence" => {
            let mut all = Vec::new();
            for step in field.need("normalizers")?.array()? {
                all.extend(read_normalizers(Some(step))?);
            }
            return Ok(all);
        }
        other => {
            return Err(kind
                .error(format!("normalizer {} is not supported", short(other)))
                .help("supported are NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, BertNormalizer and Sequence"));
        }
    }])
}

/// A post-processor adds tokens around a text, which is the template's business here: its type is checked, no more.
fn check_post_processor(field: Option<Field>) -> Result<Value> {
    let Some(field) = field else { return Ok(Value::Null) };
    let kind = field.need("type")?;
    match kind.string()? {
        "ByteLevel" | "TemplateProcessing" | "BertProcessing" | "RobertaProcessing" => {}
        "Sequence" => {
            for part in field.need("processors")?.array()? {
                check_post_processor(Some(part))?;
            }
        }
        other => return Err(kind.error(format!("post-processor {} is not supported", short(other)))),
    }
    Ok(field.value.clone())
}

/// The only element of a pre-tokenizer `Sequence` of one, or the pre-tokenizer itself.
fn sole_pre_tokenizer<'a>(field: Option<Field<'a>>, wanted: &str) -> Result<Field<'a>> {
    let missing = || Error::new(format!("pre_tokenizer: missing; this model needs {wanted}")).help(SUPPORTED);
    let field = field.ok_or_else(missing)?;
    if field.need("type")?.string()? == "Sequence" {
        let mut parts = field.need("pretokenizers")?.array()?;
        if let (Some(sole), None) = (parts.next(), parts.next()) {
            return Ok(sole);
        }
    }
    Ok(field)
}

struct ByteLevel {
    add_prefix_space: bool,
    use_regex: bool,
}

fn read_byte_level(field: Option<Field>) -> Result<ByteLevel> {
    let field = sole_pre_tokenizer(field, "ByteLevel")?;
    let kind = field.need("type")?;
    if kind.string()? != "ByteLevel" {
        return Err(kind
            .error(format!("pre-tokenizer {} is not supported for BPE", short(kind.value)))
            .help("only ByteLevel, with GPT-2's expression or without any, is"));
    }
    Ok(ByteLevel {
        add_prefix_space: field.need("add_prefix_space")?.bool()?,
        use_regex: field.bool_or("use_regex", true)?,
    })
}

fn read_bpe(
    model: &Field,
    spellings: &[String],
    in_model: &HashMap<&str, u32>,
    added: &[AddedToken],
    use_regex: bool,
) -> Result<Bpe> {
    if let Some(dropout) = model.get("dropout")
        && dropout.value.as_f64() != Some(0.0)
    {
        return Err(dropout.error("not supported: encoding is deterministic here").help("set it to null in the file"));
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if let Some(affix) = model.get(key)
            && !affix.string()?.is_empty()
        {
            return Err(affix.error(format!("{} is not supported", short(affix.value))).help(SUPPORTED));
        }
    }
    let is_added = |id: u32| added.binary_search_by_key(&id, |t| t.id).is_ok();
    let is_special = special_ids(added);
    let vocab = model.at("vocab");
    let mut byte_ids = [NONE; 256];
    let mut words: HashMap<Box<[u8]>, u32> = HashMap::new();
    for (spelling, id) in spellings.iter().zip(0u32..).take(in_model.len()) {
        let bytes = unspell(spelling);
        if let Some([byte]) = bytes.as_deref() {
            byte_ids[*byte as usize] = id;
        }
        if is_special(id) && spelling.chars().count() == 1 {
            return Err(vocab.error(format!("special token {} is also the token of a byte", short(spelling))));
        }
        match bytes {
            Some(bytes) if !is_special(id) => {
                words.insert(bytes.into(), id);
            }
            None if !is_added(id) => {
                return Err(vocab
                    .error(format!("token \"{}\" has a character that stands for no byte", short(spelling)))
                    .help(SUPPORTED));
            }
            _ => {}
        }
    }
    let mut merges = Vec::new();
    for merge in model.need("merges")?.array()? {
        let parts: Option<(&str, &str)> = match merge.value {
            Value::String(line) if line.starts_with("#version") => continue,
            Value::String(line) => line.split_once(' ').filter(|(_, right)| !right.contains(' ')),
            Value::Array(pair) => match &pair[..] {
                [Value::String(left), Value::String(right)] => Some((left, right)),
                _ => None,
            },
            _ => None,
        };
        let (left, right) = parts.ok_or_else(|| merge.wrong("two tokens, \"a b\" or [\"a\", \"b\"]"))?;
        let id = |token: &str| {
            let id = in_model.get(token).copied();
            id.ok_or_else(|| merge.error(format!("token \"{}\" is not in model.vocab", short(token))))
        };
        let merge_ids = Merge { left: id(left)?, right: id(right)?, id: id(&[left, right].concat())? };
        if is_special(merge_ids.id) {
            return Err(merge
                .error("builds a special token, so that ordinary text could become one")
                .help("remove the merge, or make the token an ordinary one in added_tokens"));
        }
        merges.push(merge_ids);
    }
    let ignore_merges = model.bool_or("ignore_merges", false)?;
    let mut bpe = Bpe::new(byte_ids, merges);
    bpe.use_regex = use_regex;
    bpe.whole_words = ignore_merges.then_some(words);
    Ok(bpe)
}

fn read_word_cut(field: Option<Field>) -> Result<WordCut> {
    let field = sole_pre_tokenizer(field, "BertPreTokenizer")?;
    let kind = field.need("type")?;
    [WordCut::Bert, WordCut::Whitespace, WordCut::WhitespaceSplit]
        .into_iter()
        .find(|cut| kind.value == cut.name())
        .ok_or_else(|| {
            kind.error(format!("pre-tokenizer {} is not supported for WordPiece", short(kind.value)))
                .help("supported are BertPreTokenizer, Whitespace and WhitespaceSplit")
        })
}

fn read_wordpiece(
    model: &Field,
    spellings: &[String],
    in_model: &HashMap<&str, u32>,
    added: &[AddedToken],
) -> Result<WordPiece> {
    let unk_field = model.need("unk_token")?;
    let unk_token = unk_field.string()?;
    let unk = in_model
        .get(unk_token)
        .ok_or_else(|| unk_field.error(format!("\"{}\" is not in model.vocab", short(unk_token))))?;
    let is_special = special_ids(added);
    let ids = spellings
        .iter()
        .zip(0u32..)
        .take(in_model.len())
        .filter(|(_, id)| !is_special(*id))
        .map(|(spelling, id)| (spelling.as_str().into(), id))
        .collect();
    let mut wordpiece = WordPiece::new(ids, *unk, unk_token.into());
    if let Some(prefix) = model.get("continuing_subword_prefix") {
        wordpiece.prefix = prefix.string()?.into();
    }
    if let Some(most) = model.get("max_input_chars_per_word") {
        wordpiece.max_chars = most.value.as_u64().ok_or_else(|| most.wrong("a count"))? as usize;
    }
    Ok(wordpiece)
}

/// A `WordLevel` model is a character model if its pre-tokenizer isolates every character.
fn check_each_char(field: Option<Field>) -> Result<()> {
    let field = sole_pre_tokenizer(field, "Split at every character")?;
    let kind = field.need("type")?;
    let refuse = |field: &Field| {
        field
            .error(format!("{} is not supported for WordLevel", short(field.value)))
            .help(format!("only one token per character is: Split, Regex {EACH_CHAR:?}, Isolated"))
    };
    if kind.string()? != "Split" {
        return Err(refuse(&kind));
    }
    let pattern = field.need("pattern")?;
    if ![EACH_CHAR, "(?s:.)", "(?s)."].iter().any(|regex| pattern.value["Regex"] == *regex) {
        return Err(refuse(&pattern));
    }
    let behavior = field.need("behavior")?;
    if behavior.value != "Isolated" { Err(refuse(&behavior)) } else { Ok(()) }
}

fn read_chars(
    model: &Field,
    spellings: &[String],
    in_model: &HashMap<&str, u32>,
    added: &[AddedToken],
) -> Result<Chars> {
    let unk_token = model.need("unk_token")?.string()?;
    let unk = in_model.get(unk_token).copied();
    let mut ids = HashMap::new();
    for (spelling, id) in spellings.iter().zip(0u32..).take(in_model.len()) {
        let mut chars = spelling.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => {
                ids.insert(c, id);
            }
            _ if Some(id) == unk || added.binary_search_by_key(&id, |t| t.id).is_ok() => {}
            _ => {
                return Err(model
                    .at("vocab")
                    .error(format!("token \"{}\" is not one character", short(spelling)))
                    .help(SUPPORTED));
            }
        }
    }
    Ok(Chars::new(ids, unk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short_and_visible() {
        assert_eq!(short("a\n\u{7}b"), "a\\n\\u{7}b");
        assert_eq!(short("x".repeat(1 << 20)).chars().count(), 41);
    }
}
