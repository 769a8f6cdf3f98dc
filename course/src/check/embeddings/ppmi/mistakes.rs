//! What the usual mistakes compute.

use super::{Known, cells, positive, solution};

/// Name, French, English, result.
type Value = (&'static str, &'static str, &'static str, Vec<f64>);

pub(super) fn all() -> Vec<Known> {
    let named = values(&[1.0], 1, 1).into_iter().enumerate();
    let one = |(at, (name, fr, en, _)): (usize, Value)| {
        Known::new(name, fr, en, move |(counts, rows, cols)| values(counts, *rows, *cols).swap_remove(at).3)
    };
    named.map(one).collect()
}

/// What each usual mistake gives for a table.
fn values(counts: &[f64], rows: usize, cols: usize) -> Vec<Value> {
    let each = |f: &dyn Fn(f64, f64, f64, f64) -> f64| cells(counts, rows, cols, f);
    let right = solution(counts, rows, cols);
    let (r, c) = (rows as f64, cols as f64);
    let row = |i: usize| counts[i * cols..(i + 1) * cols].iter().sum::<f64>();
    let column = |j: usize| (0..rows).map(|i| counts[i * cols + j]).sum::<f64>();
    let total: f64 = counts.iter().sum();
    let each_at = |norms: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let cell = |k: usize| positive(counts[k], (counts[k] * total / norms(k / cols, k % cols)).ln());
        (0..rows * cols).map(cell).collect()
    };
    let same_marginal =
        "les deux marges viennent du même côté : il faut la somme de la ligne i et celle de la colonne j";
    let same_marginal_en = "both marginals come from the same side: row i's sum and column j's are needed";
    let one_marginal = "il manque une des deux marges : on divise par p(i) et par p(j)";
    let one_marginal_en = "one of the two marginals is missing: divide by p(i) and by p(j)";
    let base = (
        "log-base",
        "le logarithme n'est pas naturel : utilise `ln` (la base 2 ou 10 ne change que l'échelle, mais l'exercice demande des nats)",
        "the logarithm is not the natural one: use `ln` (base 2 or 10 only changes the scale, but nats are asked for)",
    );
    vec![
        (
            "missing-total",
            "tout vaut zéro : si tu as bien calculé quelque chose, c'est que le total N manque ou n'est pas la somme de tous les comptes (n_ij / (n_i · n_j) est presque toujours sous 1, et son logarithme négatif) ; il faut ln(n_ij · N / (n_i · n_j))",
            "everything is zero: if you did compute something, the total N is missing or is not the sum of all counts (n_ij / (n_i · n_j) is nearly always below 1, and its logarithm negative); it is ln(n_ij · N / (n_i · n_j))",
            vec![0.0; right.len()],
        ),
        (base.0, base.1, base.2, each(&|n, r, c, t| positive(n, (n * t / (r * c)).log2()))),
        (base.0, base.1, base.2, each(&|n, r, c, t| positive(n, (n * t / (r * c)).log10()))),
        (
            "missing-positive-part",
            "la partie positive manque : c'est la PMI ; la PPMI remplace les valeurs négatives par 0",
            "the positive part is missing: this is PMI; PPMI replaces negative values by 0",
            each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln() } else { 0.0 }),
        ),
        (
            "missing-positive-part",
            "la partie positive manque : ln 0 = −∞ pour un couple jamais vu ; la PPMI remplace les valeurs négatives par 0",
            "the positive part is missing: ln 0 = −∞ for a pair never seen; PPMI replaces negative values by 0",
            each(&|n, r, c, t| (n * t / (r * c)).ln()),
        ),
        (
            "absolute-value",
            "tu as pris la valeur absolue : une association négative devient 0, pas positive",
            "you took the absolute value: a negative association becomes 0, not positive",
            each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln().abs() } else { 0.0 }),
        ),
        (
            "negated",
            "le rapport est renversé (ou le signe) : p(i, j) est au numérateur",
            "the ratio (or the sign) is the wrong way round: p(i, j) is the numerator",
            each(&|n, r, c, t| positive(n, -(n * t / (r * c)).ln())),
        ),
        (
            "missing-log",
            "le logarithme manque : c'est le rapport p(i, j) / (p(i) · p(j)) lui-même",
            "the logarithm is missing: this is the ratio p(i, j) / (p(i) · p(j)) itself",
            each(&|n, r, c, t| n * t / (r * c)),
        ),
        (
            "missing-log",
            "le logarithme manque : c'est le rapport p(i, j) / (p(i) · p(j)) lui-même",
            "the logarithm is missing: this is the ratio p(i, j) / (p(i) · p(j)) itself",
            each(&|n, r, c, t| positive(n, n * t / (r * c) - 1.0)),
        ),
        (
            "log-one-plus",
            "tu as pris ln(1 + rapport) : c'est ln du rapport seul, puis max(0, ·)",
            "you took ln(1 + ratio): it is ln of the ratio alone, then max(0, ·)",
            each(&|n, r, c, t| (n * t / (r * c)).ln_1p()),
        ),
        (
            "smoothed-counts",
            "tu as ajouté 1 aux comptes avant le logarithme : sans lissage ici ; un compte nul donne 0",
            "you added 1 to the counts before the logarithm: no smoothing here; a zero count gives 0",
            each(&|n, r, c, t| ((n + 1.0) * t / (r * c)).ln().max(0.0)),
        ),
        (
            "missing-total",
            "le total N manque : p(i, j) / (p(i) p(j)) = n_ij · N / (n_i · n_j), N une fois au numérateur",
            "the total N is missing: p(i, j) / (p(i) p(j)) = n_ij · N / (n_i · n_j), with N once in the numerator",
            each(&|n, r, c, _| if n > 0.0 { (n / (r * c)).ln() } else { 0.0 }),
        ),
        (
            "total-squared",
            "N apparaît deux fois : p(i, j) = n_ij / N doit être divisé par N, lui aussi",
            "N appears twice: p(i, j) = n_ij / N has to be divided by N, too",
            each(&|n, r, c, t| positive(n, (n * t * t / (r * c)).ln())),
        ),
        (
            "log-of-counts",
            "c'est le logarithme des comptes : il manque les marges, qui corrigent la fréquence",
            "this is the logarithm of the counts: the marginals, which correct for frequency, are missing",
            each(&|n, _, _, _| positive(n, n.ln())),
        ),
        ("wrong-marginals", same_marginal, same_marginal_en, each(&|n, r, _, t| positive(n, (n * t / (r * r)).ln()))),
        ("wrong-marginals", same_marginal, same_marginal_en, each(&|n, _, c, t| positive(n, (n * t / (c * c)).ln()))),
        ("one-marginal", one_marginal, one_marginal_en, each(&|n, r, _, t| positive(n, (n * t / r).ln()))),
        ("one-marginal", one_marginal, one_marginal_en, each(&|n, _, c, t| positive(n, (n * t / c).ln()))),
        ("one-marginal", one_marginal, one_marginal_en, each(&|n, r, _, _| positive(n, (n / r).ln() + c.ln()))),
        ("one-marginal", one_marginal, one_marginal_en, each(&|n, _, c, _| positive(n, (n / c).ln() + r.ln()))),
        (
            "weighted",
            "tu multiplies encore par p(i, j) : c'est un terme de l'information mutuelle ; la PMI est le logarithme seul",
            "you multiply by p(i, j) once more: that is a term of the mutual information; PMI is the logarithm alone",
            each(&|n, r, c, t| positive(n, (n * t / (r * c)).ln()) * n / t),
        ),
        (
            "transposed",
            "le résultat est transposé : la case (i, j) est à l'indice i · colonnes + j",
            "the result is transposed: cell (i, j) is at index i · columns + j",
            (0..rows * cols).map(|k| right[k % rows * cols + k / rows]).collect(),
        ),
        (
            "marginals-swapped",
            "les marges sont échangées : la somme de la ligne i va avec i, celle de la colonne j avec j",
            "the marginals are swapped: row i's sum goes with i, column j's with j",
            {
                let sums_of_rows: Vec<f64> = (0..rows).map(|i| counts[i * cols..(i + 1) * cols].iter().sum()).collect();
                let sums_of_columns: Vec<f64> =
                    (0..cols).map(|j| (0..rows).map(|i| counts[i * cols + j]).sum()).collect();
                let total: f64 = counts.iter().sum();
                let at = |x: &[f64], i: usize| x[i.min(x.len() - 1)];
                let cell =
                    |k: usize| counts[k] * total / (at(&sums_of_columns, k / cols) * at(&sums_of_rows, k % cols));
                (0..rows * cols).map(|k| positive(counts[k], cell(k).ln())).collect()
            },
        ),
        (
            "one-side-sums",
            "tu prends la somme de la ligne j pour celle de la colonne j : elles ne sont égales que dans une table symétrique",
            "you take the sum of row j for that of column j: they are equal in a symmetric table only",
            each_at(&|i, j| row(i) * row(j.min(rows - 1))),
        ),
        (
            "one-side-sums",
            "tu prends la somme de la colonne i pour celle de la ligne i : elles ne sont égales que dans une table symétrique",
            "you take the sum of column i for that of row i: they are equal in a symmetric table only",
            each_at(&|i, j| column(i.min(cols - 1)) * column(j)),
        ),
        (
            "smoothed-counts",
            "tu as ajouté 1 à tous les comptes : sans lissage ici ; un compte nul donne 0",
            "you added 1 to all counts: no smoothing here; a zero count gives 0",
            {
                let more: Vec<f64> = counts.iter().map(|n| n + 1.0).collect();
                solution(&more, rows, cols)
            },
        ),
        (
            "smoothed-contexts",
            "tu élèves les comptes des colonnes à la puissance 0,75 (comme word2vec pour tirer ses négatifs) : la PPMI demandée prend les marges telles quelles",
            "you raise the columns' counts to the power 0.75 (as word2vec does to draw its negatives): the PPMI asked for takes the marginals as they are",
            {
                let z: f64 = (0..cols).map(|j| column(j).powf(0.75)).sum();
                each(&|n, r, c, _| positive(n, (n / r * z / c.powf(0.75)).ln()))
            },
        ),
        (
            "wrong-total",
            "N est le nombre de cases : c'est la somme de tous les comptes",
            "N is the number of cells: it is the sum of all counts",
            each(&|n, r, c, _| positive(n, (n * counts.len() as f64 / (r * c)).ln())),
        ),
        (
            "missing-brackets",
            "il manque des parenthèses : `n * total / row * column` multiplie par column ; écris `n * total / (row * column)`",
            "brackets are missing: `n * total / row * column` multiplies by column; write `n * total / (row * column)`",
            each(&|n, r, c, t| positive(n, (n * t / r * c).ln())),
        ),
        (
            "marginals-added",
            "tu additionnes les deux marges : divise par leur produit, n_i · n_j",
            "you add the two marginals: divide by their product, n_i · n_j",
            each(&|n, r, c, t| positive(n, (n * t / (r + c)).ln())),
        ),
        (
            "normalised",
            "tu divises par −ln p(i, j) : c'est la PMI normalisée (NPMI) ; la PPMI est max(0, ln …) sans division",
            "you divide by −ln p(i, j): that is normalised PMI (NPMI); PPMI is max(0, ln …) without a division",
            each(&|n, r, c, t| positive(n, (n * t / (r * c)).ln() / -(n / t).ln())),
        ),
        (
            "clipped-at-one",
            "tu coupes à 1 après le logarithme : c'est max(0, ln …)",
            "you clip at 1 after the logarithm: it is max(0, ln …)",
            each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln().max(1.0) } else { 0.0 }),
        ),
        (
            "wrong-stride",
            "tu écris i · lignes + j : la case (i, j) est à l'indice i · colonnes + j (sur une table carrée, cela ne se voit pas)",
            "you write i · rows + j: cell (i, j) is at index i · columns + j (on a square table it does not show)",
            {
                let mut result = vec![0.0; rows * cols];
                for k in 0..rows * cols {
                    let at = k / cols * rows + k % cols;
                    if at < counts.len() && counts[at] > 0.0 {
                        result[at] = positive(1.0, (counts[at] * total / (row(k / cols) * column(k % cols))).ln());
                    }
                }
                result
            },
        ),
    ]
}
