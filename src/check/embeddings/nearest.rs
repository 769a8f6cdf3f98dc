//! 02.3: cosine similarity and nearest neighbours.

use motamot_kernels::rng::Rng;

use super::{close, random, shown};
use crate::check::{Outcome, Report, trial};

const NAME: &str = "02.3";

type Found = Vec<(usize, f64)>;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let norms = norm(a) * norm(b);
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

/// The rows by falling value of a measure, equal ones by rising number.
fn ranked(table: &[f64], c: usize, query: usize, by: impl Fn(&[f64], &[f64]) -> f64) -> Found {
    let row = |i: usize| &table[i * c..(i + 1) * c];
    let mut all: Found = (0..table.len() / c).map(|i| (i, by(row(query), row(i)))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

fn solution(table: &[f64], c: usize, query: usize, n: usize) -> Found {
    ranked(table, c, query, cosine).into_iter().filter(|(i, _)| *i != query).take(n).collect()
}

fn equal(a: &Found, b: &Found) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && close(a.1, b.1, 1e-6))
}

fn same_ids(a: &Found, b: &Found) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0)
}

type Measure = fn(&[f64], &[f64]) -> f64;

/// The usual wrong measures: name, French, English, the measure.
const MEASURES: [(&str, &str, &str, Measure); 13] = [
    (
        "dot-product",
        "c'est le produit scalaire : divise-le par les deux normes, sinon les longs vecteurs gagnent toujours",
        "this is the dot product: divide it by both norms, or the long vectors always win",
        dot,
    ),
    (
        "missing-sqrt",
        "la racine manque : ‖a‖ = √(a·a), et tu divises par (a·a)(b·b)",
        "the root is missing: ‖a‖ = √(a·a), and you divide by (a·a)(b·b)",
        |a, b| dot(a, b) / (dot(a, a) * dot(b, b)),
    ),
    (
        "one-norm-only",
        "tu divises seulement par la norme de la ligne : il faut aussi celle de la requête",
        "you divide by the row's norm only: the query's is needed, too",
        |a, b| dot(a, b) / norm(b),
    ),
    (
        "one-norm-only",
        "tu divises seulement par la norme de la requête : il faut aussi celle de chaque ligne",
        "you divide by the query's norm only: each row's is needed, too",
        |a, b| dot(a, b) / norm(a),
    ),
    (
        "norms-added",
        "tu divises par la somme des normes : il faut leur produit",
        "you divide by the sum of the norms: their product is needed",
        |a, b| dot(a, b) / (norm(a) + norm(b)),
    ),
    (
        "norm-squared",
        "tu divises par le carré de la norme de la requête : il faut ‖a‖ · ‖b‖",
        "you divide by the square of the query's norm: ‖a‖ · ‖b‖ is needed",
        |a, b| dot(a, b) / dot(a, a),
    ),
    (
        "norm-squared",
        "tu divises par le carré de la norme de la ligne : il faut ‖a‖ · ‖b‖",
        "you divide by the square of the row's norm: ‖a‖ · ‖b‖ is needed",
        |a, b| dot(a, b) / dot(b, b),
    ),
    (
        "absolute-value",
        "tu prends la valeur absolue : −1 veut dire « direction opposée », pas « proche »",
        "you take the absolute value: −1 means \"opposite direction\", not \"close\"",
        |a, b| cosine(a, b).abs(),
    ),
    (
        "squared-cosine",
        "ton cosinus est au carré : son signe est perdu",
        "your cosine is squared: its sign is lost",
        |a, b| cosine(a, b) * cosine(a, b),
    ),
    (
        "l1-norm",
        "ta norme est la somme des valeurs absolues : la norme euclidienne est √(Σ x²)",
        "your norm is the sum of absolute values: the Euclidean norm is √(Σ x²)",
        |a, b| dot(a, b) / (a.iter().map(|x| x.abs()).sum::<f64>() * b.iter().map(|x| x.abs()).sum::<f64>()),
    ),
    (
        "centred",
        "tu as soustrait la moyenne de chaque vecteur : c'est la corrélation, pas le cosinus",
        "you subtracted each vector's mean: that is the correlation, not the cosine",
        |a, b| {
            let centre =
                |x: &[f64]| -> Vec<f64> { x.iter().map(|y| y - x.iter().sum::<f64>() / x.len() as f64).collect() };
            cosine(&centre(a), &centre(b))
        },
    ),
    (
        "mean-not-sum",
        "tu as divisé le produit scalaire par la dimension : il n'y a que les normes à diviser",
        "you divided the dot product by the dimension: only the norms are to be divided by",
        |a, b| cosine(a, b) / a.len() as f64,
    ),
    (
        "euclidean-distance",
        "c'est la distance euclidienne : elle dépend de la longueur des vecteurs ; le cosinus ne regarde que leur direction",
        "this is the Euclidean distance: it depends on the vectors' lengths; the cosine looks at their direction only",
        |a, b| -a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
    ),
];

