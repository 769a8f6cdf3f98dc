use super::*;
use crate::testing::{close, normals, same_everywhere};

const FORMATS: [Format; 3] = [Format::F32, Format::Bf16, Format::Int8];

#[test]
fn rounding_is_to_the_nearest() {
    let half = |x: f32| bf16::round(x);
    assert_eq!([1.0, -2.5, 0.0, f32::INFINITY].map(half), [1.0, -2.5, 0.0, f32::INFINITY]);
    assert_eq!(half(1.0 + 1.0 / 256.0), 1.0, "a tie goes to the even neighbour");
    assert_eq!(half(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
    assert!(half(f32::NAN).is_nan() && half(f32::from_bits(0x7F80_0001)).is_nan());
    let w = normals(1, 40 * 17);
    for format in FORMATS {
        let q = Panels::of_rows(format, &w, 17);
        let mut back = vec![f32::NAN; w.len()];
        q.restore(&mut back);
        for (row, back) in w.chunks(17).zip(back.chunks(17)) {
            let max = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            for (x, y) in row.iter().zip(back) {
                let bound = if format == Format::Bf16 { x.abs() / 256.0 } else { max / 254.0 * 1.0001 };
                assert!((x - y).abs() <= bound, "{format:?}: {x} became {y}");
            }
        }
    }
    assert_eq!(Panels::of_rows(Format::Int8, &w, 17).bytes(), 64 * 20 + 4 * 64);
    let mut zeros = [1.0; 3];
    Panels::of_rows(Format::Int8, &[0.0; 3], 3).restore(&mut zeros);
    assert_eq!(zeros, [0.0; 3]);
}

/// Few rows and many, lengths around the lanes and the groups of four, with and without a bias.
#[test]
fn products_are_those_of_the_restored_matrix_everywhere() {
    for format in FORMATS {
        for (m, n, k) in [(1, 1, 1), (1, 5, 15), (2, 3, 16), (1, 70, 17), (8, 9, 64), (1, 600, 65), (9, 33, 48)] {
            let (x, w, b) = (normals(1, m * k), normals(2, n * k), normals(3, n));
            let q = Panels::of_rows(format, &w, k);
            let mut full = vec![0.0; n * k];
            q.restore(&mut full);
            for bias in [None, Some(&b[..])] {
                let y = same_everywhere(|| {
                    let mut y = vec![f32::NAN; m * n];
                    matmul_panels(&x, &q, bias, &mut y);
                    y
                });
                let want: Vec<f64> = (0..m * n)
                    .map(|i| {
                        let dot = |p| f64::from(x[i / n * k + p]) * f64::from(full[i % n * k + p]);
                        bias.map_or(0.0, |b| f64::from(b[i % n])) + (0..k).map(dot).sum::<f64>()
                    })
                    .collect();
                match format {
                    Format::Int8 => close_in_whole_numbers(&y, &want, &x, &full, k),
                    _ => close(&y, &want, 2e-6),
                }
            }
        }
    }
}

/// An input is off by half a step of its row at most.
fn close_in_whole_numbers(y: &[f32], want: &[f64], x: &[f32], w: &[f32], k: usize) {
    let n = w.len() / k;
    for (i, (y, want)) in y.iter().zip(want).enumerate() {
        let max = x[i / n * k..][..k].iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let weights: f32 = w[i % n * k..][..k].iter().map(|w| w.abs()).sum();
        let bound = f64::from(max / 32_639.0 / 2.0 * weights) * 1.01 + 2e-6 * (1.0 + want.abs());
        assert!((f64::from(*y) - want).abs() <= bound, "output {i}: {y} is not {want} within {bound}");
    }
}

/// With scales of 1 the sums are those of the whole numbers themselves: extremes, more than one block, all groups of rows.
#[test]
fn int8_sums_are_exact() {
    for (n, k) in [(1, 1), (33, 5), (160, 512), (70, 1027)] {
        let pattern = |i: usize, largest: i64| match i % 7 {
            0 => largest,
            1 => -largest,
            _ => (i as i64 * 7919 + 13) % (2 * largest + 1) - largest,
        };
        let whole = |rows: usize, largest: i64| -> Vec<i64> {
            // The first and the second row are all of one sign: no sum is larger.
            let row = |r: usize, i: usize| [largest, -largest][r.min(1)] * i64::from(r < 2 || i == 0);
            (0..rows * k)
                .map(|i| if i / k < 2 || i % k == 0 { row(i / k, i % k) } else { pattern(i, largest) })
                .collect()
        };
        let w = whole(n, 127);
        let q = Panels::of_rows(Format::Int8, &w.iter().map(|w| *w as f32).collect::<Vec<_>>(), k);
        for m in 1..=8 {
            let x = whole(m, 32_639);
            let floats: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let y = same_everywhere(|| {
                let mut y = vec![f32::NAN; m * n];
                matmul_panels(&floats, &q, None, &mut y);
                y
            });
            for (i, y) in y.iter().enumerate() {
                let (x, w) = (&x[i / n * k..][..k], &w[i % n * k..][..k]);
                let block = |(x, w): (&[i64], &[i64])| x.iter().zip(w).map(|(x, w)| x * w).sum::<i64>() as f32;
                assert_eq!(*y, x.chunks(512).zip(w.chunks(512)).map(block).sum::<f32>(), "{m} rows, output {i} of {n}");
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so_with_int8() {
    let q = Panels::of_rows(Format::Int8, &normals(1, 5 * 20), 20);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 17, 19] {
            let (mut x, mut y) = (normals(2, 2 * 20), [0.0; 10]);
            x[20 + at] = bad;
            matmul_panels(&x, &q, None, &mut y);
            assert!(y[..5].iter().all(|y| y.is_finite()) && y[5..].iter().all(|y| y.is_nan()), "{bad}: {y:?}");
        }
    }
    let mut y = [1.0; 5];
    matmul_panels(&[0.0; 20], &q, None, &mut y);
    assert_eq!(y, [0.0; 5]);
    // Nor does what is next to nothing become something.
    for tiny in [1e-30, 1e-36, 1e-42] {
        let mut x = normals(2, 20).into_iter().map(|x| x * tiny).collect::<Vec<f32>>();
        x[3] = 0.0;
        matmul_panels(&x, &q, None, &mut y);
        assert!(y.iter().all(|y| y.abs() < 100.0 * tiny), "{tiny}: {y:?}");
        let small = Panels::of_rows(Format::Int8, &x, 20);
        let mut back = [1.0; 20];
        small.restore(&mut back);
        assert!(back.iter().all(|w| w.abs() < 10.0 * tiny), "{tiny}: {back:?}");
    }
    let mut w = normals(1, 5 * 20);
    w[2 * 20 + 7] = f32::NAN;
    matmul_panels(&normals(2, 20), &Panels::of_rows(Format::Int8, &w, 20), None, &mut y);
    assert!(y.iter().enumerate().all(|(i, y)| y.is_nan() == (i == 2)), "{y:?}");
}

#[test]
fn columns_of_a_layer_are_rows_here() {
    let w = normals(4, 6 * 10); // (K 6, N 10)
    let turned: Vec<f32> = (0..60).map(|i| w[i % 6 * 10 + i / 6]).collect();
    let [mut a, mut b] = [vec![0.0; 60], vec![0.0; 60]];
    let q = Panels::of_columns(Format::Int8, &w, 10);
    assert_eq!(q.shape(), [10, 6]);
    q.restore(&mut a);
    Panels::of_rows(Format::Int8, &turned, 6).restore(&mut b);
    assert_eq!(a, b);
}

#[test]
#[should_panic(expected = "matmul_panels: 3 outputs are not 1 rows of 4")]
fn lengths_are_checked() {
    matmul_panels(&[1.0; 2], &Panels::of_rows(Format::Bf16, &[0.0; 8], 2), None, &mut [0.0; 3]);
}
