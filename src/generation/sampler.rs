//! How the next token is chosen from its logits.
//!
//! The filters and their order are those of Hugging Face `transformers`:
//! repetition penalty → temperature → top-k → top-p → min-p → softmax → one draw.

#[cfg(test)]
mod tests;

use motamot_kernels::activation::exp;
use motamot_kernels::rng::Rng;

use crate::utils::{Error, Result};

/// The knobs of sampling. [`Default`] changes nothing: a draw from the model's own distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Logits are divided by it: below 1 sharper, above 1 flatter, 0 the same as `greedy`.
    pub temperature: f32,
    /// Only the k most likely tokens (and ties with the k-th) can be drawn; 0 switches it off.
    pub top_k: usize,
    /// Only the smallest set of most likely tokens whose probabilities add up to p or more; 1 switches it off.
    pub top_p: f32,
    /// Only tokens with at least this fraction of the most likely one's probability; 0 switches it off.
    pub min_p: f32,
    /// Logits of tokens already in the text (prompt included) are divided (if positive) or multiplied by it.
    pub repetition_penalty: f32,
    /// Always the most likely token (the lowest id among equals); the filters then have no influence.
    pub greedy: bool,
    /// Where the random draws start from.
    pub seed: u64,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        SamplingOptions {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            greedy: false,
            seed: 0,
        }
    }
}

impl SamplingOptions {
    /// A usage error for a value outside its range.
    pub fn validate(&self) -> Result<()> {
        let unit = 0.0..=1.0;
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::usage(format!("temperature is {}; it must be 0 or more", self.temperature))
                .help("0 always takes the most likely token, 1 follows the model, more is more adventurous"));
        }
        if !unit.contains(&self.top_p) {
            return Err(Error::usage(format!("top-p is {}; it must lie between 0 and 1", self.top_p))
                .help("0.9 keeps the likeliest tokens that together have 90 % of the probability"));
        }
        if !unit.contains(&self.min_p) {
            return Err(Error::usage(format!("min-p is {}; it must lie between 0 and 1", self.min_p))
                .help("0.05 drops tokens less than a twentieth as likely as the likeliest"));
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return Err(Error::usage(format!(
                "repetition penalty is {}; it must be greater than 0",
                self.repetition_penalty
            ))
            .help("1 means none; try 1.1 to 1.3"));
        }
        Ok(())
    }

    /// Whether every token can be drawn: no filter is on.
    fn keeps_all(&self) -> bool {
        !self.is_greedy() && self.top_k == 0 && self.top_p == 1.0 && self.min_p == 0.0
    }

    /// Whether the most likely token is always taken.
    pub fn is_greedy(&self) -> bool {
        self.greedy || self.temperature == 0.0
    }
}

/// A token that can be drawn, with its weight: exp((score − best score) / temperature), so the best one weighs 1.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    weight: f32,
}

/// Draws the tokens of one sequence; remembers which ones it has seen, for the repetition penalty.
pub struct Sampler {
    options: SamplingOptions,
    rng: Rng,
    seen: Vec<bool>,
    seen_ids: Vec<u32>,
    // Scratch that keeps its memory between tokens.
    scores: Vec<f32>,
    order: Vec<f32>,
    candidates: Vec<Candidate>,
    sums: Vec<f64>,
}

impl Sampler {
    /// A sampler over the first `vocab_size` logits, with its own random stream.
    pub fn new(options: &SamplingOptions, vocab_size: usize, rng: Rng) -> Sampler {
        Sampler {
            options: options.clone(),
            rng,
            seen: vec![false; vocab_size],
            seen_ids: Vec::with_capacity(vocab_size),
            scores: Vec::with_capacity(vocab_size),
            order: Vec::with_capacity(vocab_size),
            candidates: Vec::with_capacity(vocab_size),
            sums: Vec::with_capacity(vocab_size.div_ceil(BLOCK)),
        }
    }

    /// Tells it of tokens that are in the text: the prompt first, then each token that was kept.
    pub fn observe(&mut self, tokens: &[u32]) {
        for &id in tokens {
            if let Some(seen) = self.seen.get_mut(id as usize)
                && !*seen
            {
                *seen = true;
                self.seen_ids.push(id);
            }
        }
    }

