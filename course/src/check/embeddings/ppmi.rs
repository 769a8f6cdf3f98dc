//! 02.4: positive pointwise mutual information.

mod mistakes;

use super::super::answer::numbers;
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
use motamot_kernels::rng::Rng;

/// Counts (rows, columns).
type Counts = (Vec<f64>, usize, usize);
type Known = Mistake<'static, Counts, Vec<f64>>;

/// What a cell holds when its count is 0.
const EMPTY: f64 = 0.0;

/// f(n_ij, n_i·, n_·j, N) for each cell.
fn cells(counts: &[f64], rows: usize, cols: usize, f: impl Fn(f64, f64, f64, f64) -> f64) -> Vec<f64> {
    let row = |i: usize| counts[i * cols..(i + 1) * cols].iter().sum::<f64>();
    let column = |j: usize| (0..rows).map(|i| counts[i * cols + j]).sum::<f64>();
    let total: f64 = counts.iter().sum();
    (0..rows * cols).map(|k| f(counts[k], row(k / cols), column(k % cols), total)).collect()
}

fn positive(n: f64, x: f64) -> f64 {
    if n > 0.0 { x.max(0.0) } else { EMPTY }
}

fn solution(counts: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    cells(counts, rows, cols, |n, r, c, total| positive(n, (n * total / (r * c)).ln()))
}

/// Checks PPMI: `f(counts, rows, columns)` returns max(0, ln(p(i, j) / (p(i)·p(j)))) for each cell of a table of counts, row
/// by row, and 0 where a count is 0.
pub fn ppmi(f: impl Fn(&[f64], usize, usize) -> Vec<f64>) -> Report {
    exercise().check(|(counts, rows, cols)| f(counts, *rows, *cols))
}

fn inputs() -> Vec<Counts> {
    let mut rng = Rng::new(24);
    let mut cases: Vec<(Vec<f64>, usize, usize)> = Vec::new();
    for (rows, cols) in [(3, 3), (4, 4), (3, 5), (6, 2), (8, 8)] {
        let mut counts: Vec<f64> = (0..rows * cols).map(|_| [0.0, 1.0, 2.0, 5.0, 9.0, 30.0][rng.below(6)]).collect();
        // No empty row or column yet.
        (0..rows.max(cols)).for_each(|i| counts[i % rows * cols + i % cols] += 3.0);
        cases.push((counts, rows, cols));
    }
    cases.push((vec![4.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 7.0], 3, 3));
    cases.push((vec![0.0; 4], 2, 2));
    cases.push((vec![], 0, 0));
    cases
}

/// Some row or column holds nothing.
fn has_empty_row((counts, rows, cols): &Counts) -> bool {
    cells(counts, *rows, *cols, |_, r, c, _| r * c).contains(&0.0) || counts.is_empty()
}

