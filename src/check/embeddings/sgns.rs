//! 02.1: one step of skip-gram with negative sampling.

use motamot_kernels::rng::Rng;

use super::{Known, close, known, random, same, shown};
use crate::check::{Report, numeric_gradient, trial};

const NAME: &str = "02.1";

/// The centre's vector v and the vectors u of the outputs: the true neighbour, then the negatives.
#[derive(Clone)]
struct Case {
    v: Vec<f64>,
    u: Vec<Vec<f64>>,
    rate: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// ln σ(s), finite for every s.
fn log_sigmoid(s: f64) -> f64 {
    s.min(0.0) - (-s.abs()).exp().ln_1p()
}

impl Case {
    fn scores(&self) -> Vec<f64> {
        self.u.iter().map(|u| dot(&self.v, u)).collect()
    }

    fn loss(&self) -> f64 {
        self.scores().iter().enumerate().map(|(k, s)| -log_sigmoid(if k == 0 { *s } else { -s })).sum()
    }

    /// g_k = σ(s_k) − y_k.
    fn errors(&self) -> Vec<f64> {
        self.scores().iter().enumerate().map(|(k, s)| sigmoid(*s) - f64::from(k == 0)).collect()
    }

    /// v − rate·Σ g_k·u_k.
    fn stepped_v(&self, g: &[f64]) -> Vec<f64> {
        let mut v = self.v.clone();
        for (g, u) in g.iter().zip(&self.u) {
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        v
    }

    /// u_k − rate·g_k·v, one after the other.
    fn stepped_u(&self, g: &[f64], v: &[f64]) -> Vec<f64> {
        let step =
            |(g, u): (&f64, &Vec<f64>)| -> Vec<f64> { u.iter().zip(v).map(|(u, v)| u - self.rate * g * v).collect() };
        g.iter().zip(&self.u).flat_map(step).collect()
    }

    /// Everything in one loop over the outputs, each with the values that the one before left; g is taken in the loop
    /// (`fresh`) or before it.
    fn one_loop(&self, u_first: bool, fresh: bool) -> Case {
        let mut c = self.clone();
        let errors = self.errors();
        for k in 0..c.u.len() {
            let g = if fresh { sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0) } else { errors[k] };
            for i in 0..c.v.len() {
                if u_first {
                    c.u[k][i] -= c.rate * g * c.v[i];
                    c.v[i] -= c.rate * g * c.u[k][i];
                } else {
                    c.v[i] -= c.rate * g * c.u[k][i];
                    c.u[k][i] -= c.rate * g * c.v[i];
                }
            }
        }
        c
    }

    /// As [`Case::one_loop`], with the step of each output taken from the v and the u before it.
    fn one_by_one(&self) -> Case {
        let mut c = self.clone();
        for k in 0..c.u.len() {
            let g = sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0);
            for i in 0..c.v.len() {
                let (v, u) = (c.v[i], c.u[k][i]);
                c.v[i] -= c.rate * g * u;
                c.u[k][i] -= c.rate * g * v;
            }
        }
        c
    }

    fn flat_u(&self) -> Vec<f64> {
        self.u.concat()
    }

    fn text(&self, fr: bool) -> String {
        let u: Vec<String> = self.u.iter().map(|u| shown(u)).collect();
        let rate = if fr { "pas" } else { "rate" };
        format!("v = {}, u = [{}], {rate} = {}", shown(&self.v), u.join(", "), self.rate)
    }
}

/// What the usual mistakes return as the loss.
fn losses(c: &Case, after: &Case) -> Vec<Known<f64>> {
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
            "loss-after-update",
            "tu calcules la perte après avoir changé les vecteurs : calcule les scores d'abord, puis mets à jour",
            "you compute the loss after changing the vectors: take the scores first, then update",
            after.loss(),
        ),
    ]
}

