//! 03.1: the backward of a recurrent network.
//!
//! (Over 500 lines: the usual mistakes stand beside the right answer, each with its text twice and its test.)

use motamot_kernels::rng::Rng;

use super::{Slip, agree, list, random, recognise, wrong_length};
use crate::check::{Outcome, Report, largest_difference, numeric_gradient, trial};

const EXERCISE: &str = "03.1";

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    None,
    // In dz.
    NoDerivative,
    PreviousState,
    NotSquared,
    TanhTwice,
    Sigmoid,
    NoFuture,
    NotTransposed,
    FutureBeforeTanh,
    TanhOnlyOwn,
    TanhOnlyFuture,
    FutureAccumulates,
    OwnLost,
    ForwardOrder,
    NoWeights,
    Sign,
    LastSkipped,
    FirstSkipped,
    Squared,
    TimeReversed,
    GradientOfState,
    OneStep,
    FutureInLoop,
    // In dW.
    OverwrittenFirst,
    OverwrittenLast,
    StateAfter,
    Transposed,
    Mean,
    BeforeTanh,
    OwnOnly,
    SignW,
    FirstMissing,
    LastMissing,
}
use Bug::*;

/// z_t = x_t + W·h_{t−1}, h_t = tanh(z_t): h (T + 1, C), dL/dh_t as it comes from each step's own loss (T, C) → (dW, dz).
fn backward(bug: Bug, h: &[f64], d_h: &[f64], w: &[f64], c: usize) -> (Vec<f64>, Vec<f64>) {
    let t = d_h.len() / c;
    let (mut dw, mut dz, mut all) = (vec![0.0; c * c], vec![0.0; t * c], vec![0.0; t * c]);
    let mut future = vec![0.0; c];
    let order: Vec<usize> = if bug == ForwardOrder { (0..t).collect() } else { (0..t).rev().collect() };
    for s in order {
        if (bug == LastSkipped && s + 1 == t) || (bug == FirstSkipped && s == 0) {
            continue;
        }
        for i in 0..c {
            let (now, before) = (h[(s + 1) * c + i], h[s * c + i]);
            let slope = match bug {
                NoDerivative => 1.0,
                PreviousState => 1.0 - before * before,
                NotSquared => 1.0 - now,
                TanhTwice => 1.0 - now.tanh().powi(2),
                Sigmoid => now * (1.0 - now),
                Squared => now * now,
                _ => 1.0 - now * now,
            };
            let own = if bug == OwnLost && s + 1 < t { 0.0 } else { d_h[s * c + i] };
            let later = if bug == NoFuture { 0.0 } else { future[i] };
            all[s * c + i] = own + later;
            dz[s * c + i] = match bug {
                TanhOnlyOwn => own * slope + later,
                TanhOnlyFuture => own + later * slope,
                _ => (own + later) * slope,
            };
            if bug == FutureInLoop {
                for j in 0..c {
                    future[j] = (0..=i).map(|i| w[i * c + j] * dz[s * c + i]).sum();
                }
            }
        }
        let own: Vec<f64> = (0..t * c).map(|at| d_h[at] * (1.0 - h[at + c] * h[at + c])).collect();
        let from = match bug {
            FutureBeforeTanh => &all,
            OneStep => &own,
            _ => &dz,
        };
        for j in 0..c {
            let back: f64 = match bug {
                NotTransposed => (0..c).map(|i| w[j * c + i] * from[s * c + i]).sum(),
                NoWeights => from[s * c + j],
                _ => (0..c).map(|i| w[i * c + j] * from[s * c + i]).sum(),
            };
            future[j] = if bug == FutureAccumulates { future[j] + back } else { back };
        }
    }
    if bug == TimeReversed {
        dz = dz.chunks(c).rev().flatten().copied().collect();
    }
    if bug == GradientOfState {
        dz.clone_from(&all);
    }
    if bug == Sign {
        dz.iter_mut().for_each(|x| *x = -*x);
    }
    for s in 0..t {
        let skipped = match bug {
            OverwrittenFirst => s != 0,
            OverwrittenLast => s + 1 != t,
            LastMissing => s + 1 == t,
            FirstMissing => s == 0,
            _ => false,
        };
        if skipped {
            continue;
        }
        for i in 0..c {
            let d = match bug {
                BeforeTanh => all[s * c + i],
                OwnOnly => d_h[s * c + i],
                SignW => -dz[s * c + i],
                Mean => dz[s * c + i] / t as f64,
                _ => dz[s * c + i],
            };
            for j in 0..c {
                let at = if bug == Transposed { j * c + i } else { i * c + j };
                dw[at] += d * h[(s + usize::from(bug == StateAfter)) * c + j];
            }
        }
    }
    (dw, dz)
}

