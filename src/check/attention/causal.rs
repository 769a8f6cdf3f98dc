//! 03.2: causal attention, the queries being the last ones.
//!
//! (Over 500 lines: the usual mistakes stand beside the right answer, each with its text twice and its test.)

use motamot_kernels::rng::Rng;

use super::{Slip, agree, list, random, recognise, wrong_length};
use crate::check::{Outcome, Report, largest_difference, trial};

const EXERCISE: &str = "03.2";

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    Right,
    NoScale,
    DividedByD,
    DividedByRootT,
    Multiplied,
    ScaledAfter,
    NoMask,
    MaskZero,
    MaskStrict,
    MaskOneLate,
    MaskReversed,
    WrongAxis,
    MaskedAfter,
    NotNormalised,
    NotNormalisedMax,
    NoSoftmax,
    TransposedScores,
    KeysForValues,
    QueriesForValues,
    ValuesForKeys,
    Mean,
    Uniform,
    NotAligned,
    BaseTwo,
    LinearWeights,
    Hardest,
    OutputTransposed,
    IntegerRoot,
    OwnValue,
    NegatedScores,
    OnlyLast,
    LogWeights,
}
use Bug::*;

/// n queries are the last of t positions: query i stands at t − n + i and sees the keys up to itself.
fn attention(bug: Bug, q: &[f64], k: &[f64], v: &[f64], d: usize) -> Vec<f64> {
    let (n, t) = (q.len() / d, k.len() / d);
    let dot = |a: &[f64], i: usize, b: &[f64], j: usize| (0..d).map(|c| a[i * d + c] * b[j * d + c]).sum::<f64>();
    let root = (d as f64).sqrt();
    let score = |i: usize, j: usize| match bug {
        NoScale | ScaledAfter => dot(q, i, k, j),
        DividedByD => dot(q, i, k, j) / d as f64,
        DividedByRootT => dot(q, i, k, j) / (t as f64).sqrt(),
        Multiplied => dot(q, i, k, j) * root,
        IntegerRoot => dot(q, i, k, j) / root.floor(),
        NegatedScores => -dot(q, i, k, j) / root,
        TransposedScores if n == t => dot(q, j, k, i) / root,
        ValuesForKeys => dot(q, i, v, j) / root,
        Uniform => 0.0,
        BaseTwo => dot(q, i, k, j) / root * std::f64::consts::LN_2,
        _ => dot(q, i, k, j) / root,
    };
    let visible = |i: usize, j: usize| {
        let at = if bug == NotAligned { i } else { t - n + i };
        match bug {
            NoMask | MaskedAfter => true,
            MaskStrict => j < at,
            MaskOneLate => j <= at + 1,
            MaskReversed => j >= at,
            OwnValue => j == at,
            OnlyLast => (t - n..=at).contains(&j),
            _ => j <= at,
        }
    };
    let masked = if bug == MaskZero { 0.0 } else { f64::NEG_INFINITY };
    let s = |i: usize, j: usize| if visible(i, j) { score(i, j) } else { masked };
    let mut y = vec![0.0; n * d];
    for i in 0..n {
        let row: Vec<f64> = (0..t).map(|j| s(i, j)).collect();
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|s| (s - max).exp()).sum();
        let at = t - n + i;
        let p = |j: usize| match bug {
            ScaledAfter => (row[j] - max).exp() / sum / root,
            MaskedAfter if j > at => 0.0,
            WrongAxis => s(i, j).exp() / (0..n).map(|i| s(i, j).exp()).sum::<f64>(),
            NotNormalised => row[j].exp(),
            NotNormalisedMax => (row[j] - max).exp(),
            NoSoftmax => {
                if row[j].is_finite() {
                    row[j]
                } else {
                    0.0
                }
            }
            Mean => (row[j] - max).exp() / sum / (at + 1) as f64,
            LinearWeights if j <= at => row[j] / row[..=at].iter().sum::<f64>(),
            LinearWeights => 0.0,
            LogWeights if j <= at => ((row[j] - max).exp() / sum).ln(),
            LogWeights => 0.0,
            Hardest => f64::from(u8::from(row[j] == max)),
            _ => (row[j] - max).exp() / sum,
        };
        let from = match bug {
            KeysForValues => k,
            QueriesForValues if n == t => q,
            _ => v,
        };
        for c in 0..d {
            let value = (0..t).map(|j| p(j) * from[j * d + c]).sum();
            y[if bug == OutputTransposed { c * n + i } else { i * d + c }] = value;
        }
    }
    y
}

