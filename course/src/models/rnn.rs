//! A character RNN: one hidden state is all that the past leaves behind. It learns by back-propagation through time.
//!
//! Source: Elman 1990, "Finding structure in time"; Karpathy's min-char-rnn; truncation: Williams and Peng 1990.

use motamot::nn::{Embedding, Linear, Pass, modules};
use motamot::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Buf, Gradients, ParamId, Tensor, ops};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The sizes of an RNN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RnnConfig {
    /// V, characters in the vocabulary.
    pub vocab_size: usize,
    /// C, width of the hidden state.
    pub width: usize,
}

/// Sizes for a first try on Shakespeare's 65 characters.
impl Default for RnnConfig {
    fn default() -> RnnConfig {
        RnnConfig { vocab_size: 65, width: 128 }
    }
}

impl RnnConfig {
    /// Checks the sizes; names the field that is wrong.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("vocab_size", self.vocab_size), ("width", self.width)] {
            if value == 0 || value > 1 << 20 {
                return Err(Error::usage(format!("{name}: {value} is not between 1 and {}", 1 << 20)));
            }
        }
        Ok(())
    }
}

/// `h_t = tanh(W_x[x_t] + h_{t−1}·W_h + b),  logits_t = h_t·W_y + b_y`
pub struct Rnn {
    config: RnnConfig,
    /// (V, C): a row per character, which is what a one-hot vector times a matrix picks.
    pub wx: Embedding,
    /// C → C, from the state before.
    pub wh: Linear,
    /// C → V.
    pub head: Linear,
}
modules!(Rnn { wx, wh, head });

impl Rnn {
    /// A model with fresh weights: all from N(0, 1/(3C)), the variance of PyTorch's uniform start; biases 0.
    pub fn new(config: &RnnConfig, rng: &mut Rng) -> Result<Rnn> {
        config.check()?;
        let (v, c) = (config.vocab_size, config.width);
        let std = 1.0 / (3.0 * c as f32).sqrt();
        Ok(Rnn {
            wx: Embedding::new(v, c, std, rng),
            wh: Linear::new(c, c, true, std, rng),
            head: Linear::new(c, v, true, std, rng),
            config: config.clone(),
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &RnnConfig {
        &self.config
    }

    /// The state before the first character, all zeros: (B, C).
    pub fn start(&self, batch: usize) -> Tensor {
        Tensor::zeros([batch, self.config.width])
    }

    /// One step: characters (B) and the state before (B, C) → the state after, (B, C).
    #[track_caller]
    pub fn cell(&self, ids: &[u32], state: &Tensor, pass: &Pass) -> Tensor {
        let x = self.wx.forward(ids, [ids.len()], pass);
        ops::tanh(&(&x + &self.wh.forward(state, pass)))
    }

    /// T steps: characters (B, T) row by row and the state before (B, C) → the T states, each (B, C).
    ///
    /// The tape unrolls the loop, so its backward *is* back-propagation through time. It reaches back as far as
    /// `state` does: hand over `state.detach()` and it is truncated there.
    #[track_caller]
    pub fn states(&self, ids: &[u32], state: &Tensor, pass: &Pass) -> Vec<Tensor> {
        let mut states = Vec::new();
        for column in columns(ids, state) {
            states.push(self.cell(&column, states.last().unwrap_or(state), pass));
        }
        states
    }

    /// Characters (B, T) row by row, the state before (B, C) → logits (B, T, V) of the character after each, and the
    /// last state (B, C), still part of the graph.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], state: &Tensor, pass: &Pass) -> (Tensor, Tensor) {
        let states = self.states(ids, state, pass);
        let last = states.last().unwrap_or(state).clone();
        let (b, c) = (state.shape()[0], self.config.width);
        let parts: Vec<Tensor> = states.iter().map(|h| ops::reshape(h, [b, 1, c])).collect();
        let all = if parts.is_empty() { Tensor::zeros([b, 0, c]) } else { side_by_side(&parts) };
        (self.head.forward(&all, pass), last)
    }

    /// −ln p(target) of each character in nats, (B, T), and the state to carry on with, detached: handed to the next chunk
    /// of the text, it makes back-propagation through time truncated at chunks of T, while memory goes on.
    #[track_caller]
    pub fn loss(&self, ids: &[u32], targets: &[u32], state: &Tensor, pass: &Pass) -> (Tensor, Tensor) {
        let (logits, last) = self.forward(ids, state, pass);
        (ops::cross_entropy(&logits, targets), last.detach())
    }

    /// One step of writing: characters (B), the state before → logits (B, V) of the next, and the state after.
    #[track_caller]
    pub fn step(&self, ids: &[u32], state: &Tensor) -> (Tensor, Tensor) {
        let pass = Pass::eval();
        let state = self.cell(ids, state, &pass);
        (self.head.forward(&state, &pass), state)
    }

    /// ‖∂L_t/∂h_{t−k}‖ for k = 0, 1, … T − 1, L_t being the loss of the last of T characters: how much of what happened k
    /// steps ago can still be learned from. The mean over the B rows.
    ///
    /// ids (B, T) row by row; targets (B): the character after each row.
    #[track_caller]
    pub fn gradient_by_distance(&self, ids: &[u32], targets: &[u32]) -> Vec<f32> {
        let (b, c, pass) = (targets.len(), self.config.width, Pass::eval());
        // A parameter that is zero, added to each state: its gradient is the state's.
        let zeros = Arc::new(Buf::zeros(b * c));
        let (mut state, mut probes) = (self.start(b), Vec::new());
        for column in columns(ids, &state.clone()) {
            let probe = ParamId::new();
            probes.push(probe);
            state = &self.cell(&column, &state, &pass) + &Tensor::parameter(probe, zeros.clone(), [b, c]);
        }
        assert!(!probes.is_empty(), "rnn: no characters, so no distance");
        let nll = ops::cross_entropy(&self.head.forward(&state, &pass), targets);
        let mut gradients = Gradients::new();
        ops::sum(&nll).backward(&mut gradients);
        let norm = |row: &[f32]| row.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let mean = |id: &ParamId| {
            gradients.get(*id).map_or(0.0, |g| g.chunks_exact(c).map(norm).sum::<f64>() / b as f64) as f32
        };
        probes.iter().rev().map(mean).collect()
    }
}

/// Ids (B, T) row by row → for each t the B characters there.
#[track_caller]
fn columns<'a>(ids: &'a [u32], state: &Tensor) -> impl Iterator<Item = Vec<u32>> + 'a {
    let b = state.shape()[0];
    let t = ids.len() / b.max(1);
    assert_eq!(ids.len(), b * t, "rnn: {} ids do not make {b} rows", ids.len());
    (0..t).map(move |i| (0..b).map(|row| ids[row * t + i]).collect())
}

/// Parts (B, 1, C) → (B, T, C), halves first: T·log T copies instead of T².
fn side_by_side(parts: &[Tensor]) -> Tensor {
    match parts {
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            ops::concat(&side_by_side(left), &side_by_side(right), 1)
        }
    }
}
