//! The project's own chores: `cargo xtask check`.
#![forbid(unsafe_code)]

mod check;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("check") => check::run(),
        _ => {
            eprintln!("usage: cargo xtask check     what .ci/run checks besides formatting, lints, tests and docs");
            ExitCode::from(2)
        }
    }
}
