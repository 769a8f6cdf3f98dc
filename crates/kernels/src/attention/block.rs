//! A block of queries against the blocks of keys that it sees, and the working memory for both.

use super::call::Call;
use super::lanes::{self, Lanes, QUERIES};
use crate::bf16::Element;
use crate::buffer::AlignedBuf;
use crate::parallel::for_each_chunk;
use std::cell::RefCell;
use std::ops::Range;

/// Keys of a block: 32·128 scores are 16 KiB, so that two such blocks and their operands stay in the first-level cache.
pub(super) const KEYS: usize = 128;

thread_local! {
    /// Working memory, kept from call to call.
    static SCRATCH: RefCell<AlignedBuf> = RefCell::new(AlignedBuf::zeroed(0));
}

pub(super) fn with_scratch(len: usize, f: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            *scratch = AlignedBuf::zeroed(len.next_power_of_two());
        }
        f(&mut scratch[..len]);
    });
}

/// Cuts `n` elements off the front.
pub(super) fn take<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    let (front, back) = std::mem::take(rest).split_at_mut(n);
    *rest = back;
    front
}

/// The same, as rows of lanes.
pub(super) fn take_lanes<'a>(rest: &mut &'a mut [f32], rows: usize) -> &'a mut [Lanes] {
    take(rest, rows * QUERIES).as_chunks_mut().0
}

/// A block of queries of one head: which keys each sees, and where it stands.
pub(super) struct Queries {
    pub first: usize,
    pub count: usize,
    /// Query l sees keys `from[l]..to[l]`; neither end moves back as l grows. 0 for lanes without a query.
    from: [u32; QUERIES],
    to: [u32; QUERIES],
    position: Lanes,
}

impl Queries {
    pub fn new<T: Element>(call: &Call<T>, b: usize, first: usize) -> Queries {
        let count = (call.shape.queries - first).min(QUERIES);
        let (mut from, mut to, mut position) = ([0; QUERIES], [0; QUERIES], [0.0; QUERIES]);
        for l in 0..count {
            let keys = call.keys(b, first + l);
            (from[l], to[l]) = (keys.start as u32, keys.end as u32);
            position[l] = call.position(first + l);
        }
        Queries { first, count, from, to, position }
    }

    /// Whether query l sees any key.
    pub fn sees(&self, l: usize) -> bool {
        self.from[l] < self.to[l]
    }

    /// The blocks of keys that at least one query of the block sees. They begin at multiples of [`KEYS`], whatever is seen.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (self.from[0] as usize / KEYS * KEYS, self.to[self.count - 1] as usize);
        (start..end).step_by(KEYS).map(move |j| j..end.min(j + KEYS))
    }

    /// What the scores of some keys, the products, still lack: ALiBi's bias (divided by `left`, what they will be
    /// multiplied by), and −∞ where a query does not see a key.
    pub fn mask<T: Element>(&self, call: &Call<T>, h: usize, left: f32, first: usize, s: &mut [Lanes]) {
        if call.opts.alibi.is_some() {
            lanes::add_alibi(s, call.slope(h) / left, &self.position, first as f32);
        }
        // What all lanes see stays as it is.
        let open = if self.count == QUERIES { self.from[QUERIES - 1]..self.to[0] } else { 0..0 };
        let [start, end] = [open.start, open.end].map(|j| (j as usize).saturating_sub(first).min(s.len()));
        let end = end.max(start);
        lanes::hide(&mut s[..start], &self.from, &self.to, first as u32);
        lanes::hide(&mut s[end..], &self.from, &self.to, (first + end) as u32);
    }

    /// Which of the `n` keys from `first` on at least one of the queries `l..l + count` sees.
    pub fn keys_of(&self, l: usize, count: usize, first: usize, n: usize) -> Range<usize> {
        let [start, end] = [self.from[l], self.to[l + count - 1]].map(|j| (j as usize).saturating_sub(first).min(n));
        start.min(end)..end
    }

    /// The queries that see at least one of some keys.
    pub fn that_see(&self, keys: Range<usize>) -> Range<usize> {
        let start = self.to[..self.count].partition_point(|to| *to as usize <= keys.start);
        let end = self.from[..self.count].partition_point(|from| (*from as usize) < keys.end);
        start.min(end)..end
    }
}

/// Runs the chunks on the pool if they are worth it.
pub(super) fn for_each(chunks: usize, multiply_adds: usize, f: impl Fn(usize) + Sync) {
    if multiply_adds < 200_000 {
        (0..chunks).for_each(f);
    } else {
        for_each_chunk(chunks, f);
    }
}
