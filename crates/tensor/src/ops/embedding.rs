//! Rows of a table, by number.

use crate::{Buf, Shape, Tensor, record};
use motamot_kernels::embedding as k;

/// `y_i = table[ids_i]`: the same as a one-hot matrix times the table, without the zeros.
/// Shapes: table (V, C), ids: as many as `shape` holds → (shape.., C).  Saves: ids.
/// Backward: `d_table[id] += dy_i` for each i.
/// Panics if an id is not below V, or the ids do not fill `shape`.  Same as torch.nn.functional.embedding.
#[track_caller]
pub fn embedding(table: &Tensor, ids: &[u32], shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let &[v, c] = &table.shape()[..] else { panic!("embedding: the table {} is not (V, C)", table.shape()) };
    assert_eq!(ids.len(), shape.count(), "embedding: {} ids do not fill the shape {shape}", ids.len());
    if let Some(id) = ids.iter().find(|&&id| id as usize >= v) {
        panic!("embedding: id {id} is outside a table of {v} rows");
    }
    let mut y = Buf::stale(ids.len() * c);
    k::gather(table.data(), ids, c, &mut y);
    let ids = ids.to_vec();
    let axes: Vec<usize> = shape.iter().copied().chain([c]).collect();
    record("embedding", y, &axes[..], [table], move |dy, [d_table]| {
        if let Some(d_table) = d_table {
            k::scatter_add(dy, &ids, c, d_table.add());
        }
    })
}
