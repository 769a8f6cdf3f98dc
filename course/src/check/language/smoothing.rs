//! Exercise 00.2: counts smoothed by adding k.

use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Input, Vec<f64>>;

/// What the learner's function gets.
struct Input {
    text: Vec<u32>,
    context: Vec<u32>,
    v: usize,
    k: f64,
}

/// Exercise 00.2: the probability of each of the v symbols after a context, counted in a text and smoothed:
/// p(w) = (c(context, w) + k) / (c(context) + k·v). It sums to 1 after any context, seen or not.
///
/// The function gets the text, the context (0 symbols or more), v and k.
pub fn add_k(f: impl Fn(&[u32], &[u32], usize, f64) -> Vec<f64>) -> Report {
    exercise().check(|i| f(&i.text, &i.context, i.v, i.k))
}

/// "abracadabra" by hand, then random texts: with overlapping matches, contexts at their ends and unseen contexts.
fn inputs() -> Vec<Input> {
    let abracadabra = [0, 1, 2, 0, 3, 0, 4, 0, 1, 2, 0];
    let input = |text: &[u32], context: &[u32], v, k| Input { text: text.to_vec(), context: context.to_vec(), v, k };
    let mut inputs = vec![
        input(&abracadabra, &[0], 6, 0.5),
        input(&abracadabra, &[0, 1], 6, 0.5),
        input(&abracadabra, &[], 6, 2.0),
        input(&abracadabra, &[5], 6, 0.5),
        input(&[0, 0, 0, 1, 0, 0, 0, 0], &[0, 0], 3, 0.25),
    ];
    let mut rng = Rng::new(2);
    for case in 0..24usize {
        let v = 4 + rng.below(4);
        let text: Vec<u32> = (0..20 + rng.below(40)).map(|_| rng.below(v - 1 - case % 2) as u32).collect();
        let n = 1 + case % 3;
        let at = if case % 4 == 0 { text.len() - n } else { rng.below(text.len() - n) };
        let mut context = text[at..at + n].to_vec();
        if case % 5 == 4 {
            context[0] = v as u32 - 1;
        }
        inputs.push(Input { text, context, v, k: [0.1, 0.5, 1.0, 3.0][case % 4] });
    }
    inputs.push(input(&[1], &[1, 0], 2, 0.5));
    inputs
}

/// How often each symbol comes directly after the context.
fn counts(text: &[u32], context: &[u32], v: usize) -> Vec<f64> {
    let mut c = vec![0.0; v];
    let n = context.len();
    for window in text.windows(n + 1).filter(|w| w[..n] == *context) {
        c[window[n] as usize] += 1.0;
    }
    c
}

fn total(c: &[f64]) -> f64 {
    c.iter().sum()
}

fn seen(c: &[f64]) -> f64 {
    c.iter().filter(|&&c| c > 0.0).count() as f64
}

/// (c + above) / below of each symbol, of the true counts.
fn ratio(i: &Input, above: f64, below: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let c = counts(&i.text, &i.context, i.v);
    let below = below(total(&c), seen(&c));
    c.iter().map(|c| (c + above) / below).collect()
}

/// The right formula on other counts.
fn formula(c: &[f64], k: f64) -> Vec<f64> {
    c.iter().map(|x| (x + k) / (total(c) + k * c.len() as f64)).collect()
}

fn solved(i: &Input) -> Vec<f64> {
    formula(&counts(&i.text, &i.context, i.v), i.k)
}

/// The solution, and something else where the context was never seen.
fn unless_unseen(i: &Input, p: Vec<f64>, other: f64) -> Vec<f64> {
    if total(&counts(&i.text, &i.context, i.v)) == 0.0 { vec![other; i.v] } else { p }
}

fn different(text: &[u32]) -> usize {
    let mut kinds = text.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len()
}

/// Skips the whole match before it looks for the next one.
fn counts_without_overlap(i: &Input) -> Vec<f64> {
    let (n, mut at, mut c) = (i.context.len(), 0, vec![0.0; i.v]);
    while at + n < i.text.len() {
        if i.text[at..at + n] == i.context {
            c[i.text[at + n] as usize] += 1.0;
            at += n.max(1);
        } else {
            at += 1;
        }
    }
    c
}

/// The symbols that stand before the context.
fn counts_before(i: &Input) -> Vec<f64> {
    let (n, mut c) = (i.context.len(), vec![0.0; i.v]);
    for window in i.text.windows(n + 1).filter(|w| w[1..] == *i.context) {
        c[window[0] as usize] += 1.0;
    }
    c
}

/// How often the context occurs, at the end of the text, too.
fn occurrences(i: &Input) -> f64 {
    let n = i.context.len();
    if n == 0 {
        return i.text.len() as f64 + 1.0;
    }
    i.text.windows(n).filter(|w| **w == *i.context).count() as f64
}

