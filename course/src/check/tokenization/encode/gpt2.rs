//! The learner's encoder on GPT-2's own merges.

use std::collections::BTreeMap;

use crate::catalogue::text;
use crate::check::report::Report;
use crate::texts::{gpt2_merges, gpt2_sentences};

/// The learner's encoder with GPT-2's own merges; the report if an id differs.
pub(super) fn wrong_ids(exercise: &'static str, f: impl Fn(&[u8], &[(u32, u32)]) -> Vec<u32>) -> Option<Report> {
    let gpt2 = Gpt2::new();
    for (sentence, expected) in gpt2_sentences() {
        let got = gpt2.encode(&sentence, &f);
        if got != expected {
            let said = text("01.3.gpt2").with("sentence", format!("{sentence:?}"));
            let said = said.with("expected", format!("{expected:?}")).with("got", format!("{got:?}"));
            return Some(Report::wrong(exercise, said));
        }
    }
    None
}

/// GPT-2's merges as the exercise wants them, and the way back to its ids.
pub(super) struct Gpt2 {
    merges: Vec<(u32, u32)>,
    /// GPT-2's id of each of our ids.
    ids: Vec<u32>,
}

impl Gpt2 {
    pub fn new() -> Gpt2 {
        // GPT-2 numbers the bytes that print as themselves first; a character stands for each byte.
        let own = |b: &u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        let order: Vec<u8> = (0..=255).filter(own).chain((0..=255).filter(|b| !own(b))).collect();
        let spelled =
            |at: usize| if at < 188 { order[at] as char } else { char::from_u32(256 + at as u32 - 188).unwrap_or(' ') };
        let mut ours: BTreeMap<String, u32> = BTreeMap::new();
        let mut ids = vec![0; 256];
        for (at, &byte) in order.iter().enumerate() {
            ours.insert(spelled(at).to_string(), u32::from(byte));
            ids[usize::from(byte)] = at as u32;
        }
        let mut merges = Vec::new();
        for m in gpt2_merges() {
            // A half that no sentence needs is not there, and neither is a merge made of it.
            if let (Some(&left), Some(&right)) = (ours.get(m.left), ours.get(m.right)) {
                ours.insert(format!("{}{}", m.left, m.right), ids.len() as u32);
                merges.push((left, right));
                ids.push(256 + m.rank);
            }
        }
        Gpt2 { merges, ids }
    }

    pub fn encode(&self, text: &str, f: impl Fn(&[u8], &[(u32, u32)]) -> Vec<u32>) -> Vec<u32> {
        let words = motamot::tokenizer::pre_tokens(text.as_bytes());
        let ids = words.into_iter().flat_map(|word| f(word, &self.merges));
        ids.map(|id| self.ids.get(id as usize).copied().unwrap_or(u32::MAX)).collect()
    }
}
