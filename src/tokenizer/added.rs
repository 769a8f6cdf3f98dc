//! Tokens beside the model: special tokens, and words that somebody added to a vocabulary.

use crate::utils::Result;

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
    pub fn special(id: u32, content: &str) -> AddedToken {
        AddedToken { id, content: content.into(), special: true, lstrip: false, rstrip: false, normalized: false }
    }
}

/// Cuts `text` at the wanted added tokens, leftmost and longest first, and hands each part to `f`.
pub(super) fn split(
    added: &[AddedToken],
    wanted: impl Fn(&AddedToken) -> bool,
    text: &str,
    f: &mut dyn FnMut(&str, Option<u32>) -> Result<()>,
) -> Result<()> {
    let mut tokens: Vec<&AddedToken> = added.iter().filter(|t| wanted(t)).collect();
    tokens.sort_by_key(|t| std::cmp::Reverse(t.content.len()));
    let mut is_first_byte = [false; 256];
    tokens.iter().for_each(|t| is_first_byte[t.content.as_bytes()[0] as usize] = true);

    let (mut start, mut i) = (0, 0);
    while !tokens.is_empty() && i < text.len() {
        let rest = &text.as_bytes()[i..];
        let found = match is_first_byte[rest[0] as usize] {
            true => tokens.iter().find(|t| rest.starts_with(t.content.as_bytes())),
            false => None,
        };
        let Some(token) = found else {
            i += 1;
            continue;
        };
        let before = &text[start..i];
        let before = if token.lstrip { before.trim_end() } else { before };
        if !before.is_empty() {
            f(before, None)?;
        }
        f(&token.content, Some(token.id))?;
        i += token.content.len();
        if token.rstrip {
            i = text.len() - text[i..].trim_start().len();
        }
        start = i;
    }
    if start < text.len() { f(&text[start..], None) } else { Ok(()) }
}
