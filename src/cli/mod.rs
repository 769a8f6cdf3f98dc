//! The command line: one file per subcommand. Parse, call the library, show.

pub mod baseline;
pub mod chat;
pub mod data;
pub mod generate;
pub mod model_dir;
pub mod output;
pub mod sampling;
