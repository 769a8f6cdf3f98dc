//! One query per sequence against keys and values in a cache: what decoding does in each layer.
//!
//! The cache has a layout of its own, so that nothing has to be turned around for each token again: keys lie in panels
//! of 16 whose lanes are keys, and the heads of a *part* lie side by side, as many as keep a core's multipliers busy.
//! Blocks of keys, chains and sums are those of [`super::tiled`], so a token has the same bits here as there.

use super::block::KEYS;
use super::lanes::{put, scale};
use super::row::{NOTHING, Running, add_alibi, soften};
use crate::isa::vectorise;
use crate::parallel;
use std::ops::Range;

/// Lanes of a panel of keys, or of a block of values.
const LANES: usize = 16;
/// Panels, or blocks, at a time: enough chains that none waits for another.
const CHAINS: usize = 8;

/// How a layer's keys and values lie: sequence by sequence, part by part. A part holds, for some key–value heads,
/// the keys as (head, panel of 16 keys, D, 16) and the values as (token, head, D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLayout {
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_dim: usize,
    /// Most tokens of a sequence.
    pub capacity: usize,
    /// Key–value heads of a part, a divisor of G.
    pub part_heads: usize,
}

impl CacheLayout {
    /// With parts as large as serves this machine.
    pub fn new(kv_heads: usize, head_dim: usize, capacity: usize) -> CacheLayout {
        // Parts are what threads share.
        let most = (CHAINS * LANES / head_dim).min(kv_heads.div_ceil(parallel::threads()));
        let part_heads = (1..=most).rev().find(|n| kv_heads.is_multiple_of(*n)).unwrap_or(1);
        CacheLayout { kv_heads, head_dim, capacity, part_heads }
    }

    /// Parts of a sequence.
    pub fn parts(&self) -> usize {
        self.kv_heads / self.part_heads
    }

    /// Elements of a part's values.
    pub fn part_values(&self) -> usize {
        self.part_heads * self.capacity * self.head_dim
    }

    /// Elements of a part's keys.
    pub fn part_keys(&self) -> usize {
        self.part_heads * self.head_keys()
    }

    /// Elements of one head's keys.
    fn head_keys(&self) -> usize {
        self.capacity.next_multiple_of(LANES) * self.head_dim
    }

    /// Where the first element of a key stands in its part; the others follow 16 apart.
    fn key(&self, head: usize, token: usize) -> usize {
        head * self.head_keys() + token / LANES * LANES * self.head_dim + token % LANES
    }

    /// Writes a token's key and value, (heads of the part, D) each, to its part.
    ///
    /// # Panics
    /// If there is no room for it.
    #[track_caller]
    pub fn put(&self, token: usize, k: &[f32], v: &[f32], keys: &mut [f32], values: &mut [f32]) {
        assert!(token < self.capacity, "cache: token {token} of {}", self.capacity);
        for (head, k) in k.chunks_exact(self.head_dim).enumerate() {
            let keys = &mut keys[self.key(head, token)..];
            keys.iter_mut().step_by(LANES).zip(k).for_each(|(key, k)| *key = *k);
        }
        values[token * v.len()..][..v.len()].copy_from_slice(v);
    }

    /// The reverse of [`CacheLayout::put`].
    #[track_caller]
    pub fn get(&self, token: usize, keys: &[f32], values: &[f32], k: &mut [f32], v: &mut [f32]) {
        assert!(token < self.capacity, "cache: token {token} of {}", self.capacity);
        for (head, k) in k.chunks_exact_mut(self.head_dim).enumerate() {
            let keys = &keys[self.key(head, token)..];
            keys.iter().step_by(LANES).zip(k).for_each(|(key, k)| *k = *key);
        }
        v.copy_from_slice(&values[token * v.len()..][..v.len()]);
    }

    /// Copies the first `tokens` tokens of part number `from` of some parts to part number `to`.
    pub fn copy(&self, tokens: usize, from: usize, to: usize, keys: &mut [f32], values: &mut [f32]) {
        let n = tokens.next_multiple_of(LANES) * self.head_dim;
        for head in 0..self.part_heads {
            let [from, to] = [from, to].map(|part| part * self.part_keys() + head * self.head_keys());
            keys.copy_within(from..from + n, to);
        }
        let [from, to] = [from, to].map(|part| part * self.part_values());
        values.copy_within(from..from + tokens * self.part_heads * self.head_dim, to);
    }
}

