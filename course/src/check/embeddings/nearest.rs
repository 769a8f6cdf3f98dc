//! 02.3: cosine similarity and nearest neighbours.

use crate::catalogue::text;
use crate::check::answer::{Answer, numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
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
            text("02.3.tell").with("rows", rows).with("c", c).with("shown", shown).with("query", query).with("n", n)
        },
        hint: |_, _| text("02.3.hint"),
        mistakes: mistakes(),
    }
}

type Known = Mistake<'static, Query, Found>;

/// The usual wrong measures.
const MEASURES: [(&str, Measure); 13] = [
    ("dot-product", dot),
    ("missing-sqrt", |a, b| dot(a, b) / (dot(a, a) * dot(b, b))),
    ("one-norm-only.row", |a, b| dot(a, b) / norm(b)),
    ("one-norm-only.query", |a, b| dot(a, b) / norm(a)),
    ("norms-added", |a, b| dot(a, b) / (norm(a) + norm(b))),
    ("norm-squared.query", |a, b| dot(a, b) / dot(a, a)),
    ("norm-squared.row", |a, b| dot(a, b) / dot(b, b)),
    ("absolute-value", |a, b| cosine(a, b).abs()),
    ("squared-cosine", |a, b| cosine(a, b) * cosine(a, b)),
    ("l1-norm", |a, b| dot(a, b) / (a.iter().map(|x| x.abs()).sum::<f64>() * b.iter().map(|x| x.abs()).sum::<f64>())),
    ("centred", |a, b| {
        let centre = |x: &[f64]| -> Vec<f64> { x.iter().map(|y| y - x.iter().sum::<f64>() / x.len() as f64).collect() };
        cosine(&centre(a), &centre(b))
    }),
    ("mean-not-sum", |a, b| cosine(a, b) / a.len() as f64),
    ("euclidean-distance", |a, b| -a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()),
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
fn list(key: &'static str, sign: impl Fn(&Query, &Found) -> bool + 'static) -> Known {
    Known::seen(key, move |tries| {
        !tries.only_wrong_where(Query::has_zero_row) && tries.each_wrong(|q, got, _| q.has_zero_row() || sign(q, got))
    })
}

/// What the answers show, in the order in which it is looked for.
fn mistakes() -> Vec<Known> {
    let mut all = vec![
        Known::seen("zero-vector", |tries| tries.only_wrong_where(Query::has_zero_row)),
        Known::seen("too-few-rows", |tries| {
            tries.panics().next().is_some() && tries.only_wrong_where(|q: &Query| q.n >= q.rows())
        }),
        list("empty-list", |_, got| got.is_empty()),
        list("query-included", |q, got| {
            let all = q.ranked(cosine);
            got.first().is_some_and(|(i, _)| *i == q.query) && !same_ids(got, &take(&reversed(&all), q.n))
        }),
        list("ascending-order", |q, got| {
            let all = q.ranked(cosine);
            let others = q.others(cosine);
            same_ids(got, &take(&reversed(&others), q.n)) || same_ids(got, &take(&reversed(&all), q.n))
        }),
        list("reversed-result", |q, got| {
            let others = q.others(cosine);
            got.same(&reversed(&take(&others, q.n)))
        }),
        list("cosine-distance", |q, got| {
            let others = q.others(cosine);
            let distances: Found = others.iter().map(|(i, x)| (*i, 1.0 - x)).collect();
            got.same(&take(&distances, q.n)) || got.same(&take(&reversed(&distances), q.n))
        }),
        list("not-sorted", |q, got| {
            let others = q.others(cosine);
            let mut plain = others.clone();
            plain.sort_by_key(|(i, _)| *i);
            got.same(&take(&plain, q.n))
        }),
        list("copies-excluded", |q, got| {
            let others = q.others(cosine);
            let no_copies: Found = others.iter().copied().filter(|(_, x)| *x < 1.0 - 1e-9).take(q.n).collect();
            got.same(&no_copies) && !got.same(&take(&others, q.n))
        }),
        list("best-dropped", |q, got| {
            let others = q.others(cosine);
            let without_first: Found = others.iter().copied().skip(1).take(q.n).collect();
            got.same(&without_first) || got.same(&others.iter().copied().skip(1).take(q.n.saturating_sub(1)).collect())
        }),
    ];
    all.extend(MEASURES.map(|(key, by)| {
        list(key, move |q: &Query, got: &Found| {
            let wrong = q.others(by);
            let positive: Found = wrong.iter().map(|(i, x)| (*i, -x)).collect();
            let backwards: Found = positive.iter().rev().copied().collect();
            [wrong, positive, backwards].iter().any(|found| got.same(&found.iter().copied().take(q.n).collect()))
        })
    }));
    all.extend([
        list("one-too-many", |q, got| {
            let others = q.others(cosine);
            got.same(&others.iter().copied().take(q.n + 1).collect()) && got.len() == q.n + 1
        }),
        list("one-too-few", |q, got| {
            let others = q.others(cosine);
            got.len() + 1 == q.n.min(others.len()) && got.iter().all(|x| others.iter().any(|y| x.0 == y.0))
        }),
        list("ties", |q, got| {
            let others = q.others(cosine);
            let mut ties = others.clone();
            ties.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
            got.same(&take(&ties, q.n)) && !take(&ties, q.n).same(&take(&others, q.n))
        }),
        list("not-truncated", |q, got| got.len() > q.n && got.same(&q.others(cosine))),
        list("ids-renumbered", |q, got| {
            let shifted = |(i, x): (usize, f64)| (if i > q.query { i - 1 } else { i }, x);
            let mut wrong: Found = q.others(cosine).into_iter().map(shifted).take(q.n).collect();
            let sorted = got.same(&wrong);
            wrong.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            sorted || got.same(&wrong)
        }),
        list("ids-from-one", |q, got| {
            let one = |(i, x): (usize, f64)| (i + 1, x);
            got.same(&q.others(cosine).into_iter().map(one).take(q.n).collect())
        }),
        list("places-for-ids", |q, got| {
            let places = q.others(cosine).into_iter().take(q.n).enumerate();
            got.same(&places.map(|(i, (_, x))| (i, x)).collect())
        }),
        list("positive-only", |q, got| {
            got.same(&q.others(cosine).into_iter().filter(|(_, x)| *x > 0.0).take(q.n).collect())
        }),
        list("angle", |q, got| {
            let angle = |(i, x): (usize, f64)| (i, x.clamp(-1.0, 1.0).acos());
            got.same(&q.others(cosine).into_iter().map(angle).take(q.n).collect())
        }),
        list("columns-for-rows", |q, got| {
            let (rows, c) = (q.rows(), q.c);
            let turned: Vec<f64> = (0..rows * c).map(|k| q.table[k % c * rows + k / c]).collect();
            got.same(&solution(&turned, c, q.query, q.n))
        }),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::name_of;
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
        for (key, by) in MEASURES {
            assert_eq!(mistake(|t, c, q, n| with(by, t, c, q, n)), name_of(key));
        }
        // The distance itself, the nearest first.
        let positive = |t: &[f64], c: usize, q: usize, n: usize| -> Found {
            with(MEASURES[12].1, t, c, q, n).into_iter().map(|(i, x)| (i, -x)).collect()
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
