//! What the usual mistakes find.

use super::{Found, Measure, Query, cosine, dot, norm, solution};
use crate::check::answer::Answer;
use crate::check::exercise::Mistake;

/// The usual wrong measures: name, French, English, the measure.
pub(super) const MEASURES: [(&str, &str, &str, Measure); 13] = [
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

fn same_ids(a: &Found, b: &Found) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0)
}

fn take(found: &Found, n: usize) -> Found {
    found.iter().copied().take(n).collect()
}

fn reversed(found: &Found) -> Found {
    found.iter().rev().copied().collect()
}

/// A list that gives the mistake away. Tables with a row of zeros may give anything.
fn list(
    name: &'static str,
    fr: &'static str,
    en: &'static str,
    sign: impl Fn(&Query, &Found) -> bool + 'static,
) -> Mistake<'static, Query, Found> {
    Mistake::seen(name, fr, en, move |tries| {
        !tries.only_wrong_where(Query::has_zero_row) && tries.each_wrong(|q, got, _| q.has_zero_row() || sign(q, got))
    })
}

/// What the answers show, in the order in which it is looked for.
pub(super) fn all() -> Vec<Mistake<'static, Query, Found>> {
    let mut all = vec![
        Mistake::seen(
            "zero-vector",
            "juste, sauf si une ligne est nulle : sa norme vaut 0, et 0/0 donne NaN ; son cosinus vaut 0 par convention",
            "right, except where a row is zero: its norm is 0, and 0/0 gives NaN; its cosine is 0 by convention",
            |tries| tries.only_wrong_where(Query::has_zero_row),
        ),
        Mistake::seen(
            "too-few-rows",
            "ta fonction panique quand il y a moins de n voisins : rends alors tous ceux qu'il y a (`truncate(n)` ou `take(n)`, pas `[..n]`)",
            "your function panics where there are fewer than n neighbours: then return those that there are (`truncate(n)` or `take(n)`, not `[..n]`)",
            |tries| tries.panics().next().is_some() && tries.only_wrong_where(|q: &Query| q.n >= q.rows()),
        ),
        list(
            "empty-list",
            "la liste est vide : il faut n couples (id, cosinus)",
            "the list is empty: n pairs (id, cosine) are wanted",
            |_, got| got.is_empty(),
        ),
        list(
            "query-included",
            "la requête se trouve elle-même (cosinus 1) : exclus-la de la liste",
            "the query finds itself (cosine 1): leave it out of the list",
            |q, got| {
                let all = q.ranked(cosine);
                got.first().is_some_and(|(i, _)| *i == q.query) && !same_ids(got, &take(&reversed(&all), q.n))
            },
        ),
        list(
            "ascending-order",
            "l'ordre est croissant : les plus semblables d'abord, donc trie du plus grand au plus petit",
            "the order is ascending: the most similar first, so sort from the largest to the smallest",
            |q, got| {
                let all = q.ranked(cosine);
                let others = q.others(cosine);
                same_ids(got, &take(&reversed(&others), q.n)) || same_ids(got, &take(&reversed(&all), q.n))
            },
        ),
        list(
            "reversed-result",
            "ce sont les bons voisins, mais dans l'ordre inverse : le plus proche d'abord",
            "these are the right neighbours in reverse: the nearest first",
            |q, got| {
                let others = q.others(cosine);
                got.same(&reversed(&take(&others, q.n)))
            },
        ),
        list(
            "cosine-distance",
            "tu renvoies la distance 1 − cos : c'est le cosinus qui est demandé",
            "you return the distance 1 − cos: the cosine is asked for",
            |q, got| {
                let others = q.others(cosine);
                let distances: Found = others.iter().map(|(i, x)| (*i, 1.0 - x)).collect();
                got.same(&take(&distances, q.n)) || got.same(&take(&reversed(&distances), q.n))
            },
        ),
        list(
            "not-sorted",
            "tes cosinus sont justes, mais la liste n'est pas triée : le plus grand d'abord",
            "your cosines are right, but the list is not sorted: the largest first",
            |q, got| {
                let others = q.others(cosine);
                let mut plain = others.clone();
                plain.sort_by_key(|(i, _)| *i);
                got.same(&take(&plain, q.n))
            },
        ),
        list(
            "copies-excluded",
            "tu exclus tout ce qui a un cosinus de 1 : un autre mot peut avoir la même direction ; exclus par id",
            "you leave out everything with cosine 1: another word may have the same direction; leave out by id",
            |q, got| {
                let others = q.others(cosine);
                let no_copies: Found = others.iter().copied().filter(|(_, x)| *x < 1.0 - 1e-9).take(q.n).collect();
                got.same(&no_copies) && !got.same(&take(&others, q.n))
            },
        ),
        list(
            "best-dropped",
            "le voisin le plus proche manque : tu as enlevé la tête de la liste alors que la requête n'y était plus",
            "the nearest neighbour is missing: you dropped the head of the list although the query was no longer in it",
            |q, got| {
                let others = q.others(cosine);
                let without_first: Found = others.iter().copied().skip(1).take(q.n).collect();
                got.same(&without_first)
                    || got.same(&others.iter().copied().skip(1).take(q.n.saturating_sub(1)).collect())
            },
        ),
    ];
    all.extend(MEASURES.iter().map(|(name, fr, en, by)| {
        list(name, fr, en, move |q: &Query, got: &Found| {
            let wrong = q.others(by);
            let positive: Found = wrong.iter().map(|(i, x)| (*i, -x)).collect();
            let backwards: Found = positive.iter().rev().copied().collect();
            [wrong, positive, backwards].iter().any(|found| got.same(&found.iter().copied().take(q.n).collect()))
        })
    }));
    all.extend([
        list(
            "one-too-many",
            "il y a un voisin de trop : n, pas n + 1",
            "there is one neighbour too many: n, not n + 1",
            |q, got| {
                let others = q.others(cosine);
                got.same(&others.iter().copied().take(q.n + 1).collect()) && got.len() == q.n + 1
            },
        ),
        list(
            "one-too-few",
            "il manque un voisin : n, sans compter la requête",
            "one neighbour is missing: n, not counting the query",
            |q, got| {
                let others = q.others(cosine);
                got.len() + 1 == q.n.min(others.len()) && got.iter().all(|x| others.iter().any(|y| x.0 == y.0))
            },
        ),
        list(
            "ties",
            "à cosinus égal, le plus petit id vient d'abord : un tri stable sur les ids croissants y suffit",
            "among equal cosines the smaller id comes first: a stable sort over rising ids does it",
            |q, got| {
                let others = q.others(cosine);
                let mut ties = others.clone();
                ties.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
                got.same(&take(&ties, q.n)) && !take(&ties, q.n).same(&take(&others, q.n))
            },
        ),
        list(
            "not-truncated",
            "tu rends tous les voisins : garde les n premiers, `found.truncate(n)`",
            "you return all neighbours: keep the first n, `found.truncate(n)`",
            |q, got| got.len() > q.n && got.same(&q.others(cosine)),
        ),
        list(
            "ids-renumbered",
            "les ids après la requête sont décalés d'un : tu as ôté sa ligne *avant* de numéroter les autres. Numérote (`enumerate`), puis filtre",
            "the ids after the query are one too small: you removed its row *before* numbering the others. Number (`enumerate`), then filter",
            |q, got| {
                let shifted = |(i, x): (usize, f64)| (if i > q.query { i - 1 } else { i }, x);
                let mut wrong: Found = q.others(cosine).into_iter().map(shifted).take(q.n).collect();
                let sorted = got.same(&wrong);
                wrong.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                sorted || got.same(&wrong)
            },
        ),
        list(
            "ids-from-one",
            "tes ids sont trop grands d'un : les lignes se comptent à partir de 0",
            "your ids are one too large: rows count from 0",
            |q, got| {
                let one = |(i, x): (usize, f64)| (i + 1, x);
                got.same(&q.others(cosine).into_iter().map(one).take(q.n).collect())
            },
        ),
        list(
            "places-for-ids",
            "tu rends la place dans le classement (0, 1, 2…) au lieu de l'id : numérote les lignes *avant* de trier",
            "you return the place in the ranking (0, 1, 2…) instead of the id: number the rows *before* sorting",
            |q, got| {
                let places = q.others(cosine).into_iter().take(q.n).enumerate();
                got.same(&places.map(|(i, (_, x))| (i, x)).collect())
            },
        ),
        list(
            "positive-only",
            "tu laisses de côté les cosinus négatifs ou nuls : s'il en faut n, ils comptent aussi",
            "you leave out cosines that are negative or zero: where n are wanted, they count, too",
            |q, got| got.same(&q.others(cosine).into_iter().filter(|(_, x)| *x > 0.0).take(q.n).collect()),
        ),
        list(
            "angle",
            "tu rends l'angle (`acos`) : c'est le cosinus lui-même qui est demandé",
            "you return the angle (`acos`): the cosine itself is asked for",
            |q, got| {
                let angle = |(i, x): (usize, f64)| (i, x.clamp(-1.0, 1.0).acos());
                got.same(&q.others(cosine).into_iter().map(angle).take(q.n).collect())
            },
        ),
        list(
            "columns-for-rows",
            "tu lis la table colonne par colonne : la ligne i va de i · width à (i + 1) · width",
            "you read the table column by column: row i goes from i · width to (i + 1) · width",
            |q, got| {
                let (rows, c) = (q.rows(), q.c);
                let turned: Vec<f64> = (0..rows * c).map(|k| q.table[k % c * rows + k / c]).collect();
                got.same(&solution(&turned, c, q.query, q.n))
            },
        ),
    ]);
    all
}
