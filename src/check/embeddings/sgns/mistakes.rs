//! What the usual mistakes compute.

use super::super::{Known, known};
use super::{Case, IN_LOOP, log_sigmoid, sigmoid};

/// What the usual mistakes return as the loss.
pub(super) fn losses(c: &Case, after: &Case) -> Vec<Known<f64>> {
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
        known(
            "no-loss",
            "la perte renvoyée vaut 0 : la fonction doit renvoyer ℓ",
            "the loss you return is 0: the function must return ℓ",
            0.0,
        ),
        known(
            "negatives-sign",
            "pour les négatifs il faut ln σ(−s), et tu as pris ln σ(+s) : le signe « moins » manque dans la sigmoïde",
            "the negatives want ln σ(−s), and you took ln σ(+s): the minus sign inside the sigmoid is missing",
            positive - ls[1..].iter().sum::<f64>(),
        ),
        known(
            "loss-sign",
            "ta perte est l'opposé de la bonne : c'est la vraisemblance logarithmique, et une perte est son opposé (elle est positive)",
            "your loss is the right one with the opposite sign: that is the log-likelihood; a loss is its opposite (and positive)",
            -positive - negative,
        ),
        known(
            "negatives-subtracted",
            "les termes des négatifs sont soustraits : ℓ = −ln σ(s₀) − Σ ln σ(−s_k), chaque terme est positif et tous s'ajoutent",
            "the negatives' terms are subtracted: ℓ = −ln σ(s₀) − Σ ln σ(−s_k); each term is positive and all of them add up",
            positive - negative,
        ),
        known(
            "labels-swapped",
            "les étiquettes sont inversées : c'est le vrai voisin (u[0]) dont le score doit monter, et les négatifs dont il doit baisser (ou ta sigmoïde a le mauvais signe)",
            "the labels are swapped: the true neighbour (u[0]) is the one whose score must rise, the negatives' must fall (or your sigmoid has the wrong sign)",
            -lm[0] - ls[1..].iter().sum::<f64>(),
        ),
        known(
            "missing-negatives-sum",
            "ta perte ne contient que le vrai voisin : ajoute −ln σ(−s_k) pour chaque négatif",
            "your loss holds the true neighbour only: add −ln σ(−s_k) for each negative",
            positive,
        ),
        known(
            "missing-positive",
            "ta perte ne contient que les négatifs : ajoute −ln σ(s₀) pour le vrai voisin, u[0]",
            "your loss holds the negatives only: add −ln σ(s₀) for the true neighbour, u[0]",
            negative,
        ),
        known(
            "last-negative-only",
            "seul le dernier négatif compte : la somme est écrasée à chaque tour (« = » au lieu de « += »)",
            "only the last negative counts: the sum is overwritten in each round (\"=\" instead of \"+=\")",
            positive - lm[lm.len() - 1],
        ),
        known(
            "first-negative-only",
            "seul le premier négatif compte : additionne sur tous, de u[1] à u[K]",
            "only the first negative counts: sum over all of them, u[1] to u[K]",
            positive - lm[1],
        ),
        known(
            "last-negative-missing",
            "le dernier négatif manque : la boucle s'arrête un tour trop tôt",
            "the last negative is missing: the loop ends one round early",
            positive + negative + lm[lm.len() - 1],
        ),
        known(
            "positive-among-negatives",
            "u[0] est compté deux fois, comme voisin et comme négatif : la boucle des négatifs commence à 1",
            "u[0] counts twice, as the neighbour and as a negative: the loop over the negatives starts at 1",
            positive + negative - lm[0],
        ),
        known(
            "negatives-mean",
            "tu as pris la moyenne des négatifs : la perte en est la somme",
            "you took the mean over the negatives: the loss is their sum",
            positive + negative / k,
        ),
        known(
            "loss-mean",
            "tu as divisé la perte par le nombre de termes, K + 1 : ℓ est une somme",
            "you divided the loss by the number of terms, K + 1: ℓ is a sum",
            (positive + negative) / (k + 1.0),
        ),
        known(
            "missing-log",
            "le logarithme manque : tu additionnes des σ, il faut des −ln σ",
            "the logarithm is missing: you add up σ's, and need −ln σ's",
            -sigmoid(s[0]) - s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>(),
        ),
        known(
            "missing-log",
            "le logarithme manque : tu additionnes des σ, il faut des −ln σ",
            "the logarithm is missing: you add up σ's, and need −ln σ's",
            sigmoid(s[0]) + s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>(),
        ),
        known(
            "missing-sigmoid",
            "la sigmoïde manque : tu utilises les scores eux-mêmes, ℓ = −ln σ(s₀) − Σ ln σ(−s_k)",
            "the sigmoid is missing: you use the scores themselves, ℓ = −ln σ(s₀) − Σ ln σ(−s_k)",
            -s[0] + s[1..].iter().sum::<f64>(),
        ),
        known(
            "squared-error",
            "tu as calculé l'erreur quadratique Σ(σ − y)² : ici la perte est l'entropie croisée, −ln σ",
            "you computed the squared error Σ(σ − y)²: here the loss is the cross-entropy, −ln σ",
            c.errors().iter().map(|g| g * g).sum(),
        ),
        known(
            "log-base",
            "tu as pris le logarithme en base 2 : la perte est en nats, avec le logarithme naturel (`ln`)",
            "you took the logarithm to base 2: the loss is in nats, with the natural logarithm (`ln`)",
            (positive + negative) / std::f64::consts::LN_2,
        ),
        known(
            "log-base",
            "tu as pris le logarithme décimal : la perte est en nats, avec le logarithme naturel (`ln`)",
            "you took the logarithm to base 10: the loss is in nats, with the natural logarithm (`ln`)",
            (positive + negative) / std::f64::consts::LN_10,
        ),
        known(
            "softmax",
            "c'est la perte d'un softmax sur les K + 1 mots : l'échantillonnage négatif fait K + 1 décisions oui/non, chacune avec sa sigmoïde",
            "this is the loss of a softmax over the K + 1 words: negative sampling takes K + 1 yes/no decisions, each with its own sigmoid",
            softmax,
        ),
        known(
            "scaled-scores",
            "tes scores sont divisés par √d : c'est l'attention (carnet 03) qui le fait, pas word2vec",
            "your scores are divided by √d: attention does that (notebook 03), word2vec does not",
            scaled((c.v.len() as f64).sqrt()),
        ),
        known(
            "scaled-scores",
            "tes scores sont divisés par d : un produit scalaire est une somme, pas une moyenne",
            "your scores are divided by d: a dot product is a sum, not a mean",
            scaled(c.v.len() as f64),
        ),
        known(
            "neighbour-last",
            "tu prends le dernier u pour le vrai voisin : c'est u[0], et les négatifs suivent",
            "you take the last u for the true neighbour: it is u[0], and the negatives follow",
            -lm[..lm.len() - 1].iter().sum::<f64>() - ls[ls.len() - 1],
        ),
        known("updated-inside-loop", IN_LOOP.0, IN_LOOP.1, c.moving_loss()),
        known(
            "loss-after-update",
            "tu calcules la perte après avoir changé les vecteurs : calcule les scores d'abord, puis mets à jour",
            "you compute the loss after changing the vectors: take the scores first, then update",
            after.loss(),
        ),
    ]
}

