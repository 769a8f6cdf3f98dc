//! The nodes of the tape: what made a tensor, and the gradient that waits for it.

use crate::Buf;
use motamot_kernels::Grad;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A parameter's name in [`crate::Gradients`], unique in the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ParamId(u64);

impl ParamId {
    /// A new one.
    #[allow(clippy::new_without_default)] // two "defaults" would differ
    pub fn new() -> ParamId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ParamId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

thread_local! {
    static NEXT_NODE: Cell<u64> = const { Cell::new(0) };
}

/// What an op's backward gets for one input: where its gradient goes, or `None` if nobody wants it.
pub type Slot<'a> = Option<Grad<'a>>;

pub(crate) type Backward = Box<dyn FnOnce(&[f32], &mut [Slot])>;

/// The inputs of an op (`None`: a constant) and its backward, which holds what the op saved.
pub(crate) type Recorded = (Vec<Option<Rc<Node>>>, Backward);

pub(crate) enum Origin {
    /// A parameter: its gradient goes to its persistent buffer in `Gradients`.
    Param(ParamId),
    /// An op, until `backward` consumes it.
    Op(RefCell<Option<Recorded>>),
}

/// One recorded op or parameter.
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) len: usize,
    pub(crate) name: &'static str,
    pub(crate) origin: Origin,
    pub(crate) grad: RefCell<Option<Buf>>,
}

impl Node {
    pub(crate) fn parameter(id: ParamId, len: usize) -> Rc<Node> {
        Node::new("parameter", len, Origin::Param(id))
    }

    pub(crate) fn new(name: &'static str, len: usize, origin: Origin) -> Rc<Node> {
        let number = NEXT_NODE.replace(NEXT_NODE.get() + 1);
        Rc::new(Node { number, len, name, origin, grad: RefCell::default() })
    }

    fn take_inputs(&self) -> Vec<Option<Rc<Node>>> {
        match &self.origin {
            Origin::Op(op) => op.take().map(|(inputs, _)| inputs).unwrap_or_default(),
            Origin::Param(_) => Vec::new(),
        }
    }
}

/// Iterative: the default would recurse along the graph and overflow the stack on a long RNN.
impl Drop for Node {
    fn drop(&mut self) {
        let mut stack = self.take_inputs();
        while let Some(input) = stack.pop() {
            if let Some(Ok(node)) = input.map(Rc::try_unwrap) {
                stack.append(&mut node.take_inputs());
            }
        }
    }
}
