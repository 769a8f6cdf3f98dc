//! 02.2b: the gradient of a lookup.

use super::super::answer::{numbers, random};
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
use motamot_kernels::rng::Rng;

/// Ids, the gradient of each position's vector, V and C.
struct Lookup {
    ids: Vec<usize>,
    d_out: Vec<f64>,
    v: usize,
    c: usize,
}

type Known = Mistake<'static, Lookup, Vec<f64>>;

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

fn right(i: &Lookup) -> Vec<f64> {
    scatter_add(&i.ids, &i.d_out, i.v, i.c)
}

/// The right answer, each number changed: f(its index, it).
fn map(i: &Lookup, f: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    right(i).into_iter().enumerate().map(|(k, x)| f(k, x)).collect()
}

fn pairs(ids: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    ids.iter().copied().enumerate()
}

fn count(ids: &[usize], row: usize) -> f64 {
    ids.iter().filter(|id| **id == row).count().max(1) as f64
}

fn seen(ids: &[usize], i: usize) -> bool {
    ids[..i].contains(&ids[i])
}

fn add(sum: f64, x: f64) -> f64 {
    sum + x
}

/// Checks the backward pass of a lookup: `f(ids, d_out, vocab, width)` returns d_table (vocab, width), row by row, given
/// d_out (as many rows as ids, width).
pub fn embedding_backward(f: impl Fn(&[usize], &[f64], usize, usize) -> Vec<f64>) -> Report {
    exercise().check(|i| f(&i.ids, &i.d_out, i.v, i.c))
}

fn inputs() -> Vec<Lookup> {
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
    cases.into_iter().map(|(ids, v, c)| Lookup { d_out: random(&mut rng, ids.len() * c, 2.0), ids, v, c }).collect()
}

