mod folder;
mod json;
mod tensors;
pub use folder::{Folder, Save};
pub use tensors::{Dtype, Entry, Item, TensorFile, write_tensors};
