//! The pictures of the notebooks that take more than a few lines, a file for each notebook.
//!
//! They draw what a notebook computed, in the course's language; what is to be learned is computed in the notebook.

mod attention;
mod embeddings;
mod introduction;
mod tokenization;

pub use attention::{one_query, query_key_value, turning_query, unrolled_rnn, who_looks};
pub use embeddings::{cbow, letter_map, neighbours, skip_gram, word_map};
pub use introduction::{encoder_decoder, what_each_sees};
pub use tokenization::{merge_table, merge_tree, merges};
