//! Matrix products. Every one is `gemm`, batched over leading axes where there are any.

use crate::{Bf16Matrix, Buf, Tensor, record};
use motamot_kernels::Grad;
use motamot_kernels::elementwise;
use motamot_kernels::gemm::bf16::{Packed, gemm_bf16, gemm_bf16_packed};
use motamot_kernels::gemm::{Init, Layout, gemm};
use std::sync::Arc;

/// A matrix W (R, C) as the right factor of products: in bf16 if it is packed for that, else in f32.
struct Factor {
    data: Arc<Buf>,
    bf16: Option<Arc<Bf16Matrix>>,
    rows: usize,
    cols: usize,
}

impl Factor {
    /// Of a tensor of rank 2.
    fn new(w: &Tensor) -> Factor {
        Factor { data: w.data.clone(), bf16: w.bf16.clone(), rows: w.shape()[0], cols: w.shape()[1] }
    }

    /// y (m, C) = x (m, R)·W
    fn times(&self, m: usize, x: &[f32], y: &mut [f32], init: Init) {
        self.product(Layout::NN, [m, self.cols, self.rows], |p| &p.plain, x, y, init);
    }

    /// y (m, R) = x (m, C)·Wᵀ
    fn times_turned(&self, m: usize, x: &[f32], y: &mut [f32], init: Init) {
        self.product(Layout::NT, [m, self.rows, self.cols], |p| &p.turned, x, y, init);
    }

    fn product(
        &self,
        layout: Layout,
        [m, n, k]: [usize; 3],
        side: fn(&Bf16Matrix) -> &Packed,
        x: &[f32],
        y: &mut [f32],
        init: Init,
    ) {
        match &self.bf16 {
            Some(bf16) => gemm_bf16_packed(m, x, side(bf16), y, init),
            None => gemm(layout, m, n, k, x, &self.data, y, init),
        }
    }

    /// dW (R, C) = or += xᵀ·dy with x (m, R), dy (m, C)
    fn gradient(&self, m: usize, x: &[f32], dy: &[f32], dst: Grad) {
        let (rows, cols, init) = (self.rows, self.cols, init_of(dst.accumulate));
        match self.bf16 {
            Some(_) => gemm_bf16(Layout::TN, rows, cols, m, x, dy, dst.data, init),
            None => gemm(Layout::TN, rows, cols, m, x, dy, dst.data, init),
        }
    }
}

/// What a gradient's sums start from.
pub(super) fn init_of(accumulate: bool) -> Init<'static> {
    if accumulate { Init::Accumulate } else { Init::Zero }
}

/// y = x·W + b, the layer that most of a Transformer consists of.
/// Shapes: x (.., I), w (I, O), b (O) → (.., O).  Saves: x, w.
/// Backward: dx = dy·Wᵀ, dw = xᵀ·dy, db = Σ_rows dy.
/// Panics if the inner or the outer axes differ.  In bf16 if `w` is packed for that.
/// `w` lies as GPT-2's Conv1D stores it: inputs down, outputs across (torch.nn.Linear stores the transpose).
#[track_caller]
pub fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
    let &[i, o] = &w.shape()[..] else { panic!("linear: w {} is not (I, O)", w.shape()) };
    let shape = x.shape();
    assert_eq!(shape.last_axis(), i, "linear: x {shape} · w {}: inner axes {} ≠ {i}", w.shape(), shape.last_axis());
    let m = shape.rows();
    let mut y = Buf::stale(m * o);
    let init = match b {
        Some(b) => {
            let len = b.shape().last_axis();
            assert_eq!(&b.shape()[..], [o], "linear: w {} and b {}: outer axes {o} ≠ {len}", w.shape(), b.shape());
            Init::Bias(b.data())
        }
        None => Init::Zero,
    };
    let (xs, ws) = (x.data.clone(), Factor::new(w));
    ws.times(m, x.data(), &mut y, init);
    let constant = Tensor::zeros([0]);
    record("linear", y, shape.with_last_axis(o), [x, w, b.unwrap_or(&constant)], move |dy, [dx, dw, db]| {
        if let Some(dx) = dx {
            ws.times_turned(m, dy, dx.data, init_of(dx.accumulate));
        }
        if let Some(dw) = dw {
            ws.gradient(m, &xs, dy, dw);
        }
        if let Some(db) = db {
            elementwise::sum_rows(dy, o, db);
        }
    })
}

