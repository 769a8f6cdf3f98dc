//! The project's own chores: `cargo xtask check`.
#![forbid(unsafe_code)]

mod check;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("check") => check::run(),
        Some("notebooks") => notebooks(),
        _ => {
            eprintln!("usage: cargo xtask check     what .ci/run checks besides formatting, lints, tests and docs");
            eprintln!(
                "       cargo xtask notebooks [--check] [NN …]     runs the notebooks and writes their .ipynb files"
            );
            ExitCode::from(2)
        }
    }
}

/// Runs the tool of `notebooks/`, which needs the library; the other chores do without.
fn notebooks() -> ExitCode {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let args = ["run", "--quiet", "--package", "motamot-notebooks", "--bin", "notebooks", "--"];
    match std::process::Command::new(cargo).args(args).args(std::env::args().skip(2)).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(e) => {
            eprintln!("error: cargo did not start: {e}");
            ExitCode::FAILURE
        }
    }
}
