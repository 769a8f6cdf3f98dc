//! Standard output and error that nobody reads, or that cannot be written: never a panic, and never the end of a training.
#![cfg(unix)]

mod program;

use program::{Place, TINY};
use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

/// A pipe whose reader has gone away.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").map_or_else(|_| broken(), Stdio::from)
}

/// A file that is open for reading only, as a descriptor that was closed and taken by another file would be.
fn unwritable() -> Stdio {
    File::open("/dev/null").unwrap().into()
}

type Kind = (&'static str, fn() -> Stdio);

const KINDS: [Kind; 3] = [("broken", broken), ("full", full), ("unwritable", unwritable)];

#[test]
fn no_command_panics_at_a_stream_that_cannot_be_written() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --data text.txt --steps 2 --out m --quiet"));
    let lines = [
        "--help",
        "nonsense",
        "train --help",
        "generate --model m --prompt A --max-tokens 20",
        "generate --model m --prompt A --max-tokens 20 --json",
        "generate --model nothing --prompt A",
        "chat --model m --max-tokens 5",
        "eval --model m",
        "eval --model m --json",
        "tokenizer show --model m",
        "tokenizer encode --model m 'What, ho!'",
        "baseline --data text.txt --order 2",
        "data list",
        "info",
        "info --preset mini --json",
        "cours --lang fr",
        "cours 00 --lang en --out pictures",
        "bench tokenizer --json",
    ];
    for line in lines {
        for (name, kind) in KINDS {
            for (out, err) in [(true, false), (false, true), (true, true)] {
                let mut command = place.command(line);
                let input = File::open(place.path("text.txt")).unwrap();
                command.stdin(if line.starts_with("chat") { Stdio::null() } else { input.into() });
                command.stdout(if out { kind() } else { Stdio::null() }).stderr(if err {
                    kind()
                } else {
                    Stdio::piped()
                });
                let output = command.output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                let fine = matches!(output.status.code(), Some(0..=2)) && output.status.signal().is_none();
                assert!(fine && !said.contains("panicked"), "{line}, {name}, {out} {err}: {:?}\n{said}", output.status);
            }
        }
    }
}

#[test]
fn a_run_outlives_whoever_reads_it() {
    let place = Place::new();
    for (name, kind) in KINDS {
        let mut command =
            place.command(&format!("train {TINY} --data text.txt --steps 30 --set eval_every=10 --out {name}"));
        let status = command.stdin(Stdio::null()).stdout(kind()).stderr(kind()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
        let metrics = std::fs::read_to_string(place.path(name).join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 30, "{name}");
    }
}
