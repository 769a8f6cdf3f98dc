//! Inputs and targets: random windows to learn from, every window in order to score.

use crate::utils::{Error, Result};

/// A text as token ids.
#[derive(Clone, Debug)]
pub struct TokenDataset {
    tokens: Vec<u32>,
}

/// `batch` windows of `context` tokens, one after the other, and for each token the one that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// (B, T) ids.
    pub inputs: Vec<u32>,
    /// (B, T) ids: `inputs` shifted by one, the labels of teacher forcing.
    pub targets: Vec<u32>,
}

/// A window to score: all of `inputs` is read, and `targets[skip..]` is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<'a> {
    /// At most `context` ids.
    pub inputs: &'a [u32],
    /// The id that follows each of them.
    pub targets: &'a [u32],
    /// How many targets were already scored by an earlier window.
    pub skip: usize,
}

impl TokenDataset {
    /// A dataset of these ids.
    pub fn new(tokens: Vec<u32>) -> TokenDataset {
        TokenDataset { tokens }
    }

    /// All ids.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many ids.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no id at all.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether a window of `context` tokens and its targets fit; `name` is the split, for the message.
    pub fn check(&self, name: &str, context: usize) -> Result<()> {
        if self.len() > context {
            return Ok(());
        }
        let (tokens, s) = (self.len(), if self.len() == 1 { "" } else { "s" });
        let err = Error::new(format!(
            "the {name} text has {tokens} token{s}: a context of {context} needs {} or more",
            context + 1
        ));
        Err(if self.len() < 2 {
            err.help("use a longer text")
        } else {
            err.help(format!("use a longer text, or a shorter context: --set context={}", self.len() - 1))
        })
    }

    /// `batch` windows whose starts are drawn with `below(n)`, a random integer in 0..n, once per window and in order.
    ///
    /// The caller owns the generator, so its saved state is all there is to resume with.
    /// Panics if [`TokenDataset::check`] fails.
    #[track_caller]
    pub fn sample(&self, batch: usize, context: usize, mut below: impl FnMut(usize) -> usize) -> Batch {
        assert!(self.len() > context, "sample: {} tokens, context {context}", self.len());
        let mut inputs = Vec::with_capacity(batch * context);
        let mut targets = Vec::with_capacity(batch * context);
        for _ in 0..batch {
            let start = below(self.len() - context);
            inputs.extend_from_slice(&self.tokens[start..start + context]);
            targets.extend_from_slice(&self.tokens[start + 1..start + context + 1]);
        }
        Batch { inputs, targets }
    }

    /// Windows of `context` tokens, `stride` apart, that together score every token but the first exactly once.
    ///
    /// From the second window on, each token is scored with at least `context − stride` tokens before it:
    /// `stride = context` is the fastest, a smaller one the fairer.
    pub fn windows(&self, context: usize, stride: usize) -> Result<impl Iterator<Item = Window<'_>>> {
        if context == 0 || stride == 0 || stride > context {
            return Err(Error::usage(format!("a stride of {stride} does not fit a context of {context}"))
                .help(format!("the stride goes from 1 to the context ({context})")));
        }
        let last = self.len().saturating_sub(1);
        Ok((0..last).step_by(stride).filter_map(move |start| {
            let end = (start + context).min(last);
            let skip = if start == 0 { 0 } else { context - stride };
            (end - start > skip).then(|| Window {
                inputs: &self.tokens[start..end],
                targets: &self.tokens[start + 1..end + 1],
                skip,
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(n: u32) -> TokenDataset {
        TokenDataset::new((0..n).collect())
    }

    #[test]
    fn targets_are_inputs_shifted_by_one_and_every_start_can_be_drawn() {
        let data = counting(10);
        let mut starts = Vec::new();
        let mut next = 0;
        let batch = data.sample(6, 4, |n| {
            starts.push(n);
            next += 1;
            next - 1
        });
        assert_eq!(starts, [6; 6]);
        assert_eq!(&batch.inputs[..8], [0, 1, 2, 3, 1, 2, 3, 4]);
        assert!(batch.inputs.iter().zip(&batch.targets).all(|(x, y)| x + 1 == *y));
        assert_eq!(*batch.targets.last().unwrap(), 9);
    }

    #[test]
    fn every_token_but_the_first_is_scored_exactly_once() {
        for n in [2, 3, 7, 8, 9, 16, 17, 40] {
            for context in 1..9 {
                for stride in 1..=context {
                    let data = counting(n);
                    let mut scored = vec![0; n as usize];
                    for w in data.windows(context, stride).unwrap() {
                        assert!(w.inputs.len() == w.targets.len() && w.inputs.len() <= context);
                        for &t in &w.targets[w.skip..] {
                            scored[t as usize] += 1;
                        }
                    }
                    assert_eq!(scored[0], 0);
                    assert!(
                        scored[1..].iter().all(|&k| k == 1),
                        "n {n}, context {context}, stride {stride}: {scored:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_short_text_is_refused_with_the_context_that_fits() {
        let err = counting(7).check("validation", 256).unwrap_err();
        assert!(err.to_string().contains("validation text has 7 tokens"), "{err}");
        assert!(err.help_line().unwrap().contains("--set context=6"));
        assert!(counting(7).check("validation", 6).is_ok());
        assert!(counting(1).check("training", 8).unwrap_err().to_string().contains("1 token:"));
    }

    #[test]
    fn a_stride_that_would_skip_tokens_is_a_usage_error() {
        for (context, stride) in [(8, 0), (8, 9), (0, 0)] {
            assert_eq!(counting(20).windows(context, stride).err().unwrap().exit_code(), 2);
        }
        assert_eq!(counting(1).windows(4, 4).unwrap().count(), 0);
    }
}