const IN_DZ: [Slip<Bug>; 22] = [
    (
        NoDerivative,
        "missing-tanh-derivative",
        "tu as oublié tanh′ : le gradient qui arrive à h_t doit être multiplié par 1 − h_t² pour devenir dz_t",
        "you forgot tanh′: the gradient that reaches h_t must be multiplied by 1 − h_t² to become dz_t",
    ),
    (
        NoFuture,
        "missing-future",
        "il manque le gradient qui vient du futur : h_t sert aussi à calculer h_{t+1}, donc dh_t = d_h[t] + Wᵀ·dz_{t+1}",
        "the gradient from the future is missing: h_t is also used for h_{t+1}, so dh_t = d_h[t] + Wᵀ·dz_{t+1}",
    ),
    (
        NotTransposed,
        "not-transposed",
        "W n'est pas transposée : à l'aller h_i reçoit W[i][j]·h_j, donc au retour c'est h_j qui reçoit Σ_i W[i][j]·dz_i (ici les vecteurs sont des colonnes, au contraire de la cellule du cours)",
        "W is not transposed: going forward h_i gets W[i][j]·h_j, so going back h_j gets Σ_i W[i][j]·dz_i (vectors are columns here, unlike in the notebook's cell)",
    ),
    (
        PreviousState,
        "derivative-at-previous-state",
        "tanh′ est prise au mauvais instant : c'est 1 − h_t², et h_t est la ligne t + 1 de `h` (la ligne 0 est l'état de départ)",
        "tanh′ is taken at the wrong step: it is 1 − h_t², and h_t is row t + 1 of `h` (row 0 is the starting state)",
    ),
    (
        NotSquared,
        "derivative-not-squared",
        "tanh′(z) = 1 − tanh²(z) : il manque le carré, tu as pris 1 − h",
        "tanh′(z) = 1 − tanh²(z): the square is missing, you took 1 − h",
    ),
    (
        TanhTwice,
        "tanh-twice",
        "h est déjà tanh(z) : ne reprends pas la tangente hyperbolique, tanh′ = 1 − h²",
        "h already is tanh(z): do not take tanh again, tanh′ = 1 − h²",
    ),
    (
        Sigmoid,
        "sigmoid-derivative",
        "h·(1 − h) est la dérivée de la sigmoïde ; celle de tanh est 1 − h²",
        "h·(1 − h) is the sigmoid's derivative; that of tanh is 1 − h²",
    ),
    (
        FutureBeforeTanh,
        "future-before-tanh",
        "ce qui remonte au pas précédent est Wᵀ·dz (après la multiplication par tanh′), pas Wᵀ·dh",
        "what goes back to the step before is Wᵀ·dz (after the multiplication by tanh′), not Wᵀ·dh",
    ),
    (
        TanhOnlyOwn,
        "future-not-through-tanh",
        "le gradient du futur arrive lui aussi à h_t, donc avant la tanh : (d_h + futur)·(1 − h²), pas d_h·(1 − h²) + futur",
        "the gradient from the future arrives at h_t, too, so before tanh: (d_h + future)·(1 − h²), not d_h·(1 − h²) + future",
    ),
    (
        TanhOnlyFuture,
        "own-not-through-tanh",
        "ta propre perte passe elle aussi par la tanh : (d_h + futur)·(1 − h²), pas d_h + futur·(1 − h²)",
        "the step's own loss goes through tanh, too: (d_h + future)·(1 − h²), not d_h + future·(1 − h²)",
    ),
    (
        FutureAccumulates,
        "future-accumulated",
        "le gradient du futur s'accumule d'un pas à l'autre : h_t ne nourrit que h_{t+1}, remplace `futur` à chaque pas (c'est dW qui s'accumule)",
        "the gradient from the future piles up from step to step: h_t feeds h_{t+1} only, replace `future` at each step (it is dW that accumulates)",
    ),
    (
        OwnLost,
        "own-gradient-lost",
        "seul le dernier pas reçoit sa propre perte : à chaque pas, ajoute d_h[t] à ce qui vient du futur",
        "only the last step gets its own loss: at each step add d_h[t] to what comes from the future",
    ),
    (
        ForwardOrder,
        "forward-order",
        "tu parcours le temps dans le sens de l'aller : le retour va du dernier pas au premier, `(0..t).rev()`",
        "you walk through time in the forward direction: the backward goes from the last step to the first, `(0..t).rev()`",
    ),
    (
        NoWeights,
        "missing-weights",
        "le gradient du futur doit traverser W : c'est Wᵀ·dz_{t+1}, pas dz_{t+1}",
        "the gradient from the future has to go through W: it is Wᵀ·dz_{t+1}, not dz_{t+1}",
    ),
    (
        Sign,
        "wrong-sign",
        "le signe est inversé : on demande le gradient lui-même, pas le pas de descente",
        "the sign is reversed: the gradient itself is wanted, not the descent step",
    ),
    (
        LastSkipped,
        "last-step-skipped",
        "le dernier pas est oublié : la boucle doit commencer à t − 1, `(0..t).rev()`",
        "the last step is left out: the loop must start at t − 1, `(0..t).rev()`",
    ),
    (
        FirstSkipped,
        "first-step-skipped",
        "le premier pas est oublié : la boucle doit aller jusqu'à 0 compris",
        "the first step is left out: the loop must go down to 0 and include it",
    ),
    (Squared, "derivative-without-one", "tanh′ vaut 1 − h², tu as pris h²", "tanh′ is 1 − h², you took h²"),
    (
        TimeReversed,
        "time-reversed",
        "tes dz sont justes, mais le temps est à l'envers (des `push` ou `extend` dans une boucle qui recule ?) : la ligne 0 de dz est le premier pas",
        "your dz are right, but time runs backwards (`push` or `extend` in a loop that goes back?): row 0 of dz is the first step",
    ),
    (
        GradientOfState,
        "gradient-before-tanh",
        "tu rends le gradient de h_t (d_h + futur) : dz_t est celui d'avant la tanh, multiplié par 1 − h_t²",
        "you return the gradient of h_t (d_h + future): dz_t is the one before tanh, multiplied by 1 − h_t²",
    ),
    (
        OneStep,
        "one-step-only",
        "le gradient du futur ne remonte que d'un pas : il doit venir du dz_{t+1} complet, qui contient lui-même son futur, pas de d_h[t+1]·(1 − h²) seul",
        "the gradient from the future goes back one step only: it must come from the whole dz_{t+1}, which holds its own future, not from d_h[t+1]·(1 − h²) alone",
    ),
    (
        FutureInLoop,
        "future-changed-inside-loop",
        "`futur` change pendant la boucle sur i : les i suivants se servent d'un futur déjà remplacé. Calcule d'abord tous les dz_t, puis le nouveau futur",
        "`future` changes within the loop over i: the next i use a future that has been replaced. Compute all of dz_t first, then the new future",
    ),
];

