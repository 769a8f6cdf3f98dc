//! What the usual mistakes compute.

use super::{Case, Vectors, log_sigmoid, sigmoid};
use crate::check::answer::same_numbers;
use crate::check::exercise::Mistake;

/// Name, French, English, what it gives.
type Value<T> = (&'static str, &'static str, &'static str, T);

const IN_LOOP: (&str, &str) = (
    "v change à l'intérieur de la boucle sur les sorties : les scores et les gradients suivants se servent d'un v déjà modifié. Calcule d'abord tous les scores, additionne le gradient de v à part, et ne change v qu'à la fin",
    "v changes inside the loop over the outputs: the next scores and gradients use a v that has already moved. Take all scores first, add up v's gradient on the side, and change v at the end",
);

/// Those of the loss.
pub(super) fn of_loss() -> Vec<Mistake<'static, Case, f64>> {
    let named = losses(&Case::example()).into_iter().enumerate();
    named.map(|(at, (name, fr, en, _))| Mistake::new(name, fr, en, move |c| losses(c)[at].3)).collect()
}

/// A look at v and u after the step.
type Sign = Box<dyn Fn(&Case, &[f64], &[f64]) -> bool>;

/// Those of the step: of its order first, then of the errors g. One vector that gives it away is enough.
pub(super) fn of_step() -> Vec<Mistake<'static, Case, Vectors>> {
    let near = |sign: Sign, name, fr, en| {
        Mistake::seen(name, fr, en, move |tries| {
            tries.panics().next().is_none()
                && !tries.only_wrong_where(Case::is_far)
                && tries.each_wrong(|c, (v, u): &Vectors, _| c.is_far() || sign(c, v, u))
        })
    };
    let errors = wrong_errors(&Case::example()).into_iter().enumerate().map(|(at, (name, fr, en, _))| {
        let sign = move |c: &Case, v: &[f64], u: &[f64]| {
            let (g, wrong) = (c.errors(), wrong_errors(c).swap_remove(at).3);
            let (right_v, right_u) = (c.stepped_v(&g), c.stepped_u(&g, &c.v));
            let (wrong_v, wrong_u) = (c.stepped_v(&wrong), c.stepped_u(&wrong, &c.v));
            (!same_numbers(v, &right_v) && same_numbers(v, &wrong_v))
                || (!same_numbers(u, &right_u) && same_numbers(u, &wrong_u))
        };
        near(Box::new(sign), name, fr, en)
    });
    ORDERS.iter().map(|(name, fr, en, sign)| near(Box::new(*sign), name, fr, en)).chain(errors).collect()
}

