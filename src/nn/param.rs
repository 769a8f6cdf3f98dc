//! A parameter, and the one traversal that everything else is built on.

use motamot_kernels::quant::Quantised;
use motamot_tensor::{Buf, Panels, ParamId, Shape};
use std::sync::Arc;

/// A named array of weights that training may change.
///
/// Not `Clone`: two parameters with one identity would share a gradient. [`Param::frozen`] is what a reference model wants.
pub struct Param {
    id: ParamId,
    data: Arc<Buf>,
    shape: Shape,
    trainable: bool,
    quantised: Option<Arc<Quantised>>,
    panels: Option<Arc<Panels>>,
    /// Panels of weights that have changed since: memory for the next.
    stale: Option<Arc<Panels>>,
}

impl Param {
    /// A trainable parameter. Panics if `data` does not fill `shape`.
    #[track_caller]
    pub fn new(data: Buf, shape: impl Into<Shape>) -> Param {
        let shape = shape.into();
        assert_eq!(data.len(), shape.count(), "{} values do not fill a parameter {shape}", data.len());
        Param {
            id: ParamId::new(),
            data: Arc::new(data),
            shape,
            trainable: true,
            quantised: None,
            panels: None,
            stale: None,
        }
    }

    /// Its key in [`motamot_tensor::Gradients`].
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of weights.
    #[allow(clippy::len_without_is_empty)] // an empty parameter does not occur
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// The weights.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The weights, shared.
    pub fn shared(&self) -> Arc<Buf> {
        self.data.clone()
    }

    /// The weights, to be changed. Copies them first if a frozen copy still shares them; forgets their other forms.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.quantised = None;
        self.stale = self.panels.take().or(self.stale.take());
        Arc::<Buf>::make_mut(&mut self.data)
    }

    /// The same weights in fewer bits, if evaluation and decoding are to use those; see `Gpt::quantise`.
    pub fn quantised(&self) -> Option<&Quantised> {
        self.quantised.as_deref()
    }

    /// Sets what [`Param::quantised`] gives; the weights themselves stay as they are.
    pub fn set_quantised(&mut self, quantised: Option<Quantised>) {
        self.quantised = quantised.map(Arc::new);
    }

    /// The panels with which products of this matrix are computed in bf16, if [`Param::pack`] made them.
    pub fn panels(&self) -> Option<&Arc<Panels>> {
        self.panels.as_ref()
    }

    /// Makes [`Param::panels`] of the weights as they are, unless they are there. Panics if it is no matrix.
    #[track_caller]
    pub fn pack(&mut self) {
        assert_eq!(self.shape.len(), 2, "pack: a parameter {} is no matrix", self.shape);
        if self.panels.is_none() {
            let panels = match self.stale.take().and_then(Arc::into_inner) {
                Some(mut panels) => {
                    panels.repack(&self.data);
                    panels
                }
                None => Panels::new(&self.data, self.shape[1]),
            };
            self.panels = Some(Arc::new(panels));
        }
    }

    /// Whether training changes it.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// Lets training change it, or not. Nothing is recorded for a parameter that is not trainable.
    pub fn set_trainable(&mut self, trainable: bool) {
        self.trainable = trainable;
    }

    /// A copy that is not trained. It shares the data until the original changes.
    pub fn frozen(&self) -> Param {
        let (data, quantised, panels) = (self.data.clone(), self.quantised.clone(), self.panels.clone());
        Param { id: ParamId::new(), data, shape: self.shape, trainable: false, quantised, panels, stale: None }
    }
}

/// Something made of parameters. The one traversal gives names, checkpoints, counts, decay groups, freezing and norms.
pub trait Module {
    /// Calls `f` with the path and the parameter, for each, always in the same order.
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Param));

    /// The same, with the right to change it.
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut Param));

    /// The number of weights. A tied table counts once.
    fn parameter_count(&self) -> usize {
        let mut count = 0;
        self.visit("", &mut |_, p| count += p.len());
        count
    }
}

impl Module for Param {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Param)) {
        f(path, self);
    }
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut Param)) {
        f(path, self);
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Param)) {
        self.iter().for_each(|m| m.visit(path, f));
    }
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut Param)) {
        self.iter_mut().for_each(|m| m.visit_mut(path, f));
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Param)) {
        self.iter().enumerate().for_each(|(i, m)| m.visit(&join(path, &i.to_string()), f));
    }
    fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut Param)) {
        self.iter_mut().enumerate().for_each(|(i, m)| m.visit_mut(&join(path, &i.to_string()), f));
    }
}

/// "h.0" and "attn" → "h.0.attn".
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `modules!(Block { ln_1, attn, ln_2, mlp })`: a [`Module`] whose parts are these fields, under their names.
macro_rules! modules {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::nn::Module for $type {
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &$crate::nn::Param)) {
                $($crate::nn::Module::visit(&self.$field, &$crate::nn::path_join(path, stringify!($field)), f);)+
            }
            fn visit_mut(&mut self, path: &str, f: &mut dyn FnMut(&str, &mut $crate::nn::Param)) {
                $($crate::nn::Module::visit_mut(&mut self.$field, &$crate::nn::path_join(path, stringify!($field)), f);)+
            }
        }
    };
}
pub(crate) use modules;
