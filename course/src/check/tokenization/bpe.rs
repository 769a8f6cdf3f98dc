//! BPE training as a whole, right or with one thing wrong: exercises 01.1 and 01.3 stand on it.

use std::collections::BTreeMap;

use motamot_kernels::rng::Rng;

/// Merges, and the text after them.
pub(super) type Learned = (Vec<(u32, u32)>, Vec<u32>);

/// How pairs that are as frequent are told apart.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Tie {
    Smallest,
    Largest,
    First,
    Last,
}

/// How a pair is replaced.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Replace {
    LeftToRight,
    RightToLeft,
    Once,
    Overlapping,
    Never,
}

/// BPE training, right or with one thing wrong.
#[derive(Clone, Copy)]
pub(super) struct Training {
    pub tie: Tie,
    pub replace: Replace,
    pub first_id: u32,
    pub same_id: bool,
    pub least: usize,
    pub rarest: bool,
    pub overlaps_count: bool,
    pub from_first_counts: bool,
    pub more: isize,
}

pub(super) const RIGHT: Training = Training {
    tie: Tie::Smallest,
    replace: Replace::LeftToRight,
    first_id: 256,
    same_id: false,
    least: 2,
    rarest: false,
    overlaps_count: true,
    from_first_counts: false,
    more: 0,
};

impl Training {
    fn best(&self, ids: &[u32]) -> Option<(u32, u32)> {
        let mut counts: Vec<((u32, u32), usize)> = Vec::new();
        let mut i = 0;
        while i + 1 < ids.len() {
            let pair = (ids[i], ids[i + 1]);
            match counts.iter_mut().find(|(p, _)| *p == pair) {
                Some((_, n)) => *n += 1,
                None => counts.push((pair, 1)),
            }
            // "aaa" holds the pair "aa" twice, unless overlaps do not count.
            i += if !self.overlaps_count && ids.get(i + 2) == Some(&ids[i + 1]) && pair.0 == pair.1 { 2 } else { 1 };
        }
        counts.retain(|(_, n)| *n >= self.least);
        if self.rarest {
            let least = counts.iter().map(|(_, n)| *n).min()?;
            counts.retain(|(_, n)| *n == least);
        } else {
            let most = counts.iter().map(|(_, n)| *n).max()?;
            counts.retain(|(_, n)| *n == most);
        }
        let mut pairs = counts.iter().map(|(pair, _)| *pair);
        match self.tie {
            Tie::Smallest => pairs.min(),
            Tie::Largest => pairs.max(),
            Tie::First => pairs.next(),
            Tie::Last => pairs.next_back(),
        }
    }

    pub fn run(&self, text: &[u8], merges: usize) -> Learned {
        let mut ids: Vec<u32> = text.iter().map(|&b| u32::from(b)).collect();
        let start = ids.clone();
        let mut learned = Vec::new();
        for k in 0..merges.saturating_add_signed(self.more) {
            let pair = if self.from_first_counts {
                // The k-th pair of the text as it was.
                let mut seen: BTreeMap<(u32, u32), usize> = BTreeMap::new();
                start.windows(2).for_each(|p| *seen.entry((p[0], p[1])).or_default() += 1);
                let mut order: Vec<_> = seen.into_iter().filter(|(_, n)| *n >= self.least).collect();
                order.sort_by_key(|&(pair, n)| (std::cmp::Reverse(n), pair));
                order.get(k).map(|x| x.0)
            } else {
                self.best(&ids)
            };
            let Some(pair) = pair else { break };
            let id = self.first_id + if self.same_id { 0 } else { k as u32 };
            learned.push(pair);
            ids = replace(&ids, pair, id, self.replace);
        }
        (learned, ids)
    }
}

