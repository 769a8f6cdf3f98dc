//! A parameter, and the one traversal that everything else is built on.

use motamot_kernels::panels::{Format, Panels};
use motamot_kernels::rng::{Rng, fill_normal};
use motamot_tensor::{Bf16Matrix, Buf, ParamId, Shape};
use std::sync::{Arc, OnceLock};

/// In place of a standard deviation: leave the weights out, a file is about to bring them.
pub const UNFILLED: f32 = f32::NAN;

/// A named array of weights that training may change.
///
/// Not `Clone`: two parameters with one identity would share a gradient. A reference model shares the data alone, by
/// [`Param::share`].
pub struct Param {
    id: ParamId,
    data: Arc<Buf>,
    shape: Shape,
    trainable: bool,
    /// How evaluation and decoding read it, and that form of it once it was asked for.
    format: Format,
    panels: OnceLock<Arc<Panels>>,
    /// For training in bf16.
    bf16: Option<Arc<Bf16Matrix>>,
    /// That of weights that have changed since: memory for the next.
    stale: Option<Arc<Bf16Matrix>>,
}

impl Param {
    /// A trainable parameter. Panics if `data` does not fill `shape`.
    #[track_caller]
    pub fn new(data: Buf, shape: impl Into<Shape>) -> Param {
        let shape = shape.into();
        assert_eq!(data.len(), shape.count(), "{} values do not fill a parameter {shape}", data.len());
        let (id, data, panels) = (ParamId::new(), Arc::new(data), OnceLock::new());
        Param { id, data, shape, trainable: true, format: Format::F32, panels, bf16: None, stale: None }
    }

    /// From N(0, std²); left out if std is [`UNFILLED`].
    pub fn normal(rng: &mut Rng, std: f32, shape: impl Into<Shape>) -> Param {
        let shape = shape.into();
        if std.is_nan() {
            return Param::unfilled(shape);
        }
        let mut data = Buf::stale(shape.count());
        fill_normal(rng, 0.0, std, &mut data);
        Param::new(data, shape)
    }

    /// `len` times the same value.
    pub fn constant(value: f32, len: usize) -> Param {
        Param::new(Buf::full(len, value), [len])
    }

    /// A parameter that waits for [`Param::set_data`].
    fn unfilled(shape: impl Into<Shape>) -> Param {
        Param { shape: shape.into(), ..Param::new(Buf::zeros(0), [0]) }
    }

    /// Other weights, without a copy. Panics if they do not fill the shape.
    #[track_caller]
    pub fn set_data(&mut self, data: Buf) {
        self.share(Arc::new(data));
    }

    /// As [`Param::set_data`], for weights that others read, too.
    #[track_caller]
    pub fn share(&mut self, data: Arc<Buf>) {
        assert_eq!(data.len(), self.shape.count(), "{} values do not fill a parameter {}", data.len(), self.shape);
        self.forget_forms();
        self.data = data;
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
        self.shape.count()
    }

    /// The weights.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The weights, shared.
    pub fn shared(&self) -> Arc<Buf> {
        self.data.clone()
    }

    /// The weights, to be changed. Copies them first if others share them; forgets their other forms.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.forget_forms();
        Arc::<Buf>::make_mut(&mut self.data)
    }

    fn forget_forms(&mut self) {
        self.set_format(Format::F32);
        self.stale = self.bf16.take().or(self.stale.take());
    }

    /// In how many bits evaluation and decoding read it; see `Gpt::quantise`.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Changes that; the weights themselves stay as they are.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
        self.panels.take();
    }

    /// The weights as products with few rows read them, for a layer (inputs, outputs). Made when first asked for, then
    /// kept.
    pub fn layer_panels(&self) -> &Panels {
        self.panels.get_or_init(|| Arc::new(Panels::of_columns(self.format, &self.data, self.shape.last_axis())))
    }

    /// The same for a table (outputs, inputs).
    pub fn table_panels(&self) -> &Panels {
        self.panels.get_or_init(|| Arc::new(Panels::of_rows(self.format, &self.data, self.shape.last_axis())))
    }

    /// The form in which training in bf16 multiplies by this matrix, if [`Param::pack`] made it.
    pub fn bf16(&self) -> Option<&Arc<Bf16Matrix>> {
        self.bf16.as_ref()
    }

    /// Makes [`Param::bf16`] of the weights as they are, unless it is there. Panics if it is no matrix.
    #[track_caller]
    pub fn pack(&mut self) {
        assert_eq!(self.shape.len(), 2, "pack: a parameter {} is no matrix", self.shape);
        if self.bf16.is_none() {
            let matrix = match self.stale.take().and_then(Arc::into_inner) {
                Some(mut matrix) => {
                    matrix.repack(&self.data);
                    matrix
                }
                None => Bf16Matrix::new(&self.data, self.shape[1]),
            };
            self.bf16 = Some(Arc::new(matrix));
        }
    }

    /// Changes the weights. If they were packed, packs them again at once, while they are in the cache.
    pub fn update(&mut self, change: impl FnOnce(&mut [f32])) {
        let packed = self.bf16.is_some();
        change(self.data_mut());
        if packed {
            self.pack();
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
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `modules!(Block { ln_1, attn, ln_2, mlp })`: a [`Module`](crate::nn::Module) whose parts are these fields, under their
/// names.
#[macro_export]
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
