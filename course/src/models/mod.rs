//! The models that a GPT is compared with: what came before it, and the other two families of Transformers.

mod bert;
mod rnn;
mod t5;
pub mod word2vec;

pub use bert::{Bert, BertConfig, Masking, mask_tokens};
pub use rnn::{Rnn, RnnConfig};
pub use t5::{SpanCorruption, Stack, T5, T5Config, corrupt};
pub use word2vec::{Word2Vec, Word2VecConfig};
