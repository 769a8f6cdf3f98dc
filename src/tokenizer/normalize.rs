//! What BERT-like tokenizers do to text before they cut it into words: clean, lower-case, strip accents; and the cut.

use super::field::Field;
use crate::utils::Result;
use serde::Serialize;
use std::borrow::Cow;
use unicode_general_category::{GeneralCategory as G, get_general_category};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// One step of normalisation; the names are those of `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(super) enum Normalizer {
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Lowercase,
    StripAccents,
    #[serde(rename = "BertNormalizer")]
    Bert {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

impl Normalizer {
    pub fn apply(&self, text: &str) -> String {
        match self {
            Normalizer::Nfc => text.nfc().collect(),
            Normalizer::Nfd => text.nfd().collect(),
            Normalizer::Nfkc => text.nfkc().collect(),
            Normalizer::Nfkd => text.nfkd().collect(),
            Normalizer::Lowercase => lowercase(text),
            Normalizer::StripAccents => text.chars().filter(|c| !is_combining_mark(*c)).collect(),
            Normalizer::Bert { clean_text, handle_chinese_chars, strip_accents, lowercase: lower } => {
                let mut text = text.to_string();
                if *clean_text {
                    text = text
                        .chars()
                        .filter(|c| !is_dirt(*c))
                        .map(|c| if c.is_whitespace() { ' ' } else { c })
                        .collect();
                }
                if *handle_chinese_chars && text.chars().any(is_chinese) {
                    let spaced =
                        |c| if is_chinese(c) { [Some(' '), Some(c), Some(' ')] } else { [Some(c), None, None] };
                    text = text.chars().flat_map(spaced).flatten().collect();
                }
                if strip_accents.unwrap_or(*lower) {
                    text = text.nfd().filter(|c| get_general_category(*c) != G::NonspacingMark).collect();
                }
                if *lower { lowercase(&text) } else { text }
            }
        }
    }

    /// Reads a `normalizer`, which may be a sequence.
    pub fn read(field: &Field) -> Result<Vec<Normalizer>> {
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
                let steps = field.need("normalizers")?.array()?.map(|step| Normalizer::read(&step));
                return Ok(steps.collect::<Result<Vec<_>>>()?.concat());
            }
            _ => {
                let known = "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, BertNormalizer and Sequence";
                return Err(kind.unsupported("normalizer").help(format!("supported are {known}")));
            }
        }])
    }
}

/// Applies the steps in order.
pub(super) fn normalize<'a>(steps: &[Normalizer], text: &'a str) -> Cow<'a, str> {
    steps.iter().fold(Cow::Borrowed(text), |text, step| Cow::Owned(step.apply(&text)))
}

/// Character by character, so that Σ at the end of a word has no form of its own (as in Hugging Face's library).
fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Control, format and private-use characters, U+0000 and U+FFFD: what BERT's cleaning removes.
fn is_dirt(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{fffd}' => true,
        _ => matches!(get_general_category(c), G::Control | G::Format | G::PrivateUse),
    }
}

fn is_chinese(c: char) -> bool {
    matches!(c as u32, 0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || (!c.is_ascii()
            && matches!(
                get_general_category(c),
                G::ConnectorPunctuation
                    | G::DashPunctuation
                    | G::OpenPunctuation
                    | G::ClosePunctuation
                    | G::InitialPunctuation
                    | G::FinalPunctuation
                    | G::OtherPunctuation
            ))
}

/// `\w` of regular expressions.
fn is_word_char(c: char) -> bool {
    c.is_alphabetic()
        || c == '_'
        || matches!(c, '\u{200c}' | '\u{200d}')
        || matches!(
            get_general_category(c),
            G::DecimalNumber | G::ConnectorPunctuation | G::NonspacingMark | G::SpacingMark | G::EnclosingMark
        )
}

/// How BERT-like tokenizers cut text into words; the names are those of `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordCut {
    /// At white space; every punctuation character is a word of its own.
    Bert,
    /// Runs of `\w`, runs of what is neither `\w` nor white space.
    Whitespace,
    /// At white space only.
    WhitespaceSplit,
}

impl WordCut {
    /// Calls `f` with every word of `text`.
    pub fn for_each_word<'a>(self, text: &'a str, mut f: impl FnMut(&'a str)) {
        for part in text.split(char::is_whitespace).filter(|part| !part.is_empty()) {
            let mut start = 0;
            let mut last: Option<bool> = None;
            for (i, c) in part.char_indices() {
                let (kind, cut) = match self {
                    WordCut::WhitespaceSplit => (false, false),
                    WordCut::Bert => (is_punctuation(c), is_punctuation(c) || last == Some(true)),
                    WordCut::Whitespace => (is_word_char(c), last.is_some_and(|l| l != is_word_char(c))),
                };
                if cut && i > start {
                    f(&part[start..i]);
                    start = i;
                }
                last = Some(kind);
            }
            f(&part[start..]);
        }
    }

    /// Reads a `pre_tokenizer`.
    pub fn read(field: &Field) -> Result<WordCut> {
        let kind = field.need("type")?;
        let cuts = [WordCut::Bert, WordCut::Whitespace, WordCut::WhitespaceSplit];
        cuts.into_iter().find(|cut| kind.value == cut.name()).ok_or_else(|| {
            kind.unsupported("a WordPiece pre-tokenizer")
                .help("supported are BertPreTokenizer, Whitespace and WhitespaceSplit")
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            WordCut::Bert => "BertPreTokenizer",
            WordCut::Whitespace => "Whitespace",
            WordCut::WhitespaceSplit => "WhitespaceSplit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(cut: WordCut, text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        cut.for_each_word(text, |w| words.push(w));
        words
    }

    #[test]
    fn cuts() {
        assert_eq!(words(WordCut::Bert, " Hey, you!?  it's_"), ["Hey", ",", "you", "!", "?", "it", "'", "s", "_"]);
        assert_eq!(words(WordCut::Whitespace, "Hey, you!?  it's_ok"), ["Hey", ",", "you", "!?", "it", "'", "s_ok"]);
        assert_eq!(words(WordCut::WhitespaceSplit, "Hey, you!?\n"), ["Hey,", "you!?"]);
    }

    #[test]
    fn bert_cleaning() {
        let bert = |lowercase| Normalizer::Bert {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents: None,
            lowercase,
        };
        assert_eq!(bert(true).apply("Été\u{0}\t中文"), "ete  中  文 ");
        assert_eq!(bert(false).apply("Été\u{200b}"), "Été");
    }
}
