//! Exercise 00.2: counts smoothed by adding k.

use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
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
    let no_smoothing = (
        "tu rends les fréquences brutes, sans k : ce qui n'a jamais été vu a une probabilité nulle, et un contexte jamais \
         vu donne 0/0. Ajoute k à chaque compte",
        "you return the raw frequencies, without k: what was never seen gets probability zero, and a context never seen \
         gives 0/0. Add k to each count",
    );
    let unseen = (
        "pour un contexte jamais vu tu rends autre chose que la formule. Elle marche déjà : (0 + k) / (0 + k·v) = 1/v",
        "for a context never seen you return something other than the formula. It works already: \
         (0 + k) / (0 + k·v) = 1/v",
    );
    let numerator_only = (
        "tu ajoutes k au numérateur seul : la somme dépasse 1. Les v symboles reçoivent chacun k, donc le dénominateur \
         reçoit k·v",
        "you add k to the numerator alone: the sum is above 1. Each of the v symbols gets k, so the denominator gets k·v",
    );
    let skipped = (
        "seuls les symboles déjà vus reçoivent k : les autres restent à 0, et c'est eux que le lissage doit sauver",
        "only the symbols already seen get k: the others stay at 0, and they are the ones that smoothing must save",
    );
    let ends = (
        "une fenêtre manque au bout du texte : il y a len − n fenêtres de n + 1 symboles (n, la longueur du contexte)",
        "a window is missing at the end of the text: there are len − n windows of n + 1 symbols (n, the context's length)",
    );
    Exercise {
        id: "00.2",
        inputs: inputs(),
        solution: Box::new(solved),
        tell: |i| {
            let shown = if i.text.len() <= 12 { format!("{:?}", i.text) } else { format!("{:?}…", &i.text[..12]) };
            let rest = format!("v = {}, k = {}", i.v, i.k);
            (
                format!("le texte {shown} ({} symboles) après le contexte {:?} ({rest})", i.text.len(), i.context),
                format!("the text {shown} ({} symbols) after the context {:?} ({rest})", i.text.len(), i.context),
            )
        },
        hint: |i, p| {
            if p.len() != i.v {
                return (
                    format!("Il faut {} probabilités, une par symbole de 0 à v − 1 ; il y en a {}", i.v, p.len()),
                    format!("{} probabilities are needed, one a symbol from 0 to v − 1; there are {}", i.v, p.len()),
                );
            }
            let c = counts(&i.text, &i.context, i.v);
            (
                format!("Les comptes après ce contexte sont {c:?} ; la somme de ta réponse vaut {:.4}", total(p)),
                format!("The counts after this context are {c:?}; your answer sums to {:.4}", total(p)),
            )
        },
        passed: (
            "la somme vaut 1 après 30 contextes, vus ou non, et « abracadabra » donne les probabilités calculées à la main",
            "the sum is 1 after 30 contexts, seen or not, and \"abracadabra\" gives the probabilities worked out by hand",
        ),
        mistakes: vec![
            Known::new("no-smoothing", no_smoothing.0, no_smoothing.1, |i| ratio(i, 0.0, |n, _| n)),
            Known::new("no-smoothing", no_smoothing.0, no_smoothing.1, |i| {
                unless_unseen(i, ratio(i, 0.0, |n, _| n), 0.0)
            }),
            Known::new("no-smoothing", no_smoothing.0, no_smoothing.1, |i| {
                unless_unseen(i, ratio(i, 0.0, |n, _| n), 1.0 / i.v as f64)
            }),
            Known::new("unseen-context", unseen.0, unseen.1, |i| unless_unseen(i, solved(i), 0.0)),
            Known::new("unseen-context", unseen.0, unseen.1, |i| unless_unseen(i, solved(i), f64::NAN)),
            Known::new("unseen-context", unseen.0, unseen.1, |i| unless_unseen(i, solved(i), i.k)),
            Known::new("unseen-context", unseen.0, unseen.1, |i| unless_unseen(i, solved(i), 1.0)),
            Known::new("denominator-without-k", numerator_only.0, numerator_only.1, |i| ratio(i, i.k, |n, _| n)),
            Known::new("denominator-without-k", numerator_only.0, numerator_only.1, |i| {
                unless_unseen(i, ratio(i, i.k, |n, _| n), 1.0 / i.v as f64)
            }),
            Known::new("denominator-without-k", numerator_only.0, numerator_only.1, |i| {
                unless_unseen(i, ratio(i, i.k, |n, _| n), 0.0)
            }),
            Known::new(
                "k-once-below",
                "le dénominateur reçoit k une seule fois : il y a v symboles qui reçoivent k, donc k·v",
                "the denominator gets k only once: v symbols get k, so it is k·v",
                |i| ratio(i, i.k, |n, _| n + i.k),
            ),
            Known::new(
                "v-without-k",
                "le dénominateur est c + v : c'est juste pour k = 1 seulement. Écris c + k·v",
                "the denominator is c + v: that is right for k = 1 alone. Write c + k·v",
                |i| ratio(i, i.k, |n, _| n + i.v as f64),
            ),
            Known::new(
                "k-ignored",
                "tu ajoutes toujours 1 (Laplace) : ajoute le k reçu",
                "you always add 1 (Laplace): add the k that you are given",
                |i| ratio(i, 1.0, |n, _| n + i.v as f64),
            ),
            Known::new(
                "numerator-without-k",
                "k manque au numérateur : la somme reste sous 1, et l'inconnu à 0",
                "k is missing in the numerator: the sum stays below 1, and the unknown at 0",
                |i| ratio(i, 0.0, |n, _| n + i.k * i.v as f64),
            ),
            Known::new("only-seen-symbols", skipped.0, skipped.1, |i| {
                let c = counts(&i.text, &i.context, i.v);
                let below = total(&c) + i.k * seen(&c);
                c.iter().map(|&x| if x > 0.0 { (x + i.k) / below } else { 0.0 }).collect()
            }),
            Known::new("only-seen-symbols", skipped.0, skipped.1, |i| {
                let below = total(&counts(&i.text, &i.context, i.v)) + i.k * i.v as f64;
                counts(&i.text, &i.context, i.v)
                    .iter()
                    .map(|&x| if x > 0.0 { (x + i.k) / below } else { 0.0 })
                    .collect()
            }),
            Known::new(
                "vocabulary-of-followers",
                "au dénominateur, tu comptes les symboles vus après ce contexte : il faut v, tous les symboles possibles",
                "in the denominator you count the symbols seen after this context: it is v, all possible symbols",
                |i| ratio(i, i.k, |n, t| n + i.k * t),
            ),
            Known::new(
                "vocabulary-of-text",
                "au dénominateur, tu comptes les symboles différents du texte : il faut v, tous les symboles possibles, \
                 même ceux que ce texte ne contient pas",
                "in the denominator you count the different symbols of the text: it is v, all possible symbols, those \
                 that this text does not hold included",
                |i| ratio(i, i.k, |n, _| n + i.k * different(&i.text) as f64),
            ),
            Known::new(
                "vocabulary-off-by-one",
                "le dénominateur contient k·(v + 1) ou k·(v − 1) : il y a exactement v symboles",
                "the denominator holds k·(v + 1) or k·(v − 1): there are exactly v symbols",
                |i| ratio(i, i.k, |n, _| n + i.k * (i.v as f64 + 1.0)),
            ),
            Known::new(
                "vocabulary-off-by-one",
                "le dénominateur contient k·(v + 1) ou k·(v − 1) : il y a exactement v symboles",
                "the denominator holds k·(v + 1) or k·(v − 1): there are exactly v symbols",
                |i| ratio(i, i.k, |n, _| n + i.k * (i.v as f64 - 1.0)),
            ),
            Known::new(
                "last-context-counted",
                "au dénominateur, tu comptes aussi le contexte qui termine le texte : rien ne le suit, il ne compte pas. \
                 c(contexte) est la somme des c(contexte, w)",
                "in the denominator you also count the context that ends the text: nothing follows it, so it does not \
                 count. c(context) is the sum of the c(context, w)",
                |i| ratio(i, i.k, |_, _| occurrences(i) + i.k * i.v as f64),
            ),
            Known::new(
                "text-length",
                "au dénominateur, tu prends la longueur du texte : il faut le nombre de fois que *ce contexte* est suivi \
                 de quelque chose",
                "in the denominator you take the length of the text: it is how often something follows *this context*",
                |i| ratio(i, i.k, |_, _| i.text.len() as f64 + i.k * i.v as f64),
            ),
            Known::new(
                "text-length",
                "au dénominateur, tu prends le nombre de fenêtres du texte : il faut le nombre de fois que *ce contexte* \
                 est suivi de quelque chose",
                "in the denominator you take the number of windows of the text: it is how often something follows *this \
                 context*",
                |i| ratio(i, i.k, |_, _| i.text.len() as f64 - i.context.len() as f64 + i.k * i.v as f64),
            ),
            Known::new(
                "overlaps-missed",
                "après une occurrence tu sautes tout le contexte : les occurrences qui se chevauchent comptent aussi \
                 (« aa » est deux fois dans « aaa »). Avance d'un symbole à la fois",
                "after a match you skip the whole context: matches that overlap count, too (\"aa\" is twice in \
                 \"aaa\"). Advance by one symbol at a time",
                |i| formula(&counts_without_overlap(i), i.k),
            ),
            Known::new(
                "symbol-before",
                "tu comptes le symbole qui *précède* le contexte : c'est celui qui le suit, `fenêtre[n]`",
                "you count the symbol *before* the context: it is the one after it, `window[n]`",
                |i| formula(&counts_before(i), i.k),
            ),
            Known::new(
                "context-ignored",
                "le contexte n'est pas regardé : tu comptes tous les symboles du texte",
                "the context is not looked at: you count all symbols of the text",
                |i| formula(&counts(&i.text, &[], i.v), i.k),
            ),
            Known::new(
                "context-cut",
                "tu ne regardes que le dernier symbole du contexte : compare-le en entier",
                "you look at the last symbol of the context alone: compare all of it",
                |i| formula(&counts(&i.text, &i.context[i.context.len().saturating_sub(1)..], i.v), i.k),
            ),
            Known::new(
                "context-reversed",
                "tu compares le contexte à l'envers : son dernier symbole est le plus récent",
                "you compare the context backwards: its last symbol is the latest",
                |i| formula(&counts(&i.text, &i.context.iter().rev().copied().collect::<Vec<_>>(), i.v), i.k),
            ),
            Known::new("window-missing", ends.0, ends.1, |i| {
                formula(&counts(&i.text[..i.text.len() - 1], &i.context, i.v), i.k)
            }),
            Known::new(
                "window-missing",
                "la première fenêtre du texte manque : commence à l'indice 0",
                "the first window of the text is missing: begin at index 0",
                |i| formula(&counts(&i.text[1..], &i.context, i.v), i.k),
            ),
            Known::new(
                "not-normalised",
                "tu rends c + k sans diviser : divise par c(contexte) + k·v, et la somme vaudra 1",
                "you return c + k without dividing: divide by c(context) + k·v, and the sum will be 1",
                |i| counts(&i.text, &i.context, i.v).iter().map(|c| c + i.k).collect(),
            ),
            Known::new(
                "not-normalised",
                "tu rends les comptes bruts : ajoute k à chacun, puis divise par leur total",
                "you return the raw counts: add k to each, then divide by their total",
                |i| counts(&i.text, &i.context, i.v),
            ),
            Known::new(
                "last-context-counted",
                "au dénominateur, tu comptes aussi le contexte qui termine le texte : rien ne le suit, il ne compte pas. c(contexte) est la somme des c(contexte, w)",
                "in the denominator you also count the context that ends the text: nothing follows it, so it does not count. c(context) is the sum of the c(context, w)",
                |i| {
                    let all = i.context.is_empty();
                    ratio(i, i.k, |n, _| if all { n } else { occurrences(i) } + i.k * i.v as f64)
                },
            ),
            Known::new(
                "only-seen-symbols",
                "seuls les symboles déjà vus reçoivent k : les autres restent à 0, et un contexte jamais vu donne 0/0. Ce sont eux que le lissage doit sauver",
                "only the symbols already seen get k: the others stay at 0, and a context never seen gives 0/0. They are the ones that smoothing must save",
                |i| {
                    let c: Vec<f64> =
                        counts(&i.text, &i.context, i.v).iter().map(|&x| if x > 0.0 { x + i.k } else { 0.0 }).collect();
                    c.iter().map(|x| x / total(&c)).collect()
                },
            ),
            Known::new(
                "only-unseen-symbols",
                "seuls les symboles jamais vus reçoivent k : ajoute-le à *chaque* compte, même à ceux qui ne sont pas nuls",
                "only the symbols never seen get k: add it to *each* count, to those that are not zero as well",
                |i| {
                    let c: Vec<f64> =
                        counts(&i.text, &i.context, i.v).iter().map(|&x| if x > 0.0 { x } else { i.k }).collect();
                    c.iter().map(|x| x / total(&c)).collect()
                },
            ),
            Known::new(
                "counted-once",
                "chaque suite ne compte qu'une fois, même si elle revient : ajoute 1 à chaque fois (`+=`, pas `=`)",
                "each follower counts only once, even if it comes again: add 1 each time (`+=`, not `=`)",
                |i| formula(&counts(&i.text, &i.context, i.v).iter().map(|c| c.min(1.0)).collect::<Vec<_>>(), i.k),
            ),
            Known::new(
                "k-per-occurrence",
                "tu ajoutes k à chaque occurrence, en plus du k de départ : k s'ajoute une seule fois par symbole",
                "you add k at each occurrence, besides the k at the start: k is added once a symbol",
                |i| formula(&counts(&i.text, &i.context, i.v).iter().map(|c| c * (1.0 + i.k)).collect::<Vec<_>>(), i.k),
            ),
            Known::new(
                "windows-not-sliding",
                "tes fenêtres ne se chevauchent pas (`chunks`) : fais-les glisser d'un symbole à la fois (`windows`)",
                "your windows do not overlap (`chunks`): slide them by one symbol at a time (`windows`)",
                |i| {
                    let (n, mut c) = (i.context.len(), vec![0.0; i.v]);
                    for w in i.text.chunks_exact(n + 1).filter(|w| w[..n] == *i.context) {
                        c[w[n] as usize] += 1.0;
                    }
                    formula(&c, i.k)
                },
            ),
            Known::new(
                "total-changes",
                "tu recalcules la somme pendant que tu divises : elle change à chaque case. Calcule-la une fois, avant la boucle",
                "you work the sum out again while you divide: it changes with each entry. Work it out once, before the loop",
                |i| {
                    let mut p: Vec<f64> = counts(&i.text, &i.context, i.v).iter().map(|c| c + i.k).collect();
                    for at in 0..p.len() {
                        p[at] /= total(&p);
                    }
                    p
                },
            ),
            Known::new(
                "logarithms",
                "tu rends des logarithmes : il faut les probabilités elles-mêmes",
                "you return logarithms: the probabilities themselves are wanted",
                |i| solved(i).iter().map(|p| p.ln()).collect(),
            ),
            Known::new(
                "all-zero",
                "tout vaut 0 : une division entre entiers ? Convertis avec `as f64` avant de diviser",
                "all is 0: a division between integers? Convert with `as f64` before you divide",
                |i| vec![0.0; i.v],
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