    /// Draws the next token from its logits (V). NaN counts as −∞; logits that are all −∞ are an error.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        if self.options.keeps_all() {
            return self.draw(logits);
        }
        self.filter(logits)?;
        if let [only] = self.candidates[..] {
            return Ok(only.id);
        }
        let Sampler { rng, candidates, sums, .. } = self;
        // Rounding cannot leave nothing: the first candidate always has a positive weight.
        Ok(candidates[pick(candidates, |c| c.weight, sums, rng).unwrap_or(0)].id)
    }

    /// Copies the logits to `scores`, without NaN and with the penalty for repetition.
    fn score(&mut self, logits: &[f32]) {
        let Sampler { options, seen, seen_ids, scores, .. } = self;
        scores.clear();
        let vocab = seen.len().min(logits.len());
        scores.extend(logits[..vocab].iter().map(|&l| if l.is_nan() { f32::NEG_INFINITY } else { l }));
        if options.repetition_penalty != 1.0 {
            for &id in seen_ids.iter().filter(|&&id| (id as usize) < vocab) {
                let score = &mut scores[id as usize];
                *score = if *score < 0.0 {
                    *score * options.repetition_penalty
                } else {
                    *score / options.repetition_penalty
                };
            }
        }
    }

    /// [`Sampler::sample`] where every token can be drawn, without a list of candidates.
    fn draw(&mut self, logits: &[f32]) -> Result<u32> {
        self.score(logits);
        let Sampler { options, rng, scores: weights, order, sums, .. } = self;
        let top = largest(weights)?;
        order.clear();
        order.extend(weights.iter().map(|&score| shifted(score, top, options.temperature)));
        exp(order, weights);
        // The one with the weight 1 alone needs no draw, as in `sample`.
        let id = match weights.iter().map(|w| u32::from(*w > 0.0)).sum::<u32>() {
            1 => None,
            _ => pick(weights, |w| *w, sums, rng),
        };
        Ok(id.or_else(|| weights.iter().position(|w| *w > 0.0)).unwrap_or(0) as u32)
    }

    /// Fills `candidates` with what may be drawn: in order of id, or from the most likely on if top-p had to sort.
    fn filter(&mut self, logits: &[f32]) -> Result<()> {
        self.score(logits);
        let Sampler { options, scores, order, candidates, .. } = self;
        candidates.clear();
        let vocab = scores.len();
        let top = largest(scores)?;
        if options.is_greedy() {
            let best = scores.iter().position(|&s| s == top).unwrap_or(0);
            candidates.push(Candidate { id: best as u32, weight: 1.0 });
            return Ok(());
        }
        let mut threshold = f32::NEG_INFINITY;
        if options.top_k > 0 && options.top_k < vocab {
            order.clone_from(scores);
            threshold = *order.select_nth_unstable_by(options.top_k - 1, |a, b| b.total_cmp(a)).1;
        }
        order.clear();
        for (id, &score) in scores.iter().enumerate().filter(|(_, score)| **score >= threshold) {
            candidates.push(Candidate { id: id as u32, weight: 0.0 });
            order.push(shifted(score, top, options.temperature));
        }
        let weights = &mut scores[..order.len()];
        exp(order, weights);
        for (candidate, &weight) in candidates.iter_mut().zip(&*weights) {
            candidate.weight = weight;
        }
        candidates.retain(|c| c.weight > 0.0);
        if options.top_p < 1.0 {
            keep_nucleus(candidates, options.top_p);
        }
        if options.min_p > 0.0 {
            candidates.retain(|c| c.weight >= options.min_p);
        }
        Ok(())
    }
}

/// Weights whose sum is kept, so that a draw passes over them at once.
const BLOCK: usize = 64;

