//! The usual mistakes of causal attention.

use super::super::Slip;
use super::Bug::{self, *};
use super::{Call, LARGE};
use crate::check::Outcome;
use crate::check::answer::same_numbers;
use crate::check::exercise::{Mistake, Tries};

type Known = Mistake<'static, Call, Vec<f64>>;
type Seen<'t> = Tries<'t, Call, Vec<f64>>;

/// All else is right, and this is wrong.
fn wrong_at(tries: &Seen, k: [f64; 2]) -> bool {
    tries.only_wrong_where(Call::is_large) && tries.wrong().any(|(call, ..)| call.k == k)
}

/// The rows before the last depend on the last key or value: the first two inputs differ in nothing else.
fn looks_ahead(tries: &Seen) -> bool {
    let mut answers = tries.each().map(|(call, answer, _)| (call, answer));
    let (Some((call, Outcome::Value(a))), Some((_, Outcome::Value(b)))) = (answers.next(), answers.next()) else {
        return false;
    };
    let before = (call.t() - 1) * call.d;
    a.len() == b.len() && a.len() >= before && !same_numbers(&a[..before], &b[..before])
}

pub(super) fn all() -> Vec<Known> {
    let mut all = vec![
        Known::seen(
            "out-of-bounds",
            "un indice sort d'un tableau : la requête i est la ligne i de `q` (n lignes), mais elle est à la position T − n + i et voit les T − n + i + 1 premières lignes de `k` et `v` (T lignes), sans aller au-delà",
            "an index leaves an array: query i is row i of `q` (n rows), but it stands at position T − n + i and sees the first T − n + i + 1 rows of `k` and `v` (T rows), and none beyond",
            |tries| tries.out_of_bounds(),
        ),
        Known::seen(
            "one-row-per-key",
            "s'il y a moins de requêtes que de clés, tu rends une ligne par clé : il en faut n, une par requête",
            "where there are fewer queries than keys you return one row per key: it takes n, one per query",
            |tries| tries.each_wrong(|call, y, _| call.n() < call.t() && y.len() == call.k.len()),
        ),
        Known::seen(
            "no-max-subtraction",
            "juste, sauf pour des scores très grands (± 5 000) : e^5000 déborde, puis ∞/∞ = NaN. Retranche d'abord de chaque ligne son plus grand score",
            "right, except for very large scores (±5,000): e^5000 overflows, then ∞/∞ = NaN. First subtract its largest score from each row",
            |tries| wrong_at(tries, LARGE[0]) || wrong_at(tries, LARGE[3]),
        ),
        Known::seen(
            "finite-mask",
            "juste, sauf pour des scores très négatifs (−5 000) : le score que tu donnes aux clés cachées est alors le plus grand, et le futur gagne. Mets −∞ (`f64::NEG_INFINITY`), ou ne compte pas ces clés",
            "right, except for very negative scores (−5,000): the score you give the hidden keys is then the largest, and the future wins. Put −∞ (`f64::NEG_INFINITY`), or do not count those keys",
            |tries| {
                let future = |(call, answer): (&Call, &Outcome<Vec<f64>>)| match answer {
                    Outcome::Value(y) => call.k == LARGE[1] && same_numbers(y, &[7.0, 5.0]),
                    _ => false,
                };
                wrong_at(tries, LARGE[1]) && tries.wrong().any(|(call, answer, _)| future((call, answer)))
            },
        ),
        Known::seen(
            "maximum-starts-too-high",
            "juste, sauf quand tous les scores visibles valent −5 000. Les exponentielles y tombent toutes à 0, puis 0/0 = NaN : retranche le vrai maximum de la ligne, cherché à partir de −∞ (pas de 0)",
            "right, except when all the visible scores are −5,000. All the exponentials become 0 there, and 0/0 = NaN: subtract the row's true maximum, searched from −∞ (not from 0)",
            |tries| wrong_at(tries, LARGE[1]),
        ),
        Known::seen(
            "maximum-of-hidden-scores",
            "juste, sauf si un score caché est énorme : le maximum retranché doit être celui des scores visibles de la ligne, sinon toutes leurs exponentielles tombent à 0 et 0/0 = NaN",
            "right, except when a hidden score is huge: the maximum to subtract must be that of the row's visible scores, otherwise all their exponentials become 0 and 0/0 = NaN",
            |tries| wrong_at(tries, LARGE[2]),
        ),
        Known::seen(
            "clamped-scores",
            "juste, sauf pour deux grands scores qui diffèrent. Les limiter (`clamp`, `min`) efface leur différence ; retranche le maximum de la ligne",
            "right, except for two large scores that differ. Limiting them (`clamp`, `min`) wipes out their difference; subtract the row's maximum",
            |tries| wrong_at(tries, LARGE[4]),
        ),
    ];
    all.extend(SLIPS.iter().map(|&(bug, name, fr, en)| Known::new(name, fr, en, move |call| call.with(bug))));
    all.push(Known::seen(
        "looks-ahead",
        "ta sortie regarde l'avenir : j'ai changé la dernière clé et la dernière valeur, et des lignes d'avant ont changé",
        "your output looks ahead: I changed the last key and the last value, and rows before them changed",
        looks_ahead,
    ));
    all
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
