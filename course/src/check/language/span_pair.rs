//! Exercise 00.3c: what a span model reads and what it must answer.

use super::{EXACT_PAIR, Pair, tokens};
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
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
    let no_sentinels = (
        "la source a perdu ses sentinelles : le modèle ne sait pas où il manque quelque chose",
        "the source has lost its sentinels: the model cannot know where something is missing",
    );
    let bare_target = (
        "la cible n'a pas de sentinelles : on ne sait pas quel morceau va où",
        "the target has no sentinels: nobody can tell which piece goes where",
    );
    let per_token = (
        "tu mets une sentinelle par symbole : il en faut une par *morceau*, quelle que soit sa longueur",
        "you put one sentinel a token: it is one a *span*, however long",
    );
    let length_as_end = (
        "tu lis (début, fin) : un morceau est (début, longueur), il s'arrête avant début + longueur",
        "you read (start, end): a span is (start, length), it stops before start + length",
    );
    Exercise {
        id: "00.3c",
        inputs: inputs(),
        solution: Box::new(|i| (right_source(i), right_target(i))),
        tell: |i| {
            let rest = format!("sentinel = {}, end = {}", i.sentinel, i.end);
            (
                format!("la phrase {:?}, morceaux (début, longueur) {:?} ({rest})", i.ids, i.spans),
                format!("the sentence {:?}, spans (start, length) {:?} ({rest})", i.ids, i.spans),
            )
        },
        hint: |_, _| {
            (
                "Source : la phrase, une sentinelle à la place de chaque morceau. Cible : chaque sentinelle et son \
                 morceau, puis la sentinelle suivante et `end`"
                    .into(),
                "Source: the sentence, a sentinel in the place of each span. Target: each sentinel and its span, then \
                 the next sentinel and `end`"
                    .into(),
            )
        },
        passed: EXACT_PAIR,
        mistakes: vec![
            Known::new(
                "closing-sentinel-forgotten",
                "il manque la dernière sentinelle, celle qui ferme la cible juste avant `end`",
                "the last sentinel is missing, the one that closes the target just before `end`",
                |i| (right_source(i), with(right_spans(i), &[i.end])),
            ),
            Known::new(
                "end-forgotten",
                "il manque `end` au bout de la cible : le modèle n'apprendrait jamais à s'arrêter",
                "`end` is missing at the end of the target: the model would never learn to stop",
                |i| (right_source(i), with(right_spans(i), &[last_sentinel(i)])),
            ),
            Known::new(
                "target-not-closed",
                "la cible n'est pas fermée : après le dernier morceau viennent la sentinelle suivante, puis `end`",
                "the target is not closed: after the last span come the next sentinel, then `end`",
                |i| (right_source(i), right_spans(i)),
            ),
            Known::new("source-without-sentinels", no_sentinels.0, no_sentinels.1, |i| {
                (source(i, |_, _, _| vec![]), right_target(i))
            }),
            Known::new("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), with(target(i, |_, span| span.to_vec()), &[i.end]))
            }),
            Known::new("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), with(target(i, |_, span| span.to_vec()), &[last_sentinel(i), i.end]))
            }),
            Known::new("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), target(i, |_, span| span.to_vec()))
            }),
            Known::new(
                "sentinels-forgotten",
                "il n'y a aucune sentinelle, ni dans la source ni dans la cible : elles disent quel morceau va où",
                "there is no sentinel at all, in source or target: they tell which piece goes where",
                |i| (source(i, |_, _, _| vec![]), with(target(i, |_, span| span.to_vec()), &[i.end])),
            ),
            Known::new(
                "sentinels-forgotten",
                "il n'y a aucune sentinelle, ni dans la source ni dans la cible : elles disent quel morceau va où",
                "there is no sentinel at all, in source or target: they tell which piece goes where",
                |i| (source(i, |_, _, _| vec![]), target(i, |_, span| span.to_vec())),
            ),
            Known::new(
                "end-before-sentinel",
                "`end` vient tout au bout : la dernière sentinelle d'abord, `end` ensuite",
                "`end` comes at the very end: the last sentinel first, then `end`",
                |i| (right_source(i), with(right_spans(i), &[i.end, last_sentinel(i)])),
            ),
            Known::new(
                "sentinel-by-position",
                "tu numérotes les sentinelles par la place du morceau : le i-ième morceau, à partir de 0, a `sentinel + i`",
                "you number the sentinels by where the span stands: the i-th span, from 0, has `sentinel + i`",
                |i| {
                    let s = |n: usize| i.sentinel + i.spans[n].0 as u32;
                    (
                        source(i, |n, _, _| vec![s(n)]),
                        with(target(i, |n, ids| [&[s(n as usize)], ids].concat()), &[last_sentinel(i), i.end]),
                    )
                },
            ),
            Known::new(
                "span-too-long",
                "tu prends un symbole de trop par morceau : il s'arrête *avant* début + longueur (`..`, pas `..=`)",
                "you take one token too many a span: it stops *before* start + length (`..`, not `..=`)",
                |i| {
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
                },
            ),
            Known::new(
                "positions-moved",
                "tu raccourcis la phrase en la parcourant : les places des morceaux suivants ne sont plus les mêmes. Lis toujours dans `ids`, écris dans une liste neuve",
                "you shorten the sentence as you go: the places of the next spans are no longer the same. Always read from `ids`, write into a new list",
                |i| {
                    let (mut a, mut b) = (i.ids.clone(), vec![]);
                    for (n, &(start, length)) in i.spans.iter().enumerate() {
                        let end = (start + length).min(a.len());
                        b.push(i.sentinel + n as u32);
                        b.extend(a.splice(start.min(end)..end, [i.sentinel + n as u32]));
                    }
                    (a, with(b, &[last_sentinel(i), i.end]))
                },
            ),
            Known::new(
                "same-sentinel",
                "toutes les sentinelles sont les mêmes : le i-ième morceau a la sienne, `sentinel + i`",
                "all sentinels are the same: the i-th span has its own, `sentinel + i`",
                |i| renumbered(i, |_| i.sentinel),
            ),
            Known::new(
                "same-sentinel",
                "toutes les sentinelles sont les mêmes : le i-ième morceau a la sienne, `sentinel + i`",
                "all sentinels are the same: the i-th span has its own, `sentinel + i`",
                |i| {
                    let (source, mut target) = renumbered(i, |_| i.sentinel);
                    let closing = target.len() - 2;
                    target[closing] = last_sentinel(i);
                    (source, target)
                },
            ),
            Known::new(
                "sentinel-from-one",
                "la première sentinelle est `sentinel` elle-même : compte les morceaux à partir de 0",
                "the first sentinel is `sentinel` itself: count the spans from 0",
                |i| renumbered(i, |number| i.sentinel + number + 1),
            ),
            Known::new(
                "sentinels-backwards",
                "les sentinelles décroissent (comme les identifiants du vrai T5) : ici la i-ième est `sentinel + i`",
                "the sentinels count down (as the ids of the real T5 do): here the i-th is `sentinel + i`",
                |i| renumbered(i, |number| i.sentinel - number),
            ),
            Known::new("sentinel-per-token", per_token.0, per_token.1, |i| {
                (source(i, |number, _, length| vec![i.sentinel + number as u32; length]), right_target(i))
            }),
            Known::new("sentinel-per-token", per_token.0, per_token.1, |i| {
                let before = |number: usize| i.spans[..number].iter().map(|s| s.1 as u32).sum::<u32>();
                let first = |number: usize| i.sentinel + before(number);
                let source = source(i, |number, _, length| (0..length as u32).map(|k| first(number) + k).collect());
                let target = target(i, |number, span| {
                    span.iter().zip(first(number as usize)..).flat_map(|(&id, sentinel)| [sentinel, id]).collect()
                });
                (source, with(target, &[first(i.spans.len()), i.end]))
            }),
            Known::new(
                "sentinel-after-span",
                "dans la cible, la sentinelle vient *avant* son morceau : elle dit lequel va suivre",
                "in the target the sentinel comes *before* its span: it says which one follows",
                |i| {
                    let target = target(i, |number, span| [span, &[i.sentinel + number]].concat());
                    (right_source(i), with(target, &[last_sentinel(i), i.end]))
                },
            ),
            Known::new(
                "target-is-everything",
                "la cible est la phrase entière : T5 n'écrit que les morceaux manquants, ce qui la rend courte",
                "the target is the whole sentence: T5 only writes the missing spans, which keeps it short",
                |i| (right_source(i), i.ids.clone()),
            ),
            Known::new(
                "target-is-everything",
                "la cible est la phrase entière : T5 n'écrit que les morceaux manquants, ce qui la rend courte",
                "the target is the whole sentence: T5 only writes the missing spans, which keeps it short",
                |i| (right_source(i), with(i.ids.clone(), &[i.end])),
            ),
            Known::new(
                "context-leak",
                "fuite : la source contient encore les morceaux demandés",
                "a leak: the source still holds the spans that are asked for",
                |i| (i.ids.clone(), right_target(i)),
            ),
            Known::new(
                "context-leak",
                "fuite : la sentinelle précède le morceau sans le remplacer",
                "a leak: the sentinel stands before the span without replacing it",
                |i| {
                    let leak = |n: usize, start: usize, length| {
                        [&[i.sentinel + n as u32], &i.ids[start..start + length]].concat()
                    };
                    (source(i, leak), right_target(i))
                },
            ),
            Known::new(
                "end-in-source",
                "tu fermes aussi la source par `end` : c'est ce que fait le vrai T5, mais ici la source est laissée ouverte",
                "you close the source with `end`, too: the real T5 does, but here the source is left open",
                |i| (with(right_source(i), &[i.end]), right_target(i)),
            ),
            Known::new("length-as-end", length_as_end.0, length_as_end.1, |i| {
                let ids = i.ids.clone();
                let spans: Vec<_> = i.spans.iter().map(|&(start, end)| (start, end.saturating_sub(start))).collect();
                let i = Spans { ids, spans, sentinel: i.sentinel, end: i.end };
                (right_source(&i), right_target(&i))
            }),
            Known::new(
                "rest-forgotten",
                "la source s'arrête au dernier morceau : ajoute ce qui le suit",
                "the source stops at the last span: add what follows it",
                |i| {
                    let after = i.spans.last().map_or(0, |&(start, length)| i.ids.len() - start - length);
                    let mut source = right_source(i);
                    source.truncate(source.len() - after);
                    (source, right_target(i))
                },
            ),
            Known::new(
                "first-token-of-span-only",
                "la cible ne donne que le premier symbole de chaque morceau",
                "the target gives the first token of each span alone",
                |i| {
                    let target = target(i, |number, span| vec![i.sentinel + number, span[0]]);
                    (right_source(i), with(target, &[last_sentinel(i), i.end]))
                },
            ),
            Known::new(
                "swapped",
                "tu rends (cible, source) : c'est (source, cible)",
                "you return (target, source): it is (source, target)",
                |i| (right_target(i), right_source(i)),
            ),
        ],
    }
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
