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
    let mut child = start(&place, &format!("{tiny} --out stopped"));
    assert!(wait_for(&place, "stopped", 3, &mut child));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output: Output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    // To stop when asked to is no failure.
    assert_eq!(output.status.code(), Some(0), "{said}");
    let step: usize = said.split("saved after step ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((3..500).contains(&step), "{said}");
    let advice = said.lines().find(|l| l.contains("--resume")).unwrap().trim().strip_prefix("motamot ").unwrap();
    place.ok(advice);
    place.ok(&format!("{tiny} --out whole --quiet"));
    assert!(bytes(&place, "whole") == bytes(&place, "stopped"));
    let over = run(place.command("train --out stopped --resume"), b"");
    assert_eq!(over.status.code(), Some(0), "{}", stderr(&over));
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
