//! Word2Vec: a word is known by the company it keeps. Skip-gram and CBOW with negative sampling.
//!
//! Sources: Mikolov et al. 2013a, arXiv:1301.3781 (skip-gram, CBOW); 2013b, arXiv:1310.4546 (negative sampling,
//! subsampling); the code word2vec.c, which differs from the papers where a comment says so.

mod vocabulary;

pub use vocabulary::{Vocabulary, words};

use motamot::nn::{Embedding, Param, Pass, modules};
use motamot::utils::{Error, Result};
use motamot_kernels::rng::{Rng, fill_uniform};
use motamot_kernels::{activation, elementwise};
use motamot_tensor::{Buf, Tensor, ops};
use serde::{Deserialize, Serialize};
use vocabulary::Alias;

/// What predicts what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A word predicts each of its neighbours.
    SkipGram,
    /// The mean of its neighbours predicts a word.
    Cbow,
}

/// Everything that decides a Word2Vec and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Word2VecConfig {
    /// What predicts what.
    pub method: Method,
    /// C, width of a word's vector.
    pub width: usize,
    /// Farthest neighbour, in words; each word draws its own reach from 1..=window, so near neighbours count more.
    pub window: usize,
    /// K, random words that each neighbour is told apart from.
    pub negatives: usize,
    /// t: a word with share f of the corpus is kept with probability √(t/f). 0 keeps all.
    pub subsample: f32,
    /// Step size at the start; falls linearly to 0.0001 of it.
    pub learning_rate: f32,
}

/// Suits a corpus of a megabyte.
impl Default for Word2VecConfig {
    fn default() -> Word2VecConfig {
        Word2VecConfig {
            method: Method::SkipGram,
            width: 64,
            window: 4,
            negatives: 5,
            subsample: 1e-3,
            learning_rate: 0.025,
        }
    }
}

impl Word2VecConfig {
    /// Checks the sizes; names the field that is wrong.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("width", self.width), ("window", self.window), ("negatives", self.negatives)] {
            if value == 0 || value > 1 << 16 {
                return Err(Error::usage(format!("{name}: {value} is not between 1 and {}", 1 << 16)));
            }
        }
        for (name, value) in [("subsample", self.subsample), ("learning_rate", self.learning_rate)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::usage(format!("{name}: {value} is not between 0 and 1")));
            }
        }
        Ok(())
    }
}

/// One thing to learn: from `inputs`, tell `target` from the `negatives`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// One word for skip-gram, the neighbours for CBOW.
    pub inputs: Vec<u32>,
    /// The word that stands there.
    pub target: u32,
    /// K words that do not.
    pub negatives: Vec<u32>,
}

/// ℓ = −ln σ(h·u_target) − Σ_k ln σ(−h·u_k),  h = the mean of the v of the inputs.
///
/// Two vectors per word: v where it predicts (the ones to keep), u where it is predicted.
pub struct Word2Vec {
    config: Word2VecConfig,
    vocabulary: Vocabulary,
    /// v, (V, C).
    pub input: Embedding,
    /// u, (V, C).
    pub output: Embedding,
    keep: Vec<f32>,
    noise: Alias,
}
modules!(Word2Vec { input, output });

/// Room that a step of training reuses.
#[derive(Default)]
struct Scratch {
    h: Vec<f32>,
    dh: Vec<f32>,
    scores: Vec<f32>,
    sigma: Vec<f32>,
}