fn diagnose(
    table: &[f64],
    c: usize,
    query: usize,
    n: usize,
    got: &Found,
) -> Option<(&'static str, &'static str, &'static str)> {
    let all = ranked(table, c, query, cosine);
    let others: Found = all.iter().copied().filter(|(i, _)| *i != query).collect();
    let take = |found: &Found| -> Found { found.iter().copied().take(n).collect() };
    let reversed = |found: &Found| -> Found { found.iter().rev().copied().collect() };
    if got.iter().any(|(_, x)| x.is_nan()) {
        return Some((
            "zero-vector",
            "une similarité n'est pas un nombre : une ligne nulle a la norme 0, et 0/0 donne NaN ; son cosinus vaut 0 par convention",
            "a similarity is not a number: a row of zeros has norm 0, and 0/0 gives NaN; its cosine is 0 by convention",
        ));
    }
    if got.is_empty() {
        return Some((
            "empty-list",
            "la liste est vide : il faut n couples (id, cosinus)",
            "the list is empty: n pairs (id, cosine) are wanted",
        ));
    }
    if got.first().is_some_and(|(i, _)| *i == query) && !same_ids(got, &take(&reversed(&all))) {
        return Some((
            "query-included",
            "la requête se trouve elle-même (cosinus 1) : exclus-la de la liste",
            "the query finds itself (cosine 1): leave it out of the list",
        ));
    }
    if same_ids(got, &take(&reversed(&others))) || same_ids(got, &take(&reversed(&all))) {
        return Some((
            "ascending-order",
            "l'ordre est croissant : les plus semblables d'abord, donc trie du plus grand au plus petit",
            "the order is ascending: the most similar first, so sort from the largest to the smallest",
        ));
    }
    if equal(got, &reversed(&take(&others))) {
        return Some((
            "reversed-result",
            "ce sont les bons voisins, mais dans l'ordre inverse : le plus proche d'abord",
            "these are the right neighbours in reverse: the nearest first",
        ));
    }
    let distances: Found = others.iter().map(|(i, x)| (*i, 1.0 - x)).collect();
    if equal(got, &take(&distances)) || equal(got, &take(&reversed(&distances))) {
        return Some((
            "cosine-distance",
            "tu renvoies la distance 1 − cos : c'est le cosinus qui est demandé",
            "you return the distance 1 − cos: the cosine is asked for",
        ));
    }
    let mut plain = others.clone();
    plain.sort_by_key(|(i, _)| *i);
    if equal(got, &take(&plain)) {
        return Some((
            "not-sorted",
            "tes cosinus sont justes, mais la liste n'est pas triée : le plus grand d'abord",
            "your cosines are right, but the list is not sorted: the largest first",
        ));
    }
    let no_copies: Found = others.iter().copied().filter(|(_, x)| *x < 1.0 - 1e-9).take(n).collect();
    if equal(got, &no_copies) && !equal(got, &take(&others)) {
        return Some((
            "copies-excluded",
            "tu exclus tout ce qui a un cosinus de 1 : un autre mot peut avoir la même direction ; exclus par id",
            "you leave out everything with cosine 1: another word may have the same direction; leave out by id",
        ));
    }
    let without_first: Found = others.iter().copied().skip(1).take(n).collect();
    if equal(got, &without_first) || equal(got, &others.iter().copied().skip(1).take(n.saturating_sub(1)).collect()) {
        return Some((
            "best-dropped",
            "le voisin le plus proche manque : tu as enlevé la tête de la liste alors que la requête n'y était plus",
            "the nearest neighbour is missing: you dropped the head of the list although the query was no longer in it",
        ));
    }
    for (name, fr, en, by) in MEASURES {
        let wrong: Found = ranked(table, c, query, by).into_iter().filter(|(i, _)| *i != query).collect();
        let positive: Found = wrong.iter().map(|(i, x)| (*i, -x)).collect();
        if equal(got, &take(&wrong)) || equal(got, &take(&positive)) || equal(got, &take(&reversed(&positive))) {
            return Some((name, fr, en));
        }
    }
    if equal(got, &others.iter().copied().take(n + 1).collect()) && got.len() == n + 1 {
        return Some((
            "one-too-many",
            "il y a un voisin de trop : n, pas n + 1",
            "there is one neighbour too many: n, not n + 1",
        ));
    }
    if got.len() + 1 == n.min(others.len()) && got.iter().all(|x| others.iter().any(|y| x.0 == y.0)) {
        return Some((
            "one-too-few",
            "il manque un voisin : n, sans compter la requête",
            "one neighbour is missing: n, not counting the query",
        ));
    }
    let mut ties = others.clone();
    ties.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    if equal(got, &take(&ties)) && !equal(&take(&ties), &take(&others)) {
        return Some((
            "ties",
            "à cosinus égal, le plus petit id vient d'abord : un tri stable sur les ids croissants y suffit",
            "among equal cosines the smaller id comes first: a stable sort over rising ids does it",
        ));
    }
    None
}

