//! 02.1: one step of skip-gram with negative sampling.

mod mistakes;

use motamot_kernels::rng::Rng;

use super::{close, random, same, shown};
use crate::check::{Report, numeric_gradient, trial};
use mistakes::{losses, wrong_errors};

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

    /// The loss when each score is taken in the loop, after v has moved for the outputs before it.
    fn moving_loss(&self) -> f64 {
        let (mut v, mut loss) = (self.v.clone(), 0.0);
        for (k, u) in self.u.iter().enumerate() {
            let s = dot(&v, u);
            loss -= log_sigmoid(if k == 0 { s } else { -s });
            let g = sigmoid(s) - f64::from(k == 0);
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        loss
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
    let gradient =
        |v: &[f64], stepped: &[f64]| -> Vec<f64> { v.iter().zip(stepped).map(|(v, s)| (v - s) / c.rate).collect() };
    if same(v, &gradient(&c.v, &right_v)) || same(u, &gradient(&c.flat_u(), &right_u)) {
        return Some((
            "gradient-stored",
            "tu as mis le gradient à la place du vecteur : soustrais rate · gradient du vecteur",
            "you put the gradient in the vector's place: subtract rate · gradient from the vector",
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
                    "pour les scores {}, la perte vaut {:.4} et tu obtiens {loss} : σ s'arrondit à 0 (ou exp déborde, ou un `max` la borne) avant le logarithme. Écris ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), qui ne déborde jamais",
                    shown(&scores),
                    c.loss()
                ),
                format!(
                    "for the scores {}, the loss is {:.4}, and you get {loss}: σ rounds to 0 (or exp overflows, or a `max` bounds it) before the logarithm. Write ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), which never overflows",
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
mod tests;
