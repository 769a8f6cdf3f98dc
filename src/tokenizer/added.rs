//! Tokens beside the model: special tokens, and words that somebody added to a vocabulary.

/// The special tokens of this library, ids 0 to 4 of a trained BPE vocabulary.
pub const SPECIAL_TOKENS: [&str; 5] = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

/// A token that is found in text as a whole, before the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AddedToken {
    pub id: u32,
    pub content: String,
    /// Only templates may contain it, and decoding for people leaves it out.
    pub special: bool,
    /// It swallows white space on its left, on its right.
    pub lstrip: bool,
    pub rstrip: bool,
    /// It is looked for after normalisation, and after those for which this is false.
    pub normalized: bool,
}

impl AddedToken {
    /// Special tokens with the ids from `first` on.
    pub fn specials<T: AsRef<str>>(names: &[T], first: usize) -> Vec<AddedToken> {
        let special = |(name, id): (&T, u32)| AddedToken {
            id,
            content: name.as_ref().into(),
            special: true,
            lstrip: false,
            rstrip: false,
            normalized: false,
        };
        names.iter().zip(first as u32..).map(special).collect()
    }
}

/// A part of a text.
pub(super) enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

/// Cuts `text` at the wanted added tokens, leftmost and longest first. No part is empty.
pub(super) fn split<'a>(added: &[AddedToken], wanted: impl Fn(&AddedToken) -> bool, text: &'a str) -> Vec<Part<'a>> {
    let mut tokens: Vec<&AddedToken> = added.iter().filter(|t| wanted(t)).collect();
    tokens.sort_by_key(|t| std::cmp::Reverse(t.content.len()));
    let mut is_first_byte = [false; 256];
    tokens.iter().for_each(|t| is_first_byte[t.content.as_bytes()[0] as usize] = true);

    let mut parts = Vec::new();
    let (mut start, mut i) = (0, 0);
    while !tokens.is_empty() && i < text.len() {
        let rest = &text.as_bytes()[i..];
        let may_start = is_first_byte[rest[0] as usize].then_some(&tokens);
        let Some(token) = may_start.and_then(|all| all.iter().find(|t| rest.starts_with(t.content.as_bytes()))) else {
            i += 1;
            continue;
        };
        let before = &text[start..i];
        let before = if token.lstrip { before.trim_end() } else { before };
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Token(token.id));
        i += token.content.len();
        if token.rstrip {
            i = text.len() - text[i..].trim_start().len();
        }
        start = i;
    }
    if start < text.len() {
        parts.push(Part::Text(&text[start..]));
    }
    parts
}
