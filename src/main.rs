//! The `motamot` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    motamot::cli::main()
}