/// y = a·bᵀ: rows of `a` against rows of `b`, as a tied output head uses the embedding table.
/// Shapes: a (.., K), b (N, K) → (.., N).  Saves: a, b.  Backward: da = dy·b, db = dyᵀ·a.
/// Panics if the inner axes differ.  In bf16 if `b` is packed for that.  Same as torch.nn.functional.linear(a, b).
#[track_caller]
pub fn matmul_nt(a: &Tensor, b: &Tensor) -> Tensor {
    let &[n, k] = &b.shape()[..] else { panic!("matmul_nt: b {} is not (N, K)", b.shape()) };
    let shape = a.shape();
    assert_eq!(shape.last_axis(), k, "matmul_nt: a {shape} · b {}ᵀ: inner axes {} ≠ {k}", b.shape(), shape.last_axis());
    let m = shape.rows();
    let mut y = Buf::stale(m * n);
    let (sa, sb) = (a.data.clone(), Factor::new(b));
    sb.times_turned(m, a.data(), &mut y, Init::Zero);
    record("matmul_nt", y, shape.with_last_axis(n), [a, b], move |dy, [da, db]| {
        if let Some(da) = da {
            sb.times(m, dy, da.data, init_of(da.accumulate));
        }
        if let Some(db) = db {
            sb.gradient(m, dy, &sa, db);
        }
    })
}

/// y = a·b for each matrix of a batch.
/// Shapes: a (.., M, K), b (.., K, N) with the same leading axes, or b (K, N) for all → (.., M, N).
/// Saves: a, b.  Backward: da = dy·bᵀ, db = aᵀ·dy.
/// Panics if the inner or the leading axes differ.  Same as torch.matmul.
#[track_caller]
pub fn matmul(a: &Tensor, b: &Tensor) -> Tensor {
    let (sa, sb) = (a.shape(), b.shape());
    if sb.len() == 2 {
        assert_eq!(sa.last_axis(), sb[0], "matmul: a {sa} · b {sb}: inner axes {} ≠ {}", sa.last_axis(), sb[0]);
        return linear(a, b, None);
    }
    assert!(sa.len() == sb.len() && sa.len() > 2, "matmul: a {sa} · b {sb}: ranks differ");
    let r = sa.len();
    let (m, k, n) = (sa[r - 2], sa[r - 1], sb[r - 1]);
    assert_eq!(k, sb[r - 2], "matmul: a {sa} · b {sb}: inner axes {k} ≠ {}", sb[r - 2]);
    assert_eq!(sa[..r - 2], sb[..r - 2], "matmul: a {sa} · b {sb}: leading axes differ");
    let batch: usize = sa[..r - 2].iter().product();
    let mut y = Buf::stale(batch * m * n);
    for i in 0..batch {
        let (a, b) = (&a.data()[i * m * k..][..m * k], &b.data()[i * k * n..][..k * n]);
        gemm(Layout::NN, m, n, k, a, b, &mut y[i * m * n..][..m * n], Init::Zero);
    }
    let (xs, ws) = (a.data.clone(), b.data.clone());
    record("matmul", y, sa.with_last_axis(n), [a, b], move |dy, [mut da, mut db]| {
        for i in 0..batch {
            let dy = &dy[i * m * n..][..m * n];
            if let Some(da) = &mut da {
                let data = &mut da.data[i * m * k..][..m * k];
                gemm(Layout::NT, m, k, n, dy, &ws[i * k * n..][..k * n], data, init_of(da.accumulate));
            }
            if let Some(db) = &mut db {
                let data = &mut db.data[i * k * n..][..k * n];
                gemm(Layout::TN, k, n, m, &xs[i * m * k..][..m * k], dy, data, init_of(db.accumulate));
            }
        }
    })
}
