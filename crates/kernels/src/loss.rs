//! Cross-entropy straight from logits.

use crate::area;
use crate::bf16::{Bf16, Element};
use crate::isa::vectorise;
use crate::map::{rows_per_chunk, same_length};
use crate::softmax::log_sum_exp;
use crate::{Grad, math, parallel};
use std::f32::consts::LOG2_E;

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

    fn cross_entropy_in_place_rows(logits: &mut [f32], targets: &[u32], v: usize, weights: &[f32], nll: &mut [f32]) {
        for (i, row) in logits.chunks_exact_mut(v).enumerate() {
            if targets[i] == IGNORE {
                nll[i] = 0.0;
                row.fill(0.0);
                continue;
            }
            let (lse, target, d) = (log_sum_exp(row), targets[i] as usize, weights[i]);
            nll[i] = lse - row[target];
            for x in row.iter_mut() {
                *x = math::exp(*x - lse) * d;
            }
            row[target] -= d;
        }
    }
}

vectorise! {
    /// nll of a row, and d = (softmax(row) − onehot(target))·weight rounded to bf16, from a shorter exponential.
    pub(crate) fn cross_entropy_rounded(row: &[f32], target: u32, weight: f32, d: &mut [Bf16]) -> f32 {
        if target == IGNORE {
            d.fill(Bf16::default());
            return 0.0;
        }
        let (lse, target) = (log_sum_exp(row), target as usize);
        let shift = -lse * LOG2_E;
        for (d, x) in d.iter_mut().zip(row) {
            *d = Bf16::of(math::exp2_rough(x.mul_add(LOG2_E, shift)) * weight);
        }
        d[target] = Bf16::of((math::exp(row[target] - lse) - 1.0) * weight);
        lse - row[target]
    }
}

#[track_caller]
pub(crate) fn check(name: &str, logits: usize, targets: &[u32], v: usize, others: [usize; 2]) {
    let n = targets.len();
    assert!(v > 0 && logits == area(n, v), "{name}: {logits} logits are not {n} rows of {v}");
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
    check("cross_entropy", logits.len(), targets, v, [nll.len(), lse.len()]);
    let rows = rows_per_chunk(v);
    parallel::chunks2_mut((nll, rows), (lse, rows), |i, nll, lse| {
        let (from, n) = (i * rows, nll.len());
        cross_entropy_rows(&logits[from * v..][..n * v], &targets[from..][..n], v, nll, lse);
    });
}

/// dst (N, V) = or += (softmax(row) − onehot(target))·dnll for each row; nothing for [`IGNORE`].
#[track_caller]
pub fn cross_entropy_backward(logits: &[f32], targets: &[u32], v: usize, lse: &[f32], dnll: &[f32], dst: Grad) {
    check("cross_entropy_backward", logits.len(), targets, v, [lse.len(), dnll.len()]);
    let Grad { data, accumulate } = dst;
    same_length("cross_entropy_backward", data.len(), &[logits.len()]);
    let rows = rows_per_chunk(v);
    let run = if accumulate { cross_entropy_backward_rows::<true> } else { cross_entropy_backward_rows::<false> };
    parallel::chunks_mut(data, rows * v, |i, dst| {
        let (from, n) = (i * rows, dst.len() / v);
        run(&logits[from * v..][..n * v], &targets[from..][..n], v, &lse[from..][..n], &dnll[from..][..n], dst);
    });
}

/// [`cross_entropy`] and its backward in one pass, for a gradient that is known beforehand: nll (N) as there, and logits
/// (N, V) become (softmax(row) − onehot(target))·weight, while the row is still in the cache. The same bits as the two.
#[track_caller]
pub fn cross_entropy_in_place(logits: &mut [f32], targets: &[u32], v: usize, weights: &[f32], nll: &mut [f32]) {
    check("cross_entropy_in_place", logits.len(), targets, v, [weights.len(), nll.len()]);
    let rows = rows_per_chunk(v);
    parallel::chunks2_mut((logits, rows * v), (nll, rows), |i, logits, nll| {
        let (from, n) = (i * rows, nll.len());
        cross_entropy_in_place_rows(logits, &targets[from..][..n], v, &weights[from..][..n], nll);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, both_ways, check_gradient, close, normals, same_everywhere, special};

    #[track_caller]
    fn run(logits: &[f32], targets: &[u32], v: usize) -> (Vec<f32>, Vec<f32>) {
        let n = targets.len();
        let mut both = same_everywhere(|| {
            let (mut nll, mut lse) = (vec![f32::NAN; n], vec![f32::NAN; n]);
            cross_entropy(logits, targets, v, &mut nll, &mut lse);
            nll.extend(lse);
            nll
        });
        let lse = both.split_off(n);
        (both, lse)
    }

    fn reference(logits: &[f64], targets: &[u32], v: usize) -> Vec<f64> {
        let one = |(row, t): (&[f64], &u32)| match *t {
            IGNORE => 0.0,
            t => row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[t as usize],
        };
        logits.chunks(v).zip(targets).map(one).collect()
    }

    #[test]
    fn loss_and_gradient_agree_with_f64() {
        for (n, v) in LENGTHS[1..].iter().map(|v| (5, *v)).chain([(0, 3), (900, 50), (3, 20_000)]) {
            let (logits, dnll) = (normals(1, n * v), normals(2, n));
            let target = |i: usize| if i % 4 == 3 { IGNORE } else { (i * 7 % v) as u32 };
            let targets: Vec<u32> = (0..n).map(target).collect();
            let (nll, lse) = run(&logits, &targets, v);
            let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
            close(&nll, &reference(&wide, &targets, v), 1e-6);
            let d = both_ways(n * v, |dst| cross_entropy_backward(&logits, &targets, v, &lse, &dnll, dst));
            if v < 100 {
                check_gradient(&logits, &dnll, &d, |x| reference(x, &targets, v));
            }
            let both = same_everywhere(|| {
                let (mut logits, mut nll) = (logits.clone(), vec![f32::NAN; n]);
                cross_entropy_in_place(&mut logits, &targets, v, &dnll, &mut nll);
                nll.extend(logits);
                nll
            });
            assert_eq!(both, [&nll[..], &d].concat(), "one pass gives the bits of two");
            for i in (0..n).filter(|i| targets[*i] == IGNORE) {
                assert!(d[i * v..][..v].iter().all(|d| *d == 0.0));
            }
            run(&special(3, n * v), &targets, v);
        }
    }

    /// Values that PyTorch prints: dev/golden/kernel_literals.py.
    #[test]
    fn the_same_as_pytorch() {
        let logits = [1.0, 2.0, -1.0, 0.5, 0.1, -0.2, 3.0, 4.0];
        let (nll, lse) = run(&logits, &[2, 3], 4);
        close(&nll, &[3.4951818, 0.338696152], 2e-7);
        let d = both_ways(8, |dst| cross_entropy_backward(&logits, &[2, 3], 4, &lse, &[1.0, 0.5], dst));
        let want = [
            0.224207819,
            0.609460056,
            -0.969656765,
            0.135988906,
            0.00721319485,
            0.00534366816,
            0.131093651,
            -0.143650532,
        ];
        close(&d, &want, 2e-7);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let (nll, _) = run(&[1e4, -1e4, 0.0, 1e4, 1e4, 1e4], &[0, 1], 3);
        close(&nll, &[0.0, 3f64.ln()], 1e-3);
    }

    #[test]
    #[should_panic(expected = "cross_entropy: target 3 is not under 3, the number of classes")]
    fn targets_are_checked() {
        cross_entropy(&[0.0; 3], &[3], 3, &mut [0.0], &mut [0.0]);
    }
}
