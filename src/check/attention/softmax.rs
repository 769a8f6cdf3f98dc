//! 03.4: the backward of softmax with a temperature.

use motamot_kernels::rng::Rng;

use super::{Slip, agree, list, random, recognise, wrong_length};
use crate::check::{Report, largest_difference, numeric_gradient, trial};

const EXERCISE: &str = "03.4";

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    Right,
    OnlyDiagonal,
    NoSum,
    NoP,
    Sign,
    PlainSum,
    Mean,
    WholeMatrix,
    Columns,
    NoTemperature,
    TimesTemperature,
    SoftmaxAgain,
    LogSoftmax,
    SumWithoutSelf,
    PlusSum,
    JacobianRow,
    TanhLike,
    TemperatureOnSum,
    TemperatureOnGradient,
    RootTemperature,
    TemperatureTwice,
    RootWidth,
    Average,
    MinusGradient,
    PlusOffDiagonal,
    OffDiagonalOnly,
    SumKept,
    Running,
    SumOfP,
    Exchanged,
    LastTermMissing,
    LastRowMissing,
    RowsForWidth,
}
use Bug::*;

fn softmax(x: &[f64], tau: f64) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| ((x - max) / tau).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// p = softmax(x / τ) by rows of n: dx = p ⊙ (dp − Σ p ⊙ dp) / τ.
fn backward(bug: Bug, p: &[f64], dp: &[f64], n: usize, tau: f64) -> Vec<f64> {
    let p: Vec<f64> =
        if bug == SoftmaxAgain { p.chunks(n).flat_map(|row| softmax(row, 1.0)).collect() } else { p.to_vec() };
    let whole: f64 = p.iter().zip(dp).map(|(p, d)| p * d).sum();
    if bug == RowsForWidth && p.len() / n < n {
        return backward(Right, &p, dp, (p.len() / n).max(1), tau);
    }
    let mut dx = Vec::new();
    for at in 0..p.len() {
        let row = at / n * n..at / n * n + n;
        let dot: f64 = row.clone().map(|j| p[j] * dp[j]).sum();
        let plain: f64 = row.clone().map(|j| dp[j]).sum();
        let column: f64 = (at % n..p.len()).step_by(n).map(|j| p[j] * dp[j]).sum();
        let so_far: f64 = (0..row.end).map(|j| p[j] * dp[j]).sum();
        let running: f64 = (row.start..=at).map(|j| p[j] * dp[j]).sum();
        let last = p[row.end - 1] * dp[row.end - 1];
        let last_row = row.end == p.len() && p.len() > n;
        let (p, d) = (p[at], dp[at]);
        let x = match bug {
            OnlyDiagonal => p * (1.0 - p) * d,
            NoSum => p * d,
            NoP => d - dot,
            Sign => p * (dot - d),
            PlainSum => p * (d - plain),
            Mean => p * (d - plain / n as f64),
            WholeMatrix => p * (d - whole),
            Columns => p * (d - column),
            LogSoftmax => d - p * plain,
            SumWithoutSelf => p * (d - (dot - p * d)),
            PlusSum => p * (d + dot),
            JacobianRow => p * (1.0 - p) - (dot - p * d),
            TanhLike => (1.0 - p * p) * d,
            TemperatureOnSum => p * (d - dot / tau) * tau,
            TemperatureOnGradient => p * (d / tau - dot) * tau,
            Average => p * (d - dot / n as f64),
            MinusGradient => p - d,
            PlusOffDiagonal => p * (1.0 - p) * d + p * (dot - p * d),
            OffDiagonalOnly => -p * (dot - p * d),
            SumKept => p * (d - so_far),
            Running => p * (d - running),
            SumOfP => p * (d - 1.0),
            Exchanged => d * (p - dot),
            LastTermMissing => p * (d - (dot - last)),
            LastRowMissing if last_row => 0.0,
            _ => p * (d - dot),
        };
        dx.push(match bug {
            NoTemperature => x,
            TimesTemperature => x * tau,
            RootTemperature => x / tau.sqrt(),
            TemperatureTwice => x / (tau * tau),
            RootWidth => x / (n as f64).sqrt(),
            _ => x / tau,
        });
    }
    dx
}

