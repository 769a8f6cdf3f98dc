//! The command line: one file per subcommand. Parse, call the library, show.

pub mod baseline;
pub mod data;
