//! The decoding loop: prompts in, tokens out, one text or many side by side.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use motamot_kernels::rng::Rng;

use super::{CausalModel, Decoder, Sampler, SamplingOptions, window_start};
use crate::utils::clock::Stopwatch;
use crate::utils::{Error, Result};

/// What to generate.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Texts to continue, of any lengths; each has at least one token.
    pub prompts: Vec<&'a [u32]>,
    /// Number of samples of each prompt; those of the first prompt come first. Sample i of a prompt draws from stream i
    /// of the seed: it is the same whatever the number, and whatever the other prompts.
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
    /// One sample of one prompt, of up to 200 tokens over the model's whole vocabulary.
    pub fn new(model: &impl CausalModel, prompt: &'a [u32], sampling: &'a SamplingOptions) -> Request<'a> {
        Request {
            prompts: vec![prompt],
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
        self.prompts.iter().try_for_each(|prompt| check_prompt(model, prompt))
    }

    /// Number of samples.
    fn rows(&self) -> usize {
        self.prompts.len() * self.num
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
    /// Tokens of the prompts.
    pub prompt_tokens: usize,
    /// Tokens generated, all samples together.
    pub generated: usize,
    /// Seconds for reading the prompts.
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
    /// Sample i of prompt p is number p·num + i.
    pub samples: Vec<Sample>,
    /// How much was done, and how fast.
    pub stats: Stats,
}

/// A sample on its way.
struct Running {
    sample: Sample,
    sampler: Sampler,
    /// Its row of the decoder, until it ends.
    row: Option<usize>,
}

/// Generates `request.num` samples of each prompt, all side by side. `on_token(sample, token)` sees every token as it
/// comes; `Break` ends that sample (a stop string was met), an error ends everything.
pub fn generate<M: CausalModel>(
    model: &M,
    request: &Request,
    mut on_token: impl FnMut(usize, u32) -> Result<ControlFlow<()>>,
) -> Result<Generated> {
    request.check(model)?;
    let clock = Stopwatch::start();
    let prompt_tokens = request.prompts.iter().map(|prompt| prompt.len()).sum();
    let mut stats = Stats { prompt_tokens, ..Stats::default() };
    if request.max_tokens == 0 {
        let sample = Sample { tokens: Vec::new(), finish: FinishReason::Length };
        return Ok(Generated { samples: vec![sample; request.rows()], stats });
    }
    let mut decoder = Decoder::new(model, request.rows());
    // A context ahead, which is more than a memory can mind and most texts need.
    let room = request.max_tokens.min(model.context());
    let mut running: Vec<Running> = Vec::with_capacity(request.rows());
    for prompt in &request.prompts {
        let first = decoder.insert(prompt);
        for i in 0..request.num {
            let row = Some(if i == 0 { first } else { decoder.fork(first) });
            let sample = Sample { tokens: Vec::with_capacity(room), finish: FinishReason::Length };
            running.push(Running { sample, sampler: new_sampler(model, request, prompt, i), row });
        }
    }
    stats.prompt_seconds = clock.seconds();
    let mut next = Vec::with_capacity(running.len());
    loop {
        next.clear();
        for (i, Running { sample, sampler, row: place }) in running.iter_mut().enumerate() {
            let Some(row) = *place else { continue };
            let mut draw = || {
                if request.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                    return Ok(Some(FinishReason::Cancelled));
                }
                let token = sampler.sample(decoder.logits(row))?;
                if request.stop_tokens.contains(&token) {
                    return Ok(Some(FinishReason::Stop));
                }
                sample.tokens.push(token);
                sampler.observe(&[token]);
                if on_token(i, token)?.is_break() {
                    return Ok(Some(FinishReason::Stop));
                }
                if sample.tokens.len() == request.max_tokens {
                    return Ok(Some(FinishReason::Length));
                }
                next.push((row, token));
                Ok::<_, Error>(None)
            };
            if let Some(finish) = draw()? {
                sample.finish = finish;
                *place = None;
                decoder.remove(row);
            }
        }
        if next.is_empty() {
            break;
        }
        decoder.advance(&next);
    }
    let samples: Vec<Sample> = running.into_iter().map(|running| running.sample).collect();
    stats.generated = samples.iter().map(|sample| sample.tokens.len()).sum();
    stats.seconds = clock.seconds();
    Ok(Generated { samples, stats })
}

