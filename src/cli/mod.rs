//! One file per subcommand: parse, call the library, show.

pub mod tokenizer;
