//! 02.2b: the gradient of a lookup.

use crate::catalogue::text;
use crate::check::answer::{numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
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
        tell: |i| format!("ids = {:?}, d_out = {}, V = {}, C = {}", i.ids, numbers(&i.d_out), i.v, i.c).into(),
        hint: |i, _| text("02.2b.hint").with("n", i.v * i.c),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::seen("out-of-bounds", |tries| tries.out_of_bounds()),
        Known::seen("one-row-per-id", |tries| {
            tries.each_wrong(|i, got, _| got.len() == i.d_out.len())
                && tries.each_wrong(|i, got, _| i.ids.len() == i.v || got.len() != i.v * i.c)
        }),
        Known::seen("only-used-rows", |tries| {
            let rows = |i: &Lookup| {
                (i.ids.iter().max().map_or(0, |id| id + 1), (0..i.v).filter(|row| i.ids.contains(row)).count())
            };
            let short = |i: &Lookup, got: &Vec<f64>, want: &Vec<f64>| {
                got.len() < want.len() && (got.len() == rows(i).0 * i.c || got.len() == rows(i).1 * i.c)
            };
            tries.each_wrong(short)
        }),
        Known::new("empty-gradient", |i| {
            let Lookup { v, c, .. } = *i;
            vec![0.0; v * c]
        }),
        Known::new("overwritten", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids), d_out, v, c, |_, x| x)
        }),
        Known::new("first-occurrence", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).filter(|(i, _)| !seen(ids, *i)), d_out, v, c, add)
        }),
        Known::new("divided-by-counts", |i| {
            let Lookup { ref ids, c, .. } = *i;
            map(i, |k, x| x / count(ids, k / c))
        }),
        Known::new("divided-by-length", |i| {
            let Lookup { ref ids, .. } = *i;
            let n = ids.len();
            map(i, |_, x| x / n as f64)
        }),
        Known::new("multiplied-by-counts", |i| {
            let Lookup { ref ids, c, .. } = *i;
            map(i, |k, x| x * count(ids, k / c))
        }),
        Known::new("position-rows", |i| {
            let Lookup { ref d_out, v, c, .. } = *i;
            rows((0..i.ids.len()).map(|i| (i, i)), d_out, v, c, add)
        }),
        Known::new("gathered", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows((0..ids.len()).map(|i| (ids[i], i)), d_out, v, c, add)
        }),
        Known::new("first-row-only", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(ids.iter().map(|id| (0, *id)), d_out, v, c, add)
        }),
        Known::new("ids-from-one", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).map(|(i, id)| (i, id + 1)), d_out, v, c, add)
        }),
        Known::new("ids-from-one", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).map(|(i, id)| (i, id.wrapping_sub(1))), d_out, v, c, add)
        }),
        Known::new("last-position-missing", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            let n = ids.len();
            rows(pairs(ids).take(n - 1), d_out, v, c, add)
        }),
        Known::new("first-position-missing", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).skip(1), d_out, v, c, add)
        }),
        Known::new("last-column-missing", |i| {
            let Lookup { c, .. } = *i;
            map(i, |k, x| if k % c + 1 == c { 0.0 } else { x })
        }),
        Known::new("first-column-only", |i| {
            let Lookup { c, .. } = *i;
            map(i, |k, x| if k % c == 0 { x } else { 0.0 })
        }),
        Known::new("transposed", |i| {
            let Lookup { v, c, .. } = *i;
            {
                let right = right(i);
                (0..v * c).map(|k| right[k % v * c + k / v]).collect()
            }
        }),
        Known::new("sign", |i| map(i, |_, x| -x)),
        Known::new("counted-not-added", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids), d_out, v, c, |sum, _| sum + 1.0)
        }),
        Known::new("id-zero-skipped", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).filter(|(_, id)| *id != 0), d_out, v, c, add)
        }),
        Known::new("row-summed", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            {
                let sum = |i: usize| d_out[i / c * c..][..c].iter().sum::<f64>();
                rows(pairs(ids), &(0..d_out.len()).map(sum).collect::<Vec<f64>>(), v, c, add)
            }
        }),
        Known::new("rows-read-as-columns", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            let n = ids.len();
            {
                let turned = |k: usize| d_out[k % c * n + k / c];
                rows(pairs(ids), &(0..d_out.len()).map(turned).collect::<Vec<f64>>(), v, c, add)
            }
        }),
        Known::new("repeats-skipped", |i| {
            let Lookup { ref ids, ref d_out, v, c } = *i;
            rows(pairs(ids).filter(|(i, _)| *i == 0 || ids[i - 1] != ids[*i]), d_out, v, c, add)
        }),
        Known::new("starts-at-one", |i| map(i, |_, x| x + 1.0)),
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