const IN_DW: [Slip<Bug>; 10] = [
    (
        OverwrittenFirst,
        "overwritten",
        "dW est écrasée à chaque pas au lieu d'être accumulée : la même W sert à tous les pas, donc `+=`",
        "dW is overwritten at each step instead of accumulated: the same W serves all steps, so `+=`",
    ),
    (
        OverwrittenLast,
        "overwritten",
        "dW ne contient qu'un seul pas : la même W sert à tous, il faut faire la somme sur le temps, `+=`",
        "dW holds a single step only: the same W serves all of them, sum over time, `+=`",
    ),
    (
        StateAfter,
        "state-after",
        "dW = Σ_t dz_t·h_{t−1}ᵀ : W multiplie l'état d'avant (la ligne t de `h`), tu as pris celui d'après",
        "dW = Σ_t dz_t·h_{t−1}ᵀ: W multiplies the state before (row t of `h`), you took the one after",
    ),
    (
        Transposed,
        "gradient-transposed",
        "dW est transposée : W[i][j] relie h_j à z_i, donc dW[i][j] = Σ_t dz_i·h_j",
        "dW is transposed: W[i][j] links h_j to z_i, so dW[i][j] = Σ_t dz_i·h_j",
    ),
    (
        Mean,
        "mean-over-time",
        "dW est divisée par T : la dérivée d'une somme de pertes est la somme sur les pas, pas leur moyenne",
        "dW is divided by T: the derivative of a sum of losses is the sum over the steps, not their mean",
    ),
    (
        BeforeTanh,
        "weights-before-tanh",
        "dW utilise le gradient de h_t au lieu de dz_t : W agit avant la tanh, multiplie d'abord par 1 − h_t²",
        "dW uses the gradient of h_t instead of dz_t: W acts before tanh, multiply by 1 − h_t² first",
    ),
    (
        OwnOnly,
        "weights-own-loss-only",
        "dW n'utilise que la perte de chaque pas (d_h) : il faut dz_t, qui contient aussi ce qui vient du futur",
        "dW uses each step's own loss only (d_h): it needs dz_t, which also holds what comes from the future",
    ),
    (
        SignW,
        "wrong-sign",
        "le signe de dW est inversé : on demande le gradient lui-même, pas le pas de descente",
        "the sign of dW is reversed: the gradient itself is wanted, not the descent step",
    ),
    (
        FirstMissing,
        "first-step-missing",
        "le premier pas manque dans dW : l'état de départ h_0 (ligne 0) n'est pas forcément nul",
        "the first step is missing in dW: the starting state h_0 (row 0) need not be zero",
    ),
    (
        LastMissing,
        "last-step-missing",
        "le dernier pas manque dans dW : la somme va de t = 0 à T − 1 compris",
        "the last step is missing in dW: the sum goes from t = 0 to T − 1, both included",
    ),
];

