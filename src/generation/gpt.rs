//! The library's own model and tokenizer as generation sees them.

use super::causal::{Cache, CausalModel, TextCodec};
use crate::model::Gpt;
use crate::nn::KvCache;
use crate::tokenizer::Tokenizer;
use crate::utils::Result;
use std::borrow::Cow;

impl CausalModel for Gpt {
    type Cache = KvCache;

    fn vocab_size(&self) -> usize {
        self.config().vocab_size
    }
    fn context(&self) -> usize {
        self.config().context
    }
    fn new_cache(&self, rows: usize) -> KvCache {
        Gpt::new_cache(self, rows)
    }
    fn next_logits(&self, rows: &[usize], tokens: &[u32], cache: &mut KvCache, logits: &mut Vec<f32>) {
        match tokens.len() == rows.len() {
            true => self.decode_token(rows, tokens, cache, logits),
            false => self.decode_composed(rows, tokens, cache, logits),
        }
    }
}

impl Cache for KvCache {
    fn push_row(&mut self) -> usize {
        KvCache::push_row(self)
    }
    fn truncate(&mut self, row: usize, len: usize) {
        KvCache::truncate(self, row, len);
    }
    fn copy_row(&mut self, from: usize, to: usize) {
        KvCache::copy_row(self, from, to);
    }
}

impl TextCodec for Tokenizer {
    fn vocab_size(&self) -> usize {
        Tokenizer::vocab_size(self)
    }
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Tokenizer::encode(self, text)
    }
    fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        Cow::Borrowed(Tokenizer::token_bytes(self, id))
    }
    fn special(&self, name: &str) -> Option<u32> {
        Tokenizer::special(self, name)
    }
    fn is_special(&self, id: u32) -> bool {
        Tokenizer::is_special(self, id)
    }
    fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        Tokenizer::encode_prompt(self, text)
    }
    fn start(&self) -> Option<u32> {
        self.roles().bos
    }
    fn ends(&self) -> Vec<u32> {
        let more = self.roles().eos.iter().filter(|id| !self.is_special(**id));
        self.specials().map(|(_, id)| id).chain(more.copied()).collect()
    }
}
