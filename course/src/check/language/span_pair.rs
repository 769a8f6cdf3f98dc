//! Exercise 00.3c: what a span model reads and what it must answer.

use super::tokens::{Pair, tokens};
use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Spans, Pair>;

/// What the learner's function for spans gets.
struct Spans {
    ids: Vec<u32>,
    spans: Vec<(usize, usize)>,
    sentinel: u32,
    end: u32,
}

/// Exercise 00.3c: the pair of a span model such as T5. In the source, sentinel s + i takes the place of the i-th span
/// (start, length). The target is each sentinel and the tokens of its span, then the next sentinel, then `end`.
/// The function gets ids, spans (in order), the first sentinel s, and `end`.
pub fn span_pair(f: impl Fn(&[u32], &[(usize, usize)], u32, u32) -> Pair) -> Report {
    exercise().check(|i| f(&i.ids, &i.spans, i.sentinel, i.end))
}

fn inputs() -> Vec<Spans> {
    let first = Spans { ids: vec![11, 12, 13, 14, 15, 16, 17], spans: vec![(1, 2), (5, 1)], sentinel: 90, end: 1 };
    // At the beginning, at the end, three spans, one span.
    let spans: [&[(usize, usize)]; 5] =
        [&[(0, 2), (4, 3)], &[(2, 3)], &[(1, 1), (3, 2), (6, 3)], &[(0, 1), (2, 1), (8, 2)], &[(3, 2), (7, 1)]];
    let mut rng = Rng::new(5);
    let random = spans.iter().enumerate().map(|(case, spans)| Spans {
        ids: tokens(if case == 0 { 7 } else { 10 }, &mut rng),
        spans: spans.to_vec(),
        sentinel: 80 + case as u32,
        end: 1 + case as u32 % 2,
    });
    let mut inputs: Vec<Spans> = std::iter::once(first).chain(random).collect();
    // Nothing is cut out, everything is, and there is nothing.
    for (n, spans) in [(3, vec![]), (3, vec![(0, 3)]), (0, vec![])] {
        inputs.push(Spans { ids: (11..11 + n).collect(), spans, sentinel: 90, end: 1 });
    }
    inputs
}

/// The source, from what stands for a span: (its number, its start, its length).
fn source(i: &Spans, stands: impl Fn(usize, usize, usize) -> Vec<u32>) -> Vec<u32> {
    let (mut out, mut at) = (Vec::new(), 0);
    for (number, &(start, length)) in i.spans.iter().enumerate() {
        out.extend(&i.ids[at..start]);
        out.extend(stands(number, start, length));
        at = start + length;
    }
    out.extend(&i.ids[at..]);
    out
}

/// The target without its end, from what a span gives.
fn target(i: &Spans, gives: impl Fn(u32, &[u32]) -> Vec<u32>) -> Vec<u32> {
    let span =
        |(number, &(start, length)): (usize, &(usize, usize))| gives(number as u32, &i.ids[start..start + length]);
    i.spans.iter().enumerate().flat_map(span).collect()
}

fn right_source(i: &Spans) -> Vec<u32> {
    source(i, |number, _, _| vec![i.sentinel + number as u32])
}

/// Sentinels and spans, and nothing behind them.
fn right_spans(i: &Spans) -> Vec<u32> {
    target(i, |number, span| [&[i.sentinel + number], span].concat())
}

fn with(mut ids: Vec<u32>, more: &[u32]) -> Vec<u32> {
    ids.extend(more);
    ids
}

fn last_sentinel(i: &Spans) -> u32 {
    i.sentinel + i.spans.len() as u32
}

fn right_target(i: &Spans) -> Vec<u32> {
    with(right_spans(i), &[last_sentinel(i), i.end])
}

/// Both sides with the sentinels numbered by `number` (of the span, and of the closing one).
fn renumbered(i: &Spans, number: impl Fn(u32) -> u32) -> Pair {
    let source = source(i, |span, _, _| vec![number(span as u32)]);
    let target = target(i, |span, ids| [&[number(span)], ids].concat());
    (source, with(target, &[number(i.spans.len() as u32), i.end]))
}

