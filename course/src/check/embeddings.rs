//! Exercises of notebook 02: word vectors.

mod lookup;
mod nearest;
mod ppmi;
mod sgns;
mod table;
mod word_vectors;

pub use lookup::embedding_forward;
pub use nearest::nearest;
pub use ppmi::ppmi;
pub use sgns::sgns_step;
pub use table::embedding_backward;
pub use word_vectors::word_vectors;