fn table(rng: &mut Rng, rows: usize, c: usize) -> Vec<f64> {
    // Lengths from 0.2 to 5: the dot product and the cosine disagree.
    (0..rows)
        .flat_map(|_| {
            let length = 0.2 * 25f64.powf(rng.uniform_f64());
            random(rng, c, length)
        })
        .collect()
}

/// Checks nearest neighbours: `f(table, width, query, n)` returns the `n` rows (fewer if there are not as many) whose cosine
/// with row `query` is largest, without `query`, as (id, cosine), the largest first, equal ones by rising id. A row of zeros
/// has cosine 0.
pub fn nearest(f: impl Fn(&[f64], usize, usize, usize) -> Vec<(usize, f64)>) -> Report {
    verdict(f).unwrap_or_else(|report| report)
}

fn pairs(found: &Found) -> String {
    let pairs: Vec<String> = found.iter().take(6).map(|(i, x)| format!("({i}, {x:.4})")).collect();
    format!("[{}{}]", pairs.join(", "), if found.len() > 6 { ", …" } else { "" })
}

fn verdict(f: impl Fn(&[f64], usize, usize, usize) -> Vec<(usize, f64)>) -> Result<Report, Report> {
    let mut rng = Rng::new(23);
    let mut cases: Vec<(Vec<f64>, usize, usize, usize)> = Vec::new();
    for (rows, c, query, n) in [(9, 4, 3, 3), (12, 5, 0, 4), (7, 3, 6, 2), (20, 8, 11, 5), (6, 2, 2, 5)] {
        cases.push((table(&mut rng, rows, c), c, query, n));
    }
    // A row with the same direction as the query, then equal rows, then more neighbours wanted than there are.
    cases.push((vec![1.0, 2.0, 2.0, 4.0, -1.0, 3.0, 2.0, -1.0], 2, 0, 2));
    cases.push((vec![1.0, 0.0, 3.0, 4.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0], 2, 0, 2));
    cases.push((table(&mut rng, 4, 3), 3, 1, 10));
    let normal = cases.len();
    cases.push((vec![1.0, 2.0, 0.0, 0.0, -2.0, 1.5, 0.5, 0.0], 2, 0, 3));
    cases.push((vec![0.0, 0.0, 1.0, 2.0, 3.0, 1.0], 2, 0, 2));
    for (i, (table, c, query, n)) in cases.iter().enumerate() {
        let (c, query, n) = (*c, *query, *n);
        let fr = format!("une table de {} lignes de {c} {}, requête {query}, n = {n}", table.len() / c, shown(table));
        let en = format!("a table of {} rows of {c} {}, query {query}, n = {n}", table.len() / c, shown(table));
        let outcome = trial(|| f(table, c, query, n));
        if let (Outcome::Panic(message), true) = (&outcome, i >= normal) {
            return Err(Report::mistake(
                NAME,
                "zero-vector",
                format!(
                    "ta fonction panique quand une ligne est nulle (« {message} ») : sa norme vaut 0, et 0/0 donne NaN ; son cosinus vaut 0 par convention"
                ),
                format!(
                    "your function panics when a row is zero (\"{message}\"): its norm is 0, and 0/0 gives NaN; its cosine is 0 by convention"
                ),
            ));
        }
        let got = outcome.or_report(NAME, (&fr, &en))?;
        let want = solution(table, c, query, n);
        if equal(&got, &want) {
            continue;
        }
        if i >= normal {
            let (got, want) = (pairs(&got), pairs(&want));
            return Err(Report::mistake(
                NAME,
                "zero-vector",
                format!(
                    "une ligne nulle a la norme 0 : son cosinus vaut 0 par convention (et non 0/0). Pour {fr}, j'attends {want} et j'obtiens {got}"
                ),
                format!(
                    "a row of zeros has norm 0: its cosine is 0 by convention (not 0/0). For {en}, I expect {want} and get {got}"
                ),
            ));
        }
        if let Some((name, fr, en)) = diagnose(table, c, query, n, &got) {
            return Err(Report::mistake(NAME, name, fr, en));
        }
        return Err(Report::wrong(
            NAME,
            format!("pour {fr}, j'attends {} et j'obtiens {}", pairs(&want), pairs(&got)),
            format!("for {en}, I expect {} and get {}", pairs(&want), pairs(&got)),
        ));
    }
    Ok(Report::passed(
        NAME,
        format!("justes sur {} tables, lignes nulles, ex æquo et n trop grand compris", cases.len()),
        format!("right on {} tables, with zero rows, ties and an n that is too large", cases.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::unfinished;
    use crate::course::Lang;

    fn mistake(f: impl Fn(&[f64], usize, usize, usize) -> Found) -> &'static str {
        let report = nearest(f);
        assert!(Lang::ALL.iter().all(|lang| report.text(*lang).len() > 20));
        report.mistake_name().unwrap_or_else(|| panic!("{report}"))
    }

    fn with(by: Measure, table: &[f64], c: usize, query: usize, n: usize) -> Found {
        ranked(table, c, query, by).into_iter().filter(|(i, _)| *i != query).take(n).collect()
    }

    #[test]
    fn the_solution_passes_and_a_stub_is_unfinished() {
        let report = nearest(solution);
        assert!(report.is_passed(), "{report}");
        assert_eq!(nearest(|_, _, _, _| unfinished()), Report::unfinished(NAME));
        assert_eq!(nearest(|_, _, _, _| todo!()), Report::unfinished(NAME));
        assert!(nearest(|t, _, _, _| vec![(0, t[9999])]).text(Lang::En).contains("panicked"));
        let unknown = nearest(|_, _, _, n| vec![(0, 0.123); n]);
        assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("I expect"), "{unknown}");
    }

    #[test]
    fn each_wrong_measure_is_recognised() {
        for (name, _, _, by) in MEASURES {
            assert_eq!(mistake(|t, c, q, n| with(by, t, c, q, n)), name);
        }
        // The distance itself, the nearest first.
        let positive = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            with(MEASURES[12].3, t, c, q, n).into_iter().map(|(i, x)| (i, -x)).collect()
        };
        assert_eq!(mistake(positive), "euclidean-distance");
    }

    #[test]
    fn each_wrong_list_is_recognised() {
        let others = |t: &[f64], c: usize, q: usize| solution(t, c, q, usize::MAX);
        assert_eq!(mistake(|_, _, _, _| Vec::new()), "empty-list");
        assert_eq!(mistake(|t, c, q, n| ranked(t, c, q, cosine).into_iter().take(n).collect()), "query-included");
        assert_eq!(mistake(|t, c, q, n| others(t, c, q).into_iter().rev().take(n).collect()), "ascending-order");
        assert_eq!(
            mistake(|t, c, q, n| ranked(t, c, q, cosine).into_iter().rev().take(n).collect()),
            "ascending-order"
        );
        assert_eq!(mistake(|t, c, q, n| solution(t, c, q, n).into_iter().rev().collect()), "reversed-result");
        assert_eq!(mistake(|t, c, q, n| others(t, c, q).into_iter().skip(1).take(n).collect()), "best-dropped");
        assert_eq!(mistake(|t, c, q, n| solution(t, c, q, n + 1)), "one-too-many");
        assert_eq!(mistake(|t, c, q, n| solution(t, c, q, n - 1)), "one-too-few");
        let distance = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            solution(t, c, q, n).into_iter().map(|(i, x)| (i, 1.0 - x)).collect()
        };
        assert_eq!(mistake(distance), "cosine-distance");
        let plain = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            let mut all = others(t, c, q);
            all.sort_by_key(|(i, _)| *i);
            all.into_iter().take(n).collect()
        };
        assert_eq!(mistake(plain), "not-sorted");
        let ties = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            let mut all = others(t, c, q);
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
            all.into_iter().take(n).collect()
        };
        assert_eq!(mistake(ties), "ties");
        let copies = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            others(t, c, q).into_iter().filter(|(_, x)| *x < 1.0 - 1e-9).take(n).collect()
        };
        assert_eq!(mistake(copies), "copies-excluded");
    }

    #[test]
    fn a_zero_row_is_thought_of() {
        let naive: Measure = |a, b| dot(a, b) / (norm(a) * norm(b));
        assert_eq!(mistake(|t, c, q, n| with(naive, t, c, q, n)), "zero-vector");
        let panics = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            let found = with(naive, t, c, q, n);
            assert!(found.iter().all(|(_, x)| !x.is_nan()), "called `Option::unwrap()` on a `None` value");
            found
        };
        assert_eq!(mistake(panics), "zero-vector");
    }
}
