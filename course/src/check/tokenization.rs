//! Exercises of notebook 01: BPE, WordPiece, special tokens.

mod best_pair;
mod bpe;
mod chat;
mod encode;
mod train;

pub use best_pair::best_pair;
pub use chat::chat_prompt;
pub use encode::encode_bpe;
pub use train::train_bpe;