vectorise! {
    /// s_j = q·k_j, in order, for some panels of keys.
    fn scores(q: &[f32], keys: &[f32], s: &mut [f32]) {
        let keys = keys.as_chunks::<LANES>().0;
        let s = s.as_chunks_mut::<LANES>().0;
        let mut at = 0;
        while s.len() - at >= CHAINS {
            dots::<CHAINS>(q, &keys[at * q.len()..], &mut s[at..]);
            at += CHAINS;
        }
        while s.len() - at >= 2 {
            dots::<2>(q, &keys[at * q.len()..], &mut s[at..]);
            at += 2;
        }
        if at < s.len() {
            dots::<1>(q, &keys[at * q.len()..], &mut s[at..]);
        }
    }

    /// o_h += Σ_j p_hj·v_jh, in order, for heads side by side: p (heads, KEYS), `n` of them used, v (n, heads, D),
    /// o (heads, D).
    fn weighted(p: &[f32], n: usize, v: &[f32], o: &mut [f32], head_dim: usize) {
        let heads = o.len() / head_dim;
        if head_dim.is_multiple_of(LANES) {
            match o.len() / LANES {
                1 => return blocks::<1>(p, n, v, o, head_dim),
                2 => return blocks::<2>(p, n, v, o, head_dim),
                3 => return blocks::<3>(p, n, v, o, head_dim),
                4 => return blocks::<4>(p, n, v, o, head_dim),
                6 => return blocks::<6>(p, n, v, o, head_dim),
                8 => return blocks::<8>(p, n, v, o, head_dim),
                _ => (),
            }
        }
        for j in 0..n {
            for h in 0..heads {
                let (p, v) = (p[h * KEYS + j], &v[(j * heads + h) * head_dim..]);
                for (o, v) in o[h * head_dim..][..head_dim].iter_mut().zip(v) {
                    *o = p.mul_add(*v, *o);
                }
            }
        }
    }
}

/// [`scores`] for P panels.
#[inline(always)]
fn dots<const P: usize>(q: &[f32], keys: &[[f32; LANES]], s: &mut [[f32; LANES]]) {
    let d = q.len();
    let panels: [&[[f32; LANES]]; P] = std::array::from_fn(|p| &keys[p * d..][..d]);
    let mut sums = [[0.0f32; LANES]; P];
    for i in 0..d {
        for p in 0..P {
            for l in 0..LANES {
                sums[p][l] = panels[p][i][l].mul_add(q[i], sums[p][l]);
            }
        }
    }
    s[..P].copy_from_slice(&sums);
}

/// [`weighted`] for heads that make B blocks of lanes.
#[inline(always)]
fn blocks<const B: usize>(p: &[f32], n: usize, v: &[f32], o: &mut [f32], head_dim: usize) {
    let p: [&[f32]; B] = std::array::from_fn(|b| &p[b * LANES / head_dim * KEYS..][..n]);
    let v = &v.as_chunks::<LANES>().0.as_chunks::<B>().0[..n];
    let o = o.as_chunks_mut::<LANES>().0;
    let mut sums = [[0.0f32; LANES]; B];
    sums.copy_from_slice(&o[..B]);
    for j in 0..n {
        for b in 0..B {
            for l in 0..LANES {
                sums[b][l] = p[b][j].mul_add(v[j][b][l], sums[b][l]);
            }
        }
    }
    o[..B].copy_from_slice(&sums);
}

/// The queries of one token that read one part of the cache.
pub(crate) struct Queries<'a> {
    /// (heads, D): H/G query heads for each key–value head of the part.
    pub q: &'a [f32],
    /// Multiplies the scores.
    pub scale: f32,
    /// A slope for each of the heads.
    pub alibi: Option<&'a [f32]>,
    /// Keys that count, at least one; the query stands at the last of them.
    pub seen: Range<usize>,
}

/// Working memory of [`attend`], for so many query heads per part.
pub(crate) fn scratch(layout: &CacheLayout, heads: usize) -> usize {
    heads * (2 * layout.head_dim + 2) + layout.part_heads * (KEYS + layout.head_dim)
}

