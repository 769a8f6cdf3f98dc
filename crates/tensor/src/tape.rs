//! The tape: each op leaves a node with its backward function; `backward` runs them from the last to the first.
//!
//! Nodes are numbered as they are made, so an op's number is larger than those of its inputs: taking the largest number
//! first is a topological order, without recursion and without a sort.

use crate::node::{Backward, Node, Origin, ParamId, Slot};
use crate::{Buf, Shape, Tensor, profile};
use motamot_kernels::Grad;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Makes the result of an op: `data` in `shape`, computed from `inputs`.
///
/// `backward(dy, slots)` gets the gradient of the result and one slot per input, in order, and adds each input's share.
/// The number of slots is part of the type, so an op without its backward does not compile. If no input is tracked,
/// `backward` and all that it saved are dropped at once.
#[track_caller]
pub fn record<const N: usize>(
    name: &'static str,
    data: impl Into<Arc<Buf>>,
    shape: impl Into<Shape>,
    inputs: [&Tensor; N],
    backward: impl FnOnce(&[f32], [Slot; N]) + 'static,
) -> Tensor {
    let (data, shape) = (data.into(), shape.into());
    assert_eq!(data.len(), shape.count(), "{name}: {} elements do not make the shape {shape}", data.len());
    let node = inputs.iter().any(|t| t.node.is_some()).then(|| {
        let inputs = inputs.iter().map(|t| t.node.clone()).collect();
        let backward: Backward = Box::new(move |dy, slots| {
            let mut slots = slots.iter_mut();
            backward(dy, std::array::from_fn(|_| slots.next().and_then(Option::take)))
        });
        Node::new(name, data.len(), Origin::Op(RefCell::new(Some((inputs, backward)))))
    });
    profile::end(name, false);
    Tensor { data, shape, node, bf16: None }
}

/// A gradient buffer that lives from step to step; `filled` is false while it still holds the last step's values.
struct ParamGrad {
    data: Buf,
    filled: bool,
}

/// The gradients of the parameters, summed over all backward passes since the last [`Gradients::clear`].
#[derive(Default)]
pub struct Gradients {
    by_param: HashMap<ParamId, ParamGrad>,
}

impl Gradients {
    /// No gradients yet.
    pub fn new() -> Gradients {
        Gradients::default()
    }

    /// Forgets the sums and keeps the memory.
    pub fn clear(&mut self) {
        self.by_param.values_mut().for_each(|g| g.filled = false);
    }

    /// The gradient of a parameter; `None` if the loss did not depend on it.
    pub fn get(&self, id: ParamId) -> Option<&[f32]> {
        self.by_param.get(&id).filter(|g| g.filled).map(|g| &g.data[..])
    }

    /// The same, to be changed in place (clipping, averaging).
    pub fn get_mut(&mut self, id: ParamId) -> Option<&mut [f32]> {
        self.by_param.get_mut(&id).filter(|g| g.filled).map(|g| &mut g.data[..])
    }

    /// The buffer to accumulate into, and whether it already holds a sum.
    fn take(&mut self, id: ParamId, len: usize) -> (Buf, bool) {
        match self.by_param.remove(&id) {
            Some(g) => (g.data, g.filled),
            None => (Buf::stale(len), false),
        }
    }

    fn put(&mut self, id: ParamId, data: Buf) {
        match self.by_param.get_mut(&id) {
            // The same parameter twice in one op: the second buffer is added to the first.
            Some(g) => motamot_kernels::elementwise::add_assign(&mut g.data, &data),
            None => drop(self.by_param.insert(id, ParamGrad { data, filled: true })),
        }
    }
}

impl Tensor {
    /// Adds d(self)/d(parameter) to `gradients` for every parameter that `self` (one element) was computed from.
    ///
    /// Consumes the graph: what the ops saved is freed on the way. Panics if `self` has more than one element, depends
    /// on no parameter, or shares a part of its graph with one that has been consumed.
    #[track_caller]
    pub fn backward(self, gradients: &mut Gradients) {
        assert_eq!(self.len(), 1, "backward: needs a loss of one element, not {} {}", self.name(), self.shape());
        self.backward_from(&[1.0], gradients);
    }

    /// As [`Tensor::backward`] for a tensor of any shape, given the gradient of the loss with respect to it.
    #[track_caller]
    pub fn backward_from(self, dy: &[f32], gradients: &mut Gradients) {
        assert_eq!(dy.len(), self.len(), "backward: {} gradients for a tensor {}", dy.len(), self.shape());
        let root = self.node.clone().expect("backward: the tensor does not depend on any trainable parameter");
        drop(self);
        *root.grad.borrow_mut() = Some(Buf::from(dy));
        let mut ready = BTreeMap::from([(root.number, root)]);
        while let Some((_, node)) = ready.pop_last() {
            let dy = node.grad.take().expect("a node is only queued with its gradient");
            let op = match &node.origin {
                Origin::Op(op) => op.take(),
                Origin::Param(id) => {
                    // Only when the root itself is a parameter.
                    let (mut data, filled) = gradients.take(*id, node.len);
                    motamot_kernels::elementwise::copy_grad(&dy, Grad { data: &mut data, accumulate: filled });
                    gradients.put(*id, data);
                    continue;
                }
            };
            let Some((inputs, backward)) = op else {
                panic!("backward: {} was consumed by an earlier backward", node.name)
            };
            let mut buffers: Vec<Option<(Buf, bool)>> = inputs
                .iter()
                .map(|input| {
                    input.as_ref().map(|n| match n.origin {
                        Origin::Param(id) => gradients.take(id, n.len),
                        Origin::Op(_) => match n.grad.take() {
                            Some(sum) => (sum, true),
                            None => (Buf::stale(n.len), false),
                        },
                    })
                })
                .collect();
            let mut slots: Vec<Slot> = buffers
                .iter_mut()
                .map(|b| b.as_mut().map(|(data, filled)| Grad { data, accumulate: *filled }))
                .collect();
            backward(&dy, &mut slots);
            for (input, buffer) in inputs.into_iter().zip(buffers) {
                let (Some(n), Some((data, _))) = (input, buffer) else { continue };
                if let Origin::Param(id) = n.origin {
                    gradients.put(id, data);
                    continue;
                }
                match &mut *n.grad.borrow_mut() {
                    // The same tensor twice in one op, as in mul(y, y).
                    Some(sum) => motamot_kernels::elementwise::add_assign(sum, &data),
                    empty => *empty = Some(data),
                }
                ready.insert(n.number, n);
            }
            profile::end(node.name, true);
        }
    }
}
