//! Exercise 01.3: BPE encoding with given merges.

mod gpt2;

use super::bpe::*;
use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Encoding, Vec<u32>>;

/// Bytes and merges to encode them with.
type Encoding = (Vec<u8>, Vec<(u32, u32)>);

fn rank_of(merges: &[(u32, u32)], a: u32, b: u32) -> Option<usize> {
    merges.iter().position(|&m| m == (a, b))
}

/// The definition: the lowest rank first, all its occurrences from the left.
fn encode_right((bytes, merges): &Encoding) -> Vec<u32> {
    (0..merges.len()).fold(ids_of(bytes), |ids, r| replace(&ids, merges[r], 256 + r as u32, Replace::LeftToRight))
}

/// As the definition, but each rank is replaced in another way.
fn encode_with((bytes, merges): &Encoding, how: Replace) -> Vec<u32> {
    (0..merges.len()).fold(ids_of(bytes), |ids, r| replace(&ids, merges[r], 256 + r as u32, how))
}

/// Goes through the merges in order; `step` gets the ids, the pair and its rank.
fn encode_as((bytes, merges): &Encoding, step: impl Fn(&[u32], (u32, u32), u32) -> Vec<u32>) -> Vec<u32> {
    (0..merges.len()).fold(ids_of(bytes), |ids, r| step(&ids, merges[r], r as u32))
}

/// Merges one pair at a time, the one at `choose(ranks)`, until there is none.
fn encode_by(
    (bytes, merges): &Encoding,
    choose: impl Fn(&[(usize, usize)], &[u32]) -> Option<(usize, usize)>,
) -> Vec<u32> {
    let mut ids = ids_of(bytes);
    loop {
        let found: Vec<(usize, usize)> =
            (1..ids.len()).filter_map(|i| Some((rank_of(merges, ids[i - 1], ids[i])?, i - 1))).collect();
        let Some((rank, at)) = choose(&found, &ids) else { return ids };
        ids[at] = 256 + rank as u32;
        ids.remove(at + 1);
    }
}

/// The longest token that starts here, again and again.
fn encode_longest((bytes, merges): &Encoding) -> Vec<u32> {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    for &(a, b) in merges {
        tokens.push([&tokens[a as usize][..], &tokens[b as usize]].concat());
    }
    let (mut out, mut i) = (Vec::new(), 0);
    while i < bytes.len() {
        let longest =
            (0..tokens.len()).filter(|&t| bytes[i..].starts_with(&tokens[t])).max_by_key(|&t| tokens[t].len());
        let Some(token) = longest else { break };
        out.push(token as u32);
        i += tokens[token].len();
    }
    out
}

/// Sweeps from the left that merge every pair with a rank on their way: one, or until nothing changes.
fn encode_sweeps((bytes, merges): &Encoding, again: bool) -> Vec<u32> {
    let mut ids = ids_of(bytes);
    loop {
        let (mut out, mut i) = (Vec::new(), 0);
        while i < ids.len() {
            match ids.get(i + 1).and_then(|&next| rank_of(merges, ids[i], next)) {
                Some(rank) => {
                    out.push(256 + rank as u32);
                    i += 2;
                }
                None => {
                    out.push(ids[i]);
                    i += 1;
                }
            }
        }
        let done = !again || out.len() == ids.len();
        ids = out;
        if done {
            return ids;
        }
    }
}

/// Merges learned from random texts, and texts to encode.
fn encodings() -> Vec<Encoding> {
    let mut rng = Rng::new(13);
    let counter: Encoding = (b"abc".to_vec(), vec![(98, 99), (97, 98)]);
    let mut inputs = vec![
        (vec![], vec![(97, 97)]),
        (b"a".to_vec(), vec![(97, 97)]),
        (b"aaa".to_vec(), vec![(97, 97)]),
        (b"aaaa".to_vec(), vec![(97, 97)]),
        (b"abab".to_vec(), vec![(97, 98)]),
        (b"hello".to_vec(), vec![]),
        counter,
        (b"abcd".to_vec(), vec![(98, 99), (97, 98), (256, 100)]),
        (b"abbb".to_vec(), vec![(98, 98), (97, 98), (257, 256)]),
        (b"abcd".to_vec(), vec![(97, 98), (256, 99), (99, 100)]),
    ];
    for (text, _) in toy_texts(14).into_iter().skip(7) {
        let (merges, _) = RIGHT.run(&text, 6);
        let bytes = (0..5 + rng.below(30)).map(|_| b'a' + rng.below(4) as u8).collect();
        inputs.push((bytes, merges));
    }
    let unicode = "Être ou ne pas être ; l'été, là-bas, 한국어 한국, 🙂🙃 👩‍🚀 — naïve café, où êtes-vous ?".repeat(2);
    let (merges, _) = RIGHT.run(unicode.as_bytes(), 40);
    let letters: Vec<char> = unicode.chars().collect();
    for _ in 0..30 {
        let text: String = (0..1 + rng.below(25)).map(|_| letters[rng.below(letters.len())]).collect();
        inputs.push((text.into_bytes(), merges.clone()));
    }
    // Any bytes, UTF-8 or not.
    inputs.push(((0..=255u8).rev().collect(), merges));
    inputs
}