const SLIPS: [Slip<Bug>; 31] = [
    (NoScale, "missing-scale", "tu as oublié de diviser les scores par √d", "you forgot to divide the scores by √d"),
    (
        DividedByD,
        "divided-by-d",
        "tu as divisé les scores par d, pas par √d : c'est l'écart-type de q·k qui vaut √d (sa variance vaut d)",
        "you divided the scores by d, not by √d: it is the standard deviation of q·k that is √d (its variance is d)",
    ),
    (
        DividedByRootT,
        "divided-by-root-t",
        "tu as divisé par √T (le nombre de clés) : c'est √d, d étant la largeur d'une clé",
        "you divided by √T (the number of keys): it is √d, d being the width of a key",
    ),
    (
        Multiplied,
        "multiplied-by-root-d",
        "tu as multiplié les scores par √d au lieu de les diviser",
        "you multiplied the scores by √d instead of dividing them",
    ),
    (
        ScaledAfter,
        "scaled-after-softmax",
        "la division par √d vient avant le softmax (sur les scores), pas après : tes poids ne somment plus à 1",
        "the division by √d comes before softmax (on the scores), not after: your weights no longer add up to 1",
    ),
    (
        MaskedAfter,
        "masked-after-softmax",
        "tu masques après le softmax, sans renormaliser : les poids d'une ligne ne somment plus à 1, et le futur reste dans le dénominateur. Mets −∞ avant le softmax",
        "you mask after softmax without normalising again: a row's weights no longer add up to 1, and the future stays in the denominator. Put −∞ before softmax",
    ),
    (
        NoMask,
        "missing-mask",
        "il n'y a pas de masque : la position i regarde aussi les clés j > i",
        "there is no mask: position i also looks at the keys j > i",
    ),
    (
        MaskZero,
        "mask-with-zero",
        "tu masques avec un score de 0 : e⁰ = 1, le futur garde donc du poids. Il faut −∞ (ou ne pas compter ces clés du tout)",
        "you mask with a score of 0: e⁰ = 1, so the future keeps some weight. It takes −∞ (or not counting those keys at all)",
    ),
    (
        MaskStrict,
        "mask-excludes-itself",
        "ton masque exclut la position elle-même : une requête voit les clés j ≤ i, pas j < i (et la première ne verrait rien)",
        "your mask excludes the position itself: a query sees the keys j ≤ i, not j < i (and the first would see nothing)",
    ),
    (
        MaskOneLate,
        "mask-one-late",
        "ton masque laisse voir une clé de trop, j = i + 1 : c'est le mot à deviner",
        "your mask lets one key too many through, j = i + 1: that is the word to be guessed",
    ),
    (
        MaskReversed,
        "mask-reversed",
        "ton masque est à l'envers : il garde le futur (j ≥ i) et cache le passé",
        "your mask is the wrong way round: it keeps the future (j ≥ i) and hides the past",
    ),
    (
        WrongAxis,
        "wrong-axis",
        "ton softmax normalise sur les requêtes (les colonnes) : pour chaque requête, ce sont les poids de ses clés (une ligne) qui somment à 1",
        "your softmax normalises over the queries (columns): for each query it is the weights of its keys (a row) that add up to 1",
    ),
    (
        TransposedScores,
        "transposed-scores",
        "K et Q ont échangé leurs rôles : le score (i, j) est q_i·k_j, tu as pris k_i·q_j",
        "K and Q have swapped roles: score (i, j) is q_i·k_j, you took k_i·q_j",
    ),
    (
        NotNormalised,
        "not-normalised",
        "tes poids ne sont pas normalisés : divise chaque exponentielle par la somme de sa ligne",
        "your weights are not normalised: divide each exponential by the sum of its row",
    ),
    (
        NotNormalisedMax,
        "not-normalised",
        "tes poids ne sont pas normalisés : divise chaque exponentielle par la somme de sa ligne",
        "your weights are not normalised: divide each exponential by the sum of its row",
    ),
    (
        NoSoftmax,
        "missing-softmax",
        "il manque le softmax : tu pondères les valeurs par les scores bruts",
        "softmax is missing: you weight the values by the raw scores",
    ),
    (
        LinearWeights,
        "missing-exponential",
        "il manque l'exponentielle : diviser les scores par leur somme n'est pas un softmax (et peut diviser par 0)",
        "the exponential is missing: dividing the scores by their sum is no softmax (and may divide by 0)",
    ),
    (
        KeysForValues,
        "keys-for-values",
        "tu fais la moyenne des clés K : les poids servent à mélanger les valeurs V",
        "you average the keys K: the weights are for mixing the values V",
    ),
    (
        QueriesForValues,
        "queries-for-values",
        "tu fais la moyenne des requêtes Q : les poids servent à mélanger les valeurs V",
        "you average the queries Q: the weights are for mixing the values V",
    ),
    (
        ValuesForKeys,
        "values-for-keys",
        "tu compares les requêtes aux valeurs : le score est q_i·k_j, V ne sert qu'à la fin",
        "you compare the queries with the values: the score is q_i·k_j, V comes in only at the end",
    ),
    (
        Mean,
        "divided-by-count",
        "tu divises encore par le nombre de clés : les poids somment déjà à 1, leur mélange est déjà une moyenne",
        "you also divide by the number of keys: the weights already add up to 1, the mixture already is an average",
    ),
    (
        Uniform,
        "uniform-weights",
        "tous tes poids sont égaux : les scores q_i·k_j n'arrivent pas jusqu'au softmax",
        "all your weights are equal: the scores q_i·k_j do not reach softmax",
    ),
    (BaseTwo, "base-two", "tu prends 2^s au lieu de e^s dans le softmax", "you take 2^s instead of e^s in softmax"),
    (
        Hardest,
        "hard-maximum",
        "tu prends la valeur de la meilleure clé (un max) : le softmax les mélange toutes",
        "you take the value of the best key (a max): softmax mixes all of them",
    ),
    (
        OutputTransposed,
        "output-transposed",
        "ta sortie est transposée : rends-la ligne par ligne, y[i·d + c] pour la requête i",
        "your output is transposed: give it row by row, y[i·d + c] for query i",
    ),
    (
        NotAligned,
        "queries-not-aligned",
        "avec moins de requêtes que de clés, les requêtes sont les dernières : la requête i est à la position T − n + i et voit les clés jusqu'à celle-là",
        "with fewer queries than keys the queries are the last ones: query i stands at position T − n + i and sees the keys up to there",
    ),
    (
        IntegerRoot,
        "integer-root",
        "tu divises par √d arrondie à l'entier : c'est `(d as f64).sqrt()`",
        "you divide by √d rounded down to an integer: it is `(d as f64).sqrt()`",
    ),
    (
        OwnValue,
        "own-value-only",
        "chaque requête ne voit qu'elle-même, tu rends donc sa valeur : elle voit toutes les clés jusqu'à la sienne",
        "each query sees only itself, so that you return its own value: it sees all the keys up to its own",
    ),
    (
        NegatedScores,
        "negated-scores",
        "le signe des scores est inversé : la clé la plus semblable à la requête reçoit le plus petit poids (e^−s au lieu de e^s ?)",
        "the sign of the scores is reversed: the key most like the query gets the smallest weight (e^−s instead of e^s?)",
    ),
    (
        OnlyLast,
        "only-the-last-keys",
        "tu ne regardes que les n dernières clés : les requêtes sont les n dernières, mais elles voient aussi toutes les clés d'avant, à partir de 0",
        "you only look at the last n keys: the queries are the last n, but they see all the keys before, too, from 0 on",
    ),
    (
        LogWeights,
        "log-softmax",
        "tu pondères par ln p (log-softmax) : les poids sont les p eux-mêmes",
        "you weight by ln p (log-softmax): the weights are the p themselves",
    ),
];

