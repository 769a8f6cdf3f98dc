//! 02.2: the gradient of a lookup.

use motamot_kernels::rng::Rng;

use super::{Known, known, random, same, shown};
use crate::check::{Outcome, Report, trial};

const NAME: &str = "02.2";

/// d_table\[id\] += d_out\[i\] for each i.
fn scatter_add(ids: &[usize], d_out: &[f64], v: usize, c: usize) -> Vec<f64> {
    rows(ids.iter().copied().enumerate(), d_out, v, c, |sum, x| sum + x)
}

/// For each (place, row): d_table\[row\] = join(d_table\[row\], d_out\[place\]), rows outside the table left out.
fn rows(
    pairs: impl Iterator<Item = (usize, usize)>,
    d_out: &[f64],
    v: usize,
    c: usize,
    join: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let mut d = vec![0.0; v * c];
    for (place, row) in pairs {
        for j in 0..c {
            if row < v && place < d_out.len() / c {
                d[row * c + j] = join(d[row * c + j], d_out[place * c + j]);
            }
        }
    }
    d
}

fn known_mistakes(ids: &[usize], d_out: &[f64], v: usize, c: usize) -> Vec<Known<Vec<f64>>> {
    let right = scatter_add(ids, d_out, v, c);
    let n = ids.len();
    let count = |row: usize| ids.iter().filter(|id| **id == row).count().max(1) as f64;
    let pairs = || ids.iter().copied().enumerate();
    let seen = |i: usize| ids[..i].contains(&ids[i]);
    let add = |sum: f64, x: f64| sum + x;
    let map = |f: &dyn Fn(usize, f64) -> f64| right.iter().enumerate().map(|(i, x)| f(i, *x)).collect::<Vec<f64>>();
    vec![
        known(
            "empty-gradient",
            "le gradient est resté à zéro : pour chaque position i, ajoute la ligne i de d_out à la ligne ids[i]",
            "the gradient is still zero: for each position i, add row i of d_out to row ids[i]",
            vec![0.0; v * c],
        ),
        known(
            "overwritten",
            "un id répété écrase le gradient d'avant au lieu de s'y ajouter : écris « += », pas « = »",
            "a repeated id overwrites the gradient that was there instead of adding to it: write \"+=\", not \"=\"",
            rows(pairs(), d_out, v, c, |_, x| x),
        ),
        known(
            "first-occurrence",
            "seule la première apparition d'un id compte : les suivantes s'ajoutent aussi",
            "only the first occurrence of an id counts: the later ones are added, too",
            rows(pairs().filter(|(i, _)| !seen(*i)), d_out, v, c, add),
        ),
        known(
            "divided-by-counts",
            "tu as divisé par le nombre d'apparitions de l'id : le gradient est une somme, pas une moyenne",
            "you divided by how often the id occurs: the gradient is a sum, not a mean",
            map(&|i, x| x / count(i / c)),
        ),
        known(
            "divided-by-length",
            "tu as divisé par le nombre de positions : la moyenne, si la perte en prend une, est déjà dans d_out",
            "you divided by the number of positions: the mean, if the loss takes one, is already in d_out",
            map(&|_, x| x / n as f64),
        ),
        known(
            "multiplied-by-counts",
            "les lignes répétées sont comptées trop souvent : chaque position est ajoutée une seule fois",
            "repeated rows count too often: each position is added once only",
            map(&|i, x| x * count(i / c)),
        ),
        known(
            "position-rows",
            "la ligne i de d_out va dans la ligne i de la table : elle doit aller dans la ligne ids[i]",
            "row i of d_out goes to row i of the table: it must go to row ids[i]",
            rows((0..n).map(|i| (i, i)), d_out, v, c, add),
        ),
        known(
            "gathered",
            "tu lis la ligne ids[i] de d_out et l'écris à la ligne i : c'est le sens aller (gather) ; le retour lit la ligne i et l'ajoute à la ligne ids[i]",
            "you read row ids[i] of d_out and write to row i: that is the way forward (gather); the way back reads row i and adds it to row ids[i]",
            rows((0..n).map(|i| (ids[i], i)), d_out, v, c, add),
        ),
        known(
            "first-row-only",
            "toutes les positions ajoutent la première ligne de d_out : la position i doit lire d_out[i·C + j]",
            "all positions add the first row of d_out: position i must read d_out[i·C + j]",
            rows(ids.iter().map(|id| (0, *id)), d_out, v, c, add),
        ),
        known(
            "ids-from-one",
            "les lignes sont décalées d'un cran : les ids se comptent à partir de 0",
            "the rows are shifted by one: ids count from 0",
            rows(pairs().map(|(i, id)| (i, id + 1)), d_out, v, c, add),
        ),
        known(
            "ids-from-one",
            "les lignes sont décalées d'un cran : les ids se comptent à partir de 0",
            "the rows are shifted by one: ids count from 0",
            rows(pairs().map(|(i, id)| (i, id.wrapping_sub(1))), d_out, v, c, add),
        ),
        known(
            "last-position-missing",
            "la dernière position manque : parcours tous les ids",
            "the last position is missing: go through all the ids",
            rows(pairs().take(n - 1), d_out, v, c, add),
        ),
        known(
            "first-position-missing",
            "la première position manque : parcours tous les ids à partir de 0",
            "the first position is missing: go through all the ids from 0",
            rows(pairs().skip(1), d_out, v, c, add),
        ),
        known(
            "last-column-missing",
            "la dernière colonne manque : chaque ligne a C nombres, de 0 à C − 1",
            "the last column is missing: each row has C numbers, from 0 to C − 1",
            map(&|i, x| if i % c + 1 == c { 0.0 } else { x }),
        ),
        known(
            "first-column-only",
            "seule la première colonne est remplie : ajoute les C nombres de chaque ligne",
            "only the first column is filled: add all C numbers of each row",
            map(&|i, x| if i % c == 0 { x } else { 0.0 }),
        ),
        known(
            "transposed",
            "la table est rangée colonne par colonne : la ligne id commence à id · C (largeur), pas à id",
            "the table is stored column by column: row id starts at id · C (the width), not at id",
            (0..v * c).map(|i| right[i % v * c + i / v]).collect(),
        ),
        known(
            "sign",
            "le signe est inversé : c'est le gradient lui-même qui est demandé, pas le pas de descente",
            "the sign is reversed: the gradient itself is asked for, not the step down",
            map(&|_, x| -x),
        ),
        known(
            "counted-not-added",
            "tu comptes les apparitions au lieu d'ajouter les lignes de d_out",
            "you count the occurrences instead of adding the rows of d_out",
            rows(pairs(), d_out, v, c, |sum, _| sum + 1.0),
        ),
        known(
            "id-zero-skipped",
            "l'id 0 est sauté : c'est un mot comme un autre, sa ligne reçoit aussi son gradient",
            "id 0 is skipped: it is a word like any other, and its row gets its gradient, too",
            rows(pairs().filter(|(_, id)| *id != 0), d_out, v, c, add),
        ),
        known(
            "row-summed",
            "tu additionnes les C nombres d'une ligne de d_out : chaque colonne j garde le sien, d_out[i·C + j]",
            "you add up the C numbers of a row of d_out: each column j keeps its own, d_out[i·C + j]",
            {
                let sum = |i: usize| d_out[i / c * c..][..c].iter().sum::<f64>();
                rows(pairs(), &(0..d_out.len()).map(sum).collect::<Vec<f64>>(), v, c, add)
            },
        ),
        known(
            "rows-read-as-columns",
            "tu lis d_out colonne par colonne : la ligne i commence à i · C, le nombre j de la ligne i est d_out[i·C + j]",
            "you read d_out column by column: row i starts at i · C, number j of row i is d_out[i·C + j]",
            {
                let turned = |k: usize| d_out[k % c * n + k / c];
                rows(pairs(), &(0..d_out.len()).map(turned).collect::<Vec<f64>>(), v, c, add)
            },
        ),
        known(
            "repeats-skipped",
            "un id égal au précédent est sauté : deux positions qui se suivent peuvent lire la même ligne, et leurs gradients s'ajoutent",
            "an id equal to the one before is skipped: two positions in a row may read the same row, and their gradients add up",
            rows(pairs().filter(|(i, _)| *i == 0 || ids[i - 1] != ids[*i]), d_out, v, c, add),
        ),
        known(
            "starts-at-one",
            "le gradient part de 1 : une ligne jamais lue reçoit 0, commence avec des zéros",
            "the gradient starts from 1: a row that is never read gets 0, start with zeros",
            map(&|_, x| x + 1.0),
        ),
    ]
}