/// 03.1: the backward of z_t = x_t + W·h_{t−1}, h_t = tanh(z_t) over T steps, vectors being columns.
///
/// `f(h, d_h, w, c)`: the states h_0 … h_T (T + 1 rows of C), the gradient that reaches each of h_1 … h_T from its own
/// step's loss (T rows), W (C, C) → (dW (C, C), dz (T, C)).
pub fn rnn_backward(f: impl Fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>)) -> Report {
    answer(f).unwrap_or_else(|report| report)
}

fn answer(f: impl Fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>)) -> Result<Report, Report> {
    let mut rng = Rng::new(31);
    // First a shape where all slips differ, then others.
    let shapes = [(4, 3), (1, 1), (2, 1), (1, 3), (3, 2), (6, 4), (5, 5), (2, 6)];
    for (t, c) in shapes {
        let h: Vec<f64> = random(&mut rng, (t + 1) * c, 0.7).iter().map(|x| x.tanh()).collect();
        let (d_h, w) = (random(&mut rng, t * c, 1.0), random(&mut rng, c * c, 0.8));
        let size = format!("T = {t}, C = {c}");
        let outcome = trial(|| f(&h, &d_h, &w, c));
        if let Outcome::Panic(m) = &outcome
            && (m.contains("out of bounds") || m.contains("out of range"))
        {
            return Err(Report::mistake(
                EXERCISE,
                "out-of-bounds",
                format!(
                    "un indice sort d'un tableau pour {size} (« {m} ») : `h` a T + 1 = {} lignes de C, `d_h` et dz T = {t} (donc T = d_h.len() / C) ; h_t est la ligne t + 1 de `h` quand on compte les pas à partir de 0",
                    t + 1
                ),
                format!(
                    "an index leaves an array for {size} (\"{m}\"): `h` has T + 1 = {} rows of C, `d_h` and dz T = {t} (so T = d_h.len() / C); h_t is row t + 1 of `h` when steps count from 0",
                    t + 1
                ),
            ));
        }
        let (dw, dz) = outcome.or_report(EXERCISE, (&size, &size))?;
        if dw.len() == t * c && dz.len() == c * c && t != c {
            return Err(Report::mistake(
                EXERCISE,
                "swapped-results",
                "les deux résultats sont échangés : rends (dW, dz), dans cet ordre",
                "the two results are swapped: return (dW, dz), in this order",
            ));
        }
        if dz.len() != t * c {
            return Err(wrong_length(EXERCISE, ("dz (T, C)", "dz (T, C)"), t * c, dz.len()));
        }
        if dw.len() != c * c {
            return Err(wrong_length(EXERCISE, ("dW (C, C)", "dW (C, C)"), c * c, dw.len()));
        }
        let right = backward(None, &h, &d_h, &w, c);
        if !agree(&dz, &right.1) {
            let slip = recognise(EXERCISE, &dz, &right.1, &IN_DZ, |bug| backward(bug, &h, &d_h, &w, c).1);
            return Err(slip.unwrap_or_else(|| wrong(&f, "dz", &size, &dz, &right.1)));
        }
        if !agree(&dw, &right.0) {
            let slip = recognise(EXERCISE, &dw, &right.0, &IN_DW, |bug| backward(bug, &h, &d_h, &w, c).0);
            return Err(slip.unwrap_or_else(|| wrong(&f, "dW", &size, &dw, &right.0)));
        }
    }
    finite_differences(&f)?;
    Ok(Report::passed(
        EXERCISE,
        "dW et dz sont justes sur 8 tailles, et égaux aux différences finies d'un vrai réseau",
        "dW and dz are right for 8 sizes, and equal the finite differences of a real network",
    ))
}

