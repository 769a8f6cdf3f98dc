//! The decoding loop: prompt in, tokens out, one row or many side by side.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use motamot_kernels::rng::Rng;

use super::{Cache, CausalModel, Sampler, SamplingOptions};
use crate::utils::{Error, Result};

/// Where the visible window of a text of `total` tokens starts: at 0 while everything fits into `context`, and then
/// advanced in hops of half a context, so that a cache has to be filled anew only once per hop.
pub fn window_start(total: usize, context: usize) -> usize {
    let hop = (context / 2).max(1);
    total.saturating_sub(context).div_ceil(hop) * hop
}

/// Sequences of equal length that grow side by side on one cache; it refills the cache when the window moves.
pub struct Decoder<'m, M: CausalModel> {
    model: &'m M,
    cache: M::Cache,
    rows: Vec<Vec<u32>>,
    start: usize,
    logits: Vec<f32>,
}

impl<'m, M: CausalModel> Decoder<'m, M> {
    /// Reads the prompt once and copies its state into `rows` rows. Panics if the prompt is empty.
    #[track_caller]
    pub fn new(model: &'m M, prompt: &[u32], rows: usize) -> Decoder<'m, M> {
        assert!(!prompt.is_empty(), "Decoder: the prompt is empty");
        assert!(rows > 0, "Decoder: no row");
        let mut cache = model.new_cache(1);
        let start = window_start(prompt.len(), model.context());
        let mut logits = Vec::new();
        model.step(&prompt[start..], &mut cache, &mut logits);
        let mut decoder = Decoder { model, cache, rows: vec![prompt.to_vec()], start, logits };
        decoder.select(&vec![0; rows]);
        decoder.reserve(model.context());
        decoder
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// All tokens of a row, prompt included.
    pub fn tokens(&self, row: usize) -> &[u32] {
        &self.rows[row]
    }

    /// The logits (V) of what comes after a row.
    pub fn logits(&self, row: usize) -> &[f32] {
        let v = self.model.vocab_size();
        &self.logits[row * v..(row + 1) * v]
    }

    /// Row i becomes a copy of row `from[i]`, and there are `from.len()` rows.
    pub fn select(&mut self, from: &[usize]) {
        if from.len() == self.rows.len() && from.iter().enumerate().all(|(i, &f)| i == f) {
            return;
        }
        self.cache.select(from);
        self.logits = from.iter().flat_map(|&f| self.logits(f)).copied().collect();
        self.rows = from.iter().map(|&f| self.rows[f].clone()).collect();
    }

    /// Makes room for that many more tokens of each row, so that adding them allocates nothing.
    pub fn reserve(&mut self, tokens: usize) {
        self.rows.iter_mut().for_each(|row| row.reserve(tokens));
    }

    /// Appends one token to each row.
    #[track_caller]
    pub fn advance(&mut self, next: &[u32]) {
        assert_eq!(next.len(), self.rows.len(), "Decoder: {} tokens for {} rows", next.len(), self.rows.len());
        for (row, &token) in self.rows.iter_mut().zip(next) {
            row.push(token);
        }
        let start = window_start(self.rows[0].len(), self.model.context());
        if start == self.start {
            self.model.step(next, &mut self.cache, &mut self.logits);
        } else {
            self.start = start;
            self.cache.clear();
            let window: Vec<u32> = self.rows.iter().flat_map(|row| &row[start..]).copied().collect();
            self.model.step(&window, &mut self.cache, &mut self.logits);
        }
    }
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Tokens to continue; at least one.
    pub prompt: &'a [u32],
    /// Number of samples. Sample i draws from stream i of the seed: it is the same whatever the number.
    pub num: usize,
    /// Most tokens per sample.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: &'a SamplingOptions,
    /// Ids from here on are never drawn (a model may have more logits than the tokenizer has ids).
    pub vocab_size: usize,
    /// Tokens that end a sample; they are not part of it.
    pub stop_tokens: &'a [u32],
    /// Looked at before every token; `true` ends all samples.
    pub cancel: Option<&'a AtomicBool>,
}

impl<'a> Request<'a> {
    /// One sample of up to 200 tokens over the model's whole vocabulary.
    pub fn new(model: &impl CausalModel, prompt: &'a [u32], sampling: &'a SamplingOptions) -> Request<'a> {
        Request {
            prompt,
            num: 1,
            max_tokens: 200,
            sampling,
            vocab_size: model.vocab_size(),
            stop_tokens: &[],
            cancel: None,
        }
    }

    fn check(&self, model: &impl CausalModel) -> Result<()> {
        self.sampling.validate()?;
        if self.num == 0 {
            return Err(Error::usage("zero samples were asked for").help("ask for 1 or more"));
        }
        check_prompt(model, self.prompt)
    }
}

/// An error for a prompt that is empty, or written with another vocabulary than the model's.
pub(super) fn check_prompt(model: &impl CausalModel, prompt: &[u32]) -> Result<()> {
    if prompt.is_empty() {
        return Err(Error::new("the prompt has no token").help("a model needs at least one token to continue"));
    }
    match prompt.iter().find(|&&id| id as usize >= model.vocab_size()) {
        None => Ok(()),
        Some(id) => Err(Error::new(format!(
            "the prompt has token {id}, but the model's vocabulary ends at {}",
            model.vocab_size() - 1
        ))
        .help("the tokenizer belongs to another model")),
    }
}

/// Why a sample ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop token or a stop string.
    Stop,
    /// The greatest number of tokens was reached.
    Length,
    /// The user stopped it.
    Cancelled,
}

