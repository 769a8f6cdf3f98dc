//! Exercise 00.3: what a model reads and what it must answer, for the three objectives.
//!
//! (Over 500 lines: some forty usual mistakes, each with its text in two languages and its test.)

use super::super::report::Report;
use super::{Exercise, Mistake};
use motamot_kernels::rng::Rng;

/// What is read, and what must be answered.
type Pair = (Vec<u32>, Vec<u32>);

/// Tokens with a few repetitions among them, n ≥ 5.
fn tokens(n: usize, rng: &mut Rng) -> Vec<u32> {
    (0..n).map(|i| if i == 3 { 14 } else { 10 + (rng.below(8) + i % 2) as u32 }).collect()
}

fn same(a: &Pair, b: &Pair) -> bool {
    a == b
}

const PASSED: (&str, &str) = (
    "la paire est exacte, symbole par symbole, sur toutes les phrases",
    "the pair is exact, token by token, on all sentences",
);

/// Exercise 00.3a: the pair of a causal model such as GPT: at each place, the token that comes next.
/// n tokens give n − 1 questions and as many answers.
pub fn causal_pair(f: impl Fn(&[u32]) -> Pair) -> Report {
    let mut rng = Rng::new(3);
    let mut inputs = vec![vec![11, 12, 13, 14, 15, 16]];
    inputs.extend((5..12).map(|n| tokens(n, &mut rng)));
    causal_exercise().check(&inputs, |ids: &Vec<u32>| f(ids))
}

