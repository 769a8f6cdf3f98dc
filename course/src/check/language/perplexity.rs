//! Exercise 00.1: perplexity.

use std::f64::consts::{LN_2, LN_10};

use crate::check::exercise::{Exercise, Mistake};
use crate::check::{Report, close};
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Vec<f64>, f64>;

/// Σ −ln p.
fn nats(p: &[f64]) -> f64 {
    p.iter().map(|p| -p.ln()).sum()
}

/// Exercise 00.1: the perplexity of a model that gave the probability p\[i\] to the symbol that really came at i,
/// exp(−1/N · Σ ln p). A fair die has perplexity 6; a probability of 0 makes it infinite.
pub fn perplexity(f: impl Fn(&[f64]) -> f64) -> Report {
    exercise().check(|p| f(p))
}

fn inputs() -> Vec<Vec<f64>> {
    let mut rng = Rng::new(1);
    let mut list = |n: usize, low: f64| -> Vec<f64> { (0..n).map(|_| low + (1.0 - low) * rng.uniform_f64()).collect() };
    let mut inputs = vec![vec![1.0 / 6.0; 12], vec![0.5, 0.25, 0.125], vec![1.0; 4], vec![0.01], vec![0.5, 0.0, 0.25]];
    inputs.extend([list(7, 0.05), list(31, 0.01), list(100, 0.2), list(2000, 0.001)]);
    inputs
}