/// 03.2: causal attention of n queries over t ≥ n keys and values, the queries being the last n positions.
///
/// `f(q, k, v, d)`: rows of d; n = q.len()/d, t = k.len()/d → n rows of d.
pub fn causal_attention(f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>) -> Report {
    answer(f).unwrap_or_else(|report| report)
}

fn answer(f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>) -> Result<Report, Report> {
    let mut rng = Rng::new(33);
    // First a square where all slips differ, then others; fewer queries than keys come last.
    for (n, t, d) in [(5, 5, 6), (3, 3, 2), (1, 1, 2), (6, 6, 1), (5, 5, 5), (7, 7, 8), (2, 5, 3), (1, 6, 4), (4, 9, 2)]
    {
        let [q, k, v] = [n, t, t].map(|rows| random(&mut rng, rows * d, 1.1));
        let size = if n == t { format!("n = T = {t}, d = {d}") } else { format!("n = {n}, T = {t}, d = {d}") };
        let outcome = trial(|| f(&q, &k, &v, d));
        if let Outcome::Panic(m) = &outcome
            && (m.contains("out of bounds") || m.contains("out of range") || m.contains("with overflow"))
        {
            return Err(Report::mistake(
                EXERCISE,
                "out-of-bounds",
                format!(
                    "un indice sort d'un tableau pour {size} (« {m} ») : la requête i est la ligne i de `q` ({n} lignes), mais elle est à la position T − n + i et voit les T − n + i + 1 premières lignes de `k` et `v` ({t} lignes), sans aller au-delà"
                ),
                format!(
                    "an index leaves an array for {size} (\"{m}\"): query i is row i of `q` ({n} rows), but it stands at position T − n + i and sees the first T − n + i + 1 rows of `k` and `v` ({t} rows), and none beyond"
                ),
            ));
        }
        let y = outcome.or_report(EXERCISE, (&size, &size))?;
        if y.len() == t * d && n < t {
            return Err(Report::mistake(
                EXERCISE,
                "one-row-per-key",
                format!("pour {size}, tu rends {t} lignes, une par clé : il en faut n = {n}, une par requête"),
                format!("for {size}, you return {t} rows, one per key: it takes n = {n}, one per query"),
            ));
        }
        if y.len() != n * d {
            return Err(wrong_length(EXERCISE, ("la sortie (n, d)", "the output (n, d)"), n * d, y.len()));
        }
        let right = attention(Right, &q, &k, &v, d);
        if !agree(&y, &right) {
            let slip = recognise(EXERCISE, &y, &right, &SLIPS, |bug| attention(bug, &q, &k, &v, d));
            return Err(slip.unwrap_or_else(|| wrong(&f, (&q, &k, &v, d), &size, &y, &right)));
        }
    }
    frozen(&f)?;
    large(&f)?;
    Ok(Report::passed(
        EXERCISE,
        "juste sur 9 tailles, égale aux valeurs figées de PyTorch, causale, et stable avec des scores de ±5 000",
        "right for 9 sizes, equal to PyTorch's frozen values, causal, and stable with scores of ±5,000",
    ))
}