const SLIPS: [Slip<Bug>; 32] = [
    (
        OnlyDiagonal,
        "only-diagonal",
        "tu n'as que la diagonale de la jacobienne, p_i·(1 − p_i) : bouger x_j change aussi les autres p_i, de −p_i·p_j",
        "you only have the diagonal of the Jacobian, p_i·(1 − p_i): moving x_j changes the other p_i, too, by −p_i·p_j",
    ),
    (
        NoSum,
        "missing-sum",
        "il manque le terme de somme : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ ; sans lui, les dx d'une ligne ne somment pas à 0",
        "the sum is missing: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ; without it the dx of a row do not add up to 0",
    ),
    (
        NoP,
        "missing-p",
        "il manque le facteur p_i devant la parenthèse : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "the factor p_i in front of the bracket is missing: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        Sign,
        "wrong-sign",
        "le signe est inversé : dp_i moins la somme, pas la somme moins dp_i",
        "the sign is reversed: dp_i minus the sum, not the sum minus dp_i",
    ),
    (
        PlusSum,
        "added-sum",
        "la somme doit être retranchée, pas ajoutée : la jacobienne hors diagonale est −p_i·p_j",
        "the sum must be subtracted, not added: off its diagonal the Jacobian is −p_i·p_j",
    ),
    (
        PlainSum,
        "unweighted-sum",
        "la somme doit être pondérée par p : Σ_j p_j·dp_j, pas Σ_j dp_j",
        "the sum must be weighted by p: Σ_j p_j·dp_j, not Σ_j dp_j",
    ),
    (
        Mean,
        "mean-instead-of-weighted-sum",
        "tu retranches la moyenne des dp ; c'est leur moyenne pondérée par p, Σ_j p_j·dp_j",
        "you subtract the mean of the dp; it is their mean weighted by p, Σ_j p_j·dp_j",
    ),
    (
        WholeMatrix,
        "sum-over-everything",
        "la somme va sur toute la matrice : chaque ligne de n est un softmax à elle seule",
        "the sum goes over the whole matrix: each row of n is a softmax of its own",
    ),
    (
        Columns,
        "wrong-axis",
        "la somme descend les colonnes : un softmax est une ligne de n valeurs qui se suivent",
        "the sum goes down the columns: a softmax is a row of n values side by side",
    ),
    (
        NoTemperature,
        "missing-temperature",
        "il manque 1/τ : le softmax reçoit x/τ, et la règle de la chaîne rend ce facteur",
        "1/τ is missing: softmax gets x/τ, and the chain rule gives that factor back",
    ),
    (
        TimesTemperature,
        "multiplied-by-temperature",
        "tu multiplies par τ : x est divisé par τ à l'aller, son gradient l'est aussi au retour",
        "you multiply by τ: x is divided by τ going forward, and so is its gradient going back",
    ),
    (
        SoftmaxAgain,
        "softmax-again",
        "p est déjà la sortie du softmax : n'applique pas softmax à p une seconde fois",
        "p already is softmax's output: do not apply softmax to p a second time",
    ),
    (
        LogSoftmax,
        "log-softmax",
        "dp − p·Σ dp est le gradient de log-softmax ; ici la sortie est p, pas ln p",
        "dp − p·Σ dp is the gradient of log-softmax; here the output is p, not ln p",
    ),
    (
        SumWithoutSelf,
        "sum-without-itself",
        "la somme doit contenir j = i : le terme diagonal est p_i·(1 − p_i), et le −p_i² vient de là",
        "the sum must include j = i: the diagonal is p_i·(1 − p_i), and the −p_i² comes from there",
    ),
    (
        JacobianRow,
        "diagonal-without-gradient",
        "le terme diagonal p_i·(1 − p_i) doit être multiplié par dp_i, et chaque −p_i·p_j par dp_j",
        "the diagonal p_i·(1 − p_i) must be multiplied by dp_i, and each −p_i·p_j by dp_j",
    ),
    (
        TanhLike,
        "tanh-derivative",
        "1 − p² est la dérivée de tanh ; celle de softmax est la matrice diag(p) − p·pᵀ",
        "1 − p² is the derivative of tanh; that of softmax is the matrix diag(p) − p·pᵀ",
    ),
    (
        TemperatureOnSum,
        "temperature-on-one-term",
        "tu ne divises par τ que la somme : toute la parenthèse est divisée, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "you divide only the sum by τ: the whole bracket is divided, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        TemperatureOnGradient,
        "temperature-on-one-term",
        "tu ne divises par τ que dp_i : toute la parenthèse est divisée, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "you divide only dp_i by τ: the whole bracket is divided, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        RootTemperature,
        "root-of-temperature",
        "tu divises par √τ : c'est τ lui-même (dans l'attention, τ vaut déjà √d)",
        "you divide by √τ: it is τ itself (in attention τ already is √d)",
    ),
    (
        TemperatureTwice,
        "temperature-twice",
        "tu divises deux fois par τ : un seul facteur 1/τ vient de x/τ",
        "you divide by τ twice: x/τ gives a single factor 1/τ",
    ),
    (
        RootWidth,
        "root-of-width",
        "tu divises par √n, la racine de la longueur d'une ligne : le facteur est 1/τ, qui t'est donné",
        "you divide by √n, the root of a row's length: the factor is 1/τ, which you are given",
    ),
    (
        Average,
        "sum-divided-by-n",
        "tu divises Σ_j p_j·dp_j par n : p somme à 1, c'est donc déjà une moyenne",
        "you divide Σ_j p_j·dp_j by n: p adds up to 1, so it already is a mean",
    ),
    (
        MinusGradient,
        "cross-entropy-gradient",
        "p − y est le gradient de l'entropie croisée, où y est la cible ; ici on te donne dp, un gradient quelconque : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "p − y is the gradient of the cross-entropy, y being the target; here you are given dp, any gradient: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        PlusOffDiagonal,
        "off-diagonal-sign",
        "hors diagonale, la jacobienne vaut −p_i·p_j : il te manque le signe moins",
        "off its diagonal the Jacobian is −p_i·p_j: you are missing the minus sign",
    ),
    (
        OffDiagonalOnly,
        "missing-diagonal",
        "il manque la diagonale de la jacobienne : le terme p_i·(1 − p_i)·dp_i",
        "the diagonal of the Jacobian is missing: the term p_i·(1 − p_i)·dp_i",
    ),
    (
        SumKept,
        "sum-not-reset",
        "la somme n'est pas remise à zéro entre deux lignes : chaque ligne a la sienne",
        "the sum is not set back to zero between two rows: each row has its own",
    ),
    (
        Running,
        "running-sum",
        "tu te sers de la somme avant qu'elle soit finie : calcule Σ_j p_j·dp_j sur toute la ligne dans une première boucle, puis dx dans une seconde",
        "you use the sum before it is complete: compute Σ_j p_j·dp_j over the whole row in a first loop, then dx in a second",
    ),
    (
        SumOfP,
        "sum-of-p",
        "la somme retranchée vaut 1 : tu additionnes les p_j seuls, il faut Σ_j p_j·dp_j",
        "the sum you subtract is 1: you add up the p_j alone, it takes Σ_j p_j·dp_j",
    ),
    (
        Exchanged,
        "p-and-gradient-exchanged",
        "p et dp sont échangés : c'est p_i·(dp_i − Σ), pas dp_i·(p_i − Σ)",
        "p and dp are exchanged: it is p_i·(dp_i − Σ), not dp_i·(p_i − Σ)",
    ),
    (
        LastTermMissing,
        "last-term-missing",
        "la somme oublie le dernier terme de la ligne : j va de 0 à n − 1 compris",
        "the sum leaves out the row's last term: j goes from 0 to n − 1, included",
    ),
    (
        LastRowMissing,
        "last-row-missing",
        "la dernière ligne est restée à zéro : il y en a p.len()/n",
        "the last row is still zero: there are p.len()/n of them",
    ),
    (
        RowsForWidth,
        "rows-for-width",
        "tu prends n pour le nombre de lignes : c'est leur longueur, et il y en a p.len()/n",
        "you take n for the number of rows: it is their length, and there are p.len()/n of them",
    ),
];

