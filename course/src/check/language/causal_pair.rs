//! Exercise 00.3a: what a causal model reads and what it must answer.

use super::tokens::{Pair, tokens};
use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Vec<u32>, Pair>;

/// Exercise 00.3a: the pair of a causal model such as GPT: at each place, the token that comes next.
/// n ≥ 1 tokens give n − 1 questions and as many answers.
pub fn causal_pair(f: impl Fn(&[u32]) -> Pair) -> Report {
    exercise().check(|ids| f(ids))
}

fn inputs() -> Vec<Vec<u32>> {
    let mut rng = Rng::new(3);
    let mut inputs = vec![vec![11, 12, 13, 14, 15, 16], vec![21], vec![22, 21]];
    inputs.extend((5..12).map(|n| tokens(n, &mut rng)));
    inputs
}

fn exercise() -> Exercise<'static, Vec<u32>, Pair> {
    Exercise {
        id: "00.3a",
        inputs: inputs(),
        solution: Box::new(|x| (x[..x.len() - 1].to_vec(), x[1..].to_vec())),
        tell: |x| text("00.3a.tell").with("x", format!("{x:?}")),
        hint: |_, _| text("00.3a.hint"),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::new("target-not-shifted", |x| (x.clone(), x.clone())),
        Known::new("target-not-shifted", |x| (x[..x.len() - 1].to_vec(), x[..x.len() - 1].to_vec())),
        Known::new("target-not-shifted", |x| (x[1..].to_vec(), x[1..].to_vec())),
        Known::new("lengths-differ.input", |x| (x.clone(), x[1..].to_vec())),
        Known::new("lengths-differ.target", |x| (x[..x.len() - 1].to_vec(), x.clone())),
        Known::new("shifted-backwards.slices", |x| (x[1..].to_vec(), x[..x.len() - 1].to_vec())),
        Known::new("shifted-by-two", |x| (x[..x.len() - 2].to_vec(), x[2..].to_vec())),
        Known::new("last-question-missing", |x| (x[..x.len() - 2].to_vec(), x[1..x.len() - 1].to_vec())),
        Known::new("first-question-missing", |x| (x[1..x.len() - 1].to_vec(), x[2..].to_vec())),
        Known::new("wrapped-around", |x| (x.clone(), x[1..].iter().chain(&x[..1]).copied().collect())),
        Known::new("padded-target", |x| (x.clone(), x[1..].iter().copied().chain([0]).collect())),
        Known::new("padded-target", |x| (x.clone(), x[1..].iter().copied().chain([u32::MAX]).collect())),
        Known::new("padded-target", |x| (x.clone(), x[1..].iter().chain(&x[x.len() - 1..]).copied().collect())),
        Known::new("one-question-only", |x| (x[..x.len() - 1].to_vec(), x[x.len() - 1..].to_vec())),
        Known::new("shifted-backwards.rotated", |x| {
            (x.clone(), x[x.len() - 1..].iter().chain(&x[..x.len() - 1]).copied().collect())
        }),
        Known::new("value-plus-one", |x| (x.clone(), x.iter().map(|id| id + 1).collect())),
        Known::new("value-plus-one", |x| {
            (x[..x.len() - 1].to_vec(), x[..x.len() - 1].iter().map(|id| id + 1).collect())
        }),
        Known::new("cut-in-half", |x| (x[..x.len() / 2].to_vec(), x[x.len() / 2..].to_vec())),
        Known::new("every-other-question", |x| x.chunks_exact(2).map(|p| (p[0], p[1])).unzip()),
        Known::new("padded-input", |x| ([0].iter().chain(&x[..x.len() - 1]).copied().collect(), x.clone())),
        Known::new("prefixes-copied", |x| ((1..x.len()).flat_map(|n| x[..n].to_vec()).collect(), x[1..].to_vec())),
        Known::new("reversed", |x| {
            (x[1..].iter().rev().copied().collect(), x[..x.len() - 1].iter().rev().copied().collect())
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
        assert!(causal_pair(|x| x.windows(2).map(|p| (p[0], p[1])).unzip()).is_passed());
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        let text = causal_pair(|x| (x.to_vec(), vec![])).text(Lang::En);
        assert!(text.contains("([], [])") && text.contains("([21], [])"), "{text}");
        let right = |x: &[u32]| (x[..x.len() - 1].to_vec(), x[1..].to_vec());
        type Try = (&'static str, fn(&[u32], Pair) -> Pair);
        let tries: [Try; 11] = [
            ("nothing", |_, _| (vec![], vec![])),
            ("panics on one token", |x, right| if x.len() < 2 { panic!("index") } else { right }),
            ("only the first", |x, _| (x[..1].to_vec(), x.get(1).into_iter().copied().collect())),
            ("swapped", |_, (a, b)| (b, a)),
            ("target doubled", |_, (a, b)| (a, [b.clone(), b].concat())),
            ("sorted", |_, (mut a, mut b)| {
                a.sort();
                b.sort();
                (a, b)
            }),
            ("without repeats", |_, (mut a, mut b)| {
                a.dedup();
                b.dedup();
                (a, b)
            }),
            ("input reversed", |_, (a, b)| (a.into_iter().rev().collect(), b)),
            ("value minus one", |_, (a, b)| (a, b.iter().map(|x| x - 1).collect())),
            ("at least two questions", |x, right| if x.len() < 3 { (vec![], vec![]) } else { right }),
            ("a special token at the start", |_, (a, b)| ([vec![1], a].concat(), [vec![1], b].concat())),
        ];
        for (what, change) in tries {
            helpful(what, &causal_pair(|x| change(x, right(x))));
        }
    }
}