/// What the usual mistakes return as the loss.
fn losses(c: &Case) -> Vec<Value<f64>> {
    let after = c.stepped();
    let s = c.scores();
    let ls: Vec<f64> = s.iter().map(|s| log_sigmoid(*s)).collect();
    let lm: Vec<f64> = s.iter().map(|s| log_sigmoid(-s)).collect();
    let (positive, negative) = (-ls[0], -lm[1..].iter().sum::<f64>());
    let k = (s.len() - 1) as f64;
    let scaled = |by: f64| -> f64 {
        s.iter().enumerate().map(|(k, s)| -log_sigmoid(if k == 0 { s / by } else { -s / by })).sum()
    };
    let top = s.iter().copied().fold(f64::MIN, f64::max);
    let softmax = top + s.iter().map(|s| (s - top).exp()).sum::<f64>().ln() - s[0];
    vec![
        (
            "no-loss",
            "la perte renvoyée vaut 0 : la fonction doit renvoyer ℓ",
            "the loss you return is 0: the function must return ℓ",
            0.0,
        ),
        (
            "negatives-sign",
            "pour les négatifs il faut ln σ(−s), et tu as pris ln σ(+s) : le signe « moins » manque dans la sigmoïde",
            "the negatives want ln σ(−s), and you took ln σ(+s): the minus sign inside the sigmoid is missing",
            positive - ls[1..].iter().sum::<f64>(),
        ),
        (
            "loss-sign",
            "ta perte est l'opposé de la bonne : c'est la vraisemblance logarithmique, et une perte est son opposé (elle est positive)",
            "your loss is the right one with the opposite sign: that is the log-likelihood; a loss is its opposite (and positive)",
            -positive - negative,
        ),
        (
            "negatives-subtracted",
            "les termes des négatifs sont soustraits : ℓ = −ln σ(s₀) − Σ ln σ(−s_k), chaque terme est positif et tous s'ajoutent",
            "the negatives' terms are subtracted: ℓ = −ln σ(s₀) − Σ ln σ(−s_k); each term is positive and all of them add up",
            positive - negative,
        ),
        (
            "labels-swapped",
            "les étiquettes sont inversées : c'est le vrai voisin (u[0]) dont le score doit monter, et les négatifs dont il doit baisser (ou ta sigmoïde a le mauvais signe)",
            "the labels are swapped: the true neighbour (u[0]) is the one whose score must rise, the negatives' must fall (or your sigmoid has the wrong sign)",
            -lm[0] - ls[1..].iter().sum::<f64>(),
        ),
        (
            "missing-negatives-sum",
            "ta perte ne contient que le vrai voisin : ajoute −ln σ(−s_k) pour chaque négatif",
            "your loss holds the true neighbour only: add −ln σ(−s_k) for each negative",
            positive,
        ),
        (
            "missing-positive",
            "ta perte ne contient que les négatifs : ajoute −ln σ(s₀) pour le vrai voisin, u[0]",
            "your loss holds the negatives only: add −ln σ(s₀) for the true neighbour, u[0]",
            negative,
        ),
        (
            "last-negative-only",
            "seul le dernier négatif compte : la somme est écrasée à chaque tour (« = » au lieu de « += »)",
            "only the last negative counts: the sum is overwritten in each round (\"=\" instead of \"+=\")",
            positive - lm[lm.len() - 1],
        ),
        (
            "first-negative-only",
            "seul le premier négatif compte : additionne sur tous, de u[1] à u[K]",
            "only the first negative counts: sum over all of them, u[1] to u[K]",
            positive - lm[1],
        ),
        (
            "last-negative-missing",
            "le dernier négatif manque : la boucle s'arrête un tour trop tôt",
            "the last negative is missing: the loop ends one round early",
            positive + negative + lm[lm.len() - 1],
        ),
        (
            "positive-among-negatives",
            "u[0] est compté deux fois, comme voisin et comme négatif : la boucle des négatifs commence à 1",
            "u[0] counts twice, as the neighbour and as a negative: the loop over the negatives starts at 1",
            positive + negative - lm[0],
        ),
        (
            "negatives-mean",
            "tu as pris la moyenne des négatifs : la perte en est la somme",
            "you took the mean over the negatives: the loss is their sum",
            positive + negative / k,
        ),
        (
            "loss-mean",
            "tu as divisé la perte par le nombre de termes, K + 1 : ℓ est une somme",
            "you divided the loss by the number of terms, K + 1: ℓ is a sum",
            (positive + negative) / (k + 1.0),
        ),
        (
            "missing-log",
            "le logarithme manque : tu additionnes des σ, il faut des −ln σ",
            "the logarithm is missing: you add up σ's, and need −ln σ's",
            -sigmoid(s[0]) - s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>(),
        ),
        (
            "missing-log",
            "le logarithme manque : tu additionnes des σ, il faut des −ln σ",
            "the logarithm is missing: you add up σ's, and need −ln σ's",
            sigmoid(s[0]) + s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>(),
        ),
        (
            "missing-sigmoid",
            "la sigmoïde manque : tu utilises les scores eux-mêmes, ℓ = −ln σ(s₀) − Σ ln σ(−s_k)",
            "the sigmoid is missing: you use the scores themselves, ℓ = −ln σ(s₀) − Σ ln σ(−s_k)",
            -s[0] + s[1..].iter().sum::<f64>(),
        ),
        (
            "squared-error",
            "tu as calculé l'erreur quadratique Σ(σ − y)² : ici la perte est l'entropie croisée, −ln σ",
            "you computed the squared error Σ(σ − y)²: here the loss is the cross-entropy, −ln σ",
            c.errors().iter().map(|g| g * g).sum(),
        ),
        (
            "log-base",
            "tu as pris le logarithme en base 2 : la perte est en nats, avec le logarithme naturel (`ln`)",
            "you took the logarithm to base 2: the loss is in nats, with the natural logarithm (`ln`)",
            (positive + negative) / std::f64::consts::LN_2,
        ),
        (
            "log-base",
            "tu as pris le logarithme décimal : la perte est en nats, avec le logarithme naturel (`ln`)",
            "you took the logarithm to base 10: the loss is in nats, with the natural logarithm (`ln`)",
            (positive + negative) / std::f64::consts::LN_10,
        ),
        (
            "softmax",
            "c'est la perte d'un softmax sur les K + 1 mots : l'échantillonnage négatif fait K + 1 décisions oui/non, chacune avec sa sigmoïde",
            "this is the loss of a softmax over the K + 1 words: negative sampling takes K + 1 yes/no decisions, each with its own sigmoid",
            softmax,
        ),
        (
            "scaled-scores",
            "tes scores sont divisés par √d : c'est l'attention (carnet 03) qui le fait, pas word2vec",
            "your scores are divided by √d: attention does that (notebook 03), word2vec does not",
            scaled((c.v.len() as f64).sqrt()),
        ),
        (
            "scaled-scores",
            "tes scores sont divisés par d : un produit scalaire est une somme, pas une moyenne",
            "your scores are divided by d: a dot product is a sum, not a mean",
            scaled(c.v.len() as f64),
        ),
        (
            "neighbour-last",
            "tu prends le dernier u pour le vrai voisin : c'est u[0], et les négatifs suivent",
            "you take the last u for the true neighbour: it is u[0], and the negatives follow",
            -lm[..lm.len() - 1].iter().sum::<f64>() - ls[ls.len() - 1],
        ),
        ("updated-inside-loop", IN_LOOP.0, IN_LOOP.1, c.moving_loss()),
        (
            "loss-after-update",
            "tu calcules la perte après avoir changé les vecteurs : calcule les scores d'abord, puis mets à jour",
            "you compute the loss after changing the vectors: take the scores first, then update",
            after.loss(),
        ),
    ]
}