/// 03.4: the backward of p = softmax(x/τ), by rows of n.
///
/// `f(p, dp, n, tau)`: the outputs and their gradients, rows of n side by side → dx of the same length.
pub fn softmax_backward(f: impl Fn(&[f64], &[f64], usize, f64) -> Vec<f64>) -> Report {
    answer(f).unwrap_or_else(|report| report)
}

fn answer(f: impl Fn(&[f64], &[f64], usize, f64) -> Vec<f64>) -> Result<Report, Report> {
    let mut rng = Rng::new(34);
    // First a shape where all slips differ, then others; a row of one number has gradient 0.
    for (rows, n, tau) in [(2, 4, 1.7), (1, 3, 0.5), (3, 2, 2.0), (4, 4, 1.0), (1, 1, 3.0), (5, 7, 0.8), (2, 16, 4.0)] {
        let x = random(&mut rng, rows * n, 1.2);
        let p: Vec<f64> = x.chunks(n).flat_map(|row| softmax(row, tau)).collect();
        let dp = random(&mut rng, rows * n, 1.0);
        let size = (format!("{rows} ligne(s) de {n}, τ = {tau}"), format!("{rows} row(s) of {n}, τ = {tau}"));
        let dx = trial(|| f(&p, &dp, n, tau)).or_report(EXERCISE, (&size.0, &size.1))?;
        if dx.len() != p.len() {
            return Err(wrong_length(EXERCISE, ("dx, comme p,", "dx, like p,"), p.len(), dx.len()));
        }
        let right = backward(Right, &p, &dp, n, tau);
        if !agree(&dx, &right) {
            let slip = recognise(EXERCISE, &dx, &right, &SLIPS, |bug| backward(bug, &p, &dp, n, tau));
            return Err(slip.unwrap_or_else(|| wrong(&f, &size, &dx, &right)));
        }
        let loss = |x: &[f64]| x.chunks(n).flat_map(|row| softmax(row, tau)).zip(&dp).map(|(p, d)| p * d).sum::<f64>();
        if largest_difference(&dx, &numeric_gradient(&x, 1e-5, loss)).1 > 1e-6 {
            return Err(wrong(&f, &size, &dx, &right));
        }
    }
    Ok(Report::passed(
        EXERCISE,
        "dx est juste sur 7 tailles et températures, et égal aux différences finies",
        "dx is right for 7 sizes and temperatures, and equals the finite differences",
    ))
}

