//! Rows of a table by their numbers, and the gradient of that.

use crate::area;
use crate::map::{Add, CHUNK, change, identity, rows_per_chunk};
use crate::parallel::{self, SharedMut};

#[track_caller]
fn check(name: &str, table: usize, ids: &[u32], cols: usize, rows: usize) {
    let (n, v) = (ids.len(), table / cols.max(1));
    assert!(cols > 0 && table.is_multiple_of(cols), "{name}: a table of {table} elements has no rows of {cols}");
    assert!(rows == area(n, cols), "{name}: {rows} elements are not {n} rows of {cols}");
    if let Some(bad) = ids.iter().find(|id| **id as usize >= v) {
        panic!("{name}: id {bad} is not under {v}, the number of rows of the table");
    }
}

/// y (N, C) = table\[ids\]: row i is row ids\[i\] of table (V, C).
#[track_caller]
pub fn gather(table: &[f32], ids: &[u32], cols: usize, y: &mut [f32]) {
    check("gather", table.len(), ids, cols, y.len());
    let rows = rows_per_chunk(cols);
    parallel::chunks_mut(y, rows * cols, |i, y| {
        for (y, id) in y.chunks_exact_mut(cols).zip(&ids[i * rows..]) {
            y.copy_from_slice(&table[*id as usize * cols..][..cols]);
        }
    });
}

/// table_grad\[ids\[i\]\] += dy\[i\] for each row of dy (N, C), in the order of the rows.
///
/// The threads share out the columns, so that rows with the same id are added in the same order by any number of them.
#[track_caller]
pub fn scatter_add(dy: &[f32], ids: &[u32], cols: usize, table_grad: &mut [f32]) {
    check("scatter_add", table_grad.len(), ids, cols, dy.len());
    let strip = if dy.len() <= CHUNK { cols } else { 64 };
    let table = SharedMut::new(table_grad);
    parallel::for_each_chunk(cols.div_ceil(strip), |i| {
        let from = i * strip;
        let width = strip.min(cols - from);
        for (row, id) in ids.iter().enumerate() {
            // SAFETY: each strip of columns is one chunk, and one thread at a time has one row of it.
            let sum = unsafe { table.slice(*id as usize * cols + from, width) };
            change(Add(identity), sum, [&dy[row * cols + from..][..width]]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, close, normals, same_everywhere, wide};

    #[test]
    fn rows_are_gathered_and_their_gradients_added() {
        for (n, cols) in LENGTHS[1..].iter().map(|cols| (9, *cols)).chain([(0, 5), (700, 150)]) {
            let v = 11;
            let (table, dy, before) = (normals(1, v * cols), normals(2, n * cols), normals(3, v * cols));
            let ids: Vec<u32> = (0..n).map(|i| (i * i % v) as u32).collect();
            let y = same_everywhere(|| {
                let mut y = vec![f32::NAN; n * cols];
                gather(&table, &ids, cols, &mut y);
                y
            });
            assert!((0..n * cols).all(|i| y[i] == table[ids[i / cols] as usize * cols + i % cols]));
            let got = same_everywhere(|| {
                let mut grad = before.clone();
                scatter_add(&dy, &ids, cols, &mut grad);
                grad
            });
            let mut want = wide(&before);
            for i in 0..n * cols {
                want[ids[i / cols] as usize * cols + i % cols] += f64::from(dy[i]);
            }
            close(&got, &want, 1e-5);
            // <scatter(dy), table> = <dy, gather(table)>: one is the transpose of the other.
            let mut grad = vec![0.0; v * cols];
            scatter_add(&dy, &ids, cols, &mut grad);
            let inner = |a: &[f32], b: &[f32]| wide(a).iter().zip(wide(b)).map(|(a, b)| a * b).sum::<f64>();
            assert!((inner(&grad, &table) - inner(&dy, &y)).abs() < 1e-2);
        }
    }

    #[test]
    #[should_panic(expected = "gather: id 2 is not under 2, the number of rows of the table")]
    fn ids_are_checked() {
        gather(&[0.0; 6], &[2], 3, &mut [0.0; 3]);
    }
}