fn exercise() -> Exercise<'static, Counts, Vec<f64>> {
    let mut mistakes = vec![
        Known::seen(
            "empty-row",
            "un mot qui n'a aucun voisin a une marge nulle, et 0/0 n'est pas un nombre : un compte nul donne 0 (et une table vide, une liste vide)",
            "a word without neighbours has a marginal of zero, and 0/0 is not a number: a zero count gives 0 (and an empty table an empty list)",
            |tries| tries.only_wrong_where(has_empty_row),
        ),
        Known::seen(
            "not-square",
            "juste sur les tables carrées, mais pas sur les autres : i va de 0 à lignes − 1, j de 0 à colonnes − 1, et la case (i, j) est à l'indice i · colonnes + j",
            "right on square tables, but not on others: i goes from 0 to rows − 1, j from 0 to columns − 1, and cell (i, j) is at index i · columns + j",
            |tries| tries.panics().next().is_some() && tries.only_wrong_where(|(_, rows, cols)| rows != cols),
        ),
    ];
    mistakes.extend(mistakes::all());
    Exercise {
        id: "02.4",
        inputs: inputs(),
        solution: Box::new(|(counts, rows, cols)| solution(counts, *rows, *cols)),
        tell: |(counts, rows, cols)| {
            let shown = numbers(counts);
            (format!("{rows} × {cols} comptes {shown}"), format!("{rows} × {cols} counts {shown}"))
        },
        hint: |(counts, rows, cols), _| {
            let (rows, cols) = (*rows, *cols);
            let row: Vec<f64> = (0..rows).map(|i| counts[i * cols..(i + 1) * cols].iter().sum()).collect();
            let column: Vec<f64> = (0..cols).map(|j| (0..rows).map(|i| counts[i * cols + j]).sum()).collect();
            let (row, column, total) = (numbers(&row), numbers(&column), counts.iter().sum::<f64>());
            (
                format!(
                    "Les sommes des lignes sont {row}, celles des colonnes {column}, N = {total} : affiche les tiennes"
                ),
                format!("The sums of the rows are {row}, of the columns {column}, N = {total}: print yours"),
            )
        },
        passed: (
            "juste sur 8 tables, carrées ou non, lignes vides comprises",
            "right on 8 tables, square or not, with empty rows",
        ),
        mistakes,
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
        let divides =
            |c: &[f64], rows: usize, cols: usize| cells(c, rows, cols, |n, r, k, t| (n * t / (r * k)).ln().max(0.0));
        // f64::max drops the NaN, so this is right, too.
        assert!(ppmi(divides).is_passed());
        let nan = |c: &[f64], rows: usize, cols: usize| {
            cells(c, rows, cols, |n, r, k, t| {
                let x = n * t / (r * k);
                if x < 1.0 { 0.0 } else { x.ln() }
            })
        };
        named(&ppmi(nan), "empty-row");
        let exchanged = |c: &[f64], rows: usize, cols: usize| {
            let _ = (0..cols).flat_map(|i| (0..rows).map(move |j| i * cols + j)).map(|at| c[at]).sum::<f64>();
            solution(c, rows, cols)
        };
        named(&ppmi(exchanged), "not-square");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        assert!(ppmi(|c, _, _| vec![c[999]]).text(Lang::En).contains("panicked"));
        assert!(ppmi(|_, _, _| vec![0.5]).text(Lang::Fr).contains("éléments"));
        type Change = (&'static str, fn(Vec<f64>, usize) -> Vec<f64>);
        let changes: [Change; 9] = [
            ("1.7 times", |x, _| x.iter().map(|x| 1.7 * x).collect()),
            ("clipped above", |x, _| x.iter().map(|x| x.min(1.0)).collect()),
            ("squared", |x, _| x.iter().map(|x| x * x).collect()),
            ("rounded", |x, _| x.iter().map(|x| x.round()).collect()),
            ("rows backwards", |x, c| x.chunks(c.max(1)).rev().flatten().copied().collect()),
            ("normalised rows", |x, c| {
                x.chunks(c.max(1))
                    .flat_map(|r| r.iter().map(|x| x / r.iter().sum::<f64>()).collect::<Vec<_>>())
                    .collect()
            }),
            ("shifted by ln 5", |x, _| x.iter().map(|x| (x - 5f64.ln()).max(0.0)).collect()),
            ("the last row lost", |x, c| x[..x.len().saturating_sub(c)].to_vec()),
            ("the diagonal is zero", |x, c| {
                x.iter().enumerate().map(|(k, x)| if k / c.max(1) == k % c.max(1) { 0.0 } else { *x }).collect()
            }),
        ];
        for (what, change) in changes {
            helpful(what, &ppmi(|counts, rows, cols| change(solution(counts, rows, cols), cols)));
        }
        helpful(
            "halved counts",
            &ppmi(|c, rows, cols| solution(&c.iter().map(|n| (n - 1.0).max(0.0)).collect::<Vec<_>>(), rows, cols)),
        );
    }
}
