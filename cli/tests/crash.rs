//! What is left of a run that was killed, interrupted, or met a full disk: something to go on with, and the same bits.
#![cfg(unix)]

mod program;

use motamot_kernels::rng::Rng;
use program::{Place, TINY, run, stderr};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn start(place: &Place, line: &str) -> Child {
    place.command(line).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn bytes(place: &Place, run: &str) -> [Vec<u8>; 2] {
    ["optimizer.safetensors", "model.safetensors"].map(|name| std::fs::read(place.path(run).join(name)).unwrap())
}

/// Waits until the run has made `steps` steps; false if it ended before.
fn wait_for(place: &Place, run: &str, steps: usize, child: &mut Child) -> bool {
    let clock = Instant::now();
    loop {
        let rows = std::fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap_or_default();
        if rows.lines().count() >= steps {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(clock.elapsed() < Duration::from_secs(120), "no step {steps} after two minutes");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn killed_at_random_moments_a_run_ends_with_the_same_bits() {
    let place = Place::new();
    let tiny = format!("train {TINY} --data text.txt --steps 400 --set eval_every=20 --set dropout=0.1 --quiet");
    place.ok(&format!("{tiny} --out whole"));
    let mut rng = Rng::new(11);
    let mut interrupted = 0;
    for round in 0..6 {
        let resume = place.path("killed/training.json").exists();
        let line = if resume { "train --out killed --resume --quiet".into() } else { format!("{tiny} --out killed") };
        let mut child = start(&place, &line);
        // The first time before anything is there, then a few steps on and a moment later.
        if round > 0 {
            assert!(
                wait_for(&place, "killed", 60 * round + rng.below(50), &mut child),
                "round {round}: it ended by itself"
            );
        }
        sleep(Duration::from_micros(rng.below(30_000) as u64));
        interrupted += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever the moment: no checkpoint, or a whole one.
        if place.path("killed/model.safetensors").exists() {
            place.ok("eval --model killed --json");
        }
    }
    assert!(interrupted > 0, "only {interrupted} of 6 kills met a running program");
    place.ok("train --out killed --resume --quiet");
    assert!(bytes(&place, "whole") == bytes(&place, "killed"));
    let names = |run: &str| {
        let entries = std::fs::read_dir(place.path(run)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("whole"), names("killed"), "rubbish was left");
}

/// Killed before its first save was complete, a run has nothing to resume; the same command again starts anew.
#[test]
fn killed_before_the_first_save_it_starts_anew() {
    let place = Place::new();
    std::fs::create_dir(place.path("early")).unwrap();
    for left in ["metrics.jsonl", ".motamot-new.7-1.model.safetensors"] {
        std::fs::write(place.path("early").join(left), "").unwrap();
    }
    place.ok(&format!("train {TINY} --data text.txt --out early --quiet --steps 5"));
    assert!(place.path("early/training.json").exists() && place.path("early.1/metrics.jsonl").exists());
}

#[test]
fn an_interrupt_saves_and_tells_how_to_go_on() {
    let place = Place::new();
    let tiny = format!("train {TINY} --data text.txt --steps 500 --set eval_every=400");
    let mut line = format!("{tiny} --out stopped");
    let mut before = 0;
    // Each part goes on where the one before it stopped.
    let signals = [("-INT", 130), ("-TERM", 143), ("-HUP", 129)];
    // These tests may themselves run under nohup, which programs inherit.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .is_some_and(|mask| mask.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']));
    for (signal, code) in signals.into_iter().filter(|(signal, _)| *signal != "-HUP" || !ignored) {
        let mut child = start(&place, &line);
        assert!(wait_for(&place, "stopped", before + 3, &mut child));
        let output = ended_by(child, signal);
        let said = stderr(&output);
        // `train && next` must not go on to `next`.
        assert_eq!(output.status.code(), Some(code), "{said}");
        let step: usize = said.split("saved after step ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((before + 3..500).contains(&step), "{said}");
        let advice = said.lines().find(|l| l.contains("--resume")).unwrap();
        (line, before) = (advice.split_once("motamot ").unwrap().1.to_owned(), step);
    }
    place.ok(&line);
    place.ok(&format!("{tiny} --out whole --quiet"));
    assert!(bytes(&place, "whole") == bytes(&place, "stopped"));
    let over = run(place.command("train --out stopped --resume"), b"");
    assert_eq!(over.status.code(), Some(0), "{}", stderr(&over));
}

fn ended_by(child: Child, signal: &str) -> Output {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

#[test]
fn quiet_is_quiet_to_the_end() {
    let place = Place::new();
    let mut child = start(&place, &format!("train {TINY} --data text.txt --steps 5000 --out stopped --quiet"));
    assert!(wait_for(&place, "stopped", 3, &mut child));
    let output = ended_by(child, "-TERM");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(143), ""));
}

/// As `nohup` starts it, a closed terminal does not end a run.
#[cfg(target_os = "linux")]
#[test]
fn an_ignored_hangup_stays_ignored() {
    let place = Place::new();
    let line = format!("train {TINY} --data text.txt --steps 60 --out run --quiet");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' HUP; exec {} {line}", env!("CARGO_BIN_EXE_motamot"))]);
    let mut child = command.current_dir(place.dir.path()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(wait_for(&place, "run", 3, &mut child));
    let output = ended_by(child, "-HUP");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// What a save had committed but not yet put in place when the last step's process was killed.
#[test]
fn a_finished_run_finishes_its_last_save_when_resumed() {
    let place = Place::new();
    place.ok(&format!("train {TINY} --data text.txt --steps 4 --out run --quiet"));
    let whole = bytes(&place, "run");
    let (model, new) = (place.path("run/model.safetensors"), ".motamot-new.1-1.model.safetensors");
    std::fs::rename(&model, place.path("run").join(new)).unwrap();
    std::fs::write(&model, "older").unwrap();
    std::fs::write(place.path("run/.motamot-commit.json"), format!("{{\"model.safetensors\": \"{new}\"}}")).unwrap();
    place.ok("train --out run --resume --quiet");
    assert!(bytes(&place, "run") == whole);
    let names = std::fs::read_dir(place.path("run")).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

#[test]
fn a_folder_removed_under_a_run_comes_back_whole() {
    for rename in [false, true] {
        let place = Place::new();
        let tiny = format!("train {TINY} --data text.txt --steps 300 --set eval_every=100");
        let mut child = start(&place, &format!("{tiny} --out run"));
        assert!(wait_for(&place, "run", 20, &mut child));
        match rename {
            true => std::fs::rename(place.path("run"), place.path("moved")).unwrap(),
            false => std::fs::remove_dir_all(place.path("run")).unwrap(),
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("warning: the folder"), "{}", stderr(&output));
        place.ok("generate --model run --prompt A --max-tokens 2");
        place.ok("train --out run --resume --quiet");
        let metrics = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 300);
        // The latest weights and what the optimiser remembers; the best model may be another.
        place.ok(&format!("{tiny} --out again --quiet"));
        assert!(bytes(&place, "run")[0] == bytes(&place, "again")[0]);
    }
}

/// One of them trains there, and the others say why they do not.
#[test]
fn four_starts_at_once_make_one_run() {
    let place = Place::new();
    let tiny = format!("train {TINY} --data text.txt --steps 200 --set eval_every=50 --quiet");
    place.ok(&format!("{tiny} --out alone"));
    for _ in 0..4 {
        let _ = std::fs::remove_dir_all(place.path("run"));
        let children: Vec<Child> = (0..4).map(|_| start(&place, &format!("{tiny} --out run"))).collect();
        let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let codes: Vec<_> = outputs.iter().map(|output| output.status.code().unwrap()).collect();
        let said: Vec<_> = outputs.iter().map(stderr).collect();
        // Those that came when it had just ended set it aside and made their own.
        assert!(codes.contains(&0) && codes.iter().all(|code| [0, 1].contains(code)), "{codes:?} {said:?}");
        for (code, said) in codes.iter().zip(&said).filter(|(code, _)| **code == 1) {
            assert!(said.contains("another motamot train") || said.contains("another process"), "{code} {said}");
        }
        assert!(bytes(&place, "alone") == bytes(&place, "run"), "{said:?}");
        let metrics = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 200, "{said:?}");
    }
}

/// A file system of a limited size, if this user may make one.
struct SmallDisk<'a>(&'a std::path::Path);

impl SmallDisk<'_> {
    fn mount(path: &std::path::Path, options: &str) -> Option<bool> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
        Some(command.stderr(Stdio::null()).status().ok()?.success())
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_costs_nothing() {
    let place = Place::new();
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    if SmallDisk::mount(&disk, "size=760k") != Some(true) {
        eprintln!("skipped: only root may mount a small disk");
        return;
    }
    let _unmount = SmallDisk(&disk);
    let tiny = format!("train {TINY} --data text.txt --steps 9 --set eval_every=3 --quiet");
    let output = place.run(&format!("{tiny} --out disk/run"));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("No space left")
            && said.contains("help: what was saved there before is unchanged")
            && said.lines().any(|l| l.starts_with("error: ")),
        "{said}"
    );
    place.ok("eval --model disk/run --json");
    assert_eq!(SmallDisk::mount(&disk, "remount,size=9m"), Some(true));
    place.ok("train --out disk/run --resume --quiet");
    place.ok(&format!("{tiny} --out whole"));
    assert!(bytes(&place, "whole") == bytes(&place, "disk/run"));
}