impl Word2Vec {
    /// Fresh vectors as in word2vec.c: v uniform in ±1/(2C), u zero. Needs two words at least.
    pub fn new(config: &Word2VecConfig, vocabulary: Vocabulary, rng: &mut Rng) -> Result<Word2Vec> {
        config.check()?;
        let (n, c) = (vocabulary.len(), config.width);
        if n < 2 {
            return Err(Error::new(format!("vocabulary: {n} words are too few to tell apart"))
                .help("use a longer text or a smaller min_count"));
        }
        let mut v = Buf::stale(n * c);
        fill_uniform(rng, &mut v, -0.5 / c as f32, 0.5 / c as f32);
        Ok(Word2Vec {
            input: Embedding { weight: Param::new(v, [n, c]) },
            output: Embedding { weight: Param::new(Buf::zeros(n * c), [n, c]) },
            keep: vocabulary.keep(config.subsample),
            // The paper's unigram^(3/4): rare words are drawn more often than they occur.
            noise: Alias::new(vocabulary.counts().iter().map(|n| power_3_4(*n as f64))),
            config: config.clone(),
            vocabulary,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &Word2VecConfig {
        &self.config
    }

    /// Its words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Hands every example of one reading of `ids` to `f`: frequent words left out at random first (before the windows are
    /// laid, so that they widen), a reach drawn for each word, negatives drawn for each example.
    pub fn for_each_example(&self, ids: &[u32], rng: &mut Rng, mut f: impl FnMut(&Example)) {
        sample(&self.config, &self.keep, &self.noise, ids, rng, &mut |example, _| f(example));
    }

    /// ℓ of each example, (B), by ops of the tape.
    ///
    /// The mean of a varying number of vectors is a product with a constant matrix A (B, inputs of all examples) that has
    /// 1/n where an input belongs to an example: `H = A·V[inputs]` (B, C), `scores = U[target, negatives]·h` (B, 1 + K).
    /// Panics if the examples differ in their number of negatives.
    #[track_caller]
    pub fn loss(&self, examples: &[Example], pass: &Pass) -> Tensor {
        let b = examples.len();
        let choices = examples.first().map_or(0, |e| 1 + e.negatives.len());
        let inputs: Vec<u32> = examples.iter().flat_map(|e| e.inputs.iter().copied()).collect();
        let mut mean = vec![0.0; b * inputs.len()];
        let (mut at, mut outputs, mut signs) = (0, Vec::new(), Vec::new());
        for (i, e) in examples.iter().enumerate() {
            assert_eq!(1 + e.negatives.len(), choices, "word2vec: example {i} has {} negatives", e.negatives.len());
            mean[i * inputs.len() + at..][..e.inputs.len()].fill(1.0 / e.inputs.len() as f32);
            at += e.inputs.len();
            outputs.push(e.target);
            outputs.extend(&e.negatives);
            signs.push(1.0);
            signs.resize(signs.len() + e.negatives.len(), -1.0);
        }
        let v = self.input.forward(&inputs, [inputs.len()], pass);
        let h = ops::matmul(&Tensor::new(&mean, [b, inputs.len()]), &v);
        let h = ops::reshape(&h, [b, self.config.width, 1]);
        let scores = ops::matmul(&self.output.forward(&outputs, [b, choices], pass), &h);
        let signed = ops::mul(&ops::reshape(&scores, [b, choices]), &Tensor::new(&signs, [b, choices]));
        ops::scale(&ops::sum_rows(&ops::log_sigmoid(&signed)), -1.0)
    }

    /// One step of gradient descent on one example, derived by hand; returns ℓ. With label y = 1 for the target and 0 for
    /// the negatives: g = σ(h·u) − y, du = g·h, dh = Σ g·u, dv = dh/n for each of n inputs.
    ///
    /// The same gradient as [`Word2Vec::loss`]'s, which a test checks, at a hundredth of the cost. (For CBOW word2vec.c
    /// leaves the 1/n of dv out, although it averages.)
    ///
    /// Panics if the example has no inputs.
    #[track_caller]
    pub fn step(&mut self, example: &Example, learning_rate: f32) -> f32 {
        assert!(!example.inputs.is_empty(), "word2vec: an example without inputs");
        let (v, u) = (self.input.weight.data_mut(), self.output.weight.data_mut());
        descend(v, u, self.config.width, example, learning_rate, &mut Scratch::default())
    }

    /// Reads `ids` (see [`Vocabulary::encode`]) `epochs` times and learns from every example. The same `rng` gives the
    /// same vectors, bit for bit. `report(progress in 0..=1, mean ℓ since the last report)` is called about a hundred times.
    pub fn train(&mut self, ids: &[u32], epochs: usize, rng: &mut Rng, mut report: impl FnMut(f32, f32)) {
        let Word2Vec { config, input, output, keep, noise, .. } = self;
        let (v, u) = (input.weight.data_mut(), output.weight.data_mut());
        let mut scratch = Scratch::default();
        let total = (epochs * ids.len()).max(1);
        let every = total.div_ceil(100);
        let (mut sum, mut count, mut next) = (0.0, 0u64, every);
        for epoch in 0..epochs {
            sample(config, keep, noise, ids, rng, &mut |example, place| {
                let read = epoch * ids.len() + place;
                let progress = read as f32 / total as f32;
                if read >= next && count > 0 {
                    report(progress, (sum / count as f64) as f32);
                    (sum, count, next) = (0.0, 0, (read / every + 1) * every);
                }
                let rate = config.learning_rate * (1.0 - progress).max(1e-4);
                sum += f64::from(descend(v, u, config.width, example, rate, &mut scratch));
                count += 1;
            });
        }
        if count > 0 {
            report(1.0, (sum / count as f64) as f32);
        }
    }

    /// The vector v of a word. Panics if there is none of that id.
    #[track_caller]
    pub fn vector(&self, id: u32) -> &[f32] {
        &self.input.weight.data()[id as usize * self.config.width..][..self.config.width]
    }

    /// The `n` words whose vectors have the largest cosine with `vector`, without those in `except`: (id, cosine).
    pub fn nearest(&self, vector: &[f32], n: usize, except: &[u32]) -> Vec<(u32, f32)> {
        let ids = (0..self.vocabulary.len() as u32).filter(|id| !except.contains(id));
        let mut found: Vec<(u32, f32)> = ids.map(|id| (id, cosine(self.vector(id), vector))).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(n);
        found
    }

    /// The `n` nearest words of a word, or `None` if it is not known.
    pub fn neighbours(&self, word: &str, n: usize) -> Option<Vec<(&str, f32)>> {
        let id = self.vocabulary.id(word)?;
        Some(self.named(self.nearest(self.vector(id), n, &[id])))
    }

    /// a is to b as c is to …: the words nearest to b/‖b‖ − a/‖a‖ + c/‖c‖, without the three (Mikolov et al. 2013c).
    /// `None` if one is not known.
    pub fn analogy(&self, a: &str, b: &str, c: &str, n: usize) -> Option<Vec<(&str, f32)>> {
        let [a, b, c] = [self.vocabulary.id(a)?, self.vocabulary.id(b)?, self.vocabulary.id(c)?];
        let mut vector = vec![0.0; self.config.width];
        for (id, sign) in [(a, -1.0), (b, 1.0), (c, 1.0)] {
            let v = self.vector(id);
            elementwise::axpy(&mut vector, sign / norm(v).max(f32::MIN_POSITIVE), v);
        }
        Some(self.named(self.nearest(&vector, n, &[a, b, c])))
    }

    fn named(&self, found: Vec<(u32, f32)>) -> Vec<(&str, f32)> {
        found.into_iter().map(|(id, cosine)| (self.vocabulary.word(id), cosine)).collect()
    }
}

/// x^(3/4) by roots alone: the same bits on every machine.
fn power_3_4(x: f64) -> f64 {
    let root = x.sqrt();
    root * root.sqrt()
}

fn norm(v: &[f32]) -> f32 {
    elementwise::dot(v, v).sqrt()
}

/// a·b / (‖a‖·‖b‖); 0 if one of them is zero.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let norms = norm(a) * norm(b);
    if norms > 0.0 { elementwise::dot(a, b) / norms } else { 0.0 }
}

/// The examples of one reading of `ids`, each with the place in `ids` of its word in the middle.
fn sample(
    config: &Word2VecConfig,
    keep: &[f32],
    noise: &Alias,
    ids: &[u32],
    rng: &mut Rng,
    f: &mut dyn FnMut(&Example, usize),
) {
    let kept: Vec<usize> = (0..ids.len()).filter(|&i| rng.uniform() < keep[ids[i] as usize]).collect();
    let mut example = Example::default();
    for (at, &place) in kept.iter().enumerate() {
        let reach = 1 + rng.below(config.window);
        let around = (at.saturating_sub(reach)..(at + reach + 1).min(kept.len())).filter(|&i| i != at);
        let neighbours = around.map(|i| ids[kept[i]]);
        let mut give = |example: &mut Example, rng: &mut Rng| {
            example.negatives.clear();
            while example.negatives.len() < config.negatives {
                let word = noise.draw(rng);
                if word != example.target {
                    example.negatives.push(word);
                }
            }
            f(example, place);
        };
        match config.method {
            Method::SkipGram => {
                for neighbour in neighbours {
                    example.inputs.clear();
                    example.inputs.push(ids[place]);
                    example.target = neighbour;
                    give(&mut example, rng);
                }
            }
            Method::Cbow => {
                example.inputs.clear();
                example.inputs.extend(neighbours);
                example.target = ids[place];
                if !example.inputs.is_empty() {
                    give(&mut example, rng);
                }
            }
        }
    }
}

/// See [`Word2Vec::step`]. All scores are taken before anything changes, so a negative drawn twice counts twice.
fn descend(v: &mut [f32], u: &mut [f32], c: usize, example: &Example, rate: f32, scratch: &mut Scratch) -> f32 {
    let Scratch { h, dh, scores, sigma } = scratch;
    let row = |id: u32| id as usize * c..(id as usize + 1) * c;
    let share = 1.0 / example.inputs.len() as f32;
    h.clear();
    h.resize(c, 0.0);
    for &id in &example.inputs {
        elementwise::axpy(h, share, &v[row(id)]);
    }
    let outputs = || std::iter::once(&example.target).chain(&example.negatives);
    scores.clear();
    scores.extend(outputs().map(|&id| elementwise::dot(h, &u[row(id)])));
    sigma.resize(scores.len(), 0.0);
    activation::sigmoid(scores, sigma);
    dh.clear();
    dh.resize(c, 0.0);
    for (k, &id) in outputs().enumerate() {
        sigma[k] -= if k == 0 { 1.0 } else { 0.0 };
        elementwise::axpy(dh, sigma[k], &u[row(id)]);
    }
    for (k, &id) in outputs().enumerate() {
        elementwise::axpy(&mut u[row(id)], -rate * sigma[k], h);
    }
    for &id in &example.inputs {
        elementwise::axpy(&mut v[row(id)], -rate * share, dh);
    }
    // ℓ = −ln σ(s) for the target, −ln σ(−s) for the others.
    scores[1..].iter_mut().for_each(|s| *s = -*s);
    activation::log_sigmoid(scores, sigma);
    -sigma.iter().sum::<f32>()
}