fn causal_exercise() -> Exercise<Vec<u32>, Pair> {
    let m = |name, fr, en, gives: fn(&Vec<u32>) -> Pair| Mistake { name, fr, en, gives };
    let unshifted = (
        "la cible est l'entrée elle-même : le modèle n'aurait qu'à recopier ce qu'il lit. Décale la cible d'un rang",
        "the target is the input itself: the model would only have to copy what it reads. Shift the target by one",
    );
    let lengths = (
        "l'entrée et la cible n'ont pas la même longueur : rien ne suit le dernier symbole, donc il n'est pas une entrée",
        "input and target differ in length: nothing follows the last token, so it is no input",
    );
    let two = (
        "la cible est décalée de deux rangs : on demande le symbole suivant, pas celui d'après",
        "the target is shifted by two: the next token is asked for, not the one after it",
    );
    let padded = (
        "tu remplis la fin de la cible avec un symbole inventé : le modèle apprendrait à le prédire. Rends n − 1 questions",
        "you fill the end of the target with an invented token: the model would learn to predict it. Return n − 1 \
         questions",
    );
    Exercise {
        id: "00.3a",
        solution: |x| (x[..x.len() - 1].to_vec(), x[1..].to_vec()),
        same,
        tell: |x| (format!("la phrase {x:?}"), format!("the sentence {x:?}")),
        look: |_, _| {
            (
                "Sous chaque symbole de l'entrée doit se trouver celui qui le suit dans la phrase".into(),
                "Below each token of the input must stand the one that follows it in the sentence".into(),
            )
        },
        passed: PASSED,
        mistakes: vec![
            m("target-not-shifted", unshifted.0, unshifted.1, |x| (x.clone(), x.clone())),
            m("target-not-shifted", unshifted.0, unshifted.1, |x| {
                (x[..x.len() - 1].to_vec(), x[..x.len() - 1].to_vec())
            }),
            m("target-not-shifted", unshifted.0, unshifted.1, |x| (x[1..].to_vec(), x[1..].to_vec())),
            m("lengths-differ", lengths.0, lengths.1, |x| (x.clone(), x[1..].to_vec())),
            m(
                "lengths-differ",
                "l'entrée et la cible n'ont pas la même longueur : rien ne précède le premier symbole, il n'est pas une \
                 cible",
                "input and target differ in length: nothing comes before the first token, so it is no target",
                |x| (x[..x.len() - 1].to_vec(), x.clone()),
            ),
            m(
                "shifted-backwards",
                "le décalage est à l'envers : ton modèle prédirait le symbole *précédent*, qu'il a déjà lu",
                "the shift goes the wrong way: your model would predict the *previous* token, which it has already read",
                |x| (x[1..].to_vec(), x[..x.len() - 1].to_vec()),
            ),
            m("shifted-by-two", two.0, two.1, |x| (x[..x.len() - 2].to_vec(), x[2..].to_vec())),
            m(
                "last-question-missing",
                "il manque la dernière question : n symboles donnent n − 1 paires",
                "the last question is missing: n tokens give n − 1 pairs",
                |x| (x[..x.len() - 2].to_vec(), x[1..x.len() - 1].to_vec()),
            ),
            m(
                "first-question-missing",
                "il manque la première question : le premier symbole est une entrée, lui aussi",
                "the first question is missing: the first token is an input, too",
                |x| (x[1..x.len() - 1].to_vec(), x[2..].to_vec()),
            ),
            m(
                "wrapped-around",
                "la cible fait le tour : le dernier symbole aurait le premier pour suite, ce que la phrase ne dit pas",
                "the target wraps around: the last token would be followed by the first, which the sentence does not say",
                |x| (x.clone(), x[1..].iter().chain(&x[..1]).copied().collect()),
            ),
            m("padded-target", padded.0, padded.1, |x| (x.clone(), x[1..].iter().copied().chain([0]).collect())),
            m("padded-target", padded.0, padded.1, |x| (x.clone(), x[1..].iter().copied().chain([u32::MAX]).collect())),
            m("padded-target", padded.0, padded.1, |x| {
                (x.clone(), x[1..].iter().chain(&x[x.len() - 1..]).copied().collect())
            }),
            m(
                "one-question-only",
                "une seule question par phrase : un modèle causal apprend à *chaque* place, c'est ce qui le rend économe",
                "only one question a sentence: a causal model learns at *each* place, which is what makes it thrifty",
                |x| (x[..x.len() - 1].to_vec(), x[x.len() - 1..].to_vec()),
            ),
            m(
                "shifted-backwards",
                "le décalage est à l'envers : la cible est le symbole *précédent*, déjà lu (`rotate_right` au lieu de `[1..]`)",
                "the shift goes the wrong way: the target is the *previous* token, read already (`rotate_right` instead of `[1..]`)",
                |x| (x.clone(), x[x.len() - 1..].iter().chain(&x[..x.len() - 1]).copied().collect()),
            ),
            m(
                "value-plus-one",
                "tu ajoutes 1 à la *valeur* des symboles : c'est la *place* qui avance d'un, la cible est `ids[i + 1]`",
                "you add 1 to the *value* of the tokens: it is the *place* that moves on by one, the target is `ids[i + 1]`",
                |x| (x.clone(), x.iter().map(|id| id + 1).collect()),
            ),
            m(
                "value-plus-one",
                "tu ajoutes 1 à la *valeur* des symboles : c'est la *place* qui avance d'un, la cible est `ids[i + 1]`",
                "you add 1 to the *value* of the tokens: it is the *place* that moves on by one, the target is `ids[i + 1]`",
                |x| (x[..x.len() - 1].to_vec(), x[..x.len() - 1].iter().map(|id| id + 1).collect()),
            ),
            m(
                "cut-in-half",
                "tu coupes la phrase en deux : la question se pose à *chaque* place, la cible est la phrase décalée d'un rang",
                "you cut the sentence in two: the question is asked at *each* place, the target is the sentence shifted by one",
                |x| (x[..x.len() / 2].to_vec(), x[x.len() / 2..].to_vec()),
            ),
            m(
                "every-other-question",
                "tes paires ne se chevauchent pas (`chunks`) : chaque symbole est une cible, puis une entrée. Glisse d'un rang à la fois (`windows(2)`)",
                "your pairs do not overlap (`chunks`): each token is a target, then an input. Slide by one at a time (`windows(2)`)",
                |x| x.chunks_exact(2).map(|p| (p[0], p[1])).unzip(),
            ),
            m(
                "padded-input",
                "tu mets un symbole inventé devant l'entrée : la phrase commence par son premier symbole, et n symboles donnent n − 1 questions",
                "you put an invented token before the input: the sentence begins with its first token, and n tokens give n − 1 questions",
                |x| ([0].iter().chain(&x[..x.len() - 1]).copied().collect(), x.clone()),
            ),
            m(
                "prefixes-copied",
                "tu recopies chaque début de phrase : une seule copie suffit, le masque causal fait le reste. L'entrée a n − 1 symboles",
                "you copy each beginning of the sentence: one copy is enough, the causal mask does the rest. The input has n − 1 tokens",
                |x| ((1..x.len()).flat_map(|n| x[..n].to_vec()).collect(), x[1..].to_vec()),
            ),
            m("reversed", "la phrase est à l'envers", "the sentence is backwards", |x| {
                (x[1..].iter().rev().copied().collect(), x[..x.len() - 1].iter().rev().copied().collect())
            }),
        ],
    }
}

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
    masked_exercise().check(&masked_inputs(), |i| f(&i.ids, &i.places, i.mask, i.ignore))
}

