//! Exercise 01.1: BPE training on one text.

use std::collections::BTreeMap;

use super::bpe::*;
use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use crate::check::trial::Outcome;

type Input = (Vec<u8>, usize);
type Known = Mistake<'static, Input, Learned>;

/// Whether each merge took one of the most frequent pairs, and all else is as it should be.
fn right_but_for_ties(text: &[u8], merges: usize, (learned, end): &Learned) -> bool {
    let mut ids: Vec<u32> = text.iter().map(|&b| u32::from(b)).collect();
    let most = |ids: &[u32]| {
        let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        ids.windows(2).for_each(|p| *counts.entry((p[0], p[1])).or_default() += 1);
        let top = counts.values().copied().max().unwrap_or(0);
        (counts, top)
    };
    for (k, pair) in learned.iter().enumerate() {
        let (counts, top) = most(&ids);
        if top < 2 || counts.get(pair) != Some(&top) {
            return false;
        }
        ids = replace(&ids, *pair, 256 + k as u32, Replace::LeftToRight);
    }
    ids == *end && (learned.len() == merges || learned.len() < merges && most(&ids).1 < 2)
}

/// Exercise 01.1: BPE training on one text. `f(text, merges)` gives the merges in order, and the text after them.
///
/// Ids 0 to 255 are the bytes, the k-th merge makes 256 + k. Each time the most frequent pair is merged, from left to
/// right; of pairs as frequent, the smallest. It stops when no pair occurs twice.
pub fn train_bpe(f: impl Fn(&[u8], usize) -> (Vec<(u32, u32)>, Vec<u32>)) -> Report {
    exercise().check(|(text, merges)| f(text, *merges))
}

fn inputs() -> Vec<Input> {
    let mut inputs = toy_texts(11);
    inputs.truncate(45);
    inputs.push(("été, l'été là-bas".as_bytes().to_vec(), 3));
    inputs.push((vec![0, 255, 0, 255, 200, 0, 255], 2));
    inputs
}

