//! Exercise 00.3b: what a masked model reads and what it must answer.

use super::tokens::{Pair, tokens};
use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Masked, Pair>;

/// What the learner's function for masked tokens gets.
struct Masked {
    ids: Vec<u32>,
    places: Vec<usize>,
    mask: u32,
    ignore: u32,
}

/// Exercise 00.3b: the pair of a masked model such as BERT: `mask` stands at the places, and the target is the token
/// that stood there; everywhere else it is `ignore`, nothing is asked. The function gets ids, places, mask, ignore.
pub fn masked_pair(f: impl Fn(&[u32], &[usize], u32, u32) -> Pair) -> Report {
    exercise().check(|i| f(&i.ids, &i.places, i.mask, i.ignore))
}

fn inputs() -> Vec<Masked> {
    let mut rng = Rng::new(4);
    let mut inputs = vec![Masked { ids: vec![11, 12, 13, 12, 15, 16], places: vec![1, 4], mask: 7, ignore: 99 }];
    for n in 6..14 {
        let mut places: Vec<usize> = (0..n).collect();
        // Places come in any order, and the first and the last token may be among them.
        rng.shuffle(&mut places);
        places.truncate(1 + n / 3);
        inputs.push(Masked { ids: tokens(n, &mut rng), places, mask: 5 + (n % 3) as u32, ignore: 90 + n as u32 });
    }
    // Nothing to hide, and nothing at all.
    inputs.push(Masked { ids: vec![15, 13], places: vec![], mask: 7, ignore: 99 });
    inputs.push(Masked { ids: vec![], places: vec![], mask: 7, ignore: 99 });
    inputs
}

/// A pair from what each place gives: (its index, whether it is asked, its token).
fn each(i: &Masked, pair: impl Fn(usize, bool, u32) -> (u32, u32)) -> Pair {
    let one = |(at, &id): (usize, &u32)| pair(at, i.places.contains(&at), id);
    i.ids.iter().enumerate().map(one).unzip()
}

fn masked(i: &Masked) -> Pair {
    each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, i.ignore) })
}

/// The solution for other places.
fn masked_at(i: &Masked, places: Vec<usize>) -> Pair {
    masked(&Masked { ids: i.ids.clone(), places, mask: i.mask, ignore: i.ignore })
}

