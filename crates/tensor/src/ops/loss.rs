//! Losses. They return one value per token: masks, weights and means are compositions.

use crate::{Buf, Shape, Tensor, record};
use motamot_kernels::loss as k;

pub use motamot_kernels::loss::IGNORE;

/// `nll_i = −ln softmax(logits_i)[target_i]`, in nats; 0 where the target is [`IGNORE`].
/// Shapes: logits (.., V), targets: one per row → (..).  Saves: logits, log-sum-exp per row.
/// Backward: d_logits = (softmax − onehot)·d_nll.
/// Panics if a target is neither below V nor IGNORE, or there is not one per row.
/// Same as torch.nn.functional.cross_entropy(reduction="none").
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Tensor {
    let (shape, v) = (logits.shape(), logits.shape().last_axis());
    assert!(!shape.is_empty(), "cross_entropy: logits {shape} have no last axis");
    let rows = shape.rows();
    assert_eq!(targets.len(), rows, "cross_entropy: {} targets for logits {shape}", targets.len());
    if let Some(t) = targets.iter().find(|&&t| t as usize >= v && t != IGNORE) {
        panic!("cross_entropy: target {t} is outside a vocabulary of {v}");
    }
    let mut nll = Buf::stale(rows);
    let mut lse = Buf::stale(rows);
    k::cross_entropy(logits.data(), targets, v, &mut nll, &mut lse);
    let (saved, targets) = (logits.data.clone(), targets.to_vec());
    record("cross_entropy", nll, Shape::from(&shape[..shape.len() - 1]), [logits], move |dy, [d_logits]| {
        if let Some(d_logits) = d_logits {
            k::cross_entropy_backward(&saved, &targets, v, &lse, dy, d_logits);
        }
    })
}
