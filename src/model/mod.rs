//! One architecture per file: configuration, initialisation, forward, loss.

mod config;
mod gpt;
mod lora;

pub use config::{GptConfig, INIT_STD, PRESETS, Part, preset};
pub use gpt::Gpt;

use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, IGNORE};

/// Σ nll / n over the n tokens whose target is not [`IGNORE`]: the mean loss in nats per predicted token.
///
/// Panics if every target is [`IGNORE`], since there is nothing to learn from.
#[track_caller]
pub fn mean_loss(nll: &Tensor, targets: &[u32]) -> Tensor {
    assert_eq!(nll.len(), targets.len(), "mean_loss: {} targets for losses {}", targets.len(), nll.shape());
    let n = targets.iter().filter(|&&t| t != IGNORE).count();
    assert!(n > 0, "mean_loss: all {} targets are IGNORE", targets.len());
    ops::scale(&ops::sum(nll), 1.0 / n as f32)
}

/// Rows of different lengths as one rectangle: ids (B, T) row by row with `pad` behind the shorter ones, and the lengths.
pub fn pad_rows<R: AsRef<[u32]>>(rows: &[R], pad: u32) -> (Vec<u32>, Vec<u32>) {
    let longest = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let mut ids = vec![pad; rows.len() * longest];
    for (i, row) in rows.iter().enumerate() {
        ids[i * longest..][..row.as_ref().len()].copy_from_slice(row.as_ref());
    }
    (ids, rows.iter().map(|row| row.as_ref().len() as u32).collect())
}
