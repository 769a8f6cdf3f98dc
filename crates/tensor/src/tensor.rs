//! The tensor: a value, its shape, and (while training) the node that made it.

use crate::node::{Node, ParamId};
use crate::{Buf, Shape};
use motamot_kernels::gemm::bf16::Packed;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A contiguous, row-major, immutable array of `f32` of rank 0 to 4. Cloning shares the data.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) data: Arc<Buf>,
    pub(crate) shape: Shape,
    pub(crate) node: Option<Rc<Node>>,
    pub(crate) bf16: Option<Arc<Bf16Matrix>>,
}

/// A matrix (R, C) rounded to bf16 and packed as the right factor of products: as it stands, and transposed.
pub struct Bf16Matrix {
    /// For x·W, x (.., R).
    pub(crate) plain: Packed,
    /// For y·Wᵀ, y (.., C).
    pub(crate) turned: Packed,
}

impl Bf16Matrix {
    /// Packs a matrix of `cols` columns. Panics if they do not divide it.
    #[track_caller]
    pub fn new(w: &[f32], cols: usize) -> Bf16Matrix {
        let rows = w.len() / cols.max(1);
        Bf16Matrix { plain: Packed::new(cols, rows, w, false), turned: Packed::new(rows, cols, w, true) }
    }

    /// Packs other values of the same matrix. Panics if there are not as many.
    #[track_caller]
    pub fn repack(&mut self, w: &[f32]) {
        self.plain.repack(w, false);
        self.turned.repack(w, true);
    }
}

impl Tensor {
    /// The same matrix, of which products are computed in bf16 from now on: those of `linear`, `matmul_nt`,
    /// `linear_cross_entropy` and the sub-layers `mlp_bf16`, `swiglu_bf16` and `self_attention_bf16`, and of their backward. `bf16` must be made of these values.
    pub fn with_bf16(mut self, bf16: Arc<Bf16Matrix>) -> Tensor {
        self.bf16 = Some(bf16);
        self
    }

    /// Whether products of it are computed in bf16.
    pub fn has_bf16(&self) -> bool {
        self.bf16.is_some()
    }

    /// A constant: nothing flows back into it. Panics if `values` do not fill `shape`.
    #[track_caller]
    pub fn new(values: &[f32], shape: impl Into<Shape>) -> Tensor {
        Tensor::from_buf(Buf::from(values), shape)
    }

    /// A constant from a buffer, without a copy.
    #[track_caller]
    pub fn from_buf(data: Buf, shape: impl Into<Shape>) -> Tensor {
        Tensor::shared(Arc::new(data), shape)
    }

    /// A constant, all zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        Tensor::from_buf(Buf::zeros(shape.count()), shape)
    }

    /// A leaf whose gradient is wanted under the name `id`; shares `data`.
    #[track_caller]
    pub fn parameter(id: ParamId, data: Arc<Buf>, shape: impl Into<Shape>) -> Tensor {
        let node = Node::parameter(id, data.len());
        Tensor { node: Some(node), ..Tensor::shared(data, shape) }
    }

    /// A leaf that shares `data` and is not tracked.
    #[track_caller]
    pub fn shared(data: Arc<Buf>, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert_eq!(data.len(), shape.count(), "{} values do not fill the shape {shape}", data.len());
        Tensor { data, shape, node: None, bf16: None }
    }

    /// The same values as a constant: the gradient stops here.
    pub fn detach(&self) -> Tensor {
        Tensor { node: None, ..self.clone() }
    }

    /// The values in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The value of a tensor of one element. Panics for any other.
    #[track_caller]
    pub fn item(&self) -> f32 {
        assert_eq!(self.len(), 1, "item: a tensor {} has more than one value", self.shape);
        self.data[0]
    }

    /// Whether a gradient would flow through it.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    /// The op that made it, for messages.
    pub fn name(&self) -> &'static str {
        self.node.as_ref().map_or("constant", |n| n.name)
    }
}

/// `layer_norm (2, 3) [0.1, -0.2, …]`
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.data.iter().take(8).map(|x| format!("{x:.4}")).collect();
        let more = if self.len() > 8 { ", …" } else { "" };
        write!(f, "{} {} [{}{more}]", self.name(), self.shape, shown.join(", "))
    }
}