fn masked_inputs() -> Vec<Masked> {
    let mut rng = Rng::new(4);
    let mut inputs = vec![Masked { ids: vec![11, 12, 13, 12, 15, 16], places: vec![1, 4], mask: 7, ignore: 99 }];
    for n in 6..14 {
        let mut places: Vec<usize> = (0..n).collect();
        // Places come in any order, and the first and the last token may be among them.
        rng.shuffle(&mut places);
        places.truncate(1 + n / 3);
        inputs.push(Masked { ids: tokens(n, &mut rng), places, mask: 5 + (n % 3) as u32, ignore: 90 + n as u32 });
    }
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

fn masked_exercise() -> Exercise<Masked, Pair> {
    let m = |name, fr, en, gives: fn(&Masked) -> Pair| Mistake { name, fr, en, gives };
    let everywhere = (
        "la cible demande aussi les symboles visibles : le modèle n'aurait qu'à les recopier. Hors des places masquées, \
         écris `ignore`",
        "the target also asks for the visible tokens: the model would only have to copy them. Outside the masked places, \
         write `ignore`",
    );
    let in_targets = (
        "le masque se trouve dans la cible : tu as lu la phrase *après* l'avoir masquée. La cible est le symbole d'origine",
        "the mask stands in the target: you read the sentence *after* masking it. The target is the original token",
    );
    let off = (
        "les places sont décalées d'un rang : elles se comptent à partir de 0",
        "the places are off by one: they count from 0",
    );
    let one = (
        "une seule place est masquée : parcours-les toutes (un `return` ou un `break` de trop dans la boucle ?)",
        "only one place is masked: go through all of them (a `return` or `break` too many in the loop?)",
    );
    let short = (
        "la cible ne contient que les symboles masqués : elle doit avoir la longueur de la phrase, avec `ignore` ailleurs",
        "the target holds the masked tokens alone: it must be as long as the sentence, with `ignore` elsewhere",
    );
    Exercise {
        id: "00.3b",
        solution: masked,
        same,
        tell: |i| {
            let rest = format!("mask = {}, ignore = {}", i.mask, i.ignore);
            (
                format!("la phrase {:?}, places {:?} ({rest})", i.ids, i.places),
                format!("the sentence {:?}, places {:?} ({rest})", i.ids, i.places),
            )
        },
        look: |_, _| {
            (
                "Entrée et cible ont la longueur de la phrase ; à une place masquée l'entrée porte `mask` et la cible le \
                 symbole d'origine, ailleurs l'entrée porte le symbole et la cible `ignore`"
                    .into(),
                "Input and target are as long as the sentence; at a masked place the input holds `mask` and the target \
                 the original token, elsewhere the input holds the token and the target `ignore`"
                    .into(),
            )
        },
        passed: PASSED,
        mistakes: vec![
            m(
                "context-leak",
                "fuite : l'entrée contient encore les symboles demandés. Écris `mask` à leur place",
                "a leak: the input still holds the tokens that are asked for. Write `mask` in their place",
                |i| (i.ids.clone(), masked(i).1),
            ),
            m("targets-everywhere", everywhere.0, everywhere.1, |i| (masked(i).0, i.ids.clone())),
            m(
                "context-leak",
                "fuite : rien n'est masqué, et tout est demandé",
                "a leak: nothing is masked, and all is asked",
                |i| (i.ids.clone(), i.ids.clone()),
            ),
            m("mask-in-targets", in_targets.0, in_targets.1, |i| {
                each(i, |_, asked, id| if asked { (i.mask, i.mask) } else { (id, i.ignore) })
            }),
            m("mask-in-targets", in_targets.0, in_targets.1, |i| (masked(i).0, masked(i).0)),
            m(
                "targets-inverted",
                "la cible est inversée : elle demande les symboles visibles et ignore les masqués",
                "the target is inverted: it asks for the visible tokens and ignores the masked ones",
                |i| each(i, |_, asked, id| if asked { (i.mask, i.ignore) } else { (id, id) }),
            ),
            m(
                "mask-inverted",
                "tu masques tout *sauf* les places demandées",
                "you mask everything *but* the places asked for",
                |i| each(i, |_, asked, id| if asked { (id, i.ignore) } else { (i.mask, id) }),
            ),
            m(
                "everything-ignored",
                "rien n'est demandé : la cible est `ignore` partout",
                "nothing is asked: the target is `ignore` everywhere",
                |i| each(i, |_, asked, id| (if asked { i.mask } else { id }, i.ignore)),
            ),
            m(
                "zero-instead-of-ignore",
                "hors des places, la cible vaut 0, qui est un symbole comme un autre : écris `ignore`",
                "outside the places the target is 0, which is a token like any other: write `ignore`",
                |i| each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, 0) }),
            ),
            m(
                "mask-instead-of-ignore",
                "hors des places, la cible vaut `mask` : le modèle apprendrait à écrire le masque. Écris `ignore`",
                "outside the places the target is `mask`: the model would learn to write the mask. Write `ignore`",
                |i| each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, i.mask) }),
            ),
            m(
                "ignore-in-input",
                "tu as écrit `ignore` dans l'entrée : le modèle lit `mask` aux places masquées",
                "you wrote `ignore` into the input: the model reads `mask` at the masked places",
                |i| each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.ignore) }),
            ),
            m(
                "tokens-removed",
                "les symboles masqués ont disparu de l'entrée : chacun doit laisser un `mask`, sinon les places ne se \
                 correspondent plus",
                "the masked tokens are gone from the input: each must leave a `mask`, or the places no longer match",
                |i| {
                    let kept = (0..i.ids.len()).filter(|at| !i.places.contains(at));
                    (kept.map(|at| i.ids[at]).collect(), masked(i).1)
                },
            ),
            m("targets-too-short", short.0, short.1, |i| (masked(i).0, i.places.iter().map(|&at| i.ids[at]).collect())),
            m("targets-too-short", short.0, short.1, |i| {
                (masked(i).0, (0..i.ids.len()).filter(|at| i.places.contains(at)).map(|at| i.ids[at]).collect())
            }),
            m(
                "targets-shifted",
                "la cible est décalée d'un rang, comme pour un modèle causal : ici elle se trouve *à* la place masquée",
                "the target is shifted by one, as for a causal model: here it stands *at* the masked place",
                |i| {
                    let next = |at: usize| i.ids.get(at + 1).copied().unwrap_or(i.ignore);
                    each(i, |at, asked, id| if asked { (i.mask, next(at)) } else { (id, i.ignore) })
                },
            ),
            m("places-off-by-one", off.0, off.1, |i| masked_at(i, i.places.iter().map(|at| at + 1).collect())),
            m("places-off-by-one", off.0, off.1, |i| {
                masked_at(i, i.places.iter().filter(|&&at| at > 0).map(|at| at - 1).collect())
            }),
            m("one-place-only", one.0, one.1, |i| masked_at(i, i.places[..1].to_vec())),
            m("one-place-only", one.0, one.1, |i| masked_at(i, i.places[i.places.len() - 1..].to_vec())),
            m(
                "masked-by-value",
                "tu masques toutes les copies d'un même symbole : seule la *place* demandée est masquée",
                "you mask every copy of a token: only the *place* asked for is masked",
                |i| {
                    let hidden: Vec<u32> = i.places.iter().map(|&at| i.ids[at]).collect();
                    masked_at(i, (0..i.ids.len()).filter(|&at| hidden.contains(&i.ids[at])).collect())
                },
            ),
            m(
                "mask-and-ignore-swapped",
                "`mask` et `ignore` sont échangés : `mask` va dans l'entrée, `ignore` dans la cible",
                "`mask` and `ignore` are swapped: `mask` goes into the input, `ignore` into the target",
                |i| each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.mask) }),
            ),
            m(
                "places-off-by-one",
                "les places sont décalées d'un rang : elles se comptent à partir de 0",
                "the places are off by one: they count from 0",
                |i| masked_at(i, i.places.iter().map(|at| at.saturating_sub(1)).collect()),
            ),
            m(
                "places-as-values",
                "tu compares les places à la *valeur* des symboles : une place est un indice dans la phrase",
                "you compare the places with the *value* of the tokens: a place is an index into the sentence",
                |i| masked_at(i, (0..i.ids.len()).filter(|&at| i.places.contains(&(i.ids[at] as usize))).collect()),
            ),
            m(
                "places-not-sorted",
                "tu supposes les places dans l'ordre croissant : elles viennent dans n'importe quel ordre, et certaines t'échappent. Parcours les places, pas la phrase",
                "you take the places to be in increasing order: they come in any order, and you miss some. Go through the places, not the sentence",
                |i| {
                    let (mut next, mut found) = (0, vec![]);
                    for at in 0..i.ids.len() {
                        if i.places.get(next) == Some(&at) {
                            found.push(at);
                            next += 1;
                        }
                    }
                    masked_at(i, found)
                },
            ),
            m(
                "places-as-range",
                "tu masques tout *entre* la première et la dernière place : masque chaque place de la liste, et elle seule",
                "you mask all *between* the first and the last place: mask each place of the list, and no other",
                |i| masked_at(i, (i.places[0]..=i.places[i.places.len() - 1]).collect()),
            ),
            m(
                "swapped",
                "tu rends (cible, entrée) : c'est (entrée, cible)",
                "you return (target, input): it is (input, target)",
                |i| {
                    let (input, target) = masked(i);
                    (target, input)
                },
            ),
        ],
    }
}

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
    span_exercise().check(&span_inputs(), |i| f(&i.ids, &i.spans, i.sentinel, i.end))
}

