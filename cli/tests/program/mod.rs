//! Runs the `motamot` program in a folder of its own.
#![allow(dead_code)] // each test file uses a part

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The options of a model that trains in a moment.
pub const TINY: &str = "--preset nano --vocab 280 --batch 4 --set context=64 --set width=32 --set layers=2 --set heads=2 \
    --set sample_tokens=0";

/// A folder with `text.txt`, and the program started in it.
pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("text.txt"), text()).unwrap();
        Place { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with the words of `line`; `'…'` holds a word together.
    pub fn command(&self, line: &str) -> Command {
        command(self.dir.path(), line)
    }

    pub fn run(&self, line: &str) -> Output {
        run(self.command(line), b"")
    }

    /// What the program writes when all goes well.
    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}\n{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

pub fn command(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motamot"));
    let words = line.split('\'').enumerate();
    for (i, part) in words {
        if i % 2 == 1 {
            command.arg(part);
        } else {
            command.args(part.split_whitespace());
        }
    }
    command.current_dir(dir).env("MOTAMOT_THREADS", "2").env_remove("MOTAMOT_ISA");
    command
}

pub fn run(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn text() -> &'static [u8] {
    &motamot::data::corpus::EMBEDDED.as_bytes()[..12_000]
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}