fn exercise() -> Exercise<'static, Input, Vec<f64>> {
    Exercise {
        id: "00.2",
        inputs: inputs(),
        solution: Box::new(solved),
        tell: |i| {
            let shown = if i.text.len() <= 12 { format!("{:?}", i.text) } else { format!("{:?}…", &i.text[..12]) };
            let rest = format!("v = {}, k = {}", i.v, i.k);
            text("00.2.tell")
                .with("shown", shown)
                .with("length", i.text.len())
                .with("context", format!("{:?}", i.context))
                .with("rest", rest)
        },
        hint: |i, p| {
            if p.len() != i.v {
                return text("00.2.hint-length").with("v", i.v).with("given", p.len());
            }
            let c = counts(&i.text, &i.context, i.v);
            text("00.2.hint").with("c", format!("{c:?}")).with("sum", format!("{:.4}", total(p)))
        },
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::new("no-smoothing", |i| ratio(i, 0.0, |n, _| n)),
        Known::new("no-smoothing", |i| unless_unseen(i, ratio(i, 0.0, |n, _| n), 0.0)),
        Known::new("no-smoothing", |i| unless_unseen(i, ratio(i, 0.0, |n, _| n), 1.0 / i.v as f64)),
        Known::new("unseen-context", |i| unless_unseen(i, solved(i), 0.0)),
        Known::new("unseen-context", |i| unless_unseen(i, solved(i), f64::NAN)),
        Known::new("unseen-context", |i| unless_unseen(i, solved(i), i.k)),
        Known::new("unseen-context", |i| unless_unseen(i, solved(i), 1.0)),
        Known::new("denominator-without-k", |i| ratio(i, i.k, |n, _| n)),
        Known::new("denominator-without-k", |i| unless_unseen(i, ratio(i, i.k, |n, _| n), 1.0 / i.v as f64)),
        Known::new("denominator-without-k", |i| unless_unseen(i, ratio(i, i.k, |n, _| n), 0.0)),
        Known::new("k-once-below", |i| ratio(i, i.k, |n, _| n + i.k)),
        Known::new("v-without-k", |i| ratio(i, i.k, |n, _| n + i.v as f64)),
        Known::new("k-ignored", |i| ratio(i, 1.0, |n, _| n + i.v as f64)),
        Known::new("numerator-without-k", |i| ratio(i, 0.0, |n, _| n + i.k * i.v as f64)),
        Known::new("only-seen-symbols.zero", |i| {
            let c = counts(&i.text, &i.context, i.v);
            let below = total(&c) + i.k * seen(&c);
            c.iter().map(|&x| if x > 0.0 { (x + i.k) / below } else { 0.0 }).collect()
        }),
        Known::new("only-seen-symbols.zero", |i| {
            let below = total(&counts(&i.text, &i.context, i.v)) + i.k * i.v as f64;
            counts(&i.text, &i.context, i.v).iter().map(|&x| if x > 0.0 { (x + i.k) / below } else { 0.0 }).collect()
        }),
        Known::new("vocabulary-of-followers", |i| ratio(i, i.k, |n, t| n + i.k * t)),
        Known::new("vocabulary-of-text", |i| ratio(i, i.k, |n, _| n + i.k * different(&i.text) as f64)),
        Known::new("vocabulary-off-by-one", |i| ratio(i, i.k, |n, _| n + i.k * (i.v as f64 + 1.0))),
        Known::new("vocabulary-off-by-one", |i| ratio(i, i.k, |n, _| n + i.k * (i.v as f64 - 1.0))),
        Known::new("last-context-counted", |i| ratio(i, i.k, |_, _| occurrences(i) + i.k * i.v as f64)),
        Known::new("text-length.symbols", |i| ratio(i, i.k, |_, _| i.text.len() as f64 + i.k * i.v as f64)),
        Known::new("text-length.windows", |i| {
            ratio(i, i.k, |_, _| i.text.len() as f64 - i.context.len() as f64 + i.k * i.v as f64)
        }),
        Known::new("overlaps-missed", |i| formula(&counts_without_overlap(i), i.k)),
        Known::new("symbol-before", |i| formula(&counts_before(i), i.k)),
        Known::new("context-ignored", |i| formula(&counts(&i.text, &[], i.v), i.k)),
        Known::new("context-cut", |i| {
            formula(&counts(&i.text, &i.context[i.context.len().saturating_sub(1)..], i.v), i.k)
        }),
        Known::new("context-reversed", |i| {
            formula(&counts(&i.text, &i.context.iter().rev().copied().collect::<Vec<_>>(), i.v), i.k)
        }),
        Known::new("window-missing.last", |i| formula(&counts(&i.text[..i.text.len() - 1], &i.context, i.v), i.k)),
        Known::new("window-missing.first", |i| formula(&counts(&i.text[1..], &i.context, i.v), i.k)),
        Known::new("not-normalised.smoothed", |i| counts(&i.text, &i.context, i.v).iter().map(|c| c + i.k).collect()),
        Known::new("not-normalised.raw", |i| counts(&i.text, &i.context, i.v)),
        Known::new("last-context-counted", |i| {
            let all = i.context.is_empty();
            ratio(i, i.k, |n, _| if all { n } else { occurrences(i) } + i.k * i.v as f64)
        }),
        Known::new("only-seen-symbols.undefined", |i| {
            let c: Vec<f64> =
                counts(&i.text, &i.context, i.v).iter().map(|&x| if x > 0.0 { x + i.k } else { 0.0 }).collect();
            c.iter().map(|x| x / total(&c)).collect()
        }),
        Known::new("only-unseen-symbols", |i| {
            let c: Vec<f64> = counts(&i.text, &i.context, i.v).iter().map(|&x| if x > 0.0 { x } else { i.k }).collect();
            c.iter().map(|x| x / total(&c)).collect()
        }),
        Known::new("counted-once", |i| {
            formula(&counts(&i.text, &i.context, i.v).iter().map(|c| c.min(1.0)).collect::<Vec<_>>(), i.k)
        }),
        Known::new("k-per-occurrence", |i| {
            formula(&counts(&i.text, &i.context, i.v).iter().map(|c| c * (1.0 + i.k)).collect::<Vec<_>>(), i.k)
        }),
        Known::new("windows-not-sliding", |i| {
            let (n, mut c) = (i.context.len(), vec![0.0; i.v]);
            for w in i.text.chunks_exact(n + 1).filter(|w| w[..n] == *i.context) {
                c[w[n] as usize] += 1.0;
            }
            formula(&c, i.k)
        }),
        Known::new("total-changes", |i| {
            let mut p: Vec<f64> = counts(&i.text, &i.context, i.v).iter().map(|c| c + i.k).collect();
            for at in 0..p.len() {
                p[at] /= total(&p);
            }
            p
        }),
        Known::new("logarithms", |i| solved(i).iter().map(|p| p.ln()).collect()),
        Known::new("all-zero", |i| vec![0.0; i.v]),
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
        assert!(add_k(|t, c, v, k| formula(&counts(t, c, v), k)).is_passed());
        let p = formula(&counts(&[0, 1, 2, 0, 3, 0, 4, 0, 1, 2, 0], &[0], 6), 0.5);
        assert_eq!(p, [0.5 / 7.0, 2.5 / 7.0, 0.5 / 7.0, 1.5 / 7.0, 1.5 / 7.0, 0.5 / 7.0]);
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        let text = add_k(|t, c, v, k| formula(&counts(t, c, v), k)[1..].to_vec()).text(Lang::En);
        assert!(text.contains("probabilities are needed") && text.contains("elements instead of"), "{text}");
        let text = add_k(|t, c, v, k| {
            let _ = t.len() - c.len() - 1;
            formula(&counts(t, c, v), k)
        })
        .text(Lang::Fr);
        assert!(text.contains("paniqué") && text.contains("[1, 0]"), "{text}");
        let right = |t: &[u32], c: &[u32], v: usize, k: f64| formula(&counts(t, c, v), k);
        type Change = (&'static str, fn(Vec<f64>, f64, usize) -> Vec<f64>);
        let changes: [Change; 9] = [
            ("one more", |p, _, _| p.iter().chain(&[0.0]).copied().collect()),
            ("uniform", |_, _, v| vec![1.0 / v as f64; v]),
            ("backwards", |p, _, _| p.into_iter().rev().collect()),
            ("sorted", |mut p, _, _| {
                p.sort_by(|a, b| b.total_cmp(a));
                p
            }),
            ("the likeliest alone", |p, _, _| {
                let top = p.iter().copied().fold(0.0, f64::max);
                p.iter().map(|x| f64::from(u8::from(*x == top))).collect()
            }),
            ("percent", |p, _, _| p.iter().map(|x| 100.0 * x).collect()),
            ("softmax", |p, _, _| {
                let e: Vec<f64> = p.iter().map(|x| x.exp()).collect();
                e.iter().map(|x| x / e.iter().sum::<f64>()).collect()
            }),
            ("k twice", |p, k, _| p.iter().map(|x| x + k).collect()),
            ("empty", |_, _, _| vec![]),
        ];
        for (what, change) in changes {
            helpful(what, &add_k(|t, c, v, k| change(right(t, c, v, k), k, v)));
        }
        helpful("context too long by one", &add_k(|t, c, v, k| right(t, &c[..c.len().saturating_sub(1)], v, k)));
        helpful(
            "panics on an empty context",
            &add_k(|t, c, v, k| if c.is_empty() { panic!("no") } else { right(t, c, v, k) }),
        );
        helpful("k squared", &add_k(|t, c, v, k| right(t, c, v, k * k)));
    }
}