impl FinishReason {
    /// `stop`, `length` or `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Cancelled => "cancelled",
        }
    }
}

/// One generated continuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The tokens after the prompt, without a stop token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// How much was done, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated, all samples together.
    pub generated: usize,
    /// Seconds for reading the prompt.
    pub prompt_seconds: f64,
    /// Seconds for everything.
    pub seconds: f64,
}

impl Stats {
    /// Generated tokens per second, reading the prompt included.
    pub fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.generated as f64 / self.seconds } else { 0.0 }
    }
}

/// What [`generate`] returns.
#[derive(Clone, Debug)]
pub struct Generated {
    /// One per requested sample.
    pub samples: Vec<Sample>,
    /// How much was done, and how fast.
    pub stats: Stats,
}

/// Generates `request.num` samples as one batch. `on_token(sample, token)` sees every token as it comes; `Break` ends
/// that sample (a stop string was met), an error ends everything.
pub fn generate<M: CausalModel>(
    model: &M,
    request: &Request,
    mut on_token: impl FnMut(usize, u32) -> Result<ControlFlow<()>>,
) -> Result<Generated> {
    request.check(model)?;
    let clock = Instant::now();
    let mut samples = vec![Sample { tokens: Vec::new(), finish: FinishReason::Length }; request.num];
    let mut stats = Stats { prompt_tokens: request.prompt.len(), ..Stats::default() };
    if request.max_tokens == 0 {
        return Ok(Generated { samples, stats });
    }
    let mut samplers: Vec<Sampler> = (0..request.num).map(|row| new_sampler(model, request, row)).collect();
    let mut decoder = Decoder::new(model, request.prompt, request.num);
    stats.prompt_seconds = clock.elapsed().as_secs_f64();
    // A context ahead, which is more than a memory can mind and most texts need.
    let room = request.max_tokens.min(model.context());
    samples.iter_mut().for_each(|sample| sample.tokens.reserve(room));
    // Slot i of the decoder holds sample active[i]; finished samples leave the batch.
    let mut active: Vec<usize> = (0..request.num).collect();
    let (mut keep, mut next) = (Vec::with_capacity(request.num), Vec::with_capacity(request.num));
    while !active.is_empty() {
        keep.clear();
        next.clear();
        for (slot, &row) in active.iter().enumerate() {
            if request.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                samples[row].finish = FinishReason::Cancelled;
                continue;
            }
            let token = samplers[row].sample(decoder.logits(slot))?;
            if request.stop_tokens.contains(&token) {
                samples[row].finish = FinishReason::Stop;
                continue;
            }
            samples[row].tokens.push(token);
            samplers[row].observe(&[token]);
            stats.generated += 1;
            if on_token(row, token)?.is_break() {
                samples[row].finish = FinishReason::Stop;
            } else if samples[row].tokens.len() < request.max_tokens {
                keep.push(slot);
                next.push(token);
            }
        }
        for (i, &slot) in keep.iter().enumerate() {
            active[i] = active[slot]; // slots only move down
        }
        active.truncate(keep.len());
        if !active.is_empty() {
            decoder.select(&keep);
            decoder.advance(&next);
        }
    }
    stats.seconds = clock.elapsed().as_secs_f64();
    Ok(Generated { samples, stats })
}