fn exercise() -> Exercise<'static, Lookup, Vec<f64>> {
    Exercise {
        id: "02.2b",
        inputs: inputs(),
        solution: Box::new(right),
        tell: |i| {
            let told = format!("ids = {:?}, d_out = {}, V = {}, C = {}", i.ids, numbers(&i.d_out), i.v, i.c);
            (told.clone(), told)
        },
        hint: |i, _| {
            (
                format!("Le résultat a V × C = {} nombres : la ligne i de d_out s'ajoute à la ligne ids[i]", i.v * i.c),
                format!("The result has V × C = {} numbers: row i of d_out is added to row ids[i]", i.v * i.c),
            )
        },
        passed: (
            "juste sur 17 cas, ids répétés, absents et liste vide compris",
            "right in 17 cases, with repeated ids, absent ids and an empty list",
        ),
        mistakes: vec![
            Known::seen(
                "out-of-bounds",
                "un indice sort du tableau : la ligne id de la table commence à id · C et la ligne i de d_out à i · C, avec C = width (pas vocab) ; la table a V · C nombres",
                "an index leaves the array: row id of the table starts at id · C and row i of d_out at i · C, with C = width (not vocab); the table has V · C numbers",
                |tries| tries.out_of_bounds(),
            ),
            Known::seen(
                "one-row-per-id",
                "tu renvoies une ligne par position : le gradient a la forme de la table, V × C nombres",
                "you return one row per position: the gradient has the table's shape, V × C numbers",
                |tries| {
                    tries.each_wrong(|i, got, _| got.len() == i.d_out.len())
                        && tries.each_wrong(|i, got, _| i.ids.len() == i.v || got.len() != i.v * i.c)
                },
            ),
            Known::seen(
                "only-used-rows",
                "tu renvoies les lignes que les ids utilisent : le gradient a la forme de la table entière, V × C nombres, avec des zéros pour les autres lignes",
                "you return the rows that the ids use: the gradient has the shape of the whole table, V × C numbers, with zeros in the other rows",
                |tries| {
                    let rows = |i: &Lookup| {
                        (i.ids.iter().max().map_or(0, |id| id + 1), (0..i.v).filter(|row| i.ids.contains(row)).count())
                    };
                    let short = |i: &Lookup, got: &Vec<f64>, want: &Vec<f64>| {
                        got.len() < want.len() && (got.len() == rows(i).0 * i.c || got.len() == rows(i).1 * i.c)
                    };
                    tries.each_wrong(short)
                },
            ),
            Known::new(
                "empty-gradient",
                "le gradient est resté à zéro : pour chaque position i, ajoute la ligne i de d_out à la ligne ids[i]",
                "the gradient is still zero: for each position i, add row i of d_out to row ids[i]",
                |i| {
                    let Lookup { v, c, .. } = *i;
                    vec![0.0; v * c]
                },
            ),
            Known::new(
                "overwritten",
                "un id répété écrase le gradient d'avant au lieu de s'y ajouter : écris « += », pas « = »",
                "a repeated id overwrites the gradient that was there instead of adding to it: write \"+=\", not \"=\"",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids), d_out, v, c, |_, x| x)
                },
            ),
            Known::new(
                "first-occurrence",
                "seule la première apparition d'un id compte : les suivantes s'ajoutent aussi",
                "only the first occurrence of an id counts: the later ones are added, too",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).filter(|(i, _)| !seen(ids, *i)), d_out, v, c, add)
                },
            ),
            Known::new(
                "divided-by-counts",
                "tu as divisé par le nombre d'apparitions de l'id : le gradient est une somme, pas une moyenne",
                "you divided by how often the id occurs: the gradient is a sum, not a mean",
                |i| {
                    let Lookup { ref ids, c, .. } = *i;
                    map(i, |k, x| x / count(ids, k / c))
                },
            ),
            Known::new(
                "divided-by-length",
                "tu as divisé par le nombre de positions : la moyenne, si la perte en prend une, est déjà dans d_out",
                "you divided by the number of positions: the mean, if the loss takes one, is already in d_out",
                |i| {
                    let Lookup { ref ids, .. } = *i;
                    let n = ids.len();
                    map(i, |_, x| x / n as f64)
                },
            ),
            Known::new(
                "multiplied-by-counts",
                "les lignes répétées sont comptées trop souvent : chaque position est ajoutée une seule fois",
                "repeated rows count too often: each position is added once only",
                |i| {
                    let Lookup { ref ids, c, .. } = *i;
                    map(i, |k, x| x * count(ids, k / c))
                },
            ),
            Known::new(
                "position-rows",
                "la ligne i de d_out va dans la ligne i de la table : elle doit aller dans la ligne ids[i]",
                "row i of d_out goes to row i of the table: it must go to row ids[i]",
                |i| {
                    let Lookup { ref d_out, v, c, .. } = *i;
                    rows((0..i.ids.len()).map(|i| (i, i)), d_out, v, c, add)
                },
            ),
            Known::new(
                "gathered",
                "tu lis la ligne ids[i] de d_out et l'écris à la ligne i : c'est le sens aller (gather) ; le retour lit la ligne i et l'ajoute à la ligne ids[i]",
                "you read row ids[i] of d_out and write to row i: that is the way forward (gather); the way back reads row i and adds it to row ids[i]",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows((0..ids.len()).map(|i| (ids[i], i)), d_out, v, c, add)
                },
            ),
            Known::new(
                "first-row-only",
                "toutes les positions ajoutent la première ligne de d_out : la position i doit lire d_out[i·C + j]",
                "all positions add the first row of d_out: position i must read d_out[i·C + j]",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(ids.iter().map(|id| (0, *id)), d_out, v, c, add)
                },
            ),
            Known::new(
                "ids-from-one",
                "les lignes sont décalées d'un cran : les ids se comptent à partir de 0",
                "the rows are shifted by one: ids count from 0",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).map(|(i, id)| (i, id + 1)), d_out, v, c, add)
                },
            ),
            Known::new(
                "ids-from-one",
                "les lignes sont décalées d'un cran : les ids se comptent à partir de 0",
                "the rows are shifted by one: ids count from 0",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).map(|(i, id)| (i, id.wrapping_sub(1))), d_out, v, c, add)
                },
            ),
            Known::new(
                "last-position-missing",
                "la dernière position manque : parcours tous les ids",
                "the last position is missing: go through all the ids",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    let n = ids.len();
                    rows(pairs(ids).take(n - 1), d_out, v, c, add)
                },
            ),
            Known::new(
                "first-position-missing",
                "la première position manque : parcours tous les ids à partir de 0",
                "the first position is missing: go through all the ids from 0",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).skip(1), d_out, v, c, add)
                },
            ),
            Known::new(
                "last-column-missing",
                "la dernière colonne manque : chaque ligne a C nombres, de 0 à C − 1",
                "the last column is missing: each row has C numbers, from 0 to C − 1",
                |i| {
                    let Lookup { c, .. } = *i;
                    map(i, |k, x| if k % c + 1 == c { 0.0 } else { x })
                },
            ),
            Known::new(
                "first-column-only",
                "seule la première colonne est remplie : ajoute les C nombres de chaque ligne",
                "only the first column is filled: add all C numbers of each row",
                |i| {
                    let Lookup { c, .. } = *i;
                    map(i, |k, x| if k % c == 0 { x } else { 0.0 })
                },
            ),
            Known::new(
                "transposed",
                "la table est rangée colonne par colonne : la ligne id commence à id · C (largeur), pas à id",
                "the table is stored column by column: row id starts at id · C (the width), not at id",
                |i| {
                    let Lookup { v, c, .. } = *i;
                    {
                        let right = right(i);
                        (0..v * c).map(|k| right[k % v * c + k / v]).collect()
                    }
                },
            ),
            Known::new(
                "sign",
                "le signe est inversé : c'est le gradient lui-même qui est demandé, pas le pas de descente",
                "the sign is reversed: the gradient itself is asked for, not the step down",
                |i| map(i, |_, x| -x),
            ),
            Known::new(
                "counted-not-added",
                "tu comptes les apparitions au lieu d'ajouter les lignes de d_out",
                "you count the occurrences instead of adding the rows of d_out",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids), d_out, v, c, |sum, _| sum + 1.0)
                },
            ),
            Known::new(
                "id-zero-skipped",
                "l'id 0 est sauté : c'est un mot comme un autre, sa ligne reçoit aussi son gradient",
                "id 0 is skipped: it is a word like any other, and its row gets its gradient, too",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).filter(|(_, id)| *id != 0), d_out, v, c, add)
                },
            ),
            Known::new(
                "row-summed",
                "tu additionnes les C nombres d'une ligne de d_out : chaque colonne j garde le sien, d_out[i·C + j]",
                "you add up the C numbers of a row of d_out: each column j keeps its own, d_out[i·C + j]",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    {
                        let sum = |i: usize| d_out[i / c * c..][..c].iter().sum::<f64>();
                        rows(pairs(ids), &(0..d_out.len()).map(sum).collect::<Vec<f64>>(), v, c, add)
                    }
                },
            ),
            Known::new(
                "rows-read-as-columns",
                "tu lis d_out colonne par colonne : la ligne i commence à i · C, le nombre j de la ligne i est d_out[i·C + j]",
                "you read d_out column by column: row i starts at i · C, number j of row i is d_out[i·C + j]",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    let n = ids.len();
                    {
                        let turned = |k: usize| d_out[k % c * n + k / c];
                        rows(pairs(ids), &(0..d_out.len()).map(turned).collect::<Vec<f64>>(), v, c, add)
                    }
                },
            ),
            Known::new(
                "repeats-skipped",
                "un id égal au précédent est sauté : deux positions qui se suivent peuvent lire la même ligne, et leurs gradients s'ajoutent",
                "an id equal to the one before is skipped: two positions in a row may read the same row, and their gradients add up",
                |i| {
                    let Lookup { ref ids, ref d_out, v, c } = *i;
                    rows(pairs(ids).filter(|(i, _)| *i == 0 || ids[i - 1] != ids[*i]), d_out, v, c, add)
                },
            ),
            Known::new(
                "starts-at-one",
                "le gradient part de 1 : une ligne jamais lue reçoit 0, commence avec des zéros",
                "the gradient starts from 1: a row that is never read gets 0, start with zeros",
                |i| map(i, |_, x| x + 1.0),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::{helpful, named};

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let stride = embedding_backward(|ids, d, v, c| {
            let mut table = vec![0.0; v * c];
            ids.iter().enumerate().for_each(|(i, id)| (0..c).for_each(|j| table[id * v + j] += d[i * c + j]));
            table
        });
        assert!(!stride.is_passed() && stride.to_string().contains("V"), "{stride}");
        let beyond = embedding_backward(|ids, d, v, c| {
            let table = scatter_add(ids, d, v, c);
            let _ = table[ids.len().min(1) * v * c + 1];
            table
        });
        named(&beyond, "out-of-bounds");
        named(&embedding_backward(|_, d, _, _| d.to_vec()), "one-row-per-id");
        let largest = |ids: &[usize]| ids.iter().max().map_or(0, |id| id + 1);
        named(&embedding_backward(|ids, d, _, c| scatter_add(ids, d, largest(ids), c)), "only-used-rows");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        assert!(embedding_backward(|_, _, _, _| panic!("no")).text(Lang::En).contains("panicked"));
        assert!(embedding_backward(|_, _, _, _| vec![1.0; 3]).text(Lang::Fr).contains("V × C"));
        type Change = (&'static str, fn(Vec<f64>, usize, usize) -> Vec<f64>);
        let changes: [Change; 9] = [
            ("half as much again", |d, _, _| d.iter().map(|x| 1.5 * x).collect()),
            ("rows backwards", |d, _, c| d.chunks(c).rev().flatten().copied().collect()),
            ("absolute", |d, _, _| d.iter().map(|x| x.abs()).collect()),
            ("clipped", |d, _, _| d.iter().map(|x| x.clamp(-1.0, 1.0)).collect()),
            ("columns only", |d, _, c| (0..c).map(|j| d.iter().skip(j).step_by(c).sum()).collect()),
            ("one row too many", |d, _, c| [d, vec![0.0; c]].concat()),
            ("normalised", |d, _, _| d.iter().map(|x| x / d.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()),
            ("nan", |d, _, _| vec![f64::NAN; d.len()]),
            ("squares", |d, _, _| d.iter().map(|x| x * x).collect()),
        ];
        for (what, change) in changes {
            helpful(what, &embedding_backward(|ids, d, v, c| change(scatter_add(ids, d, v, c), v, c)));
        }
        let guarded = |ids: &[usize], d: &[f64], v: usize, c: usize| {
            let _ = ids[0];
            scatter_add(ids, d, v, c)
        };
        helpful("needs an id", &embedding_backward(guarded));
        helpful("at most four ids", &embedding_backward(|ids, d, v, c| scatter_add(&ids[..ids.len().min(4)], d, v, c)));
    }
}