/// The errors g that the usual mistakes use, for both updates.
pub(super) fn wrong_errors(c: &Case) -> Vec<Value<Vec<f64>>> {
    let (s, g) = (c.scores(), c.errors());
    let k = (s.len() - 1) as f64;
    let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..s.len()).map(f).collect() };
    vec![
        (
            "gradient-ascent",
            "les vecteurs montent la pente au lieu de la descendre : x ← x − pas · gradient",
            "the vectors climb the slope instead of going down: x ← x − rate · gradient",
            each(&|i| -g[i]),
        ),
        (
            "missing-rate",
            "le pas d'apprentissage manque : multiplie chaque mise à jour par `rate`",
            "the learning rate is missing: multiply each update by `rate`",
            each(&|i| g[i] / c.rate),
        ),
        (
            "missing-sigmoid",
            "la sigmoïde manque dans le gradient : g = σ(s) − y, et non s − y",
            "the sigmoid is missing from the gradient: g = σ(s) − y, not s − y",
            each(&|i| s[i] - f64::from(i == 0)),
        ),
        (
            "missing-label",
            "tu as oublié l'étiquette : pour le vrai voisin (u[0]), g = σ(s) − 1",
            "you forgot the label: for the true neighbour (u[0]), g = σ(s) − 1",
            each(&|i| sigmoid(s[i])),
        ),
        (
            "negatives-sign",
            "les négatifs sont traités comme de vrais voisins (σ(s) − 1) : leur étiquette est 0, donc g = σ(s)",
            "the negatives are treated as true neighbours (σ(s) − 1): their label is 0, so g = σ(s)",
            each(&|i| sigmoid(s[i]) - 1.0),
        ),
        (
            "labels-swapped",
            "les étiquettes sont inversées : y = 1 pour u[0], y = 0 pour les négatifs",
            "the labels are swapped: y = 1 for u[0], y = 0 for the negatives",
            each(&|i| sigmoid(s[i]) - f64::from(i != 0)),
        ),
        (
            "negatives-sign",
            "le gradient des négatifs a le mauvais signe : g = σ(s_k) les éloigne du centre, −σ(s_k) les en rapproche",
            "the negatives' gradient has the wrong sign: g = σ(s_k) pushes them away from the centre, −σ(s_k) pulls them in",
            each(&|i| if i == 0 { g[i] } else { -g[i] }),
        ),
        (
            "positive-sign",
            "le gradient du vrai voisin a le mauvais signe : g₀ = σ(s₀) − 1 est négatif, et le rapproche du centre",
            "the true neighbour's gradient has the wrong sign: g₀ = σ(s₀) − 1 is negative, and pulls it towards the centre",
            each(&|i| if i == 0 { -g[i] } else { g[i] }),
        ),
        (
            "sigmoid-sign",
            "σ(−s) au lieu de σ(s) dans le gradient : pour un négatif, −∂ ln σ(−s)/∂s = σ(s)",
            "σ(−s) instead of σ(s) in the gradient: for a negative, −∂ ln σ(−s)/∂s = σ(s)",
            each(&|i| if i == 0 { g[i] } else { sigmoid(-s[i]) }),
        ),
        (
            "extra-sigmoid-derivative",
            "tu multiplies encore par σ(1 − σ) : cette dérivée se simplifie avec celle du logarithme, il reste σ − y",
            "you multiply by σ(1 − σ) once more: this derivative cancels with the logarithm's, and σ − y is left",
            each(&|i| g[i] * sigmoid(s[i]) * (1.0 - sigmoid(s[i]))),
        ),
        (
            "missing-negatives-sum",
            "seul le vrai voisin participe à la mise à jour : additionne aussi les gradients des négatifs",
            "only the true neighbour takes part in the update: add the negatives' gradients, too",
            each(&|i| if i == 0 { g[i] } else { 0.0 }),
        ),
        (
            "missing-positive",
            "seuls les négatifs participent à la mise à jour : il manque le vrai voisin, u[0]",
            "only the negatives take part in the update: the true neighbour, u[0], is missing",
            each(&|i| if i == 0 { 0.0 } else { g[i] }),
        ),
        (
            "last-negative-missing",
            "le dernier vecteur de u ne participe pas : la boucle s'arrête un tour trop tôt",
            "the last vector of u takes no part: the loop ends one round early",
            each(&|i| if i + 1 == s.len() { 0.0 } else { g[i] }),
        ),
        (
            "negatives-mean",
            "le gradient des négatifs est divisé par K : la perte est une somme, son gradient aussi",
            "the negatives' gradient is divided by K: the loss is a sum, and so is its gradient",
            each(&|i| if i == 0 { g[i] } else { g[i] / k }),
        ),
        (
            "loss-mean",
            "le gradient est divisé par K + 1 : la perte est une somme, son gradient aussi",
            "the gradient is divided by K + 1: the loss is a sum, and so is its gradient",
            each(&|i| g[i] / (k + 1.0)),
        ),
        (
            "rate-twice",
            "le pas est appliqué deux fois : multiplie par `rate` une seule fois",
            "the rate is applied twice: multiply by `rate` only once",
            each(&|i| g[i] * c.rate),
        ),
    ]
}