/// The errors g that the usual mistakes use, for both updates.
fn wrong_errors(c: &Case) -> Vec<Known<Vec<f64>>> {
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

const IN_LOOP: (&str, &str) = (
    "v change à l'intérieur de la boucle sur les sorties : les scores et les gradients suivants se servent d'un v déjà modifié. Calcule d'abord tous les scores, additionne le gradient de v à part, et ne change v qu'à la fin",
    "v changes inside the loop over the outputs: the next scores and gradients use a v that has already moved. Take all scores first, add up v's gradient on the side, and change v at the end",
);

fn updates(c: &Case, v: &[f64], u: &[f64]) -> Option<(&'static str, &'static str, &'static str)> {
    let g = c.errors();
    let (right_v, right_u) = (c.stepped_v(&g), c.stepped_u(&g, &c.v));
    let moved = Case { u: right_u.chunks(c.v.len()).map(|u| u.to_vec()).collect(), ..c.clone() };
    if same(v, &c.v) && same(u, &c.flat_u()) {
        return Some((
            "no-update",
            "la perte est juste, mais rien n'est mis à jour : change v et u sur place",
            "the loss is right, but nothing is updated: change v and u in place",
        ));
    }
    if same(v, &c.v) && same(u, &right_u) {
        return Some((
            "centre-not-updated",
            "u est juste, mais v n'a pas changé : v ← v − pas · Σ g_k · u_k",
            "u is right, but v has not changed: v ← v − rate · Σ g_k · u_k",
        ));
    }
    if same(u, &c.flat_u()) && same(v, &right_v) {
        return Some((
            "outputs-not-updated",
            "v est juste, mais les u n'ont pas changé : u_k ← u_k − pas · g_k · v",
            "v is right, but the u's have not changed: u_k ← u_k − rate · g_k · v",
        ));
    }
    if same(v, &moved.stepped_v(&g)) {
        return Some((
            "updated-context",
            "le gradient du centre se sert des u déjà mis à jour : additionne Σ g_k · u_k avec les anciens u, avant de les changer",
            "the centre's gradient uses the u's that are already updated: add up Σ g_k · u_k with the old u's before you change them",
        ));
    }
    if same(u, &c.stepped_u(&g, &right_v)) {
        return Some((
            "updated-centre",
            "les u se servent du v déjà mis à jour : garde l'ancien v jusqu'à ce que tous les u soient changés",
            "the u's use the v that is already updated: keep the old v until all the u's have changed",
        ));
    }
    let loops = [(false, false), (false, true), (true, false), (true, true)];
    for wrong in loops.map(|(u_first, fresh)| c.one_loop(u_first, fresh)).into_iter().chain([c.one_by_one()]) {
        if same(u, &wrong.flat_u()) && (same(v, &wrong.v) || !same(u, &right_u)) {
            return Some(("updated-inside-loop", IN_LOOP.0, IN_LOOP.1));
        }
    }
    let last: Vec<f64> = (0..g.len()).map(|i| if i + 1 == g.len() { g[i] } else { 0.0 }).collect();
    if same(v, &c.stepped_v(&last)) {
        return Some((
            "gradient-overwritten",
            "le gradient de v ne garde que le dernier terme : additionne (« += ») sur toutes les sorties",
            "v's gradient keeps the last term only: add up (\"+=\") over all outputs",
        ));
    }
    let own_v: Vec<f64> = c.v.iter().map(|v| v - c.rate * g.iter().sum::<f64>() * v).collect();
    let own_u: Vec<f64> = c.u.iter().zip(&g).flat_map(|(u, g)| u.iter().map(move |u| u - c.rate * g * u)).collect();
    if same(v, &own_v) || same(u, &own_u) {
        return Some((
            "own-vector",
            "chaque gradient porte l'autre vecteur : ∂s/∂v = u et ∂s/∂u = v",
            "each gradient carries the other vector: ∂s/∂v = u and ∂s/∂u = v",
        ));
    }
    for wrong in wrong_errors(c) {
        let (wrong_v, wrong_u) = (c.stepped_v(&wrong.value), c.stepped_u(&wrong.value, &c.v));
        if (!same(v, &right_v) && same(v, &wrong_v)) || (!same(u, &right_u) && same(u, &wrong_u)) {
            return Some((wrong.name, wrong.fr, wrong.en));
        }
    }
    None
}

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(21);
    let mut case = |d: usize, k: usize, rate: f64| Case {
        v: random(&mut rng, d, 1.5),
        u: (0..=k).map(|_| random(&mut rng, d, 1.5)).collect(),
        rate,
    };
    vec![case(3, 3, 0.5), case(2, 2, 0.25), case(5, 4, 0.1), case(1, 2, 0.75), case(8, 5, 0.3)]
}

