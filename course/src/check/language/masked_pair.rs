//! Exercise 00.3b: what a masked model reads and what it must answer.

use super::{EXACT_PAIR, Pair, tokens};
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
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
        inputs: inputs(),
        solution: Box::new(masked),
        tell: |i| {
            let rest = format!("mask = {}, ignore = {}", i.mask, i.ignore);
            (
                format!("la phrase {:?}, places {:?} ({rest})", i.ids, i.places),
                format!("the sentence {:?}, places {:?} ({rest})", i.ids, i.places),
            )
        },
        hint: |_, _| {
            (
                "Entrée et cible ont la longueur de la phrase ; à une place masquée l'entrée porte `mask` et la cible le \
                 symbole d'origine, ailleurs l'entrée porte le symbole et la cible `ignore`"
                    .into(),
                "Input and target are as long as the sentence; at a masked place the input holds `mask` and the target \
                 the original token, elsewhere the input holds the token and the target `ignore`"
                    .into(),
            )
        },
        passed: EXACT_PAIR,
        mistakes: vec![
            Known::new(
                "context-leak",
                "fuite : l'entrée contient encore les symboles demandés. Écris `mask` à leur place",
                "a leak: the input still holds the tokens that are asked for. Write `mask` in their place",
                |i| (i.ids.clone(), masked(i).1),
            ),
            Known::new("targets-everywhere", everywhere.0, everywhere.1, |i| (masked(i).0, i.ids.clone())),
            Known::new(
                "context-leak",
                "fuite : rien n'est masqué, et tout est demandé",
                "a leak: nothing is masked, and all is asked",
                |i| (i.ids.clone(), i.ids.clone()),
            ),
            Known::new("mask-in-targets", in_targets.0, in_targets.1, |i| {
                each(i, |_, asked, id| if asked { (i.mask, i.mask) } else { (id, i.ignore) })
            }),
            Known::new("mask-in-targets", in_targets.0, in_targets.1, |i| (masked(i).0, masked(i).0)),
            Known::new(
                "targets-inverted",
                "la cible est inversée : elle demande les symboles visibles et ignore les masqués",
                "the target is inverted: it asks for the visible tokens and ignores the masked ones",
                |i| each(i, |_, asked, id| if asked { (i.mask, i.ignore) } else { (id, id) }),
            ),
            Known::new(
                "mask-inverted",
                "tu masques tout *sauf* les places demandées",
                "you mask everything *but* the places asked for",
                |i| each(i, |_, asked, id| if asked { (id, i.ignore) } else { (i.mask, id) }),
            ),
            Known::new(
                "everything-ignored",
                "rien n'est demandé : la cible est `ignore` partout",
                "nothing is asked: the target is `ignore` everywhere",
                |i| each(i, |_, asked, id| (if asked { i.mask } else { id }, i.ignore)),
            ),
            Known::new(
                "zero-instead-of-ignore",
                "hors des places, la cible vaut 0, qui est un symbole comme un autre : écris `ignore`",
                "outside the places the target is 0, which is a token like any other: write `ignore`",
                |i| each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, 0) }),
            ),
            Known::new(
                "mask-instead-of-ignore",
                "hors des places, la cible vaut `mask` : le modèle apprendrait à écrire le masque. Écris `ignore`",
                "outside the places the target is `mask`: the model would learn to write the mask. Write `ignore`",
                |i| each(i, |_, asked, id| if asked { (i.mask, id) } else { (id, i.mask) }),
            ),
            Known::new(
                "ignore-in-input",
                "tu as écrit `ignore` dans l'entrée : le modèle lit `mask` aux places masquées",
                "you wrote `ignore` into the input: the model reads `mask` at the masked places",
                |i| each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.ignore) }),
            ),
            Known::new(
                "tokens-removed",
                "les symboles masqués ont disparu de l'entrée : chacun doit laisser un `mask`, sinon les places ne se \
                 correspondent plus",
                "the masked tokens are gone from the input: each must leave a `mask`, or the places no longer match",
                |i| {
                    let kept = (0..i.ids.len()).filter(|at| !i.places.contains(at));
                    (kept.map(|at| i.ids[at]).collect(), masked(i).1)
                },
            ),
            Known::new("targets-too-short", short.0, short.1, |i| {
                (masked(i).0, i.places.iter().map(|&at| i.ids[at]).collect())
            }),
            Known::new("targets-too-short", short.0, short.1, |i| {
                (masked(i).0, (0..i.ids.len()).filter(|at| i.places.contains(at)).map(|at| i.ids[at]).collect())
            }),
            Known::new(
                "targets-shifted",
                "la cible est décalée d'un rang, comme pour un modèle causal : ici elle se trouve *à* la place masquée",
                "the target is shifted by one, as for a causal model: here it stands *at* the masked place",
                |i| {
                    let next = |at: usize| i.ids.get(at + 1).copied().unwrap_or(i.ignore);
                    each(i, |at, asked, id| if asked { (i.mask, next(at)) } else { (id, i.ignore) })
                },
            ),
            Known::new("places-off-by-one", off.0, off.1, |i| masked_at(i, i.places.iter().map(|at| at + 1).collect())),
            Known::new("places-off-by-one", off.0, off.1, |i| {
                masked_at(i, i.places.iter().filter(|&&at| at > 0).map(|at| at - 1).collect())
            }),
            Known::new("one-place-only", one.0, one.1, |i| masked_at(i, i.places[..1].to_vec())),
            Known::new("one-place-only", one.0, one.1, |i| masked_at(i, i.places[i.places.len() - 1..].to_vec())),
            Known::new(
                "masked-by-value",
                "tu masques toutes les copies d'un même symbole : seule la *place* demandée est masquée",
                "you mask every copy of a token: only the *place* asked for is masked",
                |i| {
                    let hidden: Vec<u32> = i.places.iter().map(|&at| i.ids[at]).collect();
                    masked_at(i, (0..i.ids.len()).filter(|&at| hidden.contains(&i.ids[at])).collect())
                },
            ),
            Known::new(
                "mask-and-ignore-swapped",
                "`mask` et `ignore` sont échangés : `mask` va dans l'entrée, `ignore` dans la cible",
                "`mask` and `ignore` are swapped: `mask` goes into the input, `ignore` into the target",
                |i| each(i, |_, asked, id| if asked { (i.ignore, id) } else { (id, i.mask) }),
            ),
            Known::new(
                "places-off-by-one",
                "les places sont décalées d'un rang : elles se comptent à partir de 0",
                "the places are off by one: they count from 0",
                |i| masked_at(i, i.places.iter().map(|at| at.saturating_sub(1)).collect()),
            ),
            Known::new(
                "places-as-values",
                "tu compares les places à la *valeur* des symboles : une place est un indice dans la phrase",
                "you compare the places with the *value* of the tokens: a place is an index into the sentence",
                |i| masked_at(i, (0..i.ids.len()).filter(|&at| i.places.contains(&(i.ids[at] as usize))).collect()),
            ),
            Known::new(
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
            Known::new(
                "places-as-range",
                "tu masques tout *entre* la première et la dernière place : masque chaque place de la liste, et elle seule",
                "you mask all *between* the first and the last place: mask each place of the list, and no other",
                |i| masked_at(i, (i.places[0]..=i.places[i.places.len() - 1]).collect()),
            ),
            Known::new(
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