/// Something unknown: the smallest example by hand, if it is wrong there, too.
fn wrong(
    f: impl Fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>),
    what: &str,
    size: &str,
    got: &[f64],
    want: &[f64],
) -> Report {
    // dz_2 = 2·(1 − 0.16) = 1.68; dz_1 = (1 + 0.5·1.68)·(1 − 0.36) = 1.1776; dW = 0.2·1.1776 + 0.6·1.68 = 1.24352
    let (h, d_h, w) = ([0.2, 0.6, -0.4], [1.0, 2.0], [0.5]);
    if let Outcome::Value((dw, dz)) = trial(|| f(&h, &d_h, &w, 1))
        && !(agree(&dw, &[1.24352]) && agree(&dz, &[1.1776, 1.68]))
    {
        let (dw, dz) = (list(&dw), list(&dz));
        return Report::wrong(
            EXERCISE,
            format!(
                "sur l'exemple T = 2, C = 1, h = [0.2, 0.6, -0.4], d_h = [1, 2], W = [0.5], on attend dz = [1.1776, 1.68] et dW = [1.2435] ; tu as dz = {dz}, dW = {dw}. Calcule d'abord dz_2 à la main"
            ),
            format!(
                "on the example T = 2, C = 1, h = [0.2, 0.6, -0.4], d_h = [1, 2], W = [0.5], dz = [1.1776, 1.68] and dW = [1.2435] are expected; you have dz = {dz}, dW = {dw}. Compute dz_2 by hand first"
            ),
        );
    }
    let (at, _) = largest_difference(got, want);
    let (got, want) = (list(&got[at..at + 1]), list(&want[at..at + 1]));
    Report::wrong(
        EXERCISE,
        format!(
            "avec {size} (valeurs au hasard), {what}[{at}] devrait valoir {want}, tu as {got} ; avec C = 1 c'est juste : regarde les indices i et j"
        ),
        format!(
            "with {size} (random values), {what}[{at}] should be {want}, you have {got}; with C = 1 it is right: look at the indices i and j"
        ),
    )
}