/// Checks one step of skip-gram with negative sampling: `f(v, u, rate)` returns the loss ℓ = −ln σ(v·u₀) − Σ ln σ(−v·u_k)
/// of the vectors as they were, and takes one step of gradient descent on `v` and on every `u` in place.
pub fn sgns_step(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> Report {
    verdict(f).unwrap_or_else(|report| report)
}

fn call(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64, c: &Case) -> Result<(f64, Case), Report> {
    let mut after = c.clone();
    let outcome = trial(|| f(&mut after.v, &mut after.u, c.rate));
    let loss = outcome.or_report(NAME, (&c.text(true), &c.text(false)))?;
    Ok((loss, after))
}

fn verdict(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> Result<Report, Report> {
    for c in cases() {
        let (loss, after) = call(&f, &c)?;
        if after.u.iter().any(|u| u.len() != c.v.len()) {
            return Err(Report::wrong(
                NAME,
                "la longueur d'un vecteur de u a changé : mets à jour ses nombres sur place",
                "the length of a vector of u has changed: update its numbers in place",
            ));
        }
        let g = c.errors();
        let right = Case {
            v: c.stepped_v(&g),
            u: c.stepped_u(&g, &c.v).chunks(c.v.len()).map(|u| u.to_vec()).collect(),
            rate: c.rate,
        };
        if !close(loss, c.loss(), 1e-9) {
            if let Some(m) = losses(&c, &right).into_iter().find(|m| close(loss, m.value, 1e-9)) {
                return Err(Report::mistake(NAME, m.name, m.fr, m.en));
            }
            return Err(Report::wrong(
                NAME,
                format!(
                    "pour {}, la perte devrait valoir {:.6} et la tienne vaut {loss:.6} ; les scores sont {}",
                    c.text(true),
                    c.loss(),
                    shown(&c.scores())
                ),
                format!(
                    "for {}, the loss should be {:.6}, and yours is {loss:.6}; the scores are {}",
                    c.text(false),
                    c.loss(),
                    shown(&c.scores())
                ),
            ));
        }
        let (v, u) = (&after.v, after.flat_u());
        if !same(v, &right.v) || !same(&u, &right.flat_u()) {
            if let Some((name, fr, en)) = updates(&c, v, &u) {
                return Err(Report::mistake(NAME, name, fr, en));
            }
            let (fr, en, want, got) = if same(v, &right.v) {
                ("les u devraient devenir", "the u's should become", right.flat_u(), u)
            } else {
                ("v devrait devenir", "v should become", right.v.clone(), v.clone())
            };
            return Err(Report::wrong(
                NAME,
                format!(
                    "la perte est juste, mais pas la mise à jour : pour {}, {fr} {} et tu obtiens {} (g = {})",
                    c.text(true),
                    shown(&want),
                    shown(&got),
                    shown(&g)
                ),
                format!(
                    "the loss is right, the update is not: for {}, {en} {}, and you get {} (g = {})",
                    c.text(false),
                    shown(&want),
                    shown(&got),
                    shown(&g)
                ),
            ));
        }
        gradient(&f, &c, &after)?;
    }
    far(&f)?;
    Ok(Report::passed(
        NAME,
        "perte et mises à jour justes sur 5 exemples au hasard, gradient vérifié par différences finies, et stable pour des scores de ±800",
        "loss and updates right on 5 random examples, gradient checked by finite differences, and stable for scores of ±800",
    ))
}

/// (before − after)/rate against central differences of the learner's own loss.
fn gradient(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64, c: &Case, after: &Case) -> Result<(), Report> {
    let d = c.v.len();
    let at: Vec<f64> = c.v.iter().chain(c.u.iter().flatten()).copied().collect();
    let numeric = numeric_gradient(&at, 1e-5, |x| {
        f(&mut x[..d].to_vec(), &mut x[d..].chunks(d).map(|u| u.to_vec()).collect::<Vec<_>>(), c.rate)
    });
    let moved = after.v.iter().chain(after.u.iter().flatten());
    let stepped: Vec<f64> = at.iter().zip(moved).map(|(x, y)| (x - y) / c.rate).collect();
    if numeric.iter().zip(&stepped).all(|(a, b)| close(*a, *b, 1e-6)) {
        return Ok(());
    }
    Err(Report::wrong(
        NAME,
        format!(
            "pour {}, ta perte et ta mise à jour ne vont pas ensemble : les différences finies donnent {}, ton pas {}",
            c.text(true),
            shown(&numeric),
            shown(&stepped)
        ),
        format!(
            "for {}, your loss and your update do not fit together: finite differences give {}, your step {}",
            c.text(false),
            shown(&numeric),
            shown(&stepped)
        ),
    ))
}

/// Scores that are so large that exp overflows, or that 1 − σ is 0.
fn far(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> Result<(), Report> {
    for scores in [[40.0, 40.0, -40.0], [-800.0, 800.0, 1.0], [800.0, -800.0, 2.0]] {
        let c = Case { v: vec![1.0], u: scores.iter().map(|s| vec![*s]).collect(), rate: 0.5 };
        let (loss, after) = call(&f, &c)?;
        let numbers = || after.v.iter().chain(after.u.iter().flatten());
        if !close(loss, c.loss(), 1e-9) {
            return Err(Report::mistake(
                NAME,
                "unstable-log-sigmoid",
                format!(
                    "pour les scores {}, la perte vaut {:.4} et tu obtiens {loss} : σ s'arrondit à 0 (ou exp déborde) avant le logarithme. Écris ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), qui ne déborde jamais",
                    shown(&scores),
                    c.loss()
                ),
                format!(
                    "for the scores {}, the loss is {:.4}, and you get {loss}: σ rounds to 0 (or exp overflows) before the logarithm. Write ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), which never overflows",
                    shown(&scores),
                    c.loss()
                ),
            ));
        }
        if numbers().any(|x| !x.is_finite()) {
            return Err(Report::mistake(
                NAME,
                "unstable-sigmoid",
                format!(
                    "pour les scores {}, un vecteur mis à jour n'est plus un nombre : exp(s)/(1 + exp(s)) donne ∞/∞ ; écris σ(s) = 1/(1 + exp(−s))",
                    shown(&scores)
                ),
                format!(
                    "for the scores {}, an updated vector is no longer a number: exp(s)/(1 + exp(s)) gives ∞/∞; write σ(s) = 1/(1 + exp(−s))",
                    shown(&scores)
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::unfinished;
    use crate::course::Lang;

    /// The solution, with places where it can be spoilt.
    fn spoilt(
        v: &mut [f64],
        u: &mut [Vec<f64>],
        rate: f64,
        loss: impl Fn(&Case) -> f64,
        error: impl Fn(usize, f64, usize) -> f64,
    ) -> f64 {
        let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
        let g: Vec<f64> = c.scores().iter().enumerate().map(|(k, s)| error(k, *s, u.len() - 1)).collect();
        v.copy_from_slice(&c.stepped_v(&g));
        let flat = c.stepped_u(&g, &c.v);
        u.iter_mut().zip(flat.chunks(c.v.len())).for_each(|(u, new)| u.copy_from_slice(new));
        loss(&c)
    }

    fn right_error(k: usize, s: f64, _: usize) -> f64 {
        sigmoid(s) - f64::from(k == 0)
    }

    fn mistake(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> &'static str {
        let report = sgns_step(f);
        for lang in Lang::ALL {
            assert!(report.text(lang).len() > 20);
        }
        report.mistake_name().unwrap_or_else(|| panic!("{report}"))
    }

    #[test]
    fn the_solution_passes_and_a_stub_is_unfinished() {
        let report = sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), right_error));
        assert!(report.is_passed(), "{report}");
        assert_eq!(sgns_step(|_, _, _| unfinished()), Report::unfinished(NAME));
        assert_eq!(sgns_step(|_, _, _| todo!()), Report::unfinished(NAME));
        let panics = sgns_step(|v, u, _| v[0] * u[99][0]);
        assert!(panics.text(Lang::En).contains("panicked"), "{panics}");
        let unknown = sgns_step(|v, u, r| 1.25 * spoilt(v, u, r, |c| c.loss(), right_error));
        assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("should be"), "{unknown}");
        let unknown = sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), |k, s, n| 1.25 * right_error(k, s, n)));
        assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("should become"), "{unknown}");
    }

    #[test]
    fn each_mistake_of_the_loss_is_recognised() {
        for (i, case) in losses(&cases()[0], &cases()[0]).iter().enumerate() {
            let name = mistake(|v, u, r| {
                spoilt(
                    v,
                    u,
                    r,
                    |c| {
                        let g = c.errors();
                        let u = c.stepped_u(&g, &c.v).chunks(c.v.len()).map(|u| u.to_vec()).collect();
                        losses(c, &Case { v: c.stepped_v(&g), u, rate: c.rate })[i].value
                    },
                    right_error,
                )
            });
            assert_eq!(name, case.name);
        }
    }

    #[test]
    fn each_mistake_of_the_update_is_recognised() {
        for (i, case) in wrong_errors(&cases()[0]).iter().enumerate() {
            let name = mistake(|v, u, r| {
                let c = Case { v: v.to_vec(), u: u.to_vec(), rate: r };
                let wrong = wrong_errors(&c).swap_remove(i).value;
                spoilt(v, u, r, |c| c.loss(), |k, _, _| wrong[k])
            });
            assert_eq!(name, case.name);
        }
    }

    /// The step as a learner writes it: `order` says what is updated from what.
    fn ordered(v: &mut [f64], u: &mut [Vec<f64>], rate: f64, order: &str) -> f64 {
        let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
        let g = c.errors();
        let mut dv = vec![0.0; v.len()];
        for (k, row) in u.iter_mut().enumerate() {
            for i in 0..v.len() {
                match order {
                    "updated-context" => {
                        row[i] -= rate * g[k] * v[i];
                        dv[i] += g[k] * row[i];
                    }
                    "updated-inside-loop" => {
                        v[i] -= rate * g[k] * c.u[k][i];
                        row[i] -= rate * g[k] * v[i];
                    }
                    "gradient-overwritten" => {
                        dv[i] = g[k] * row[i];
                        row[i] -= rate * g[k] * v[i];
                    }
                    "own-vector" => {
                        dv[i] += g[k] * c.v[i];
                        row[i] -= rate * g[k] * c.u[k][i];
                    }
                    "centre-not-updated" => row[i] -= rate * g[k] * v[i],
                    "outputs-not-updated" => dv[i] += g[k] * row[i],
                    _ => {}
                }
            }
        }
        v.iter_mut().zip(&dv).for_each(|(v, d)| *v -= rate * d);
        c.loss()
    }

    #[test]
    fn each_wrong_order_is_recognised() {
        for order in [
            "updated-context",
            "gradient-overwritten",
            "own-vector",
            "centre-not-updated",
            "outputs-not-updated",
            "no-update",
            "updated-inside-loop",
        ] {
            assert_eq!(mistake(|v, u, r| ordered(v, u, r, order)), order);
        }
        for (u_first, fresh) in [(false, false), (true, false), (true, true)] {
            let name = mistake(|v, u, rate| {
                let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
                let after = if fresh { c.one_by_one() } else { c.one_loop(u_first, !fresh) };
                v.copy_from_slice(&after.v);
                u.clone_from_slice(&after.u);
                c.loss()
            });
            assert_eq!(name, "updated-inside-loop");
        }
        let centre_first = |v: &mut [f64], u: &mut [Vec<f64>], rate: f64| {
            let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
            v.copy_from_slice(&c.stepped_v(&c.errors()));
            let flat = c.stepped_u(&c.errors(), v);
            u.iter_mut().zip(flat.chunks(v.len())).for_each(|(u, new)| u.copy_from_slice(new));
            c.loss()
        };
        assert_eq!(mistake(centre_first), "updated-centre");
    }

    #[test]
    fn what_overflows_is_recognised() {
        let naive = |c: &Case| -> f64 {
            c.scores().iter().enumerate().map(|(k, s)| -sigmoid(if k == 0 { *s } else { -s }).ln()).sum()
        };
        assert_eq!(mistake(|v, u, r| spoilt(v, u, r, naive, right_error)), "unstable-log-sigmoid");
        let unstable = |k: usize, s: f64, _: usize| s.exp() / (1.0 + s.exp()) - f64::from(k == 0);
        assert_eq!(mistake(|v, u, r| spoilt(v, u, r, |c| c.loss(), unstable)), "unstable-sigmoid");
    }
}
