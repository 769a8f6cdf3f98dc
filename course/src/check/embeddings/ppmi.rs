//! 02.4: positive pointwise mutual information.

use crate::catalogue::text;
use crate::check::answer::numbers;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
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
    Exercise {
        id: "02.4",
        inputs: inputs(),
        solution: Box::new(|(counts, rows, cols)| solution(counts, *rows, *cols)),
        tell: |(counts, rows, cols)| {
            text("02.4.tell").with("rows", rows).with("cols", cols).with("counts", numbers(counts))
        },
        hint: |(counts, rows, cols), _| {
            let (rows, cols) = (*rows, *cols);
            let row: Vec<f64> = (0..rows).map(|i| counts[i * cols..(i + 1) * cols].iter().sum()).collect();
            let column: Vec<f64> = (0..cols).map(|j| (0..rows).map(|i| counts[i * cols + j]).sum()).collect();
            let (row, column, total) = (numbers(&row), numbers(&column), counts.iter().sum::<f64>());
            text("02.4.hint").with("row", row).with("column", column).with("total", total)
        },
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    let mut all = vec![
        Known::seen("empty-row", |tries| tries.only_wrong_where(has_empty_row)),
        Known::seen("not-square", |tries| {
            tries.panics().next().is_some() && tries.only_wrong_where(|(_, rows, cols)| rows != cols)
        }),
    ];
    let named = values(&[1.0], 1, 1).into_iter().enumerate();
    all.extend(named.map(|(at, (key, _))| {
        Known::new(key, move |(counts, rows, cols)| values(counts, *rows, *cols).swap_remove(at).1)
    }));
    all
}

/// Key, result.
type Value = (&'static str, Vec<f64>);

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
    vec![
        ("missing-total.all-zero", vec![0.0; right.len()]),
        ("log-base", each(&|n, r, c, t| positive(n, (n * t / (r * c)).log2()))),
        ("log-base", each(&|n, r, c, t| positive(n, (n * t / (r * c)).log10()))),
        ("missing-positive-part.pmi", each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln() } else { 0.0 })),
        ("missing-positive-part.infinite", each(&|n, r, c, t| (n * t / (r * c)).ln())),
        ("absolute-value", each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln().abs() } else { 0.0 })),
        ("negated", each(&|n, r, c, t| positive(n, -(n * t / (r * c)).ln()))),
        ("missing-log", each(&|n, r, c, t| n * t / (r * c))),
        ("missing-log", each(&|n, r, c, t| positive(n, n * t / (r * c) - 1.0))),
        ("log-one-plus", each(&|n, r, c, t| (n * t / (r * c)).ln_1p())),
        ("smoothed-counts.numerator", each(&|n, r, c, t| ((n + 1.0) * t / (r * c)).ln().max(0.0))),
        ("missing-total.factor", each(&|n, r, c, _| if n > 0.0 { (n / (r * c)).ln() } else { 0.0 })),
        ("total-squared", each(&|n, r, c, t| positive(n, (n * t * t / (r * c)).ln()))),
        ("log-of-counts", each(&|n, _, _, _| positive(n, n.ln()))),
        ("wrong-marginals", each(&|n, r, _, t| positive(n, (n * t / (r * r)).ln()))),
        ("wrong-marginals", each(&|n, _, c, t| positive(n, (n * t / (c * c)).ln()))),
        ("one-marginal", each(&|n, r, _, t| positive(n, (n * t / r).ln()))),
        ("one-marginal", each(&|n, _, c, t| positive(n, (n * t / c).ln()))),
        ("one-marginal", each(&|n, r, _, _| positive(n, (n / r).ln() + c.ln()))),
        ("one-marginal", each(&|n, _, c, _| positive(n, (n / c).ln() + r.ln()))),
        ("weighted", each(&|n, r, c, t| positive(n, (n * t / (r * c)).ln()) * n / t)),
        ("transposed", (0..rows * cols).map(|k| right[k % rows * cols + k / rows]).collect()),
        ("marginals-swapped", {
            let sums_of_rows: Vec<f64> = (0..rows).map(|i| counts[i * cols..(i + 1) * cols].iter().sum()).collect();
            let sums_of_columns: Vec<f64> = (0..cols).map(|j| (0..rows).map(|i| counts[i * cols + j]).sum()).collect();
            let total: f64 = counts.iter().sum();
            let at = |x: &[f64], i: usize| x[i.min(x.len() - 1)];
            let cell = |k: usize| counts[k] * total / (at(&sums_of_columns, k / cols) * at(&sums_of_rows, k % cols));
            (0..rows * cols).map(|k| positive(counts[k], cell(k).ln())).collect()
        }),
        ("one-side-sums.rows", each_at(&|i, j| row(i) * row(j.min(rows - 1)))),
        ("one-side-sums.columns", each_at(&|i, j| column(i.min(cols - 1)) * column(j))),
        ("smoothed-counts.all", {
            let more: Vec<f64> = counts.iter().map(|n| n + 1.0).collect();
            solution(&more, rows, cols)
        }),
        ("smoothed-contexts", {
            let z: f64 = (0..cols).map(|j| column(j).powf(0.75)).sum();
            each(&|n, r, c, _| positive(n, (n / r * z / c.powf(0.75)).ln()))
        }),
        ("wrong-total", each(&|n, r, c, _| positive(n, (n * counts.len() as f64 / (r * c)).ln()))),
        ("missing-brackets", each(&|n, r, c, t| positive(n, (n * t / r * c).ln()))),
        ("marginals-added", each(&|n, r, c, t| positive(n, (n * t / (r + c)).ln()))),
        ("normalised", each(&|n, r, c, t| positive(n, (n * t / (r * c)).ln() / -(n / t).ln()))),
        ("clipped-at-one", each(&|n, r, c, t| if n > 0.0 { (n * t / (r * c)).ln().max(1.0) } else { 0.0 })),
        ("wrong-stride", {
            let mut result = vec![0.0; rows * cols];
            for k in 0..rows * cols {
                let at = k / cols * rows + k % cols;
                if at < counts.len() && counts[at] > 0.0 {
                    result[at] = positive(1.0, (counts[at] * total / (row(k / cols) * column(k % cols))).ln());
                }
            }
            result
        }),
    ]
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
