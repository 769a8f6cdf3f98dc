//! Which model a command works with.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use motamot::training::state;
use motamot::utils::{Error, Result};

/// Where `train` puts models unless told otherwise.
pub const CHECKPOINTS: &str = "models/checkpoints";

/// The folder given with `--model`, or the model of that name under [`CHECKPOINTS`], or the newest there.
pub fn model_dir(given: Option<&Path>) -> Result<PathBuf> {
    let Some(given) = given else { return newest_checkpoint(Path::new(CHECKPOINTS)) };
    let named = Path::new(CHECKPOINTS).join(given);
    if let Some(dir) = [given, &named].into_iter().find(|dir| dir.join("config.json").is_file()) {
        return Ok(dir.to_path_buf());
    }
    let what = match given {
        given if given.is_dir() => "holds no model",
        given if given.exists() => "is not a folder",
        _ => "does not exist",
    };
    let names: Vec<String> = checkpoints(Path::new(CHECKPOINTS)).iter().map(|(_, dir)| name_of(dir)).collect();
    let there = match &names[..] {
        [] => format!("`motamot train` makes one, in {CHECKPOINTS}"),
        names => format!("there are {} in {CHECKPOINTS}", names.join(", ")),
    };
    Err(Error::new(format!("the model {} {what}", given.display()))
        .help(format!("--model takes a name, or a folder with config.json and model.safetensors; {there}")))
}

/// A model under [`CHECKPOINTS`] as `--model` takes it.
pub fn name_of(dir: &Path) -> String {
    dir.strip_prefix(CHECKPOINTS).unwrap_or(dir).display().to_string()
}

/// The models under `root` (itself, its folders and theirs) and when their weights were written, newest first.
pub fn checkpoints(root: &Path) -> Vec<(SystemTime, PathBuf)> {
    let mut found = Vec::new();
    let mut visit = vec![(root.to_path_buf(), 0)];
    while let Some((dir, depth)) = visit.pop() {
        let written = std::fs::metadata(dir.join("model.safetensors")).and_then(|m| m.modified());
        if let (Ok(written), true) = (written, dir.join("config.json").is_file()) {
            found.push((written, dir.clone()));
        }
        if depth < 2 {
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            visit.extend(entries.map(|e| e.path()).filter(|p| p.is_dir()).map(|p| (p, depth + 1)));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// The model under `root` whose weights were written last; not one of those that `--keep` keeps beside a run's best.
pub fn newest_checkpoint(root: &Path) -> Result<PathBuf> {
    let best = |(_, dir): &(SystemTime, PathBuf)| !state::is_kept(dir);
    checkpoints(root).into_iter().find(best).map(|(_, dir)| dir).ok_or_else(|| {
        Error::new(format!("there is no trained model under {}", root.display()))
            .help("train one first with `motamot train`, or name one with --model DIR")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_checkpoint_is_found() {
        let root = tempfile::tempdir().unwrap();
        assert!(newest_checkpoint(root.path()).unwrap_err().help_line().is_some());
        let make = |name: &str, age: u64, complete: bool| {
            let dir = root.path().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            if complete {
                std::fs::write(dir.join("config.json"), "{}").unwrap();
            }
            let weights = std::fs::File::create(dir.join("model.safetensors")).unwrap();
            weights.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
            dir
        };
        make("old", 500, true);
        let nested = make("run/best", 100, true);
        make("unfinished", 0, false);
        assert_eq!(newest_checkpoint(root.path()).unwrap(), nested);
        assert_eq!(model_dir(Some(&nested)).unwrap(), nested);
        assert!(model_dir(Some(&root.path().join("nothing"))).is_err());
    }
}