fn exercise() -> Exercise<'static, Masked, Pair> {
    Exercise {
        id: "00.3b",
        inputs: inputs(),
        solution: Box::new(masked),
        tell: |i| {
            let rest = format!("mask = {}, ignore = {}", i.mask, i.ignore);
            text("00.3b.tell")
                .with("ids", format!("{:?}", i.ids))
                .with("places", format!("{:?}", i.places))
                .with("rest", rest)
        },
        hint: |_, _| text("00.3b.hint"),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::new("context-leak.input", |i| (i.ids.clone(), masked(i).1)),
        Known::new("targets-everywhere", |i| (masked(i).0, i.ids.clone())),
        Known::new("context-leak.nothing-masked", |i| (i.ids.clone(), i.ids.clone())),
        Known::new("mask-in-targets", |i| {
            each(i, |_, asked, id| if asked { (i.mask, i.mask) } else { (id, i.ignore) })
        }),
        Known::new("mask-in-targets", |i| (masked(i).0, masked(i).0)),
        Known::new("targets-inverted", |i| each(i, |_, asked, id| if asked { (i.mask, i.ignore) } else { (id, id) })),
        Known::new("mask-inverted", |i| each(i, |_, asked, id| if asked { (id, i.ignore) } else { (i.mask, id) })),
        Known::new("everything-ignored", |i| each(i, |_, asked, id| (if asked { i.mask } else { id }, i.ignore))),
        Known::new("zero-instead-of-ignore", |i| each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, 0) })),
        Known::new("mask-instead-of-ignore", |i| {
            each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, i.mask) })
        }),
        Known::new("ignore-in-input", |i| each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.ignore) })),
        Known::new("tokens-removed", |i| {
            let kept = (0..i.ids.len()).filter(|at| !i.places.contains(at));
            (kept.map(|at| i.ids[at]).collect(), masked(i).1)
        }),
        Known::new("targets-too-short", |i| (masked(i).0, i.places.iter().map(|&at| i.ids[at]).collect())),
        Known::new("targets-too-short", |i| {
            (masked(i).0, (0..i.ids.len()).filter(|at| i.places.contains(at)).map(|at| i.ids[at]).collect())
        }),
        Known::new("targets-shifted", |i| {
            let next = |at: usize| i.ids.get(at + 1).copied().unwrap_or(i.ignore);
            each(i, |at, asked, id| if asked { (i.mask, next(at)) } else { (id, i.ignore) })
        }),
        Known::new("places-off-by-one", |i| masked_at(i, i.places.iter().map(|at| at + 1).collect())),
        Known::new("places-off-by-one", |i| {
            masked_at(i, i.places.iter().filter(|&&at| at > 0).map(|at| at - 1).collect())
        }),
        Known::new("one-place-only", |i| masked_at(i, i.places[..1].to_vec())),
        Known::new("one-place-only", |i| masked_at(i, i.places[i.places.len() - 1..].to_vec())),
        Known::new("masked-by-value", |i| {
            let hidden: Vec<u32> = i.places.iter().map(|&at| i.ids[at]).collect();
            masked_at(i, (0..i.ids.len()).filter(|&at| hidden.contains(&i.ids[at])).collect())
        }),
        Known::new("mask-and-ignore-swapped", |i| {
            each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.mask) })
        }),
        Known::new("places-off-by-one", |i| masked_at(i, i.places.iter().map(|at| at.saturating_sub(1)).collect())),
        Known::new("places-as-values", |i| {
            masked_at(i, (0..i.ids.len()).filter(|&at| i.places.contains(&(i.ids[at] as usize))).collect())
        }),
        Known::new("places-not-sorted", |i| {
            let (mut next, mut found) = (0, vec![]);
            for at in 0..i.ids.len() {
                if i.places.get(next) == Some(&at) {
                    found.push(at);
                    next += 1;
                }
            }
            masked_at(i, found)
        }),
        Known::new("places-as-range", |i| masked_at(i, (i.places[0]..=i.places[i.places.len() - 1]).collect())),
        Known::new("swapped", |i| {
            let (input, target) = masked(i);
            (target, input)
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::helpful;

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let report = masked_pair(|ids, places, mask, ignore| {
            let (mut input, mut target) = (ids.to_vec(), vec![ignore; ids.len()]);
            for &at in places {
                target[at] = ids[at];
                input[at] = mask;
            }
            (input, target)
        });
        assert!(report.is_passed(), "{report}");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        let report = masked_pair(|ids, places, mask, ignore| {
            let _ = (ids[0], places[0]);
            masked(&Masked { ids: ids.to_vec(), places: places.to_vec(), mask, ignore })
        });
        assert!(report.text(Lang::Fr).contains("paniqué sur la phrase []"), "{report}");
        type Try = (&'static str, fn(&Masked, Pair) -> Pair);
        let tries: [Try; 11] = [
            ("panics without places", |i, right| if i.places.is_empty() { panic!("index") } else { right }),
            ("the input alone", |_, (a, _)| (a, vec![])),
            ("the target alone", |_, (_, b)| (vec![], b)),
            ("one mask for neighbours", |i, (mut a, b)| {
                a.dedup_by(|x, y| *x == i.mask && *y == i.mask);
                (a, b)
            }),
            ("the mask at the end", |i, (a, b)| ([a, vec![i.mask]].concat(), b)),
            ("ignore taken out of the target's end", |i, (a, mut b)| {
                while b.last() == Some(&i.ignore) {
                    b.pop();
                }
                (a, b)
            }),
            ("every second place", |i, _| masked_at(i, i.places.iter().step_by(2).copied().collect())),
            ("backwards", |i, _| masked_at(i, i.places.iter().map(|at| i.ids.len() - 1 - at).collect())),
            ("the largest mask", |i, (a, b)| (a.iter().map(|&x| if x == i.mask { u32::MAX } else { x }).collect(), b)),
            ("the smallest place alone", |i, _| masked_at(i, i.places.iter().min().copied().into_iter().collect())),
            ("place numbers as targets", |i, (a, _)| {
                (a, (0..i.ids.len()).map(|at| if i.places.contains(&at) { at as u32 } else { i.ignore }).collect())
            }),
        ];
        for (what, change) in tries {
            let report = masked_pair(|ids, places, mask, ignore| {
                let i = Masked { ids: ids.to_vec(), places: places.to_vec(), mask, ignore };
                change(&i, masked(&i))
            });
            helpful(what, &report);
        }
    }
}