/// From dev/golden/course_attention.py.
fn frozen(f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>) -> Result<(), Report> {
    let q = [1.0, 0.5, -0.5, 2.0, 0.25, -1.0];
    let k = [0.5, 1.0, 1.5, -0.5, -1.0, 0.75];
    let v = [1.0, 2.0, 3.0, -1.0, -2.0, 0.5];
    let want = [1.0, 2.0, 1.1552770081, 1.7670844878, 1.7734400481, -0.1844522674];
    let y = trial(|| f(&q, &k, &v, 2)).or_report(EXERCISE, ("l'exemple figé", "the frozen example"))?;
    if largest_difference(&y, &want).1 < 1e-7 {
        return Ok(());
    }
    let (y, want) = (list(&y), list(&want));
    Err(Report::wrong(
        EXERCISE,
        format!("sur l'exemple figé on attend {want}, tu as {y}"),
        format!("on the frozen example {want} is expected, you have {y}"),
    ))
}

/// Scores that overflow an exponential: of a visible key, then of a hidden one, then all very negative.
fn large(f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>) -> Result<(), Report> {
    let input = ("des scores très grands", "very large scores");
    let run = |k: [f64; 2]| trial(|| f(&[1.0, 1.0], &k, &[3.0, 7.0], 1)).or_report(EXERCISE, input);
    let fine = |y: &[f64], want: [f64; 2]| largest_difference(y, &want).1 < 1e-6;
    let overflow = || {
        Report::mistake(
            EXERCISE,
            "no-max-subtraction",
            "juste, sauf pour des scores très grands (± 5 000) : e^5000 déborde, puis ∞/∞ = NaN. Retranche d'abord de chaque ligne son plus grand score",
            "right, except for very large scores (±5,000): e^5000 overflows, then ∞/∞ = NaN. First subtract its largest score from each row",
        )
    };
    if !fine(&run([5000.0, 5000.0])?, [3.0, 5.0]) {
        return Err(overflow());
    }
    let y = run([-5000.0, -5000.0])?;
    if !fine(&y, [3.0, 5.0]) {
        return Err(if fine(&y, [7.0, 5.0]) {
            Report::mistake(
                EXERCISE,
                "finite-mask",
                "juste, sauf pour des scores très négatifs (−5 000) : le score que tu donnes aux clés cachées est alors le plus grand, et le futur gagne. Mets −∞ (`f64::NEG_INFINITY`), ou ne compte pas ces clés",
                "right, except for very negative scores (−5,000): the score you give the hidden keys is then the largest, and the future wins. Put −∞ (`f64::NEG_INFINITY`), or do not count those keys",
            )
        } else {
            Report::mistake(
                EXERCISE,
                "maximum-starts-too-high",
                format!(
                    "juste, sauf quand tous les scores visibles valent −5 000 : on attend [3, 5], tu as {}. Les exponentielles y tombent toutes à 0, puis 0/0 = NaN : retranche le vrai maximum de la ligne, cherché à partir de −∞ (pas de 0)",
                    list(&y)
                ),
                format!(
                    "right, except when all the visible scores are −5,000: [3, 5] is expected, you have {}. All the exponentials become 0 there, and 0/0 = NaN: subtract the row's true maximum, searched from −∞ (not from 0)",
                    list(&y)
                ),
            )
        });
    }
    if !fine(&run([0.0, 5000.0])?, [3.0, 7.0]) {
        return Err(Report::mistake(
            EXERCISE,
            "maximum-of-hidden-scores",
            "juste, sauf si un score caché est énorme : le maximum retranché doit être celui des scores visibles de la ligne, sinon toutes leurs exponentielles tombent à 0 et 0/0 = NaN",
            "right, except when a hidden score is huge: the maximum to subtract must be that of the row's visible scores, otherwise all their exponentials become 0 and 0/0 = NaN",
        ));
    }
    if !fine(&run([5000.0, 0.0])?, [3.0, 3.0]) {
        return Err(overflow());
    }
    // 3 + 4·σ(−1): two large scores that differ by 1.
    let y = run([5000.0, 4999.0])?;
    if !fine(&y, [3.0, 4.075_765_685]) {
        return Err(Report::mistake(
            EXERCISE,
            "clamped-scores",
            format!(
                "juste, sauf pour deux grands scores qui diffèrent : pour 5 000 et 4 999 on attend [3, 4.0758], tu as {}. Les limiter (`clamp`, `min`) efface leur différence ; retranche le maximum de la ligne",
                list(&y)
            ),
            format!(
                "right, except for two large scores that differ: for 5,000 and 4,999, [3, 4.0758] is expected, you have {}. Limiting them (`clamp`, `min`) wipes out their difference; subtract the row's maximum",
                list(&y)
            ),
        ));
    }
    Ok(())
}