/// Checks the backward pass of a lookup: `f(ids, d_out, vocab, width)` returns d_table (vocab, width), row by row, given
/// d_out (as many rows as ids, width).
pub fn embedding_backward(f: impl Fn(&[usize], &[f64], usize, usize) -> Vec<f64>) -> Report {
    verdict(f).unwrap_or_else(|report| report)
}

fn verdict(f: impl Fn(&[usize], &[f64], usize, usize) -> Vec<f64>) -> Result<Report, Report> {
    let mut rng = Rng::new(22);
    let mut cases: Vec<(Vec<usize>, usize, usize)> = vec![
        (vec![2, 0, 2, 3, 3, 2, 1, 0], 5, 3),
        (vec![4, 4, 4, 4], 6, 2),
        (vec![1], 3, 1),
        (vec![], 2, 2),
        (vec![0, 5, 3], 6, 4),
    ];
    for _ in 0..12 {
        let (n, v, c) = (1 + rng.below(12), 2 + rng.below(7), 1 + rng.below(5));
        cases.push(((0..n).map(|_| rng.below(v)).collect(), v, c));
    }
    for (ids, v, c) in &cases {
        let (v, c) = (*v, *c);
        let d_out = random(&mut rng, ids.len() * c, 2.0);
        let (fr, en) = (
            format!("ids = {ids:?}, d_out = {}, V = {v}, C = {c}", shown(&d_out)),
            format!("ids = {ids:?}, d_out = {}, V = {v}, C = {c}", shown(&d_out)),
        );
        let outcome = trial(|| f(ids, &d_out, v, c));
        if let Outcome::Panic(m) = &outcome
            && (m.contains("out of bounds") || m.contains("out of range"))
        {
            return Err(Report::mistake(
                NAME,
                "out-of-bounds",
                format!(
                    "un indice sort du tableau pour {fr} (« {m} ») : la ligne id de la table commence à id · C et la ligne i de d_out à i · C, avec C = width (pas vocab) ; la table a V · C nombres"
                ),
                format!(
                    "an index leaves the array for {en} (\"{m}\"): row id of the table starts at id · C and row i of d_out at i · C, with C = width (not vocab); the table has V · C numbers"
                ),
            ));
        }
        let got = outcome.or_report(NAME, (&fr, &en))?;
        let want = scatter_add(ids, &d_out, v, c);
        if got.len() != want.len() {
            let (n, rows) = (got.len(), ids.len());
            if n == d_out.len() {
                return Err(Report::mistake(
                    NAME,
                    "one-row-per-id",
                    format!(
                        "tu renvoies {n} nombres, une ligne par position ({rows}) : le gradient a la forme de la table, V × C = {}",
                        v * c
                    ),
                    format!(
                        "you return {n} numbers, one row per position ({rows}): the gradient has the table's shape, V × C = {}",
                        v * c
                    ),
                ));
            }
            let largest = ids.iter().max().map_or(0, |id| id + 1);
            let used = (0..v).filter(|row| ids.contains(row)).count();
            if n == largest * c || n == used * c {
                return Err(Report::mistake(
                    NAME,
                    "only-used-rows",
                    format!(
                        "tu renvoies {n} nombres, les lignes que les ids utilisent : le gradient a la forme de la table entière, V × C = {}, avec des zéros pour les autres lignes",
                        v * c
                    ),
                    format!(
                        "you return {n} numbers, the rows that the ids use: the gradient has the shape of the whole table, V × C = {}, with zeros in the other rows",
                        v * c
                    ),
                ));
            }
            return Err(Report::wrong(
                NAME,
                format!("pour {fr}, le résultat doit avoir V × C = {} nombres, et le tien en a {n}", v * c),
                format!("for {en}, the result must have V × C = {} numbers, and yours has {n}", v * c),
            ));
        }
        if same(&got, &want) {
            continue;
        }
        // Without ids nothing can be told apart.
        let names = if ids.is_empty() { Vec::new() } else { known_mistakes(ids, &d_out, v, c) };
        if let Some(m) = names.into_iter().find(|m| same(&got, &m.value)) {
            return Err(Report::mistake(NAME, m.name, m.fr, m.en));
        }
        return Err(Report::wrong(
            NAME,
            format!("pour {fr}, j'attends {} et j'obtiens {}", shown(&want), shown(&got)),
            format!("for {en}, I expect {} and get {}", shown(&want), shown(&got)),
        ));
    }
    Ok(Report::passed(
        NAME,
        format!("juste sur {} cas, ids répétés, absents et liste vide compris", cases.len()),
        format!("right in {} cases, with repeated ids, absent ids and an empty list", cases.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::unfinished;
    use crate::course::Lang;

    #[test]
    fn the_solution_passes_and_a_stub_is_unfinished() {
        let report = embedding_backward(scatter_add);
        assert!(report.is_passed(), "{report}");
        assert_eq!(embedding_backward(|_, _, _, _| unfinished()), Report::unfinished(NAME));
        assert_eq!(embedding_backward(|_, _, _, _| todo!()), Report::unfinished(NAME));
        assert!(embedding_backward(|_, _, _, _| panic!("no")).text(Lang::En).contains("panicked"));
        let stride = embedding_backward(|ids, d, v, c| {
            let mut table = vec![0.0; v * c];
            ids.iter().enumerate().for_each(|(i, id)| (0..c).for_each(|j| table[id * v + j] += d[i * c + j]));
            table
        });
        assert_eq!(stride.mistake_name(), Some("out-of-bounds"));
        assert!(embedding_backward(|_, _, _, _| vec![1.0; 3]).text(Lang::Fr).contains("V × C"));
        let unknown = embedding_backward(|ids, d, v, c| scatter_add(ids, d, v, c).iter().map(|x| x * 1.5).collect());
        assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("I expect"));
    }

    #[test]
    fn each_mistake_is_recognised() {
        let names = known_mistakes(&[0], &[1.0], 2, 1);
        for (i, case) in names.iter().enumerate() {
            let report = embedding_backward(|ids, d, v, c| {
                if ids.is_empty() { vec![0.0; v * c] } else { known_mistakes(ids, d, v, c).swap_remove(i).value }
            });
            assert_eq!(report.mistake_name(), Some(case.name), "{report}");
            assert!(Lang::ALL.iter().all(|lang| report.text(*lang).len() > 20));
        }
        let report = embedding_backward(|_, d, _, _| d.to_vec());
        assert_eq!(report.mistake_name(), Some("one-row-per-id"));
        let largest = |ids: &[usize]| ids.iter().max().map_or(0, |id| id + 1);
        let report = embedding_backward(|ids, d, _, c| scatter_add(ids, d, largest(ids), c));
        assert_eq!(report.mistake_name(), Some("only-used-rows"));
    }
}
