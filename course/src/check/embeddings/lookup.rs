//! 02.2a: reading rows is a product with one-hot vectors.

use crate::catalogue::text;
use crate::check::answer::{numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

/// Ids, a table (V, C) and C.
struct Lookup {
    ids: Vec<usize>,
    table: Vec<f64>,
    c: usize,
}

type Known = Mistake<'static, Lookup, Vec<f64>>;

impl Lookup {
    fn v(&self) -> usize {
        self.table.len() / self.c
    }

    /// O·E, the long way: O has a row per id, all zeros but for a 1.
    fn product(&self) -> Vec<f64> {
        let mut y = vec![0.0; self.ids.len() * self.c];
        for (i, id) in self.ids.iter().enumerate() {
            for row in 0..self.v() {
                let x = f64::from(u8::from(row == *id));
                for j in 0..self.c {
                    y[i * self.c + j] += x * self.table[row * self.c + j];
                }
            }
        }
        y
    }

    /// The row of each id, from what a slip reads at (position, id, column).
    fn read(&self, at: impl Fn(usize, usize, usize) -> usize) -> Vec<f64> {
        let one = |(i, id): (usize, &usize)| (0..self.c).map(move |j| (i, *id, j)).collect::<Vec<_>>();
        let places = self.ids.iter().enumerate().flat_map(one);
        places.map(|(i, id, j)| self.table[at(i, id, j) % self.table.len()]).collect()
    }
}

/// Checks a lookup: `f(ids, table, width)` returns the product O·E without building O: as many rows of `width` as ids.
/// `table` is E (V, width), row by row; row i of O is the one-hot vector of `ids[i]`.
pub fn embedding_forward(f: impl Fn(&[usize], &[f64], usize) -> Vec<f64>) -> Report {
    exercise().check(|i| f(&i.ids, &i.table, i.c))
}

fn inputs() -> Vec<Lookup> {
    let mut rng = Rng::new(25);
    let cases: [(&[usize], usize, usize); 7] = [
        (&[3, 1, 3], 5, 3),
        (&[0, 1, 2, 3], 4, 2),
        (&[2], 3, 1),
        (&[], 3, 2),
        (&[4, 4, 0, 2, 1], 5, 5),
        (&[6, 0, 5], 7, 4),
        (&[1, 0, 1, 1, 0, 1], 2, 3),
    ];
    cases.map(|(ids, v, c)| Lookup { ids: ids.to_vec(), table: random(&mut rng, v * c, 2.0), c }).into()
}

fn exercise() -> Exercise<'static, Lookup, Vec<f64>> {
    Exercise {
        id: "02.2a",
        inputs: inputs(),
        solution: Box::new(Lookup::product),
        tell: |i| format!("ids = {:?}, E = {} ({} × {})", i.ids, numbers(&i.table), i.v(), i.c).into(),
        hint: |i, _| {
            let n = i.ids.len() * i.c;
            text("02.2a.hint").with("n", n)
        },
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::seen("out-of-bounds", |tries| tries.out_of_bounds()),
        Known::new("whole-table", |i| i.table.clone()),
        Known::new("one-hot-only", |i| {
            i.ids.iter().flat_map(|id| (0..i.v()).map(move |row| f64::from(u8::from(row == *id)))).collect()
        }),
        Known::new("position-rows", |i| i.read(|at, _, j| at * i.c + j)),
        Known::new("columns-for-rows", |i| i.read(|_, id, j| j * i.v() + id)),
        Known::new("row-start", |i| i.read(|_, id, j| id + j)),
        Known::new("ids-from-one", |i| i.read(|_, id, j| (id + 1) * i.c + j)),
        Known::new("first-column-only", |i| i.ids.iter().map(|id| i.table[id * i.c]).collect()),
        Known::new("rows-summed", |i| (0..i.c).map(|j| i.ids.iter().map(|id| i.table[id * i.c + j]).sum()).collect()),
        Known::new("repeats-skipped", |i| {
            let first = |at: &usize| !i.ids[..*at].contains(&i.ids[*at]);
            let rows = (0..i.ids.len()).filter(first).map(|at| i.ids[at]);
            rows.flat_map(|id| i.table[id * i.c..(id + 1) * i.c].to_vec()).collect()
        }),
        Known::new("sorted", |i| {
            let mut ids = i.ids.clone();
            ids.sort_unstable();
            Lookup { ids, table: i.table.clone(), c: i.c }.product()
        }),
        Known::new("transposed", |i| {
            let (y, n) = (i.product(), i.ids.len());
            (0..y.len()).map(|k| y[k % n * i.c + k / n]).collect()
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::testing::{helpful, named};

    fn read(ids: &[usize], table: &[f64], c: usize) -> Vec<f64> {
        ids.iter().flat_map(|id| table[id * c..(id + 1) * c].to_vec()).collect()
    }

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        assert!(embedding_forward(read).is_passed());
        let beyond = embedding_forward(|ids, table, c| {
            let _ = ids.iter().map(|id| table[(id + 1) * c]).sum::<f64>();
            read(ids, table, c)
        });
        named(&beyond, "out-of-bounds");
        let first = embedding_forward(|ids, table, c| {
            let _ = ids[0];
            read(ids, table, c)
        });
        named(&first, "out-of-bounds");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        type Change = (&'static str, fn(Vec<f64>, usize) -> Vec<f64>);
        let changes: [Change; 11] = [
            ("twice", |y, _| y.iter().map(|x| 2.0 * x).collect()),
            ("zeros", |y, _| vec![0.0; y.len()]),
            ("ones", |y, _| vec![1.0; y.len()]),
            ("nan", |y, _| vec![f64::NAN; y.len()]),
            ("backwards", |y, _| y.into_iter().rev().collect()),
            ("rows backwards", |y, c| y.chunks(c).rev().flatten().copied().collect()),
            ("one row too many", |y, c| [y, vec![0.0; c]].concat()),
            ("the last row lost", |y, c| y[..y.len().saturating_sub(c)].to_vec()),
            ("absolute", |y, _| y.iter().map(|x| x.abs()).collect()),
            ("normalised", |y, _| y.iter().map(|x| x / y.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()),
            ("rounded", |y, _| y.iter().map(|x| x.round()).collect()),
        ];
        for (what, change) in changes {
            helpful(what, &embedding_forward(|ids, table, c| change(read(ids, table, c), c)));
        }
    }
}