fn exercise() -> Exercise<'static, Input, Learned> {
    Exercise {
        id: "01.1",
        inputs: inputs(),
        solution: Box::new(|(text, merges)| RIGHT.run(text, *merges)),
        tell: |(text, merges)| format!("({}, {merges})", quoted(text)).into(),
        hint: |_, _| text("01.1.hint"),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    let variant = |t: Training| move |(text, merges): &Input| t.run(text, *merges);
    vec![
        Known::new("counts-never-updated", variant(Training { from_first_counts: true, ..RIGHT })),
        Known::new("merge-not-applied", variant(Training { replace: Replace::Never, ..RIGHT })),
        Known::new("merge-only-first", variant(Training { replace: Replace::Once, ..RIGHT })),
        Known::new("overlapping-merge", variant(Training { replace: Replace::Overlapping, ..RIGHT })),
        Known::new("right-to-left", variant(Training { replace: Replace::RightToLeft, ..RIGHT })),
        Known::new("tie-largest", variant(Training { tie: Tie::Largest, ..RIGHT })),
        Known::new("tie-first-seen", variant(Training { tie: Tie::First, ..RIGHT })),
        Known::new("tie-last-seen", variant(Training { tie: Tie::Last, ..RIGHT })),
        Known::new("least-frequent", variant(Training { rarest: true, ..RIGHT })),
        Known::new("least-frequent", variant(Training { rarest: true, least: 1, ..RIGHT })),
        Known::new("first-id-257", variant(Training { first_id: 257, ..RIGHT })),
        Known::new("first-id-255", variant(Training { first_id: 255, ..RIGHT })),
        Known::new("same-id", variant(Training { same_id: true, ..RIGHT })),
        Known::new("merges-singletons", variant(Training { least: 1, ..RIGHT })),
        Known::new("stops-at-two", variant(Training { least: 3, ..RIGHT })),
        Known::new("non-overlapping-count", variant(Training { overlaps_count: false, ..RIGHT })),
        Known::new("one-merge-too-few", variant(Training { more: -1, ..RIGHT })),
        Known::new("one-merge-too-many", variant(Training { more: 1, ..RIGHT })),
        Known::new("first-id-0", variant(Training { first_id: 0, ..RIGHT })),
        Known::new("text-not-returned", |(text, merges)| (RIGHT.run(text, *merges).0, ids_of(text))),
        Known::new("nothing-merged", |(text, _): &Input| (vec![], ids_of(text))),
        Known::new("last-symbol-lost", |(text, merges)| learn(text, *merges, all_pairs, drop_last)),
        Known::new("half-left-behind", |(text, merges)| learn(text, *merges, all_pairs, keep_half)),
        Known::new("pairs-not-sliding", |(text, merges)| {
            learn(text, *merges, |x| x.chunks_exact(2).map(|p| (p[0], p[1])).collect(), left)
        }),
        Known::new("last-pair-not-counted", |(text, merges)| {
            learn(text, *merges, |x| all_pairs(&x[..x.len().saturating_sub(1)]), left)
        }),
        Known::new("characters-not-bytes", |(text, merges)| {
            let chars: Vec<u32> = String::from_utf8_lossy(text).chars().map(u32::from).collect();
            learn_ids(chars, *merges, all_pairs, left)
        }),
        Known::seen("tie-arbitrary", |tries| {
            tries.each().all(|((text, merges), answer, _)| match answer {
                Outcome::Value(learned) => right_but_for_ties(text, *merges, learned),
                _ => false,
            })
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::{helpful, named};
    use motamot::tokenizer::{BpeOptions, Tokenizer};
    use std::collections::HashMap;

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        assert!(train_bpe(learner_train).is_passed(), "{}", train_bpe(learner_train));
        assert!(train_bpe(|text, merges| learn(text, merges, all_pairs, left)).is_passed());
    }

    #[test]
    fn wikipedias_example() {
        let (merges, ids) = RIGHT.run(b"aaabdaaabac", 3);
        assert_eq!(ids, [258, 100, 258, 97, 99]);
        assert_eq!(merges, [(97, 97), (97, 98), (256, 257)]);
        // The library learns the same.
        let options = BpeOptions { vocab_size: 259, min_frequency: 1, special_tokens: vec![], threads: 1 };
        let t = Tokenizer::train_bpe(["aaabdaaabac"], &options).unwrap();
        let pieces: Vec<&[u8]> = (256..259).map(|id| t.token_bytes(id)).collect();
        assert_eq!(pieces, [&b"aa"[..], b"ab", b"aaab"]);
    }

    /// A solution that counts with a map and shares no code with the checker.
    fn learner_train(text: &[u8], merges: usize) -> (Vec<(u32, u32)>, Vec<u32>) {
        let mut ids: Vec<u32> = text.iter().map(|&b| b as u32).collect();
        let mut learned = vec![];
        for k in 0..merges {
            let mut counts: HashMap<(u32, u32), i64> = HashMap::new();
            for i in 1..ids.len() {
                *counts.entry((ids[i - 1], ids[i])).or_default() += 1;
            }
            let Some((&pair, &n)) = counts.iter().min_by_key(|&(&pair, &n)| (-n, pair)) else { break };
            if n < 2 {
                break;
            }
            learned.push(pair);
            let mut next = vec![];
            let mut i = 0;
            while i < ids.len() {
                if i + 1 < ids.len() && (ids[i], ids[i + 1]) == pair {
                    next.push(256 + k as u32);
                    i += 2;
                } else {
                    next.push(ids[i]);
                    i += 1;
                }
            }
            ids = next;
        }
        (learned, ids)
    }

    #[test]
    fn ties_by_a_rule_of_ones_own_are_recognised() {
        // By the parity of a sum: no rule that the checker knows.
        let arbitrary = |text: &[u8], merges: usize| {
            let mut ids = ids_of(text);
            let mut learned = vec![];
            while learned.len() < merges {
                let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
                ids.windows(2).for_each(|p| *counts.entry((p[0], p[1])).or_default() += 1);
                let key = |(pair, n): (&(u32, u32), &usize)| (*n, (pair.0 * 31 + pair.1 * 17) % 7);
                let Some((&pair, &n)) = counts.iter().max_by_key(|&(p, n)| key((p, n))) else { break };
                if n < 2 {
                    break;
                }
                ids = replace(&ids, pair, 256 + learned.len() as u32, Replace::LeftToRight);
                learned.push(pair);
            }
            (learned, ids)
        };
        named(&train_bpe(arbitrary), "tie-arbitrary");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        let report = train_bpe(|text, merges| (learner_train(text, merges).0, vec![text[0] as u32]));
        assert!(report.text(Lang::En).contains("panicked on (\"\", 3)"), "{report}");
        let with = |t: Training| move |text: &[u8], merges: usize| t.run(text, merges);
        let two = |t: Training| train_bpe(with(t));
        helpful("twice wrong", &two(Training { tie: Tie::Last, least: 3, ..RIGHT }));
        helpful("twice wrong again", &two(Training { tie: Tie::First, first_id: 257, ..RIGHT }));
        helpful("two too many", &two(Training { more: 2, ..RIGHT }));
        helpful("one merge in all", &train_bpe(|text, merges| RIGHT.run(text, merges.min(1))));
        type Change = (&'static str, fn(&[u8], Learned) -> Learned);
        let changes: [Change; 8] = [
            ("length alone", |text, _| (vec![], vec![text.len() as u32])),
            ("pairs turned", |_, (merges, ids)| (merges.into_iter().map(|(a, b)| (b, a)).collect(), ids)),
            ("the last merge first", |_, (merges, ids)| (merges.into_iter().rev().collect(), ids)),
            ("text forgotten", |_, (merges, _)| (merges, vec![])),
            ("merges forgotten", |_, (_, ids)| (vec![], ids)),
            ("text backwards", |_, (merges, ids)| (merges, ids.into_iter().rev().collect())),
            ("sorted merges", |_, (mut merges, ids)| {
                merges.sort();
                (merges, ids)
            }),
            ("empty texts get a merge", |text, right| if text.is_empty() { (vec![(0, 0)], vec![]) } else { right }),
        ];
        for (what, change) in changes {
            helpful(what, &train_bpe(|text, merges| change(text, learner_train(text, merges))));
        }
        helpful(
            "spaces left out",
            &train_bpe(|text, merges| {
                RIGHT.run(&text.iter().copied().filter(|b| *b != b' ').collect::<Vec<u8>>(), merges)
            }),
        );
    }
}
