//! Exercise 00.3a: what a causal model reads and what it must answer.

use super::{EXACT_PAIR, Pair, tokens};
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
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
        inputs: inputs(),
        solution: Box::new(|x| (x[..x.len() - 1].to_vec(), x[1..].to_vec())),
        tell: |x| (format!("la phrase {x:?}"), format!("the sentence {x:?}")),
        hint: |_, _| {
            (
                "Sous chaque symbole de l'entrée doit se trouver celui qui le suit dans la phrase".into(),
                "Below each token of the input must stand the one that follows it in the sentence".into(),
            )
        },
        passed: EXACT_PAIR,
        mistakes: vec![
            Known::new("target-not-shifted", unshifted.0, unshifted.1, |x| (x.clone(), x.clone())),
            Known::new("target-not-shifted", unshifted.0, unshifted.1, |x| {
                (x[..x.len() - 1].to_vec(), x[..x.len() - 1].to_vec())
            }),
            Known::new("target-not-shifted", unshifted.0, unshifted.1, |x| (x[1..].to_vec(), x[1..].to_vec())),
            Known::new("lengths-differ", lengths.0, lengths.1, |x| (x.clone(), x[1..].to_vec())),
            Known::new(
                "lengths-differ",
                "l'entrée et la cible n'ont pas la même longueur : rien ne précède le premier symbole, il n'est pas une \
                 cible",
                "input and target differ in length: nothing comes before the first token, so it is no target",
                |x| (x[..x.len() - 1].to_vec(), x.clone()),
            ),
            Known::new(
                "shifted-backwards",
                "le décalage est à l'envers : ton modèle prédirait le symbole *précédent*, qu'il a déjà lu",
                "the shift goes the wrong way: your model would predict the *previous* token, which it has already read",
                |x| (x[1..].to_vec(), x[..x.len() - 1].to_vec()),
            ),
            Known::new("shifted-by-two", two.0, two.1, |x| (x[..x.len() - 2].to_vec(), x[2..].to_vec())),
            Known::new(
                "last-question-missing",
                "il manque la dernière question : n symboles donnent n − 1 paires",
                "the last question is missing: n tokens give n − 1 pairs",
                |x| (x[..x.len() - 2].to_vec(), x[1..x.len() - 1].to_vec()),
            ),
            Known::new(
                "first-question-missing",
                "il manque la première question : le premier symbole est une entrée, lui aussi",
                "the first question is missing: the first token is an input, too",
                |x| (x[1..x.len() - 1].to_vec(), x[2..].to_vec()),
            ),
            Known::new(
                "wrapped-around",
                "la cible fait le tour : le dernier symbole aurait le premier pour suite, ce que la phrase ne dit pas",
                "the target wraps around: the last token would be followed by the first, which the sentence does not say",
                |x| (x.clone(), x[1..].iter().chain(&x[..1]).copied().collect()),
            ),
            Known::new("padded-target", padded.0, padded.1, |x| {
                (x.clone(), x[1..].iter().copied().chain([0]).collect())
            }),
            Known::new("padded-target", padded.0, padded.1, |x| {
                (x.clone(), x[1..].iter().copied().chain([u32::MAX]).collect())
            }),
            Known::new("padded-target", padded.0, padded.1, |x| {
                (x.clone(), x[1..].iter().chain(&x[x.len() - 1..]).copied().collect())
            }),
            Known::new(
                "one-question-only",
                "une seule question par phrase : un modèle causal apprend à *chaque* place, c'est ce qui le rend économe",
                "only one question a sentence: a causal model learns at *each* place, which is what makes it thrifty",
                |x| (x[..x.len() - 1].to_vec(), x[x.len() - 1..].to_vec()),
            ),
            Known::new(
                "shifted-backwards",
                "le décalage est à l'envers : la cible est le symbole *précédent*, déjà lu (`rotate_right` au lieu de `[1..]`)",
                "the shift goes the wrong way: the target is the *previous* token, read already (`rotate_right` instead of `[1..]`)",
                |x| (x.clone(), x[x.len() - 1..].iter().chain(&x[..x.len() - 1]).copied().collect()),
            ),
            Known::new(
                "value-plus-one",
                "tu ajoutes 1 à la *valeur* des symboles : c'est la *place* qui avance d'un, la cible est `ids[i + 1]`",
                "you add 1 to the *value* of the tokens: it is the *place* that moves on by one, the target is `ids[i + 1]`",
                |x| (x.clone(), x.iter().map(|id| id + 1).collect()),
            ),
            Known::new(
                "value-plus-one",
                "tu ajoutes 1 à la *valeur* des symboles : c'est la *place* qui avance d'un, la cible est `ids[i + 1]`",
                "you add 1 to the *value* of the tokens: it is the *place* that moves on by one, the target is `ids[i + 1]`",
                |x| (x[..x.len() - 1].to_vec(), x[..x.len() - 1].iter().map(|id| id + 1).collect()),
            ),
            Known::new(
                "cut-in-half",
                "tu coupes la phrase en deux : la question se pose à *chaque* place, la cible est la phrase décalée d'un rang",
                "you cut the sentence in two: the question is asked at *each* place, the target is the sentence shifted by one",
                |x| (x[..x.len() / 2].to_vec(), x[x.len() / 2..].to_vec()),
            ),
            Known::new(
                "every-other-question",
                "tes paires ne se chevauchent pas (`chunks`) : chaque symbole est une cible, puis une entrée. Glisse d'un rang à la fois (`windows(2)`)",
                "your pairs do not overlap (`chunks`): each token is a target, then an input. Slide by one at a time (`windows(2)`)",
                |x| x.chunks_exact(2).map(|p| (p[0], p[1])).unzip(),
            ),
            Known::new(
                "padded-input",
                "tu mets un symbole inventé devant l'entrée : la phrase commence par son premier symbole, et n symboles donnent n − 1 questions",
                "you put an invented token before the input: the sentence begins with its first token, and n tokens give n − 1 questions",
                |x| ([0].iter().chain(&x[..x.len() - 1]).copied().collect(), x.clone()),
            ),
            Known::new(
                "prefixes-copied",
                "tu recopies chaque début de phrase : une seule copie suffit, le masque causal fait le reste. L'entrée a n − 1 symboles",
                "you copy each beginning of the sentence: one copy is enough, the causal mask does the rest. The input has n − 1 tokens",
                |x| ((1..x.len()).flat_map(|n| x[..n].to_vec()).collect(), x[1..].to_vec()),
            ),
            Known::new("reversed", "la phrase est à l'envers", "the sentence is backwards", |x| {
                (x[1..].iter().rev().copied().collect(), x[..x.len() - 1].iter().rev().copied().collect())
            }),
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
