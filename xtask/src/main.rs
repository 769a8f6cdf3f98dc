//! The project's own chores: `cargo xtask check`.
#![forbid(unsafe_code)]

mod check;
mod licences;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("check") => check::run(),
        Some("notebooks") => notebooks(),
        Some("book") => book(),
        Some("notices") => licences::write(),
        _ => {
            eprintln!("usage: cargo xtask check     what .ci/run checks besides formatting, lints, tests and docs");
            eprintln!(
                "       cargo xtask notebooks [--check] [NN …]     runs the notebooks and writes their .ipynb files"
            );
            eprintln!(
                "       cargo xtask book [--out DIR]               writes the course as HTML pages [target/book]"
            );
            eprintln!("       cargo xtask notices                        writes THIRD-PARTY.md from Cargo.lock");
            ExitCode::from(2)
        }
    }
}

/// Runs the tool of `notebooks/`, which needs the library; the other chores do without.
fn notebooks() -> ExitCode {
    let mut args: Vec<OsString> = ["--package", "motamot-notebooks", "--bin", "notebooks", "--"].map(Into::into).into();
    args.extend(std::env::args_os().skip(2));
    cargo_run(args)
}

/// The HTML edition is what `motamot cours --html` writes.
fn book() -> ExitCode {
    let out = match std::env::args_os().skip(2).collect::<Vec<_>>().as_slice() {
        [] => check::root().join("target/book").into(),
        [option, folder] if option == "--out" => folder.clone(),
        _ => {
            eprintln!("usage: cargo xtask book [--out DIR]");
            return ExitCode::from(2);
        }
    };
    let args = ["--package", "motamot-cli", "--", "cours", "--html", "--out"];
    cargo_run(args.map(OsString::from).into_iter().chain([out]).collect())
}

fn cargo_run(args: Vec<OsString>) -> ExitCode {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    match std::process::Command::new(cargo).args(["run", "--quiet"]).args(args).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(e) => {
            eprintln!("error: cargo did not start: {e}");
            ExitCode::FAILURE
        }
    }
}
