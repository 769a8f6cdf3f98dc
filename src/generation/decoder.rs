//! Texts that grow side by side, each at its own pace.

use super::{Cache, CausalModel};

/// Where the visible window of a text of `total` tokens starts: at 0 while everything fits into `context`, and then
/// advanced in hops of half a context, so that a cache has to be filled anew only once per hop.
pub fn window_start(total: usize, context: usize) -> usize {
    let hop = (context / 2).max(1);
    total.saturating_sub(context).div_ceil(hop) * hop
}

/// A model at work on some texts, each in a row of one cache. Texts come and go between tokens, as the requests of a
/// server do, and no text depends on the others: it has the same logits, bit for bit, as alone.
pub struct Decoder<'m, M: CausalModel> {
    model: &'m M,
    cache: M::Cache,
    /// By row; `None` where it is free.
    texts: Vec<Option<Text>>,
    // What goes through the model together; kept for its memory.
    rows: Vec<usize>,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

#[derive(Clone)]
struct Text {
    tokens: Vec<u32>,
    /// Where its window starts.
    start: usize,
    /// Of what comes next, (V).
    logits: Vec<f32>,
}

impl Text {
    /// Reads the whole window that starts at `start`.
    fn read<M: CausalModel>(&mut self, start: usize, model: &M, cache: &mut M::Cache, row: usize) {
        self.start = start;
        cache.truncate(row, 0);
        model.next_logits(&[row], &self.tokens[start..], cache, &mut self.logits);
    }
}