/// The errors g that the usual mistakes use, for both updates.
pub(super) fn wrong_errors(c: &Case) -> Vec<Known<Vec<f64>>> {
    let (s, g) = (c.scores(), c.errors());
    let k = (s.len() - 1) as f64;
    let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..s.len()).map(f).collect() };
    vec![
        known(
            "gradient-ascent",
            "les vecteurs montent la pente au lieu de la descendre : x ← x − pas · gradient",
            "the vectors climb the slope instead of going down: x ← x − rate · gradient",
            each(&|i| -g[i]),
        ),
        known(
            "missing-rate",
            "le pas d'apprentissage manque : multiplie chaque mise à jour par `rate`",
            "the learning rate is missing: multiply each update by `rate`",
            each(&|i| g[i] / c.rate),
        ),
        known(
            "missing-sigmoid",
            "la sigmoïde manque dans le gradient : g = σ(s) − y, et non s − y",
            "the sigmoid is missing from the gradient: g = σ(s) − y, not s − y",
            each(&|i| s[i] - f64::from(i == 0)),
        ),
        known(
            "missing-label",
            "tu as oublié l'étiquette : pour le vrai voisin (u[0]), g = σ(s) − 1",
            "you forgot the label: for the true neighbour (u[0]), g = σ(s) − 1",
            each(&|i| sigmoid(s[i])),
        ),
        known(
            "negatives-sign",
            "les négatifs sont traités comme de vrais voisins (σ(s) − 1) : leur étiquette est 0, donc g = σ(s)",
            "the negatives are treated as true neighbours (σ(s) − 1): their label is 0, so g = σ(s)",
            each(&|i| sigmoid(s[i]) - 1.0),
        ),
        known(
            "labels-swapped",
            "les étiquettes sont inversées : y = 1 pour u[0], y = 0 pour les négatifs",
            "the labels are swapped: y = 1 for u[0], y = 0 for the negatives",
            each(&|i| sigmoid(s[i]) - f64::from(i != 0)),
        ),
        known(
            "negatives-sign",
            "le gradient des négatifs a le mauvais signe : g = σ(s_k) les éloigne du centre, −σ(s_k) les en rapproche",
            "the negatives' gradient has the wrong sign: g = σ(s_k) pushes them away from the centre, −σ(s_k) pulls them in",
            each(&|i| if i == 0 { g[i] } else { -g[i] }),
        ),
        known(
            "positive-sign",
            "le gradient du vrai voisin a le mauvais signe : g₀ = σ(s₀) − 1 est négatif, et le rapproche du centre",
            "the true neighbour's gradient has the wrong sign: g₀ = σ(s₀) − 1 is negative, and pulls it towards the centre",
            each(&|i| if i == 0 { -g[i] } else { g[i] }),
        ),
        known(
            "sigmoid-sign",
            "σ(−s) au lieu de σ(s) dans le gradient : pour un négatif, −∂ ln σ(−s)/∂s = σ(s)",
            "σ(−s) instead of σ(s) in the gradient: for a negative, −∂ ln σ(−s)/∂s = σ(s)",
            each(&|i| if i == 0 { g[i] } else { sigmoid(-s[i]) }),
        ),
        known(
            "extra-sigmoid-derivative",
            "tu multiplies encore par σ(1 − σ) : cette dérivée se simplifie avec celle du logarithme, il reste σ − y",
            "you multiply by σ(1 − σ) once more: this derivative cancels with the logarithm's, and σ − y is left",
            each(&|i| g[i] * sigmoid(s[i]) * (1.0 - sigmoid(s[i]))),
        ),
        known(
            "missing-negatives-sum",
            "seul le vrai voisin participe à la mise à jour : additionne aussi les gradients des négatifs",
            "only the true neighbour takes part in the update: add the negatives' gradients, too",
            each(&|i| if i == 0 { g[i] } else { 0.0 }),
        ),
        known(
            "missing-positive",
            "seuls les négatifs participent à la mise à jour : il manque le vrai voisin, u[0]",
            "only the negatives take part in the update: the true neighbour, u[0], is missing",
            each(&|i| if i == 0 { 0.0 } else { g[i] }),
        ),
        known(
            "last-negative-missing",
            "le dernier vecteur de u ne participe pas : la boucle s'arrête un tour trop tôt",
            "the last vector of u takes no part: the loop ends one round early",
            each(&|i| if i + 1 == s.len() { 0.0 } else { g[i] }),
        ),
        known(
            "negatives-mean",
            "le gradient des négatifs est divisé par K : la perte est une somme, son gradient aussi",
            "the negatives' gradient is divided by K: the loss is a sum, and so is its gradient",
            each(&|i| if i == 0 { g[i] } else { g[i] / k }),
        ),
        known(
            "loss-mean",
            "le gradient est divisé par K + 1 : la perte est une somme, son gradient aussi",
            "the gradient is divided by K + 1: the loss is a sum, and so is its gradient",
            each(&|i| g[i] / (k + 1.0)),
        ),
        known(
            "rate-twice",
            "le pas est appliqué deux fois : multiplie par `rate` une seule fois",
            "the rate is applied twice: multiply by `rate` only once",
            each(&|i| g[i] * c.rate),
        ),
    ]
}