type Order = fn(&Case, &[f64], &[f64]) -> bool;

/// What is updated from what: a look at the vectors v and u after the step.
const ORDERS: [Value<Order>; 9] = [
    (
        "no-update",
        "la perte est juste, mais rien n'est mis à jour : change v et u sur place",
        "the loss is right, but nothing is updated: change v and u in place",
        |c, v, u| same_numbers(v, &c.v) && same_numbers(u, &c.flat_u()),
    ),
    (
        "centre-not-updated",
        "u est juste, mais v n'a pas changé : v ← v − pas · Σ g_k · u_k",
        "u is right, but v has not changed: v ← v − rate · Σ g_k · u_k",
        |c, v, u| {
            let g = c.errors();
            let right_u = c.stepped_u(&g, &c.v);
            same_numbers(v, &c.v) && same_numbers(u, &right_u)
        },
    ),
    (
        "outputs-not-updated",
        "v est juste, mais les u n'ont pas changé : u_k ← u_k − pas · g_k · v",
        "v is right, but the u's have not changed: u_k ← u_k − rate · g_k · v",
        |c, v, u| {
            let g = c.errors();
            let right_v = c.stepped_v(&g);
            same_numbers(u, &c.flat_u()) && same_numbers(v, &right_v)
        },
    ),
    (
        "updated-context",
        "le gradient du centre se sert des u déjà mis à jour : additionne Σ g_k · u_k avec les anciens u, avant de les changer",
        "the centre's gradient uses the u's that are already updated: add up Σ g_k · u_k with the old u's before you change them",
        |c, v, _| {
            let g = c.errors();
            let moved = Case { v: c.v.clone(), ..c.stepped() };
            same_numbers(v, &moved.stepped_v(&g))
        },
    ),
    (
        "updated-centre",
        "les u se servent du v déjà mis à jour : garde l'ancien v jusqu'à ce que tous les u soient changés",
        "the u's use the v that is already updated: keep the old v until all the u's have changed",
        |c, _, u| {
            let g = c.errors();
            let right_v = c.stepped_v(&g);
            same_numbers(u, &c.stepped_u(&g, &right_v))
        },
    ),
    (
        "gradient-stored",
        "tu as mis le gradient à la place du vecteur : soustrais rate · gradient du vecteur",
        "you put the gradient in the vector's place: subtract rate · gradient from the vector",
        |c, v, u| {
            let g = c.errors();
            let (right_v, right_u) = (c.stepped_v(&g), c.stepped_u(&g, &c.v));
            let gradient = |v: &[f64], stepped: &[f64]| -> Vec<f64> {
                v.iter().zip(stepped).map(|(v, s)| (v - s) / c.rate).collect()
            };
            same_numbers(v, &gradient(&c.v, &right_v)) || same_numbers(u, &gradient(&c.flat_u(), &right_u))
        },
    ),
    ("updated-inside-loop", IN_LOOP.0, IN_LOOP.1, |c, v, u| {
        let right_u = c.stepped_u(&c.errors(), &c.v);
        let loops = [(false, false), (false, true), (true, false), (true, true)];
        let mut all = loops.map(|(u_first, fresh)| c.one_loop(u_first, fresh)).into_iter().chain([c.one_by_one()]);
        all.any(|wrong| same_numbers(u, &wrong.flat_u()) && (same_numbers(v, &wrong.v) || !same_numbers(u, &right_u)))
    }),
    (
        "gradient-overwritten",
        "le gradient de v ne garde que le dernier terme : additionne (« += ») sur toutes les sorties",
        "v's gradient keeps the last term only: add up (\"+=\") over all outputs",
        |c, v, _| {
            let g = c.errors();
            let last: Vec<f64> = (0..g.len()).map(|i| if i + 1 == g.len() { g[i] } else { 0.0 }).collect();
            same_numbers(v, &c.stepped_v(&last))
        },
    ),
    (
        "own-vector",
        "chaque gradient porte l'autre vecteur : ∂s/∂v = u et ∂s/∂u = v",
        "each gradient carries the other vector: ∂s/∂v = u and ∂s/∂u = v",
        |c, v, u| {
            let g = c.errors();
            let own_v: Vec<f64> = c.v.iter().map(|v| v - c.rate * g.iter().sum::<f64>() * v).collect();
            let own_u: Vec<f64> =
                c.u.iter().zip(&g).flat_map(|(u, g)| u.iter().map(move |u| u - c.rate * g * u)).collect();
            same_numbers(v, &own_v) || same_numbers(u, &own_u)
        },
    ),
];