fn exercise() -> Exercise<'static, Vec<f64>, f64> {
    Exercise {
        id: "00.1",
        inputs: inputs(),
        solution: Box::new(|p| (nats(p) / p.len() as f64).exp()),
        tell: |p| {
            let shown = if p.len() <= 8 { format!("{p:.4?}") } else { format!("{:.4?}…", &p[..4]) };
            (format!("p = {shown} ({} symboles)", p.len()), format!("p = {shown} ({} symbols)", p.len()))
        },
        hint: |p, x| {
            let mean = nats(p) / p.len() as f64;
            if x.is_nan() {
                return (
                    "NaN vient du logarithme d'un nombre négatif, ou de 0 · ∞ : regarde l'ordre des opérations".into(),
                    "NaN comes from the logarithm of a negative number, or of 0 · ∞: look at the order of what you do"
                        .into(),
                );
            }
            (
                format!(
                    "La moyenne des −ln p vaut ici {mean:.4} nat : affiche la tienne d'abord, l'exponentielle ensuite"
                ),
                format!("The mean of −ln p is {mean:.4} nats here: print yours first, then take the exponential"),
            )
        },
        passed: (
            "un dé équilibré a une perplexité de 6, une probabilité nulle la rend infinie, et 2000 symboles ne la font \
             pas déborder",
            "a fair die has a perplexity of 6, a probability of zero makes it infinite, and 2000 symbols do not \
             overflow it",
        ),
        mistakes: vec![
            Known::seen(
                "zero-hidden",
                "une probabilité 0 est remplacée par une petite valeur (ou sautée). Un modèle qui déclare impossible ce \
                 qui arrive a une perplexité infinie : laisse `-ln 0 = +inf` faire son travail",
                "a probability of 0 is replaced by a small value (or skipped). A model that calls impossible what then \
                 happens has an infinite perplexity: let `-ln 0 = +inf` do its work",
                |tries| {
                    // A small number added everywhere moves the other answers, too, but hardly.
                    let hidden = |(p, x, right): (&Vec<f64>, &f64, &f64)| {
                        x.is_finite() && (p.contains(&0.0) || close(*x, *right, 1e-3))
                    };
                    tries.panics().next().is_none() && tries.values().all(hidden)
                },
            ),
            Known::new(
                "product-underflow",
                "la formule est juste, mais le produit de 2000 probabilités tombe sous le plus petit nombre que f64 \
                 sache écrire. Additionne des logarithmes au lieu de multiplier des probabilités",
                "the formula is right, but the product of 2000 probabilities falls below the smallest number that f64 \
                 can write. Add logarithms instead of multiplying probabilities",
                |p| p.iter().product::<f64>().powf(-1.0 / p.len() as f64),
            ),
            Known::new(
                "sum-not-mean",
                "tu prends l'exponentielle de la somme : il faut celle de la moyenne. Divise par le nombre de symboles",
                "you take the exponential of the sum: it is that of the mean. Divide by the number of symbols",
                |p| nats(p).exp(),
            ),
            Known::new(
                "missing-exponential",
                "tu rends l'entropie croisée en nats : la perplexité est son exponentielle",
                "you return the cross-entropy in nats: the perplexity is its exponential",
                |p| nats(p) / p.len() as f64,
            ),
            Known::new(
                "missing-exponential",
                "tu rends l'entropie croisée en bits : la perplexité est 2 puissance ce nombre",
                "you return the cross-entropy in bits: the perplexity is 2 to that power",
                |p| nats(p) / p.len() as f64 / LN_2,
            ),
            Known::new(
                "missing-exponential",
                "tu rends la moyenne des ln p : change son signe, puis prends l'exponentielle",
                "you return the mean of ln p: change its sign, then take the exponential",
                |p| -nats(p) / p.len() as f64,
            ),
            Known::new(
                "missing-minus",
                "il manque le signe moins : ln p est négatif, la perplexité vaut exp(−moyenne). Elle n'est jamais sous 1",
                "the minus is missing: ln p is negative, the perplexity is exp(−mean). It is never below 1",
                |p| (-nats(p) / p.len() as f64).exp(),
            ),
            Known::new(
                "missing-minus",
                "il manque le signe moins, et la moyenne : tu rends l'exponentielle de la somme des ln p, le produit \
                 des probabilités",
                "the minus is missing, and so is the mean: you return the exponential of the sum of ln p, the product \
                 of the probabilities",
                |p| (-nats(p)).exp(),
            ),
            Known::new(
                "exp-of-bits",
                "tu mélanges deux bases : logarithme en base 2, exponentielle en base e. Prends `ln` avec `exp`, ou \
                 `log2` avec `exp2`",
                "you mix two bases: a logarithm of base 2, an exponential of base e. Take `ln` with `exp`, or `log2` \
                 with `exp2`",
                |p| (nats(p) / p.len() as f64 / LN_2).exp(),
            ),
            Known::new(
                "two-to-the-nats",
                "tu mélanges deux bases : logarithme naturel, puissance de 2. Prends `ln` avec `exp`, ou `log2` avec \
                 `exp2`",
                "you mix two bases: a natural logarithm, a power of 2. Take `ln` with `exp`, or `log2` with `exp2`",
                |p| (nats(p) / p.len() as f64).exp2(),
            ),
            Known::new(
                "log-base-ten",
                "tu mélanges deux bases : `log10` va avec 10 puissance…, `ln` avec `exp`, `log2` avec `exp2`",
                "you mix two bases: `log10` goes with 10 to the power…, `ln` with `exp`, `log2` with `exp2`",
                |p| (nats(p) / p.len() as f64 / LN_10).exp(),
            ),
            Known::new(
                "log-base-ten",
                "tu mélanges deux bases : `log10` va avec 10 puissance…, `ln` avec `exp`, `log2` avec `exp2`",
                "you mix two bases: `log10` goes with 10 to the power…, `ln` with `exp`, `log2` with `exp2`",
                |p| (nats(p) / p.len() as f64 / LN_10).exp2(),
            ),
            Known::new(
                "log-base-ten",
                "tu rends la moyenne des −log₁₀ p : prends `ln`, puis `exp`",
                "you return the mean of −log₁₀ p: take `ln`, then `exp`",
                |p| nats(p) / p.len() as f64 / LN_10,
            ),
            Known::new(
                "base-e-to-the-ten",
                "tu mélanges deux bases : logarithme naturel, puissance de 10. Prends `ln` avec `exp`",
                "you mix two bases: a natural logarithm, a power of 10. Take `ln` with `exp`",
                |p| (nats(p) / p.len() as f64 * LN_10).exp(),
            ),
            Known::new(
                "sum-not-mean",
                "tu rends la somme des −ln p : divise par le nombre de symboles, puis prends l'exponentielle",
                "you return the sum of −ln p: divide by the number of symbols, then take the exponential",
                |p| nats(p),
            ),
            Known::new(
                "mean-of-inverses",
                "tu fais la moyenne des 1/p (moyenne arithmétique). La perplexité est leur moyenne *géométrique* : la \
                 moyenne se prend sur les logarithmes",
                "you average 1/p (the arithmetic mean). The perplexity is their *geometric* mean: the mean is taken \
                 over the logarithms",
                |p| p.iter().map(|p| 1.0 / p).sum::<f64>() / p.len() as f64,
            ),
            Known::new(
                "inverse-of-mean",
                "tu prends l'inverse de la probabilité moyenne. La moyenne se prend sur les −ln p, pas sur les p",
                "you take the inverse of the mean probability. The mean is taken over −ln p, not over p",
                |p| p.len() as f64 / p.iter().sum::<f64>(),
            ),
            Known::new(
                "weighted-by-p",
                "tu calcules −Σ p ln p, l'entropie d'une distribution. Ici p n'en est pas une : c'est la probabilité de \
                 chaque symbole venu, et chacun compte pour 1/N",
                "you compute −Σ p ln p, the entropy of a distribution. Here p is not one: it is the probability of \
                 each symbol that came, and each counts for 1/N",
                |p| entropy(p).exp(),
            ),
            Known::new(
                "weighted-by-p",
                "tu calcules −Σ p ln p, l'entropie d'une distribution. Ici p n'en est pas une : c'est la probabilité de \
                 chaque symbole venu, et chacun compte pour 1/N",
                "you compute −Σ p ln p, the entropy of a distribution. Here p is not one: it is the probability of \
                 each symbol that came, and each counts for 1/N",
                |p| (entropy(p) / p.len() as f64).exp(),
            ),
            Known::new(
                "weighted-by-p",
                "tu rends −Σ p ln p, l'entropie d'une distribution. Ici p n'en est pas une : chaque symbole compte pour \
                 1/N, et il reste à prendre l'exponentielle",
                "you return −Σ p ln p, the entropy of a distribution. Here p is not one: each symbol counts for 1/N, \
                 and the exponential is still to be taken",
                |p| entropy(p),
            ),
            Known::new(
                "wrong-count",
                "tu divises par N − 1 : il y a N symboles, tous notés",
                "you divide by N − 1: there are N symbols, and all are scored",
                |p| (nats(p) / (p.len() as f64 - 1.0)).exp(),
            ),
            Known::new(
                "wrong-count",
                "tu divises par N + 1 : il y a N symboles",
                "you divide by N + 1: there are N symbols",
                |p| (nats(p) / (p.len() as f64 + 1.0)).exp(),
            ),
            Known::new(
                "skipped-symbol",
                "le premier symbole n'est pas compté dans la somme : commence à l'indice 0",
                "the first symbol is not counted in the sum: begin at index 0",
                |p| (nats(&p[1..]) / p.len() as f64).exp(),
            ),
            Known::new(
                "skipped-symbol",
                "le dernier symbole n'est pas compté dans la somme : `0..p.len()` va déjà jusqu'au dernier indice",
                "the last symbol is not counted in the sum: `0..p.len()` already ends at the last index",
                |p| (nats(&p[..p.len() - 1]) / p.len() as f64).exp(),
            ),
            Known::new(
                "skipped-symbol",
                "le premier symbole n'est pas noté : commence à l'indice 0",
                "the first symbol is not scored: begin at index 0",
                |p| (nats(&p[1..]) / (p.len() - 1) as f64).exp(),
            ),
            Known::new(
                "skipped-symbol",
                "le dernier symbole n'est pas noté : `0..p.len()` va déjà jusqu'au dernier indice",
                "the last symbol is not scored: `0..p.len()` already ends at the last index",
                |p| (nats(&p[..p.len() - 1]) / (p.len() - 1) as f64).exp(),
            ),
            Known::new(
                "last-symbol-only",
                "seul le dernier symbole compte : dans la boucle, écris `+=` et non `=`",
                "only the last symbol counts: in the loop, write `+=` and not `=`",
                |p| 1.0 / p[p.len() - 1],
            ),
            Known::new(
                "last-symbol-only",
                "seul le dernier symbole compte : dans la boucle, écris `+=` et non `=`",
                "only the last symbol counts: in the loop, write `+=` and not `=`",
                |p| (-p[p.len() - 1].ln() / p.len() as f64).exp(),
            ),
            Known::new(
                "missing-minus",
                "il manque le signe moins dans l'exposant : la racine N-ième du produit est l'inverse de la perplexité. Et le produit de 2000 probabilités tombe à 0 : additionne des logarithmes",
                "the minus is missing in the exponent: the N-th root of the product is the inverse of the perplexity. And the product of 2000 probabilities falls to 0: add logarithms",
                |p| p.iter().product::<f64>().powf(1.0 / p.len() as f64),
            ),
            Known::new(
                "log-of-mean",
                "tu prends le logarithme de la probabilité moyenne : la moyenne se prend sur les −ln p, puis vient l'exponentielle",
                "you take the logarithm of the mean probability: the mean is taken over −ln p, then comes the exponential",
                |p| -(p.iter().sum::<f64>() / p.len() as f64).ln(),
            ),
            Known::new(
                "complement",
                "tu prends 1 − p : p[i] est déjà la probabilité du symbole qui est venu",
                "you take 1 − p: p[i] is already the probability of the symbol that came",
                |p| {
                    nats(&p.iter().map(|p| 1.0 - p).collect::<Vec<_>>())
                        .max(0.0)
                        .mul_add(1.0 / p.len() as f64, 0.0)
                        .exp()
                },
            ),
            Known::new(
                "integer-division",
                "ta moyenne est arrondie à un entier : divise par `p.len() as f64`, sans passer par un type entier. Et prends ensuite l'exponentielle",
                "your mean is rounded to an integer: divide by `p.len() as f64`, without an integer type on the way. And then take the exponential",
                |p| (nats(p) as i64 / p.len() as i64) as f64,
            ),
            Known::new(
                "integer-division",
                "ta moyenne est arrondie à un entier : divise par `p.len() as f64`, sans passer par un type entier",
                "your mean is rounded to an integer: divide by `p.len() as f64`, without an integer type on the way",
                |p| ((nats(p) as i64 / p.len() as i64) as f64).exp(),
            ),
            Known::new(
                "always-one",
                "tu réponds toujours 1 : la division `1 / n` de deux entiers vaut 0 (convertis avec `as f64`), ou la \
                 somme n'est jamais remplie",
                "you always answer 1: the division `1 / n` of two integers is 0 (convert with `as f64`), or the sum is \
                 never filled",
                |_| 1.0,
            ),
        ],
    }
}

