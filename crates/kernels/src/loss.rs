//! Cross-entropy straight from logits.

use crate::isa::vectorise;
use crate::map::{rows_per_chunk, same_length};
use crate::softmax::log_sum_exp;
use crate::{Grad, math, parallel};

/// A target that says: this row has no loss and no gradient.
pub const IGNORE: u32 = u32::MAX;

vectorise! {
    fn cross_entropy_rows(logits: &[f32], targets: &[u32], v: usize, nll: &mut [f32], lse: &mut [f32]) {
        for (i, row) in logits.chunks_exact(v).enumerate() {
            if targets[i] == IGNORE {
                (nll[i], lse[i]) = (0.0, 0.0);
            } else {
                lse[i] = log_sum_exp(row);
                nll[i] = lse[i] - row[targets[i] as usize];
            }
        }
    }

    fn cross_entropy_backward_rows<const ADD: bool>(
        logits: &[f32], targets: &[u32], v: usize, lse: &[f32], dnll: &[f32], dst: &mut [f32]
    ) {
        for (i, (row, dst)) in logits.chunks_exact(v).zip(dst.chunks_exact_mut(v)).enumerate() {
            if targets[i] == IGNORE {
                if !ADD {
                    dst.fill(0.0);
                }
                continue;
            }
            let (lse, d) = (lse[i], dnll[i]);
            for (dst, x) in dst.iter_mut().zip(row) {
                let p = math::exp(*x - lse);
                *dst = if ADD { p.mul_add(d, *dst) } else { p * d };
            }
            dst[targets[i] as usize] -= d;
        }
    }
}

#[track_caller]
fn check(name: &str, logits: &[f32], targets: &[u32], v: usize, others: [usize; 2]) {
    let n = targets.len();
    assert!(v > 0 && logits.len() == n * v, "{name}: {} logits are not {n} rows of {v}", logits.len());
    same_length(name, n, &others);
    if let Some(bad) = targets.iter().find(|t| **t != IGNORE && **t as usize >= v) {
        panic!("{name}: target {bad} is not under {v}, the number of classes");
    }
}

/// nll = ln Σ e^row − row\[target\], in nats, for each row of logits (N, V); lse (N) keeps ln Σ e^row for the backward.
///
/// A row whose target is [`IGNORE`] gives 0. The same as torch.nn.functional.cross_entropy with reduction="none".
#[track_caller]
pub fn cross_entropy(logits: &[f32], targets: &[u32], v: usize, nll: &mut [f32], lse: &mut [f32]) {
    check("cross_entropy", logits, targets, v, [nll.len(), lse.len()]);
    let rows = rows_per_chunk(v);
    parallel::chunks2_mut((nll, rows), (lse, rows), |i, nll, lse| {
        let (from, n) = (i * rows, nll.len());
        cross_entropy_rows(&logits[from * v..][..n * v], &targets[from..][..n], v, nll, lse);
    });
}

/// dst (N, V) = or += (softmax(row) − onehot(target))·dnll for each row; nothing for [`IGNORE`].
#[track_caller]
pub fn cross_entropy_backward(logits: &[f32], targets: &[u32], v: usize, lse: &[f32], dnll: &[f32], dst: Grad) {
    check("cross_entropy_backward", logits, targets, v, [lse.len(), dnll.len()]);
    let Grad { data, accumulate } = dst;
    same_length("cross_entropy_backward", data.len(), &[logits.len()]);
    let rows = rows_per_chunk(v);
    let run = if accumulate { cross_entropy_backward_rows::<true> } else { cross_entropy_backward_rows::<false> };
    parallel::chunks_mut(data, rows * v, |i, dst| {
        let (from, n) = (i * rows, dst.len() / v);
        run(&logits[from * v..][..n * v], &targets[from..][..n], v, &lse[from..][..n], &dnll[from..][..n], dst);
    });
}