fn exercise() -> Exercise<'static, Spans, Pair> {
    Exercise {
        id: "00.3c",
        inputs: inputs(),
        solution: Box::new(|i| (right_source(i), right_target(i))),
        tell: |i| {
            let rest = format!("sentinel = {}, end = {}", i.sentinel, i.end);
            text("00.3c.tell")
                .with("ids", format!("{:?}", i.ids))
                .with("spans", format!("{:?}", i.spans))
                .with("rest", rest)
        },
        hint: |_, _| text("00.3c.hint"),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::new("closing-sentinel-forgotten", |i| (right_source(i), with(right_spans(i), &[i.end]))),
        Known::new("end-forgotten", |i| (right_source(i), with(right_spans(i), &[last_sentinel(i)]))),
        Known::new("target-not-closed", |i| (right_source(i), right_spans(i))),
        Known::new("source-without-sentinels", |i| (source(i, |_, _, _| vec![]), right_target(i))),
        Known::new("target-without-sentinels", |i| {
            (right_source(i), with(target(i, |_, span| span.to_vec()), &[i.end]))
        }),
        Known::new("target-without-sentinels", |i| {
            (right_source(i), with(target(i, |_, span| span.to_vec()), &[last_sentinel(i), i.end]))
        }),
        Known::new("target-without-sentinels", |i| (right_source(i), target(i, |_, span| span.to_vec()))),
        Known::new("sentinels-forgotten", |i| {
            (source(i, |_, _, _| vec![]), with(target(i, |_, span| span.to_vec()), &[i.end]))
        }),
        Known::new("sentinels-forgotten", |i| (source(i, |_, _, _| vec![]), target(i, |_, span| span.to_vec()))),
        Known::new("end-before-sentinel", |i| (right_source(i), with(right_spans(i), &[i.end, last_sentinel(i)]))),
        Known::new("sentinel-by-position", |i| {
            let s = |n: usize| i.sentinel + i.spans[n].0 as u32;
            (
                source(i, |n, _, _| vec![s(n)]),
                with(target(i, |n, ids| [&[s(n as usize)], ids].concat()), &[last_sentinel(i), i.end]),
            )
        }),
        Known::new("span-too-long", |i| {
            let last = |n: usize| (i.spans[n].0 + i.spans[n].1 + 1).min(i.ids.len());
            let (mut a, mut b, mut at) = (vec![], vec![], 0);
            for (n, &(start, _)) in i.spans.iter().enumerate() {
                a.extend(&i.ids[at.min(start)..start]);
                a.push(i.sentinel + n as u32);
                b.push(i.sentinel + n as u32);
                b.extend(&i.ids[start..last(n)]);
                at = last(n);
            }
            a.extend(&i.ids[at..]);
            (a, with(b, &[last_sentinel(i), i.end]))
        }),
        Known::new("positions-moved", |i| {
            let (mut a, mut b) = (i.ids.clone(), vec![]);
            for (n, &(start, length)) in i.spans.iter().enumerate() {
                let end = (start + length).min(a.len());
                b.push(i.sentinel + n as u32);
                b.extend(a.splice(start.min(end)..end, [i.sentinel + n as u32]));
            }
            (a, with(b, &[last_sentinel(i), i.end]))
        }),
        Known::new("same-sentinel", |i| renumbered(i, |_| i.sentinel)),
        Known::new("same-sentinel", |i| {
            let (source, mut target) = renumbered(i, |_| i.sentinel);
            let closing = target.len() - 2;
            target[closing] = last_sentinel(i);
            (source, target)
        }),
        Known::new("sentinel-from-one", |i| renumbered(i, |number| i.sentinel + number + 1)),
        Known::new("sentinels-backwards", |i| renumbered(i, |number| i.sentinel - number)),
        Known::new("sentinel-per-token", |i| {
            (source(i, |number, _, length| vec![i.sentinel + number as u32; length]), right_target(i))
        }),
        Known::new("sentinel-per-token", |i| {
            let before = |number: usize| i.spans[..number].iter().map(|s| s.1 as u32).sum::<u32>();
            let first = |number: usize| i.sentinel + before(number);
            let source = source(i, |number, _, length| (0..length as u32).map(|k| first(number) + k).collect());
            let target = target(i, |number, span| {
                span.iter().zip(first(number as usize)..).flat_map(|(&id, sentinel)| [sentinel, id]).collect()
            });
            (source, with(target, &[first(i.spans.len()), i.end]))
        }),
        Known::new("sentinel-after-span", |i| {
            let target = target(i, |number, span| [span, &[i.sentinel + number]].concat());
            (right_source(i), with(target, &[last_sentinel(i), i.end]))
        }),
        Known::new("target-is-everything", |i| (right_source(i), i.ids.clone())),
        Known::new("target-is-everything", |i| (right_source(i), with(i.ids.clone(), &[i.end]))),
        Known::new("context-leak.whole", |i| (i.ids.clone(), right_target(i))),
        Known::new("context-leak.sentinel-before", |i| {
            let leak =
                |n: usize, start: usize, length| [&[i.sentinel + n as u32], &i.ids[start..start + length]].concat();
            (source(i, leak), right_target(i))
        }),
        Known::new("end-in-source", |i| (with(right_source(i), &[i.end]), right_target(i))),
        Known::new("length-as-end", |i| {
            let ids = i.ids.clone();
            let spans: Vec<_> = i.spans.iter().map(|&(start, end)| (start, end.saturating_sub(start))).collect();
            let i = Spans { ids, spans, sentinel: i.sentinel, end: i.end };
            (right_source(&i), right_target(&i))
        }),
        Known::new("rest-forgotten", |i| {
            let after = i.spans.last().map_or(0, |&(start, length)| i.ids.len() - start - length);
            let mut source = right_source(i);
            source.truncate(source.len() - after);
            (source, right_target(i))
        }),
        Known::new("first-token-of-span-only", |i| {
            let target = target(i, |number, span| vec![i.sentinel + number, span[0]]);
            (right_source(i), with(target, &[last_sentinel(i), i.end]))
        }),
        Known::new("swapped", |i| (right_target(i), right_source(i))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::helpful;
    use crate::models::corrupt;

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let report = span_pair(corrupt);
        assert!(report.is_passed(), "{report}");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        let text = span_pair(|ids, _, _, _| (vec![ids[99]], vec![])).text(Lang::Fr);
        assert!(text.contains("paniqué"), "{text}");
        let report = span_pair(|ids, spans, sentinel, end| {
            let _ = (ids[0], spans[0]);
            corrupt(ids, spans, sentinel, end)
        });
        assert!(report.text(Lang::Fr).contains("paniqué sur la phrase []"), "{report}");
        type Try = (&'static str, fn(&Spans, Pair) -> Pair);
        let tries: [Try; 10] = [
            ("panics without spans", |i, right| if i.spans.is_empty() { panic!("index") } else { right }),
            ("without spans nothing is closed", |i, (a, b)| if i.spans.is_empty() { (a, vec![]) } else { (a, b) }),
            ("the first span alone", |i, _| {
                let one = Spans { ids: i.ids.clone(), spans: i.spans[..i.spans.len().min(1)].to_vec(), ..*i };
                (right_source(&one), right_target(&one))
            }),
            ("the target backwards", |_, (a, b)| (a, b.into_iter().rev().collect())),
            ("end twice", |i, (a, b)| (a, with(b, &[i.end]))),
            ("end at the start", |i, (a, b)| (a, [vec![i.end], b].concat())),
            ("the source's beginning lost", |i, (a, b)| (a[i.spans.first().map_or(0, |s| s.0)..].to_vec(), b)),
            ("the span's last token alone", |i, (a, _)| {
                let last = target(i, |number, span| vec![i.sentinel + number, span[span.len() - 1]]);
                (a, with(last, &[last_sentinel(i), i.end]))
            }),
            ("the end for each sentinel", |i, _| renumbered(i, |_| i.end)),
            ("a number for each sentinel", |i, _| renumbered(i, |number| number)),
        ];
        for (what, change) in tries {
            let report = span_pair(|ids, spans, sentinel, end| {
                let i = Spans { ids: ids.to_vec(), spans: spans.to_vec(), sentinel, end };
                change(&i, corrupt(ids, spans, sentinel, end))
            });
            helpful(what, &report);
        }
    }
}