/// Exercise 01.3: encoding with given merges. `f(bytes, merges)`: ids 0 to 255 are bytes, merge number r makes 256 + r,
/// and the merge with the lowest r goes first.
pub fn encode_bpe(f: impl Fn(&[u8], &[(u32, u32)]) -> Vec<u32>) -> Report {
    exercise().check(|(bytes, merges)| f(bytes, merges)).and(|| gpt2::wrong_ids("01.3", f))
}

fn exercise() -> Exercise<'static, Encoding, Vec<u32>> {
    Exercise {
        id: "01.3",
        inputs: encodings(),
        solution: Box::new(encode_right),
        tell: |(bytes, merges)| {
            let merges = if merges.len() > 6 { format!("{} merges", merges.len()) } else { format!("{merges:?}") };
            format!("({}, {merges})", quoted(bytes)).into()
        },
        hint: |_, _| text("01.3.hint"),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::seen("empty-input", |tries| tries.only_wrong_where(|(bytes, _)| bytes.is_empty())),
        Known::new("no-merges", |(bytes, _)| ids_of(bytes)),
        Known::new("left-to-right", |e| encode_by(e, |found, _| found.first().copied())),
        Known::new("sweep", |e| encode_sweeps(e, true)),
        Known::new("one-sweep", |e| encode_sweeps(e, false)),
        Known::new("longest-match", encode_longest),
        Known::new("highest-rank-first.rank", |e| {
            encode_by(e, |found, _| found.iter().copied().max_by_key(|x| (x.0, usize::MAX - x.1)))
        }),
        Known::new("highest-rank-first.order", |(bytes, merges)| {
            let all = (0..merges.len()).rev();
            all.fold(ids_of(bytes), |ids, r| replace(&ids, merges[r], 256 + r as u32, Replace::LeftToRight))
        }),
        Known::new("merge-once", |e| encode_with(e, Replace::Once)),
        Known::new("overlapping-merge", |e| encode_with(e, Replace::Overlapping)),
        Known::new("right-to-left.scan", |e| encode_with(e, Replace::RightToLeft)),
        Known::new("right-to-left.choice", |e| {
            encode_by(e, |found, _| found.iter().copied().min_by_key(|x| (x.0, usize::MAX - x.1)))
        }),
        Known::new("one-merge-only", |e| {
            let first =
                |found: &[(usize, usize)], ids: &[u32]| found.iter().copied().min().filter(|_| ids.len() == e.0.len());
            encode_by(e, first)
        }),
        Known::new("one-rank-only", |(bytes, merges)| {
            let ids = ids_of(bytes);
            let rank = ids.windows(2).filter_map(|p| rank_of(merges, p[0], p[1])).min();
            rank.map_or(ids.clone(), |r| replace(&ids, merges[r], 256 + r as u32, Replace::LeftToRight))
        }),
        Known::new("most-frequent-first", |e| {
            encode_by(e, |found, _| {
                let count = |rank: usize| found.iter().filter(|x| x.0 == rank).count();
                found.iter().copied().max_by_key(|x| (count(x.0), usize::MAX - x.0, usize::MAX - x.1))
            })
        }),
        Known::new("last-merge-forgotten", |(bytes, merges)| {
            encode_right(&(bytes.clone(), merges[..merges.len().saturating_sub(1)].to_vec()))
        }),
        Known::new("id-is-the-rank", |e| {
            encode_right(e).into_iter().map(|id| if id > 255 { id - 256 } else { id }).collect()
        }),
        Known::new("id-is-the-rank", |(bytes, merges)| {
            (0..merges.len()).fold(ids_of(bytes), |ids, r| replace(&ids, merges[r], r as u32, Replace::LeftToRight))
        }),
        Known::new("id-off-by-one.above", |(bytes, merges)| {
            let one = |ids: Vec<u32>, r: usize| replace(&ids, merges[r], 257 + r as u32, Replace::LeftToRight);
            (0..merges.len()).fold(ids_of(bytes), one)
        }),
        Known::new("id-off-by-one.below", |e| encode_as(e, |ids, pair, r| left(ids, pair, 255 + r))),
        Known::new("last-symbol-lost", |e| encode_as(e, |ids, pair, r| drop_last(ids, pair, 256 + r))),
        Known::new("half-left-behind", |e| encode_as(e, |ids, pair, r| keep_half(ids, pair, 256 + r))),
        Known::new("pair-reversed", |e| encode_as(e, |ids, pair, r| left(ids, (pair.1, pair.0), 256 + r))),
        Known::new("first-merge-skipped", |e| {
            encode_as(e, |ids, pair, r| if r == 0 { ids.to_vec() } else { left(ids, pair, 256 + r) })
        }),
        Known::new("stops-early", |(bytes, merges)| {
            let absent = |ids: &[u32], m: (u32, u32)| !ids.windows(2).any(|p| (p[0], p[1]) == m);
            let mut ids = ids_of(bytes);
            for (r, &m) in merges.iter().enumerate() {
                if absent(&ids, m) {
                    break;
                }
                ids = left(&ids, m, 256 + r as u32);
            }
            ids
        }),
        Known::new("characters-not-bytes", |(bytes, merges)| {
            let ids = String::from_utf8_lossy(bytes).chars().map(u32::from).collect();
            (0..merges.len()).fold(ids, |ids: Vec<u32>, r| left(&ids, merges[r], 256 + r as u32))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::testing::{helpful, named};

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        assert!(encode_bpe(learner_encode).is_passed(), "{}", encode_bpe(learner_encode));
        let panics = |bytes: &[u8], merges: &[(u32, u32)]| {
            let _ = bytes.len() - 1;
            learner_encode(bytes, merges)
        };
        named(&encode_bpe(panics), "empty-input");
        // Wrong and unprepared for an empty text: the mistake has its name, and the panic is told, too.
        let report = encode_bpe(|bytes, _| {
            (0..bytes.len() - 1).map(|i| u32::from(bytes[i])).chain(bytes.last().map(|b| u32::from(*b))).collect()
        });
        named(&report, "no-merges");
        assert!(report.to_string().contains("overflow"), "{report}");
    }

    /// A solution that merges one pair at a time.
    fn learner_encode(bytes: &[u8], merges: &[(u32, u32)]) -> Vec<u32> {
        let mut ids: Vec<u32> = bytes.iter().map(|&b| b as u32).collect();
        loop {
            let mut best: Option<(usize, usize)> = None;
            for i in 1..ids.len() {
                if let Some(rank) = merges.iter().position(|m| *m == (ids[i - 1], ids[i]))
                    && best.is_none_or(|b| rank < b.0)
                {
                    best = Some((rank, i - 1));
                }
            }
            let Some((rank, i)) = best else { return ids };
            ids[i] = 256 + rank as u32;
            ids.remove(i + 1);
        }
    }

    #[test]
    fn gpt2s_merges_give_gpt2s_ids() {
        let gpt2 = gpt2::Gpt2::new();
        assert_eq!(gpt2.encode("Hello world", learner_encode), [15496, 995]);
        assert!(gpt2::wrong_ids("01.3", learner_encode).is_none());
        assert!(gpt2::wrong_ids("01.3", |bytes, _| ids_of(bytes)).is_some());
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        type Change = (&'static str, fn(&[u8], Vec<u32>) -> Vec<u32>);
        let changes: [Change; 8] = [
            ("length", |bytes, _| vec![bytes.len() as u32]),
            ("backwards", |_, ids| ids.into_iter().rev().collect()),
            ("sorted", |_, mut ids| {
                ids.sort();
                ids
            }),
            ("merges alone", |_, ids| ids.into_iter().filter(|id| *id > 255).collect()),
            ("bytes and ids", |bytes, ids| [ids_of(bytes), ids].concat()),
            ("at most ten", |_, ids| ids.into_iter().take(10).collect()),
            ("doubled", |_, ids| [ids.clone(), ids].concat()),
            ("ASCII only", |bytes, ids| if bytes.is_ascii() { ids } else { vec![] }),
        ];
        for (what, change) in changes {
            helpful(what, &encode_bpe(|bytes, merges| change(bytes, learner_encode(bytes, merges))));
        }
        helpful(
            "panics without merges",
            &encode_bpe(|b, m| if m.is_empty() { panic!("none") } else { learner_encode(b, m) }),
        );
        helpful("six merges at most", &encode_bpe(|b, m| learner_encode(b, &m[..m.len().min(6)])));
        helpful("the first sixty merges", &encode_bpe(|b, m| learner_encode(b, &m[..m.len().min(60)])));
        helpful("needs UTF-8", &encode_bpe(|b, m| learner_encode(std::str::from_utf8(b).unwrap().as_bytes(), m)));
    }
}