/// The same without cache and without batch: each token costs a pass over its whole window. Kept as the judge of
/// [`generate`] and of a model's cache.
pub fn generate_naive<M: CausalModel>(model: &M, request: &Request) -> Result<Vec<Sample>> {
    request.check(model)?;
    let sample = |row| {
        let mut sampler = new_sampler(model, request, row);
        let mut tokens = request.prompt.to_vec();
        let mut finish = FinishReason::Length;
        while tokens.len() < request.prompt.len() + request.max_tokens {
            let window = &tokens[window_start(tokens.len(), model.context())..];
            let token = sampler.sample(&model.logits_after(window))?;
            if request.stop_tokens.contains(&token) {
                finish = FinishReason::Stop;
                break;
            }
            tokens.push(token);
            sampler.observe(&[token]);
        }
        Ok(Sample { tokens: tokens.split_off(request.prompt.len()), finish })
    };
    (0..request.num).map(sample).collect()
}

fn new_sampler(model: &impl CausalModel, request: &Request, row: usize) -> Sampler {
    let vocab = request.vocab_size.min(model.vocab_size());
    let mut sampler = Sampler::new(request.sampling, vocab, Rng::new(request.sampling.seed).stream(row as u64));
    sampler.observe(request.prompt);
    sampler
}

#[cfg(test)]
mod tests {
    use super::super::toy::hashed;
    use super::*;

    fn go_on(_: usize, _: u32) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

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

