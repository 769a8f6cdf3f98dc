//! Tensors with gradients: pooled buffers, a value type, a tape, and the ops of the course's models.
//!
//! ```
//! use motamot_tensor::{Gradients, ParamId, Tensor, ops};
//! use std::sync::Arc;
//!
//! let (x, w) = (Tensor::new(&[1.0, 2.0], [1, 2]), motamot_tensor::Buf::from(&[3.0, 4.0][..]));
//! let id = ParamId::new();
//! let w = Tensor::parameter(id, Arc::new(w), [2, 1]);
//! let loss = ops::sum(&ops::linear(&x, &w, None)); // 1·3 + 2·4
//! assert_eq!(loss.item(), 11.0);
//! let mut gradients = Gradients::new();
//! loss.backward(&mut gradients);
//! assert_eq!(gradients.get(id), Some(&[1.0, 2.0][..]));
//! ```
#![forbid(unsafe_code)]

mod buf;
pub mod gradcheck;
mod node;
pub mod ops;
pub mod profile;
mod shape;
mod tape;
mod tensor;

pub use buf::{Bf16Buf, Buf, fresh_allocations};
pub use node::{ParamId, Slot};
pub use shape::Shape;
pub use tape::{Gradients, record};
pub use tensor::{Bf16Matrix, Tensor};