fn wrong(
    f: impl Fn(&[f64], &[f64], usize, f64) -> Vec<f64>,
    size: &(String, String),
    got: &[f64],
    want: &[f64],
) -> Report {
    // Σ p·dp = 0.5, so dx = p ⊙ (dp − 0.5) / 2.
    let example = [0.125, -0.075, -0.05];
    if let crate::check::Outcome::Value(dx) = trial(|| f(&[0.5, 0.3, 0.2], &[1.0, 0.0, 0.0], 3, 2.0))
        && !agree(&dx, &example)
    {
        let dx = list(&dx);
        return Report::wrong(
            EXERCISE,
            format!(
                "sur l'exemple p = [0.5, 0.3, 0.2], dp = [1, 0, 0], n = 3, τ = 2, on attend [0.125, -0.075, -0.05], tu as {dx}. Calcule d'abord Σ p·dp = 0.5"
            ),
            format!(
                "on the example p = [0.5, 0.3, 0.2], dp = [1, 0, 0], n = 3, τ = 2, [0.125, -0.075, -0.05] is expected, you have {dx}. Compute Σ p·dp = 0.5 first"
            ),
        );
    }
    let (at, _) = largest_difference(got, want);
    let (got, want) = (list(&got[at..at + 1]), list(&want[at..at + 1]));
    Report::wrong(
        EXERCISE,
        format!(
            "avec {}, dx[{at}] devrait valoir {want}, tu as {got} ; sur une seule ligne c'est juste : regarde où une ligne commence et finit",
            size.0
        ),
        format!(
            "with {}, dx[{at}] should be {want}, you have {got}; with a single row it is right: look at where a row begins and ends",
            size.1
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, unfinished};
    use crate::course::Lang;

    #[test]
    fn the_solution_passes_and_each_mistake_is_recognised() {
        let report = softmax_backward(|p, dp, n, tau| backward(Right, p, dp, n, tau));
        assert!(report.is_passed(), "{report:?}");
        assert!(Lang::ALL.iter().all(|&lang| !report.text(lang).is_empty()));
        for (bug, name, fr, en) in SLIPS {
            let report = softmax_backward(|p, dp, n, tau| backward(bug, p, dp, n, tau));
            assert_eq!(report.mistake_name(), Some(name), "{bug:?}: {report:?}");
            assert!(!fr.is_empty() && !en.is_empty());
        }
    }

    #[test]
    fn anything_else_gets_an_answer() {
        assert_eq!(softmax_backward(|_, _, _, _| unfinished()), Report::unfinished(EXERCISE));
        assert_eq!(softmax_backward(|_, _, _, _| todo!()), Report::unfinished(EXERCISE));
        type Attempt = fn(&[f64], &[f64], usize, f64) -> Vec<f64>;
        let wrong: [Attempt; 4] = [
            |_, _, _, _| vec![],
            |p, _, _, _| vec![f64::NAN; p.len()],
            |p, _, _, _| p.to_vec(),
            |p, _, _, _| panic!("index {}", p.len()),
        ];
        for f in wrong {
            let report = softmax_backward(f);
            assert!(matches!(report.verdict(), Verdict::Wrong { .. }), "{report:?}");
        }
    }
}