pub(super) fn replace(ids: &[u32], pair: (u32, u32), id: u32, how: Replace) -> Vec<u32> {
    let mut out: Vec<u32> = Vec::new();
    match how {
        Replace::Never => return ids.to_vec(),
        Replace::RightToLeft => {
            let mut i = ids.len();
            while i > 0 {
                if i > 1 && (ids[i - 2], ids[i - 1]) == pair {
                    out.push(id);
                    i -= 2;
                } else {
                    out.push(ids[i - 1]);
                    i -= 1;
                }
            }
            out.reverse();
        }
        _ => {
            let (mut i, mut done) = (0, false);
            while i < ids.len() {
                let here = i + 1 < ids.len() && (ids[i], ids[i + 1]) == pair && !done;
                out.push(if here { id } else { ids[i] });
                done |= here && how == Replace::Once;
                let overlapping = here && how == Replace::Overlapping;
                // The second half may be the first half of the next pair.
                let shared = overlapping && i + 2 < ids.len() && (ids[i + 1], ids[i + 2]) == pair;
                i += if here && !shared { 2 } else { 1 };
            }
        }
    }
    out
}

/// Training with another way to list the pairs, or to replace one.
pub(super) fn learn(
    text: &[u8],
    merges: usize,
    pairs: impl Fn(&[u32]) -> Vec<(u32, u32)>,
    replace: impl Fn(&[u32], (u32, u32), u32) -> Vec<u32>,
) -> Learned {
    learn_ids(ids_of(text), merges, pairs, replace)
}

pub(super) fn learn_ids(
    mut ids: Vec<u32>,
    merges: usize,
    pairs: impl Fn(&[u32]) -> Vec<(u32, u32)>,
    replace: impl Fn(&[u32], (u32, u32), u32) -> Vec<u32>,
) -> Learned {
    let mut learned = Vec::new();
    while learned.len() < merges {
        let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        pairs(&ids).into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
        let best = counts.into_iter().filter(|x| x.1 >= 2).min_by_key(|&(pair, n)| (std::cmp::Reverse(n), pair));
        let Some((pair, _)) = best else { break };
        ids = replace(&ids, pair, 256 + learned.len() as u32);
        learned.push(pair);
    }
    (learned, ids)
}

pub(super) fn all_pairs(ids: &[u32]) -> Vec<(u32, u32)> {
    ids.windows(2).map(|p| (p[0], p[1])).collect()
}

pub(super) fn left(ids: &[u32], pair: (u32, u32), id: u32) -> Vec<u32> {
    replace(ids, pair, id, Replace::LeftToRight)
}

/// A loop that ends before the last symbol, unless a merge takes it.
pub(super) fn drop_last(ids: &[u32], pair: (u32, u32), id: u32) -> Vec<u32> {
    let (mut out, mut i) = (Vec::new(), 0);
    while i + 1 < ids.len() {
        let here = (ids[i], ids[i + 1]) == pair;
        out.push(if here { id } else { ids[i] });
        i += if here { 2 } else { 1 };
    }
    out
}

/// The left half becomes the merge, the right half stays.
pub(super) fn keep_half(ids: &[u32], pair: (u32, u32), id: u32) -> Vec<u32> {
    (0..ids.len()).map(|i| if ids.get(i + 1).is_some_and(|&b| (ids[i], b) == pair) { id } else { ids[i] }).collect()
}

/// Random texts of a few letters, so that pairs repeat, overlap and tie.
pub(super) fn toy_texts(seed: u64) -> Vec<(Vec<u8>, usize)> {
    let mut rng = Rng::new(seed);
    let mut inputs: Vec<(Vec<u8>, usize)> = vec![
        (b"aaabdaaabac".to_vec(), 3),
        (b"aaa".to_vec(), 1),
        (b"abab".to_vec(), 1),
        (b"abcdef".to_vec(), 2),
        (vec![], 3),
        (b"z".to_vec(), 2),
        (b"abababab".to_vec(), 0),
    ];
    for _ in 0..40 {
        let letters = 2 + rng.below(4);
        let len = 4 + rng.below(40);
        let text = (0..len).map(|_| b'a' + rng.below(letters) as u8).collect();
        inputs.push((text, 1 + rng.below(6)));
    }
    inputs
}

pub(super) fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

pub(super) fn ids_of(bytes: &[u8]) -> Vec<u32> {
    bytes.iter().map(|&b| u32::from(b)).collect()
}
