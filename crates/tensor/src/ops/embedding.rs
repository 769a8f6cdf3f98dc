//! Rows of a table, by number.

use super::unary::unary;
use crate::{Shape, Tensor};
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
    let axes: Vec<usize> = shape.iter().copied().chain([c]).collect();
    let saved = ids.to_vec();
    let forward = |y: &mut [f32]| k::gather(table.data(), ids, c, y);
    unary("embedding", table, &axes[..], forward, move |dy, dx| k::scatter_add(dy, &saved, c, dx.add()))
}
