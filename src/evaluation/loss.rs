//! How well a model predicts a text, in units that do not depend on its tokenizer.

use crate::data::batches::TokenDataset;
use crate::model::Gpt;
use crate::nn::Pass;
use crate::utils::Result;
use motamot_tensor::ops::IGNORE;
use serde::{Deserialize, Serialize};

/// What a model makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean of −ln p over the scored tokens.
    pub nats_per_token: f64,
    /// All nats, in bits, over the bytes of the text: comparable across tokenizers.
    pub bits_per_byte: f64,
    /// e^nats_per_token.
    pub perplexity: f64,
    /// Tokens scored: all but the first, which nothing predicts.
    pub tokens: usize,
    /// Bytes of the text.
    pub bytes: usize,
}

/// Tokens scored in one forward pass, if a window is not longer. It bounds the memory that logits take.
const TOKENS_PER_PASS: usize = 2048;

/// Scores each token of `data` but the first exactly once, in windows of the model's context, `stride` tokens apart.
///
/// `stride` = context is the fastest; with less, each token is scored with at least context − stride tokens before it.
/// `bytes`: how many bytes of text the tokens stand for.
pub fn evaluate(gpt: &Gpt, data: &TokenDataset, bytes: usize, stride: usize) -> Result<Evaluation> {
    let context = gpt.config().context;
    let rows = (TOKENS_PER_PASS / context).max(1);
    let (mut nats, mut tokens) = (0.0, 0);
    let mut score = |ids: &mut Vec<u32>, targets: &mut Vec<u32>, rows: usize| {
        if rows > 0 {
            let nll = gpt.loss(ids, targets, rows, &mut Pass::eval());
            nats += nll.data().iter().map(|&x| f64::from(x)).sum::<f64>();
            tokens += targets.iter().filter(|&&t| t != IGNORE).count();
        }
        ids.clear();
        targets.clear();
    };
    let (mut ids, mut targets, mut filled) = (Vec::new(), Vec::new(), 0);
    for window in data.windows(context, stride)? {
        // The last window is shorter: it goes alone, the others side by side.
        if window.inputs.len() < context {
            score(&mut ids, &mut targets, std::mem::take(&mut filled));
        }
        ids.extend_from_slice(window.inputs);
        targets.extend(std::iter::repeat_n(IGNORE, window.skip));
        targets.extend_from_slice(&window.targets[window.skip..]);
        filled += 1;
        if filled == rows || window.inputs.len() < context {
            score(&mut ids, &mut targets, std::mem::take(&mut filled));
        }
    }
    score(&mut ids, &mut targets, filled);
    let nats_per_token = nats / tokens.max(1) as f64;
    Ok(Evaluation {
        nats_per_token,
        bits_per_byte: nats / std::f64::consts::LN_2 / bytes.max(1) as f64,
        perplexity: nats_per_token.exp(),
        tokens,
        bytes,
    })
}