/// The same without cache and without batch: each token costs a pass over its whole window. Kept as the judge of
/// [`generate`] and of a model's cache.
pub fn generate_naive<M: CausalModel>(model: &M, request: &Request) -> Result<Vec<Sample>> {
    request.check(model)?;
    let sample = |number: usize| {
        let prompt = request.prompts[number / request.num];
        let mut sampler = new_sampler(model, request, prompt, number % request.num);
        let mut tokens = prompt.to_vec();
        let mut finish = FinishReason::Length;
        while tokens.len() < prompt.len() + request.max_tokens {
            let window = &tokens[window_start(tokens.len(), model.context())..];
            let token = sampler.sample(&model.logits_after(window))?;
            if request.stop_tokens.contains(&token) {
                finish = FinishReason::Stop;
                break;
            }
            tokens.push(token);
            sampler.observe(&[token]);
        }
        Ok(Sample { tokens: tokens.split_off(prompt.len()), finish })
    };
    (0..request.rows()).map(sample).collect()
}

fn new_sampler(model: &impl CausalModel, request: &Request, prompt: &[u32], i: usize) -> Sampler {
    let vocab = request.vocab_size.min(model.vocab_size());
    let mut sampler = Sampler::new(request.sampling, vocab, Rng::new(request.sampling.seed).stream(i as u64));
    sampler.observe(prompt);
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
    fn a_sample_does_not_depend_on_the_other_prompts() {
        let model = hashed(23, 16);
        let sampling = SamplingOptions { seed: 5, repetition_penalty: 1.2, ..SamplingOptions::default() };
        let prompts: Vec<Vec<u32>> = [1, 40, 7, 16, 3].map(|n| (0..n).map(|i| i * (n + 3) % 23).collect()).to_vec();
        let request = Request { num: 2, max_tokens: 40, stop_tokens: &[4], ..Request::new(&model, &[], &sampling) };
        let together = Request { prompts: prompts.iter().map(|p| &p[..]).collect(), ..request.clone() };
        let mut seen = vec![Vec::new(); 10];
        let all = generate(&model, &together, |sample, token| {
            seen[sample].push(token);
            Ok(ControlFlow::Continue(()))
        });
        let all = all.unwrap();
        assert_eq!(all.samples, generate_naive(&model, &together).unwrap());
        assert!(all.samples.iter().map(|sample| &sample.tokens).eq(&seen));
        assert_eq!(all.stats.prompt_tokens, 67);
        for (prompt, samples) in prompts.iter().zip(all.samples.chunks(2)) {
            let alone = Request { prompts: vec![prompt], ..request.clone() };
            assert_eq!(generate(&model, &alone, go_on).unwrap().samples, samples);
        }
        let none = Request { prompts: vec![], ..request };
        assert!(generate(&model, &none, go_on).unwrap().samples.is_empty());
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
            Request { prompts: vec![&[]], ..request.clone() },
            Request { prompts: vec![&[50]], ..request.clone() },
            Request { prompts: vec![&[1], &[]], ..request.clone() },
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
            // Windows that move at different times.
            let prompts = vec![&prompt[..], &prompt[..1], &prompt[2..6]];
            let request = Request {
                prompts,
                num: 3,
                max_tokens: 30,
                stop_tokens: &[5, 6],
                ..Request::new(&model, &prompt, &sampling)
            };
            let fast = generate(&model, &request, go_on).unwrap().samples;
            assert_eq!(fast, generate_naive(&model, &request).unwrap());
            assert!(fast.iter().any(|s| s.tokens.len() > 12), "the window has moved");
        }
    }
}