    #[test]
    fn the_cached_batch_equals_the_naive_loop_beyond_the_window() {
        let sampling = SamplingOptions { seed: 5, repetition_penalty: 1.2, ..SamplingOptions::default() };
        for context in [1, 2, 3, 7, 16, 64] {
            let model = hashed(23, context);
            for length in [1, 2, 6, 7, 8, 40] {
                let prompt: Vec<u32> = (0..length).map(|i| i * 5 % 23).collect();
                // Token 4 ends a sample, so that rows leave the batch at different times.
                let request =
                    Request { num: 4, max_tokens: 37, stop_tokens: &[4], ..Request::new(&model, &prompt, &sampling) };
                let fast = generate(&model, &request, go_on).unwrap();
                assert_eq!(
                    fast.samples,
                    generate_naive(&model, &request).unwrap(),
                    "context {context}, prompt {length}"
                );
                let count: usize = fast.samples.iter().map(|s| s.tokens.len()).sum();
                assert_eq!((fast.stats.generated, fast.stats.prompt_tokens), (count, length as usize));
            }
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_how_many_there_are() {
        let model = hashed(50, 16);
        let sampling = SamplingOptions { seed: 3, ..SamplingOptions::default() };
        let request = |num| Request { num, max_tokens: 30, ..Request::new(&model, &[1, 2, 3], &sampling) };
        let many = generate(&model, &request(5), go_on).unwrap().samples;
        for num in 1..5 {
            assert_eq!(generate(&model, &request(num), go_on).unwrap().samples, many[..num]);
        }
        assert!((1..5).all(|i| many[i] != many[0]));
        let other = SamplingOptions { seed: 4, ..sampling.clone() };
        let other = generate(&model, &Request { sampling: &other, ..request(1) }, go_on).unwrap();
        assert_ne!(other.samples[0], many[0]);
    }

    #[test]
    fn finishing_and_cancelling() {
        let model = hashed(50, 16);
        let sampling = SamplingOptions { greedy: true, ..SamplingOptions::default() };
        let request = Request { max_tokens: 9, ..Request::new(&model, &[1], &sampling) };
        let all = generate(&model, &request, go_on).unwrap().samples.remove(0);
        assert_eq!((all.tokens.len(), all.finish), (9, FinishReason::Length));

        // A break after the third token, which stays in the sample.
        let mut seen = Vec::new();
        let broken = generate(&model, &request, |_, token| {
            seen.push(token);
            Ok(if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        let broken = broken.unwrap().samples.remove(0);
        assert_eq!(broken, Sample { tokens: all.tokens[..3].to_vec(), finish: FinishReason::Stop });
        assert_eq!(seen, all.tokens[..3]);

        let cancel = AtomicBool::new(false);
        let cancelled = generate(&model, &Request { cancel: Some(&cancel), ..request.clone() }, |_, _| {
            cancel.store(true, Ordering::Relaxed);
            Ok(ControlFlow::Continue(()))
        });
        let cancelled = cancelled.unwrap().samples.remove(0);
        assert_eq!(cancelled, Sample { tokens: all.tokens[..1].to_vec(), finish: FinishReason::Cancelled });

        assert!(generate(&model, &request, |_, _| Err(Error::new("disk full"))).is_err());
        let none = generate(&model, &Request { max_tokens: 0, ..request.clone() }, go_on).unwrap();
        assert_eq!(none.samples, [Sample { tokens: vec![], finish: FinishReason::Length }]);
        assert_eq!(none.stats.tokens_per_second(), 0.0);
    }

    #[test]
    fn bad_requests_are_errors_and_padded_logits_are_never_drawn() {
        let model = hashed(50, 16);
        let sampling = SamplingOptions::default();
        let request = Request::new(&model, &[1], &sampling);
        for bad in [
            Request { prompt: &[], ..request.clone() },
            Request { prompt: &[50], ..request.clone() },
            Request { num: 0, ..request.clone() },
        ] {
            assert!(generate(&model, &bad, go_on).is_err() && generate_naive(&model, &bad).is_err());
        }
        let narrow = generate(&model, &Request { vocab_size: 10, ..request.clone() }, go_on).unwrap();
        assert!(narrow.samples[0].tokens.iter().all(|&t| t < 10));
    }

    #[test]
    fn the_cache_of_a_real_model_equals_full_passes_beyond_its_window() {
        use crate::embeddings::PositionKind::{Alibi, Learned, Rope};
        use crate::model::{Gpt, GptConfig, preset};
        // Fresh weights give nearly equal logits; the low temperature makes every one of their digits count.
        let sampling = SamplingOptions { temperature: 0.02, seed: 9, ..SamplingOptions::default() };
        for positions in [Learned, Rope, Alibi] {
            let config = GptConfig { context: 12, vocab_size: 97, positions, ..preset("nano").unwrap() };
            let model = Gpt::new(&config, &mut Rng::new(4)).unwrap();
            let prompt: Vec<u32> = (0..7).map(|i| i * 13 % 97).collect();
            let request =
                Request { num: 3, max_tokens: 30, stop_tokens: &[5, 6], ..Request::new(&model, &prompt, &sampling) };
            let fast = generate(&model, &request, go_on).unwrap().samples;
            assert_eq!(fast, generate_naive(&model, &request).unwrap());
            assert!(fast.iter().any(|s| s.tokens.len() > 12), "the window has moved");
        }
    }
}