/// out_h = Σ_j p_hj·v_j, p_h = softmax_j(scale·q_h·k_j + bias), for the query heads of a part.
pub(crate) fn attend(
    layout: &CacheLayout,
    queries: &Queries,
    keys: &[f32],
    values: &[f32],
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let (d, part, seen) = (layout.head_dim, layout.part_heads, &queries.seen);
    let heads = out.len() / d;
    // Query heads g·group + r, for the same r side by side, have one row of values.
    let group = heads / part;
    let (q, rest) = scratch.split_at_mut(heads * d);
    let (s, rest) = rest.split_at_mut(part * KEYS);
    let (o, rest) = rest.split_at_mut(part * d);
    let (maxima, sums) = rest.split_at_mut(part);
    put(queries.q, queries.scale, false, q);
    for r in 0..group {
        maxima.fill(NOTHING.max);
        sums[..part].fill(NOTHING.sum);
        o.fill(0.0);
        for first in (seen.start / KEYS * KEYS..seen.end).step_by(KEYS) {
            let n = KEYS.min(seen.end - first);
            for g in 0..part {
                let head = g * group + r;
                let s = &mut s[g * KEYS..][..KEYS];
                let panels = n.next_multiple_of(LANES);
                let keys = &keys[layout.key(g, first)..][..panels * d];
                scores(&q[head * d..][..d], keys, &mut s[..panels]);
                let s = &mut s[..n];
                if let Some(slopes) = queries.alibi {
                    add_alibi(s, slopes[head], (seen.end - 1) as f32, first as f32);
                }
                s[..seen.start.saturating_sub(first)].fill(f32::NEG_INFINITY);
                let mut run = Running { max: maxima[g], sum: sums[g] };
                let rescale = soften(s, &mut run);
                (maxima[g], sums[g]) = (run.max, run.sum);
                if first > seen.start && rescale != 1.0 {
                    scale(&mut o[g * d..][..d], rescale);
                }
            }
            weighted(s, n, &values[first * part * d..][..n * part * d], o, d);
        }
        for g in 0..part {
            let head = g * group + r;
            put(&o[g * d..][..d], 1.0 / sums[g], false, &mut out[head * d..][..d]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Mask, Options, Shape, View, ViewMut, attention};
    use super::*;
    use crate::testing::{bits, normals};
    use crate::{isa, parallel::with_threads};

    /// Token by token in a cache, against all at once: the same bits, for each instruction set.
    #[test]
    fn a_token_has_the_bits_of_the_whole_sequence() {
        for (heads, kv_heads, d, t) in [(8, 8, 32, 40), (4, 2, 16, 150), (6, 3, 48, 20), (2, 1, 5, 300), (3, 3, 160, 9)]
        {
            let (cq, ck) = (heads * d, kv_heads * d);
            let (q, k, v) = (normals(1, t * cq), normals(2, t * ck), normals(3, t * ck));
            let slopes: Vec<f32> = (0..heads).map(|h| 0.1 / (h + 1) as f32).collect();
            for (alibi, window) in [(None, t), (Some(&slopes[..]), t), (None, 5), (Some(&slopes[..]), 140)] {
                let shape = Shape { batch: 1, heads, kv_heads, head_dim: d, queries: t, keys: t };
                let mask = if window < t { Mask::Window(window) } else { Mask::Causal };
                let opts = Options { scale: 0.3, mask, alibi, dropout: None };
                let (mut want, mut lse) = (vec![0.0; t * cq], vec![0.0; heads * t]);
                let [qv, kv, vv] = [View::dense(&q, t, cq), View::dense(&k, t, ck), View::dense(&v, t, ck)];
                attention(shape, opts, qv, kv, vv, ViewMut::dense(&mut want, t, cq), &mut lse);
                for (isa, threads) in isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
                    let layout = with_threads(threads, || CacheLayout::new(kv_heads, d, t));
                    let (n, q_part, kv_part) = (layout.parts(), cq / layout.parts(), ck / layout.parts());
                    let mut keys = vec![f32::NAN; n * layout.part_keys()];
                    let mut values = vec![f32::NAN; n * layout.part_values()];
                    let mut memory = vec![f32::NAN; scratch(&layout, heads / n)];
                    let mut got = vec![f32::NAN; t * cq];
                    isa::with(isa, || {
                        for (i, out) in got.chunks_mut(q_part).enumerate() {
                            let (i, p) = (i / n, i % n);
                            let keys = &mut keys[p * layout.part_keys()..][..layout.part_keys()];
                            let values = &mut values[p * layout.part_values()..][..layout.part_values()];
                            let at = i * ck + p * kv_part..i * ck + (p + 1) * kv_part;
                            layout.put(i, &k[at.clone()], &v[at.clone()], keys, values);
                            let alibi = alibi.map(|s| &s[p * heads / n..][..heads / n]);
                            let q = &q[i * cq + p * q_part..][..q_part];
                            let seen = (i + 1).saturating_sub(window)..i + 1;
                            let queries = Queries { q, scale: 0.3, alibi, seen };
                            attend(&layout, &queries, keys, values, &mut memory, out);
                            let (mut k_back, mut v_back) = (vec![0.0; kv_part], vec![0.0; kv_part]);
                            layout.get(i, keys, values, &mut k_back, &mut v_back);
                            assert_eq!((&k_back[..], &v_back[..]), (&k[at.clone()], &v[at]));
                        }
                    });
                    assert_eq!(bits(&got), bits(&want), "{isa}, {heads} heads of {d}, {layout:?}");
                }
            }
        }
    }
}
