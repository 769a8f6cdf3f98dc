//! What a thread asks memory for before it needs it: rows of a head lie far apart, and the hardware does not foresee them.

use super::call::{Call, Grads, Saved, Shape};
use super::lanes::QUERIES;
use super::view::Dst;
use crate::bf16::Element;
use crate::parallel;

/// Asks for what this thread will need soon, when it begins with the queries from `first` on of a chunk: the next block
/// of queries, and as much of the keys and values of the chunk that it will probably do next.
///
/// No more than that: rows of a head are a power of 2 apart, and share few sets of the second-level cache.
pub(super) fn prefetch_forward<T: Element>(call: &Call<T>, out: &Dst<T>, chunk: usize, first: usize) {
    let Shape { batch, heads, queries, .. } = call.shape;
    let next = chunk + parallel::threads();
    let (soon, from) = if first + QUERIES < queries { (chunk, first + QUERIES) } else { (next, 0) };
    if soon < batch * heads {
        let (at, rows) = ((soon / heads, soon % heads), from..from + QUERIES);
        call.q.prefetch(at, rows.clone());
        out.prefetch(at, rows);
    }
    if next < batch * heads {
        let (at, rows) = ((next / heads, call.kv_head(next % heads)), first..first + QUERIES);
        call.k.prefetch(at, rows.clone());
        call.v.prefetch(at, rows);
    }
}

/// The same for query head h of chunk (b, g); the gradients of its own keys and values are written when it is done.
pub(super) fn prefetch_backward<T: Element>(
    call: &Call<T>,
    saved: &Saved<T>,
    grads: &Grads<T>,
    (b, g, h): (usize, usize, usize),
    first: usize,
) {
    let Shape { batch, heads, kv_heads, queries, .. } = call.shape;
    let (group, next) = (heads / kv_heads, b * kv_heads + g + parallel::threads());
    let ((b2, g2), rows) = ((next / kv_heads, next % kv_heads), first..first + QUERIES);
    let last_head = h + 1 == (g + 1) * group;
    let (soon, from) = if first + QUERIES < queries {
        ((b, h), first + QUERIES)
    } else if last_head {
        ((b2, g2 * group), 0)
    } else {
        ((b, h + 1), 0)
    };
    if soon.0 < batch {
        let rows = from..from + QUERIES;
        [&call.q, &saved.d_out, &saved.out].iter().for_each(|src| src.prefetch(soon, rows.clone()));
        grads.dq.iter().for_each(|dst| dst.prefetch(soon, rows.clone()));
    }
    if last_head {
        grads.dk.iter().chain(&grads.dv).for_each(|dst| dst.prefetch((b, g), rows.clone()));
        if b2 < batch {
            [&call.k, &call.v].iter().for_each(|src| src.prefetch((b2, g2), rows.clone()));
        }
    }
}