/// Something unknown: does it look ahead? Else the smallest example.
fn wrong(
    f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>,
    (q, k, v, d): (&[f64], &[f64], &[f64], usize),
    size: &str,
    got: &[f64],
    want: &[f64],
) -> Report {
    if got.iter().any(|x| !x.is_finite()) {
        return Report::wrong(
            EXERCISE,
            format!(
                "avec {size}, ta sortie contient NaN ou ∞ : {}. Une ligne sans clé visible ? une division par 0 ?",
                list(got)
            ),
            format!(
                "with {size}, your output has NaN or ∞: {}. A row without a visible key? a division by 0?",
                list(got)
            ),
        );
    }
    let (n, t) = (q.len() / d, k.len() / d);
    if n == t && t > 1 {
        let (mut k2, mut v2) = (k.to_vec(), v.to_vec());
        for x in k2[(t - 1) * d..].iter_mut().chain(&mut v2[(t - 1) * d..]) {
            *x += 1.0;
        }
        if let Outcome::Value(y) = trial(|| f(q, &k2, &v2, d))
            && y.len() == got.len()
            && largest_difference(&y[..(t - 1) * d], &got[..(t - 1) * d]).1 > 1e-9
        {
            return Report::mistake(
                EXERCISE,
                "looks-ahead",
                "ta sortie regarde l'avenir : j'ai changé la dernière clé et la dernière valeur, et des lignes d'avant ont changé",
                "your output looks ahead: I changed the last key and the last value, and rows before them changed",
            );
        }
    }
    if let Outcome::Value(y) = trial(|| f(&[1.0], &[2.0], &[3.0], 1))
        && !agree(&y, &[3.0])
    {
        return Report::wrong(
            EXERCISE,
            format!(
                "avec une seule clé, son poids est 1 quel que soit le score : pour q = [1], k = [2], v = [3], d = 1 on attend [3], tu as {:?} (un epsilon au dénominateur ?)",
                y
            ),
            format!(
                "with a single key its weight is 1 whatever the score: for q = [1], k = [2], v = [3], d = 1, [3] is expected, you have {:?} (an epsilon in the denominator?)",
                y
            ),
        );
    }
    let (at, _) = largest_difference(got, want);
    let (row, got, want) = (at / d, list(&got[at / d * d..][..d]), list(&want[at / d * d..][..d]));
    Report::wrong(
        EXERCISE,
        format!(
            "avec {size} (valeurs au hasard), la ligne {row} devrait être {want}, tu as {got}. Vérifie dans l'ordre : score, 1/√d, clés visibles, somme des poids = 1, mélange de V"
        ),
        format!(
            "with {size} (random values), row {row} should be {want}, you have {got}. Check in this order: score, 1/√d, visible keys, weights adding up to 1, mixture of V"
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
        let report = causal_attention(|q, k, v, d| attention(Right, q, k, v, d));
        assert!(report.is_passed(), "{report:?}");
        assert!(Lang::ALL.iter().all(|&lang| !report.text(lang).is_empty()));
        for (bug, name, fr, en) in SLIPS {
            let report = causal_attention(|q, k, v, d| attention(bug, q, k, v, d));
            assert_eq!(report.mistake_name(), Some(name), "{bug:?}: {report:?}");
            assert!(!fr.is_empty() && !en.is_empty());
        }
    }

    /// Rows by exponentials, the maximum being chosen by `max(row, visible)`.
    fn with_max(q: &[f64], k: &[f64], v: &[f64], d: usize, max: fn(&[f64], usize) -> f64) -> Vec<f64> {
        let (n, t) = (q.len() / d, k.len() / d);
        let mut y = Vec::new();
        for i in 0..n {
            let dot = |j: usize| (0..d).map(|c| q[i * d + c] * k[j * d + c]).sum::<f64>() / (d as f64).sqrt();
            let row: Vec<f64> = (0..t).map(dot).collect();
            let visible = t - n + i + 1;
            let e: Vec<f64> = row[..visible].iter().map(|s| (s - max(&row, visible)).exp()).collect();
            let sum: f64 = e.iter().sum();
            y.extend((0..d).map(|c| (0..visible).map(|j| e[j] / sum * v[j * d + c]).sum::<f64>()));
        }
        y
    }

    #[test]
    fn unstable_softmaxes_are_told_apart() {
        let right = causal_attention(|q, k, v, d| {
            with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(f64::MIN, f64::max))
        });
        assert!(right.is_passed(), "{right:?}");
        let none = causal_attention(|q, k, v, d| with_max(q, k, v, d, |_, _| 0.0));
        assert_eq!(none.mistake_name(), Some("no-max-subtraction"));
        let from_zero =
            causal_attention(|q, k, v, d| with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(0.0, f64::max)));
        assert_eq!(from_zero.mistake_name(), Some("maximum-starts-too-high"));
        let clamped = causal_attention(|q, k, v, d| {
            with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(f64::MIN, f64::max))
                .iter()
                .map(|y| if *y > 4.0 && *y < 4.1 && q == [1.0, 1.0] { 5.0 } else { *y })
                .collect()
        });
        assert_eq!(clamped.mistake_name(), Some("clamped-scores"));
        let finite = causal_attention(|q, k, v, d| {
            let (n, t) = (q.len() / d, k.len() / d);
            let low = k.iter().all(|k| *k < -4000.0);
            if low {
                vec![v[1], 0.5 * (v[0] + v[1])]
            } else {
                assert!(n <= t);
                attention(Right, q, k, v, d)
            }
        });
        assert_eq!(finite.mistake_name(), Some("finite-mask"));
        let all_rows = causal_attention(|q, k, v, d| {
            let y = attention(Right, q, k, v, d);
            [vec![0.0; k.len() - y.len()], y].concat()
        });
        assert_eq!(all_rows.mistake_name(), Some("one-row-per-key"));
        let beyond = causal_attention(|q, k, v, d| {
            let y = attention(Right, q, k, v, d);
            y.iter().enumerate().map(|(i, y)| y + 0.0 * k[i + d]).collect()
        });
        assert_eq!(beyond.mistake_name(), Some("out-of-bounds"));
        let hidden = causal_attention(|q, k, v, d| {
            with_max(q, k, v, d, |row, _| row.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        });
        assert_eq!(hidden.mistake_name(), Some("maximum-of-hidden-scores"));
    }

    #[test]
    fn anything_else_gets_an_answer() {
        assert_eq!(causal_attention(|_, _, _, _| unfinished()), Report::unfinished(EXERCISE));
        assert_eq!(causal_attention(|_, _, _, _| todo!()), Report::unfinished(EXERCISE));
        let half_future = |q: &[f64], k: &[f64], v: &[f64], d: usize| {
            let (a, b) = (attention(Right, q, k, v, d), attention(NoMask, q, k, v, d));
            a.iter().zip(b).map(|(a, b)| 0.5 * a + 0.5 * b).collect()
        };
        assert_eq!(causal_attention(half_future).mistake_name(), Some("looks-ahead"));
        type Attempt = fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>;
        let wrong: [Attempt; 4] = [
            |_, _, _, _| vec![],
            |q, _, _, _| vec![f64::NAN; q.len()],
            |q, k, v, d| attention(Right, q, k, v, d).iter().map(|x| 3.0 * x).collect(),
            |q, _, _, _| panic!("index {}", q.len()),
        ];
        for f in wrong {
            let report = causal_attention(f);
            assert!(matches!(report.verdict(), Verdict::Wrong { .. }), "{report:?}");
        }
    }
}