/// The place of one of `items`, drawn in proportion to their weights; `None` if rounding leaves it after the last.
fn pick<T>(items: &[T], weight: impl Fn(&T) -> f32, sums: &mut Vec<f64>, rng: &mut Rng) -> Option<usize> {
    // In lanes, because one running sum would wait for itself at every step.
    const LANES: usize = 8;
    sums.clear();
    sums.extend(items.chunks(BLOCK).map(|block| {
        let (rows, tail) = block.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for row in rows {
            lanes.iter_mut().zip(row).for_each(|(sum, item)| *sum += f64::from(weight(item)));
        }
        lanes.iter().sum::<f64>() + tail.iter().map(|item| f64::from(weight(item))).sum::<f64>()
    }));
    let mut left = rng.uniform_f64() * sums.iter().sum::<f64>();
    for (i, (block, sum)) in items.chunks(BLOCK).zip(&*sums).enumerate() {
        if left >= *sum {
            left -= sum;
            continue;
        }
        for (j, item) in block.iter().enumerate() {
            left -= f64::from(weight(item));
            if left < 0.0 {
                return Some(i * BLOCK + j);
            }
        }
    }
    None
}

/// The largest score, which must be one that can be drawn.
fn largest(scores: &[f32]) -> Result<f32> {
    // In lanes, because one running maximum would wait for itself at every step.
    let (blocks, tail) = scores.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(max, score)| *max = if *score > *max { *score } else { *max });
    }
    let top = lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |max, score| max.max(*score));
    if top == f32::NEG_INFINITY {
        return Err(Error::new("the model gives no token a probability: its logits are all NaN or −∞")
            .help("the checkpoint is damaged or its training diverged; try an earlier one"));
    }
    Ok(top)
}

/// (score − top)/temperature, written so that scores of +∞ are equal to each other, and a tiny temperature is greedy,
/// not NaN.
fn shifted(score: f32, top: f32, temperature: f32) -> f32 {
    if score == top { 0.0 } else { (score - top) / temperature }
}

/// Keeps the smallest set of most likely candidates whose share of the weight is `p` or more, at least one;
/// of equals the lower id comes first. Sorts only as far as the set goes.
fn keep_nucleus(candidates: &mut Vec<Candidate>, p: f32) {
    let by_weight = |a: &Candidate, b: &Candidate| b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id));
    let total = candidates.iter().map(|c| f64::from(c.weight)).sum::<f64>();
    let wanted = f64::from(p) * total;
    // Those that together weigh no more than what the set can do without are not in it, and n candidates of a weight up
    // to 1/n of that are such. The margin is for the rounding of sums.
    let mut spare = (total - wanted) * (1.0 - 1e-6);
    loop {
        let (before, least) = (candidates.len(), (spare / candidates.len() as f64) as f32);
        candidates.retain(|c| {
            let stays = c.weight > least;
            spare -= if stays { 0.0 } else { f64::from(c.weight) };
            stays
        });
        if candidates.len() >= before - before / 8 {
            break;
        }
    }
    let (mut sorted, mut have) = (0, 0.0);
    while sorted < candidates.len() {
        let next = (2 * sorted).max(64).min(candidates.len());
        let rest = &mut candidates[sorted..];
        if next - sorted < rest.len() {
            rest.select_nth_unstable_by(next - sorted, by_weight);
        }
        rest[..next - sorted].sort_unstable_by(by_weight);
        for i in sorted..next {
            have += f64::from(candidates[i].weight);
            if have >= wanted {
                candidates.truncate(i + 1);
                return;
            }
        }
        sorted = next;
    }
}

/// The probabilities (V) from which a token would be drawn after `history`: what the filters make of the logits.
pub fn distribution(logits: &[f32], history: &[u32], options: &SamplingOptions) -> Result<Vec<f32>> {
    options.validate()?;
    let mut sampler = Sampler::new(options, logits.len(), Rng::new(options.seed));
    sampler.observe(history);
    sampler.filter(logits)?;
    let total: f64 = sampler.candidates.iter().map(|c| f64::from(c.weight)).sum();
    let mut probs = vec![0.0; logits.len()];
    for c in &sampler.candidates {
        probs[c.id as usize] = (f64::from(c.weight) / total) as f32;
    }
    Ok(probs)
}
