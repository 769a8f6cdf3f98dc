//! 02.3: cosine similarity and nearest neighbours.

mod mistakes;

use super::super::answer::{numbers, random};
use crate::check::Report;
use crate::check::exercise::Exercise;
use motamot_kernels::rng::Rng;

/// Ids and their measures, best first.
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

type Measure = fn(&[f64], &[f64]) -> f64;

/// What is asked of a table: the n nearest of a row.
struct Query {
    table: Vec<f64>,
    c: usize,
    query: usize,
    n: usize,
}

impl Query {
    fn rows(&self) -> usize {
        self.table.len() / self.c
    }

    fn ranked(&self, by: impl Fn(&[f64], &[f64]) -> f64) -> Found {
        ranked(&self.table, self.c, self.query, by)
    }

    /// Without the query itself.
    fn others(&self, by: impl Fn(&[f64], &[f64]) -> f64) -> Found {
        self.ranked(by).into_iter().filter(|(i, _)| *i != self.query).collect()
    }

    /// Some row is zero, so it has no direction.
    fn has_zero_row(&self) -> bool {
        self.table.chunks(self.c).any(|row| row.iter().all(|x| *x == 0.0))
    }
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
    exercise().check(|q| f(&q.table, q.c, q.query, q.n))
}

fn inputs() -> Vec<Query> {
    let mut rng = Rng::new(23);
    let mut cases: Vec<(Vec<f64>, usize, usize, usize)> = Vec::new();
    for (rows, c, query, n) in [(9, 4, 3, 3), (12, 5, 0, 4), (7, 3, 6, 2), (20, 8, 11, 5), (6, 2, 2, 5)] {
        cases.push((table(&mut rng, rows, c), c, query, n));
    }
    // A row with the same direction as the query, then equal rows, then more neighbours wanted than there are.
    cases.push((vec![1.0, 2.0, 2.0, 4.0, -1.0, 3.0, 2.0, -1.0], 2, 0, 2));
    cases.push((vec![1.0, 0.0, 3.0, 4.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0], 2, 0, 2));
    cases.push((table(&mut rng, 4, 3), 3, 1, 10));
    cases.push((vec![1.0, 2.0, 0.0, 0.0, -2.0, 1.5, 0.5, 0.0], 2, 0, 3));
    cases.push((vec![0.0, 0.0, 1.0, 2.0, 3.0, 1.0], 2, 0, 2));
    cases.into_iter().map(|(table, c, query, n)| Query { table, c, query, n }).collect()
}

fn exercise() -> Exercise<'static, Query, Found> {
    Exercise {
        id: "02.3",
        inputs: inputs(),
        solution: Box::new(|q| solution(&q.table, q.c, q.query, q.n)),
        tell: |q| {
            let (rows, c, query, n, shown) = (q.rows(), q.c, q.query, q.n, numbers(&q.table));
            (
                format!("une table de {rows} lignes de {c} {shown}, requête {query}, n = {n}"),
                format!("a table of {rows} rows of {c} {shown}, query {query}, n = {n}"),
            )
        },
        hint: |_, _| {
            (
                "Calcule à la main le cosinus de la requête avec la première ligne : produit scalaire, puis les deux normes".into(),
                "Work out by hand the query's cosine with the first row: dot product, then both norms".into(),
            )
        },
        passed: (
            "justes sur 10 tables, lignes nulles, ex æquo et n trop grand compris",
            "right on 10 tables, with zero rows, ties and an n that is too large",
        ),
        mistakes: mistakes::all(),
    }
}

#[cfg(test)]
mod tests {
    use super::mistakes::MEASURES;
    use super::*;
    use crate::check::exercise::testing::helpful;

    fn mistake(f: impl Fn(&[f64], usize, usize, usize) -> Found) -> &'static str {
        let report = nearest(f);
        report.mistake_name().unwrap_or_else(|| panic!("{report}"))
    }

    fn with(by: Measure, table: &[f64], c: usize, query: usize, n: usize) -> Found {
        ranked(table, c, query, by).into_iter().filter(|(i, _)| *i != query).take(n).collect()
    }

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let report = nearest(solution);
        assert!(report.is_passed(), "{report}");
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

    #[test]
    fn other_lists_are_recognised() {
        type Change = (&'static str, fn(&Query) -> Found);
        let changes: [Change; 8] = [
            ("not-truncated", |q| q.others(cosine)),
            ("ids-renumbered", |q| {
                let shifted = |(i, x): (usize, f64)| (if i > q.query { i - 1 } else { i }, x);
                q.others(cosine).into_iter().take(q.n).map(shifted).collect()
            }),
            ("ids-from-one", |q| q.others(cosine).into_iter().take(q.n).map(|(i, x)| (i + 1, x)).collect()),
            ("places-for-ids", |q| {
                q.others(cosine).into_iter().take(q.n).enumerate().map(|(i, (_, x))| (i, x)).collect()
            }),
            ("positive-only", |q| q.others(cosine).into_iter().filter(|(_, x)| *x > 0.0).take(q.n).collect()),
            ("angle", |q| {
                q.others(cosine).into_iter().take(q.n).map(|(i, x)| (i, x.clamp(-1.0, 1.0).acos())).collect()
            }),
            ("columns-for-rows", |q| {
                let (rows, c) = (q.rows(), q.c);
                let turned: Vec<f64> = (0..rows * c).map(|k| q.table[k % c * rows + k / c]).collect();
                solution(&turned, c, q.query, q.n)
            }),
            ("too-few-rows", |q| {
                assert!(q.n < q.rows(), "range end index 10 out of range for slice of length 3");
                solution(&q.table, q.c, q.query, q.n)
            }),
        ];
        for (name, f) in changes {
            let f = |table: &[f64], c: usize, query: usize, n: usize| f(&Query { table: table.to_vec(), c, query, n });
            assert_eq!(mistake(f), name);
        }
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        helpful("panics", &nearest(|t, _, _, _| vec![(0, t[9999])]));
        let measures: [(&str, Measure); 7] = [
            ("largest distance", |a, b| a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)),
            ("zero", |_, _| 0.0),
            ("first number", |a, b| a[0] * b[0]),
            ("harmonic", |a, b| 2.0 * dot(a, b) / (dot(a, a) + dot(b, b))),
            ("max norm", |a, b| dot(a, b) / a.iter().chain(b).fold(0.0, |m: f64, x| m.max(x.abs()))),
            ("cube", |a, b| cosine(a, b).powi(3)),
            ("shifted", |a, b| 0.5 + 0.5 * cosine(a, b)),
        ];
        for (what, by) in measures {
            helpful(what, &nearest(|t, c, q, n| with(by, t, c, q, n)));
        }
        helpful("0.123 always", &nearest(|_, _, _, n| vec![(0, 0.123); n]));
        helpful("every second", &nearest(|t, c, q, n| solution(t, c, q, 2 * n).into_iter().step_by(2).collect()));
        helpful(
            "the worst at the end",
            &nearest(|t, c, q, n| {
                let all = solution(t, c, q, 99);
                all.iter().take(n - 1).chain(all.last()).copied().collect()
            }),
        );
    }
}
