//! One token per character: the vocabulary is the sorted set of characters of a text, as in nanoGPT's `char` data.

use std::collections::HashMap;

/// The character model: each character of the vocabulary and its id.
#[derive(Clone)]
pub(super) struct Chars {
    pub ids: HashMap<char, u32>,
    /// Ids of ASCII characters, which are most of them; NONE where there is none.
    ascii: [u32; 128],
    /// What stands for every other character, if anything does.
    pub unk: Option<u32>,
}

/// A character without a token, with its offset in bytes.
#[derive(Debug)]
pub(super) struct UnknownChar {
    pub char: char,
    pub offset: usize,
}

const NONE: u32 = super::bpe::NONE;

impl Chars {
    pub fn new(ids: HashMap<char, u32>, unk: Option<u32>) -> Chars {
        let mut ascii = [NONE; 128];
        for (&c, &id) in ids.iter().filter(|(c, _)| c.is_ascii()) {
            ascii[c as usize] = id;
        }
        Chars { ids, ascii, unk }
    }

    pub fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<(), UnknownChar> {
        out.reserve(text.len());
        for (offset, char) in text.char_indices() {
            let known = match self.ascii.get(char as usize) {
                Some(&id) => (id != NONE).then_some(id),
                None => self.ids.get(&char).copied(),
            };
            out.push(known.or(self.unk).ok_or(UnknownChar { char, offset })?);
        }
        Ok(())
    }
}