/// L = Σ r ⊙ h over a real network: dL/dW and dL/dx (= dz) by central differences.
fn finite_differences(f: impl Fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>)) -> Result<(), Report> {
    let (t, c, mut rng) = (5, 3, Rng::new(32));
    let (x, w) = (random(&mut rng, t * c, 0.8), random(&mut rng, c * c, 0.6));
    let (start, r) = (random(&mut rng, c, 0.3), random(&mut rng, t * c, 1.0));
    let h = states(&x, &w, &start, c);
    let (dw, dz) = trial(|| f(&h, &r, &w, c)).or_report(EXERCISE, ("T = 5, C = 3", "T = 5, C = 3"))?;
    let loss = |x: &[f64], w: &[f64]| states(x, w, &start, c)[c..].iter().zip(&r).map(|(h, r)| h * r).sum::<f64>();
    let (want_w, want_x) = (numeric_gradient(&w, 1e-5, |w| loss(&x, w)), numeric_gradient(&x, 1e-5, |x| loss(x, &w)));
    if largest_difference(&dw, &want_w).1 < 1e-6 && largest_difference(&dz, &want_x).1 < 1e-6 {
        return Ok(());
    }
    Err(Report::wrong(
        EXERCISE,
        "ton gradient n'est pas celui des différences finies d'un réseau de 5 pas",
        "your gradient is not that of the finite differences of a network of 5 steps",
    ))
}

/// The states h_0 … h_T.
fn states(x: &[f64], w: &[f64], start: &[f64], c: usize) -> Vec<f64> {
    let mut h = start.to_vec();
    for s in 0..x.len() / c {
        for i in 0..c {
            let z = x[s * c + i] + (0..c).map(|j| w[i * c + j] * h[s * c + j]).sum::<f64>();
            h.push(z.tanh());
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::unfinished;
    use crate::course::Lang;

    #[test]
    fn the_solution_passes() {
        let report = rnn_backward(|h, d, w, c| backward(None, h, d, w, c));
        assert!(report.is_passed(), "{report:?}");
        assert!(Lang::ALL.iter().all(|&lang| !report.text(lang).is_empty()));
    }

    #[test]
    fn each_mistake_is_recognised() {
        for (bug, name, fr, en) in IN_DZ.iter().chain(&IN_DW) {
            let report = rnn_backward(|h, d, w, c| backward(*bug, h, d, w, c));
            assert_eq!(report.mistake_name(), Some(*name), "{bug:?}: {report:?}");
            assert!(!fr.is_empty() && !en.is_empty());
        }
        let swapped = rnn_backward(|h, d, w, c| {
            let (dw, dz) = backward(None, h, d, w, c);
            (dz, dw)
        });
        assert_eq!(swapped.mistake_name(), Some("swapped-results"));
        let after_the_end = rnn_backward(|h, d, w, c| {
            let (dw, dz) = backward(None, h, d, w, c);
            (dw, dz.iter().enumerate().map(|(i, x)| x + h[i + 2 * c]).collect())
        });
        assert_eq!(after_the_end.mistake_name(), Some("out-of-bounds"));
        // Two mistakes at once: the first one on the way is named.
        let both =
            rnn_backward(|h, d, w, c| (backward(OverwrittenFirst, h, d, w, c).0, backward(NoFuture, h, d, w, c).1));
        assert_eq!(both.mistake_name(), Some("missing-future"));
    }

    #[test]
    fn anything_else_gets_an_answer() {
        assert_eq!(rnn_backward(|_, _, _, _| unfinished()), Report::unfinished(EXERCISE));
        assert_eq!(rnn_backward(|_, _, _, _| todo!()), Report::unfinished(EXERCISE));
        type Attempt = fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>);
        let wrong: [Attempt; 4] = [
            |_, _, _, _| (vec![], vec![]),
            |_, d, w, _| (vec![0.0; w.len()], vec![f64::NAN; d.len()]),
            |h, d, w, c| (backward(None, h, d, w, c).0.iter().map(|x| 3.0 * x).collect(), backward(None, h, d, w, c).1),
            |_, d, _, _| panic!("index {}", d.len()),
        ];
        for f in wrong {
            let report = rnn_backward(f);
            assert!(matches!(report.verdict(), crate::check::Verdict::Wrong { .. }), "{report:?}");
        }
    }
}
