//! Losses. They return one value per token: masks, weights and means are compositions. The exception is
//! [`linear_cross_entropy`], which takes the weights first so that the logits never stand whole in memory.

use super::matmul::init_of;
use crate::{Bf16Buf, Buf, Shape, Tensor, record};
use motamot_kernels::fused::gemm_bf16_cross_entropy;
use motamot_kernels::gemm::bf16::{Matrix, gemm_bf16, gemm_bf16_packed};
use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_kernels::{elementwise, loss as k};

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

/// Logits of [`linear_cross_entropy`] that are in memory at once. More than that only if the vocabulary is large, since
/// each chunk reads all of the table.
pub const CHUNK_LOGITS: usize = 1 << 23;
/// The fewest rows of a chunk of [`linear_cross_entropy`].
pub const CHUNK_ROWS: usize = 512;

/// y = Σ_i weight_i·nll_i, where nll_i is [`cross_entropy`] of the logits x_i·tableᵀ; the logits exist only a few rows
/// at a time. Gradients are computed on the way, so the backward only scales them.
/// Shapes: x (.., C), table (V, C), targets and weights: one per row of x → ().
/// Saves: the gradients of x and of the table, each where it is wanted.
/// Backward: dx = dy·Σ_v (softmax − onehot)·weight·table, d_table = dy·((softmax − onehot)·weight)ᵀ·x.
/// Panics as `matmul_nt` and `cross_entropy` do.  The same bits as composing them.  In bf16 if `table` is packed for that:
/// then the logits are never stored, and their gradient is rounded.
/// Source: the loss of "Cut Your Losses", Wijmans et al. 2024, arXiv:2411.09009, without its filter.
#[track_caller]
pub fn linear_cross_entropy(x: &Tensor, table: &Tensor, targets: &[u32], weights: &[f32]) -> Tensor {
    let &[v, c] = &table.shape()[..] else { panic!("linear_cross_entropy: table {} is not (V, C)", table.shape()) };
    let (shape, n) = (x.shape(), x.shape().rows());
    assert!(
        shape.last_axis() == c,
        "linear_cross_entropy: x {shape} · table {}ᵀ: inner axes {} ≠ {c}",
        table.shape(),
        shape.last_axis()
    );
    assert!(
        targets.len() == n && weights.len() == n,
        "linear_cross_entropy: {} targets and {} weights for x {shape}",
        targets.len(),
        weights.len()
    );
    let mut grads = [(x, x.len()), (table, table.len())].map(|(t, len)| t.is_tracked().then(|| Buf::stale(len)));
    let rows = (CHUNK_LOGITS / v.max(1)).max(CHUNK_ROWS).min(n);
    let mut nll = Buf::stale(n);
    let chunks = (0..n).step_by(rows.max(1)).map(|from| from..n.min(from + rows));
    match &table.bf16 {
        Some(packed) => {
            let row = v.next_multiple_of(32); // so that products read the rows where they lie
            let mut d_logits = Bf16Buf::stale(rows * row);
            for r in chunks {
                let (m, from, part) = (r.len(), r.start, r.start * c..r.end * c);
                let (x, d, nll) = (&x.data()[part.clone()], &mut d_logits[..m * row], &mut nll[r.clone()]);
                gemm_bf16_cross_entropy(m, x, &packed.turned, &targets[r.clone()], &weights[r], nll, d);
                if let Some(dx) = &mut grads[0] {
                    gemm_bf16_packed(m, Matrix::Padded(d, row), &packed.plain, &mut dx[part], Init::Zero);
                }
                if let Some(d_table) = &mut grads[1] {
                    let d = Matrix::Padded(d, row);
                    gemm_bf16(Layout::TN, v, c, m, d, Matrix::F32(x), d_table, init_of(from > 0));
                }
            }
        }
        None => {
            let mut logits = Buf::stale(rows * v);
            for r in chunks {
                let (m, from, part) = (r.len(), r.start, r.start * c..r.end * c);
                let (x, logits) = (&x.data()[part.clone()], &mut logits[..m * v]);
                gemm(Layout::NT, m, v, c, x, table.data(), logits, Init::Zero);
                k::cross_entropy_in_place(logits, &targets[r.clone()], v, &weights[r.clone()], &mut nll[r]);
                if let Some(dx) = &mut grads[0] {
                    gemm(Layout::NN, m, c, v, logits, table.data(), &mut dx[part], Init::Zero);
                }
                if let Some(d_table) = &mut grads[1] {
                    gemm(Layout::TN, v, c, m, logits, x, d_table, init_of(from > 0));
                }
            }
        }
    }
    let y = elementwise::dot(&nll, weights);
    record("linear_cross_entropy", Buf::full(1, y), [], [x, table], move |dy, slots| {
        for (slot, grad) in slots.into_iter().zip(&grads) {
            if let (Some(slot), Some(grad)) = (slot, grad) {
                elementwise::scale_grad(grad, dy[0], slot);
            }
        }
    })
}