/// −Σ p ln p.
fn entropy(p: &[f64]) -> f64 {
    p.iter().map(|p| -p * p.ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::{helpful, named};

    fn mean(p: &[f64]) -> f64 {
        nats(p) / p.len() as f64
    }

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        assert!(perplexity(|p| (mean(p) / 2f64.ln()).exp2()).is_passed());
    }

    #[test]
    fn a_hidden_zero_is_recognised() {
        named(&perplexity(|p| mean(&p.iter().map(|p| p + 1e-10).collect::<Vec<_>>()).exp()), "zero-hidden");
        named(&perplexity(|p| mean(&p.iter().map(|p| p.max(1e-12)).collect::<Vec<_>>()).exp()), "zero-hidden");
        named(
            &perplexity(|p| (nats(&p.iter().copied().filter(|p| *p > 0.0).collect::<Vec<_>>()) / p.len() as f64).exp()),
            "zero-hidden",
        );
    }

    #[test]
    fn what_is_not_listed_gets_the_input_and_the_values() {
        let text = perplexity(|p| mean(p).exp() * 3.0).text(Lang::En);
        assert!(text.contains("p = [0.0100]") && text.contains("is 100,") && text.contains("gives 300"), "{text}");
        let text = perplexity(|_| panic!("oh no")).text(Lang::Fr);
        assert!(text.contains("oh no") && text.contains("p = "), "{text}");
        let text = perplexity(|p| if p.contains(&0.0) { panic!("zero!") } else { mean(p).exp() }).text(Lang::En);
        assert!(text.contains("zero!"), "{text}");
        type Try = (&'static str, fn(&[f64]) -> f64);
        let tries: [Try; 12] = [
            ("square root of the product", |p| 1.0 / p.iter().product::<f64>().sqrt()),
            ("median", |p| {
                let mut p = p.to_vec();
                p.sort_by(f64::total_cmp);
                1.0 / p[p.len() / 2]
            }),
            ("largest", |p| 1.0 / p.iter().copied().fold(0.0, f64::max)),
            ("smallest", |p| 1.0 / p.iter().copied().fold(1.0, f64::min)),
            ("how many", |p| p.len() as f64),
            ("nan", |_| f64::NAN),
            ("rounded", |p| mean(p).exp().round()),
            ("f32", |p| f64::from((p.iter().map(|p| -(*p as f32).ln()).sum::<f32>() / p.len() as f32).exp())),
            ("exponential of each", |p| p.iter().map(|p| (-p.ln()).exp()).sum::<f64>()),
            ("plus one", |p| mean(p).exp() + 1.0),
            ("capped", |p| mean(p).exp().min(10.0)),
            ("ln of 1 + p", |p| (p.iter().map(|p| -p.ln_1p()).sum::<f64>() / p.len() as f64).exp()),
        ];
        for (what, f) in tries {
            helpful(what, &perplexity(f));
        }
    }
}