fn span_inputs() -> Vec<Spans> {
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
    std::iter::once(first).chain(random).collect()
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

fn span_exercise() -> Exercise<Spans, Pair> {
    let m = |name, fr, en, gives: fn(&Spans) -> Pair| Mistake { name, fr, en, gives };
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
        solution: |i| (right_source(i), right_target(i)),
        same,
        tell: |i| {
            let rest = format!("sentinel = {}, end = {}", i.sentinel, i.end);
            (
                format!("la phrase {:?}, morceaux (début, longueur) {:?} ({rest})", i.ids, i.spans),
                format!("the sentence {:?}, spans (start, length) {:?} ({rest})", i.ids, i.spans),
            )
        },
        look: |_, _| {
            (
                "Source : la phrase, une sentinelle à la place de chaque morceau. Cible : chaque sentinelle et son \
                 morceau, puis la sentinelle suivante et `end`"
                    .into(),
                "Source: the sentence, a sentinel in the place of each span. Target: each sentinel and its span, then \
                 the next sentinel and `end`"
                    .into(),
            )
        },
        passed: PASSED,
        mistakes: vec![
            m(
                "closing-sentinel-forgotten",
                "il manque la dernière sentinelle, celle qui ferme la cible juste avant `end`",
                "the last sentinel is missing, the one that closes the target just before `end`",
                |i| (right_source(i), with(right_spans(i), &[i.end])),
            ),
            m(
                "end-forgotten",
                "il manque `end` au bout de la cible : le modèle n'apprendrait jamais à s'arrêter",
                "`end` is missing at the end of the target: the model would never learn to stop",
                |i| (right_source(i), with(right_spans(i), &[last_sentinel(i)])),
            ),
            m(
                "target-not-closed",
                "la cible n'est pas fermée : après le dernier morceau viennent la sentinelle suivante, puis `end`",
                "the target is not closed: after the last span come the next sentinel, then `end`",
                |i| (right_source(i), right_spans(i)),
            ),
            m("source-without-sentinels", no_sentinels.0, no_sentinels.1, |i| {
                (source(i, |_, _, _| vec![]), right_target(i))
            }),
            m("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), with(target(i, |_, span| span.to_vec()), &[i.end]))
            }),
            m("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), with(target(i, |_, span| span.to_vec()), &[last_sentinel(i), i.end]))
            }),
            m("target-without-sentinels", bare_target.0, bare_target.1, |i| {
                (right_source(i), target(i, |_, span| span.to_vec()))
            }),
            m(
                "sentinels-forgotten",
                "il n'y a aucune sentinelle, ni dans la source ni dans la cible : elles disent quel morceau va où",
                "there is no sentinel at all, in source or target: they tell which piece goes where",
                |i| (source(i, |_, _, _| vec![]), with(target(i, |_, span| span.to_vec()), &[i.end])),
            ),
            m(
                "sentinels-forgotten",
                "il n'y a aucune sentinelle, ni dans la source ni dans la cible : elles disent quel morceau va où",
                "there is no sentinel at all, in source or target: they tell which piece goes where",
                |i| (source(i, |_, _, _| vec![]), target(i, |_, span| span.to_vec())),
            ),
            m(
                "end-before-sentinel",
                "`end` vient tout au bout : la dernière sentinelle d'abord, `end` ensuite",
                "`end` comes at the very end: the last sentinel first, then `end`",
                |i| (right_source(i), with(right_spans(i), &[i.end, last_sentinel(i)])),
            ),
            m(
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
            m(
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
            m(
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
            m(
                "same-sentinel",
                "toutes les sentinelles sont les mêmes : le i-ième morceau a la sienne, `sentinel + i`",
                "all sentinels are the same: the i-th span has its own, `sentinel + i`",
                |i| renumbered(i, |_| i.sentinel),
            ),
            m(
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
            m(
                "sentinel-from-one",
                "la première sentinelle est `sentinel` elle-même : compte les morceaux à partir de 0",
                "the first sentinel is `sentinel` itself: count the spans from 0",
                |i| renumbered(i, |number| i.sentinel + number + 1),
            ),
            m(
                "sentinels-backwards",
                "les sentinelles décroissent (comme les identifiants du vrai T5) : ici la i-ième est `sentinel + i`",
                "the sentinels count down (as the ids of the real T5 do): here the i-th is `sentinel + i`",
                |i| renumbered(i, |number| i.sentinel - number),
            ),
            m("sentinel-per-token", per_token.0, per_token.1, |i| {
                (source(i, |number, _, length| vec![i.sentinel + number as u32; length]), right_target(i))
            }),
            m("sentinel-per-token", per_token.0, per_token.1, |i| {
                let before = |number: usize| i.spans[..number].iter().map(|s| s.1 as u32).sum::<u32>();
                let first = |number: usize| i.sentinel + before(number);
                let source = source(i, |number, _, length| (0..length as u32).map(|k| first(number) + k).collect());
                let target = target(i, |number, span| {
                    span.iter().zip(first(number as usize)..).flat_map(|(&id, sentinel)| [sentinel, id]).collect()
                });
                (source, with(target, &[first(i.spans.len()), i.end]))
            }),
            m(
                "sentinel-after-span",
                "dans la cible, la sentinelle vient *avant* son morceau : elle dit lequel va suivre",
                "in the target the sentinel comes *before* its span: it says which one follows",
                |i| {
                    let target = target(i, |number, span| [span, &[i.sentinel + number]].concat());
                    (right_source(i), with(target, &[last_sentinel(i), i.end]))
                },
            ),
            m(
                "target-is-everything",
                "la cible est la phrase entière : T5 n'écrit que les morceaux manquants, ce qui la rend courte",
                "the target is the whole sentence: T5 only writes the missing spans, which keeps it short",
                |i| (right_source(i), i.ids.clone()),
            ),
            m(
                "target-is-everything",
                "la cible est la phrase entière : T5 n'écrit que les morceaux manquants, ce qui la rend courte",
                "the target is the whole sentence: T5 only writes the missing spans, which keeps it short",
                |i| (right_source(i), with(i.ids.clone(), &[i.end])),
            ),
            m(
                "context-leak",
                "fuite : la source contient encore les morceaux demandés",
                "a leak: the source still holds the spans that are asked for",
                |i| (i.ids.clone(), right_target(i)),
            ),
            m(
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
            m(
                "end-in-source",
                "tu fermes aussi la source par `end` : c'est ce que fait le vrai T5, mais ici la source est laissée ouverte",
                "you close the source with `end`, too: the real T5 does, but here the source is left open",
                |i| (with(right_source(i), &[i.end]), right_target(i)),
            ),
            m("length-as-end", length_as_end.0, length_as_end.1, |i| {
                let ids = i.ids.clone();
                let spans: Vec<_> = i.spans.iter().map(|&(start, end)| (start, end.saturating_sub(start))).collect();
                let i = Spans { ids, spans, sentinel: i.sentinel, end: i.end };
                (right_source(&i), right_target(&i))
            }),
            m(
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
            m(
                "first-token-of-span-only",
                "la cible ne donne que le premier symbole de chaque morceau",
                "the target gives the first token of each span alone",
                |i| {
                    let target = target(i, |number, span| vec![i.sentinel + number, span[0]]);
                    (right_source(i), with(target, &[last_sentinel(i), i.end]))
                },
            ),
            m(
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
    use super::super::tests::named;
    use super::*;
    use crate::check::{Verdict, unfinished};
    use crate::course::Lang;
    use crate::model::corrupt;

    #[test]
    fn the_solutions_pass_and_are_what_the_library_does() {
        assert!(causal_pair(|x| (x[..x.len() - 1].to_vec(), x[1..].to_vec())).is_passed());
        assert!(
            masked_pair(|ids, places, mask, ignore| {
                let (mut input, mut target) = (ids.to_vec(), vec![ignore; ids.len()]);
                for &at in places {
                    target[at] = ids[at];
                    input[at] = mask;
                }
                (input, target)
            })
            .is_passed()
        );
        assert!(span_pair(corrupt).is_passed());
    }

    #[test]
    fn every_listed_mistake_is_recognised() {
        for mistake in &causal_exercise().mistakes {
            named(&causal_pair(|ids| (mistake.gives)(&ids.to_vec())), mistake.name);
        }
        for mistake in &masked_exercise().mistakes {
            let report = masked_pair(|ids, places, mask, ignore| {
                (mistake.gives)(&Masked { ids: ids.to_vec(), places: places.to_vec(), mask, ignore })
            });
            named(&report, mistake.name);
        }
        for mistake in &span_exercise().mistakes {
            let report = span_pair(|ids, spans, sentinel, end| {
                (mistake.gives)(&Spans { ids: ids.to_vec(), spans: spans.to_vec(), sentinel, end })
            });
            named(&report, mistake.name);
        }
    }

    #[test]
    fn stubs_panics_and_unknown_mistakes_get_an_answer() {
        assert_eq!(causal_pair(|_| unfinished()).verdict(), &Verdict::Unfinished);
        assert_eq!(masked_pair(|_, _, _, _| todo!()).verdict(), &Verdict::Unfinished);
        assert_eq!(span_pair(|_, _, _, _| unfinished()).verdict(), &Verdict::Unfinished);
        let text = causal_pair(|x| (x.to_vec(), vec![])).text(Lang::En);
        assert!(text.contains("[11, 12, 13, 14, 15]") && text.contains("[12, 13, 14, 15, 16]"), "{text}");
        let text = span_pair(|ids, _, _, _| (vec![ids[99]], vec![])).text(Lang::Fr);
        assert!(text.contains("paniqué") && text.contains("(1, 2)"), "{text}");
    }
}
