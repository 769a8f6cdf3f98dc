//! The command line: parse, call the library, show. One file per subcommand.

pub mod chat;
pub mod generate;
pub mod model_dir;
pub mod output;
pub mod sampling;