impl<'m, M: CausalModel> Decoder<'m, M> {
    /// Without a text, and with room for `rows` of them; for more it makes room as they come.
    pub fn new(model: &'m M, rows: usize) -> Decoder<'m, M> {
        let texts = (0..rows).map(|_| None).collect();
        Decoder { model, cache: model.new_cache(rows), texts, rows: vec![], tokens: vec![], logits: vec![] }
    }

    /// Reads a prompt, and returns the row of its text from now on. Panics if the prompt is empty.
    #[track_caller]
    pub fn insert(&mut self, prompt: &[u32]) -> usize {
        assert!(!prompt.is_empty(), "Decoder: the prompt is empty");
        let mut text = Text { tokens: prompt.to_vec(), start: 0, logits: Vec::new() };
        let row = self.free_row();
        text.read(window_start(prompt.len(), self.model.context()), self.model, &mut self.cache, row);
        self.put(row, text)
    }

    /// Starts a copy of a text, without reading it again, and returns its row.
    #[track_caller]
    pub fn fork(&mut self, row: usize) -> usize {
        let text = self.text(row).clone();
        let copy = self.free_row();
        self.cache.copy_row(row, copy);
        self.put(copy, text)
    }

    /// Ends a text: its row is free for another.
    #[track_caller]
    pub fn remove(&mut self, row: usize) {
        assert!(self.texts[row].take().is_some(), "Decoder: row {row} is free");
        self.cache.truncate(row, 0);
    }

    /// Text i of a list becomes a copy of its text `from[i]`; there may be more or fewer than before. Only what goes on
    /// more than once is copied, and what does not go on is removed.
    #[track_caller]
    pub fn select(&mut self, rows: &mut Vec<usize>, from: &[usize]) {
        let before = std::mem::take(rows);
        before.iter().enumerate().filter(|(i, _)| !from.contains(i)).for_each(|(_, row)| self.remove(*row));
        for (i, &f) in from.iter().enumerate() {
            rows.push(if from[..i].contains(&f) { self.fork(before[f]) } else { before[f] });
        }
    }

    /// Appends a token to each of some texts, given as (row, token), no row twice; the others wait.
    #[track_caller]
    pub fn advance(&mut self, next: &[(usize, u32)]) {
        let Decoder { model, cache, texts, rows, tokens, logits } = self;
        rows.clear();
        tokens.clear();
        for &(row, token) in next {
            let text = texts[row].as_mut().unwrap_or_else(|| panic!("Decoder: row {row} is free"));
            text.tokens.push(token);
            let start = window_start(text.tokens.len(), model.context());
            if start == text.start {
                rows.push(row);
                tokens.push(token);
            } else {
                text.read(start, *model, cache, row);
            }
        }
        if !rows.is_empty() {
            model.next_logits(rows, tokens, cache, logits);
        }
        if let [row] = rows[..] {
            // A text alone takes them without a copy, which would cost up to 2 % of a token.
            texts[row].iter_mut().for_each(|text| std::mem::swap(&mut text.logits, logits));
            return;
        }
        for (row, logits) in rows.iter().zip(logits.chunks_exact(model.vocab_size())) {
            texts[*row].iter_mut().for_each(|text| text.logits.copy_from_slice(logits));
        }
    }

    /// All tokens of a text, prompt included.
    #[track_caller]
    pub fn tokens(&self, row: usize) -> &[u32] {
        &self.text(row).tokens
    }

    /// The logits (V) of what comes after a text.
    #[track_caller]
    pub fn logits(&self, row: usize) -> &[f32] {
        &self.text(row).logits
    }

    #[track_caller]
    fn text(&self, row: usize) -> &Text {
        self.texts[row].as_ref().unwrap_or_else(|| panic!("Decoder: row {row} is free"))
    }

    fn free_row(&mut self) -> usize {
        self.texts.iter().position(Option::is_none).unwrap_or_else(|| {
            self.texts.push(None);
            self.cache.push_row()
        })
    }

    fn put(&mut self, row: usize, mut text: Text) -> usize {
        // A context ahead, so that most tokens take no memory.
        text.tokens.reserve(self.model.context());
        self.texts[row] = Some(text);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy::hashed;
    use super::*;
    use crate::embeddings::PositionKind::{Alibi, Learned, Rope};
    use crate::model::{Gpt, GptConfig, preset};
    use crate::transformer::NormOrder::{Post, Pre};
    use motamot_kernels::panels::Format;
    use motamot_kernels::rng::Rng;

    #[test]
    fn the_window_moves_in_hops_of_half_a_context() {
        let starts: Vec<usize> = (0..14).map(|total| window_start(total, 6)).collect();
        assert_eq!(starts, [0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9]);
        for context in 1..40 {
            for total in 1..200 {
                let start = window_start(total, context);
                assert!(start < total && total - start <= context);
                assert!(total <= context || total - start > context - (context / 2).max(1));
            }
        }
    }

    /// Texts enter, are copied, wait, go on and leave at random; after each step every one of them has the logits that a
    /// decoder of its own gives it.
    fn check_company<M: CausalModel>(model: &M, seed: u64, steps: usize) {
        let mut rng = Rng::new(seed);
        let mut company = Decoder::new(model, 2);
        // (row in company, the text alone)
        let mut alone: Vec<(usize, Decoder<M>)> = Vec::new();
        let (mut most, mut moved) = (0, false);
        let copy = |text: &[u32], told: usize| {
            // As the text came about: its prompt at once, the rest one by one.
            let mut decoder = Decoder::new(model, 1);
            decoder.insert(&text[..told]);
            text[told..].iter().for_each(|token| decoder.advance(&[(0, *token)]));
            decoder
        };
        let mut told: Vec<usize> = Vec::new();
        for _ in 0..steps {
            match rng.below(8) {
                0 | 1 if alone.len() < 10 => {
                    let length = 1 + rng.below(2 * model.context());
                    let prompt: Vec<u32> = (0..length).map(|_| rng.below(model.vocab_size()) as u32).collect();
                    let row = company.insert(&prompt);
                    alone.push((row, copy(&prompt, length)));
                    told.push(length);
                }
                2 if !alone.is_empty() && alone.len() < 10 => {
                    let i = rng.below(alone.len());
                    let row = company.fork(alone[i].0);
                    alone.push((row, copy(alone[i].1.tokens(0), told[i])));
                    told.push(told[i]);
                }
                3 if !alone.is_empty() => {
                    let i = rng.below(alone.len());
                    company.remove(alone.swap_remove(i).0);
                    told.swap_remove(i);
                }
                _ => {
                    let mut next = Vec::new();
                    for (row, alone) in &mut alone {
                        if rng.below(4) == 0 {
                            continue;
                        }
                        let token = rng.below(model.vocab_size()) as u32;
                        next.push((*row, token));
                        let before = alone.texts[0].as_ref().map(|text| text.start);
                        alone.advance(&[(0, token)]);
                        moved |= before != alone.texts[0].as_ref().map(|text| text.start);
                    }
                    company.advance(&next);
                }
            }
            most = most.max(alone.len());
            for (row, alone) in &alone {
                assert_eq!(company.tokens(*row), alone.tokens(0));
                assert_eq!(company.logits(*row), alone.logits(0), "{} texts, row {row}", most);
            }
        }
        assert!(most > 8 && moved, "{most} texts, moved: {moved}");
        assert!(company.texts.len() <= 10, "free rows are used again");
    }

    #[test]
    fn a_text_does_not_depend_on_its_company() {
        for context in [1, 2, 5, 16] {
            check_company(&hashed(23, context), context as u64, 300);
        }
    }

    #[test]
    fn a_text_of_a_real_model_does_not_depend_on_its_company() {
        for (positions, norm_order) in [(Learned, Pre), (Rope, Pre), (Alibi, Pre), (Rope, Post)] {
            let config = GptConfig { context: 12, vocab_size: 97, positions, norm_order, ..preset("nano").unwrap() };
            let mut model = Gpt::new(&config, &mut Rng::new(4)).unwrap();
            for format in [Format::F32, Format::Bf16, Format::Int8] {
                model.quantise(Some(format));
                check_company(&model, 3, 120);
            }
        }
    }

    #[test]
    fn selecting_copies_what_goes_on_more_than_once() {
        let model = hashed(23, 8);
        let mut decoder = Decoder::new(&model, 3);
        let mut rows: Vec<usize> = [[1, 2].as_slice(), &[3], &[4, 5, 6]].map(|prompt| decoder.insert(prompt)).to_vec();
        decoder.select(&mut rows, &[2, 0, 2, 2]);
        assert_eq!(rows, [2, 0, 1, 3], "who goes on stays, a copy takes the free row, another a new one");
        assert_eq!(rows.iter().map(|row| decoder.tokens(*row).len()).collect::<Vec<_>>(), [3, 2, 3, 3]);
        decoder.advance(&rows.iter().map(|row| (*row, 7 + *row as u32)).collect::<Vec<_>>());
        for row in rows {
            assert_eq!(decoder.logits(row), model.logits_after(decoder.tokens(row)));
        }
    }

    #[test]
    #[should_panic(expected = "row 1 is free")]
    fn a_free_row_has_no_logits() {
        let model = hashed(23, 8);
        let mut decoder = Decoder::new(&model, 2);
        decoder.insert(&[1]);
        decoder.logits(1);
    }
}
