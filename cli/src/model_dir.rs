//! Which model a command works with.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use motamot::utils::{Error, Result};

/// Where `train` puts models unless told otherwise.
pub const CHECKPOINTS: &str = "models/checkpoints";

/// The directory given with `--model`, or the newest checkpoint.
pub fn model_dir(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        None => newest_checkpoint(Path::new(CHECKPOINTS)),
        Some(dir) if dir.is_dir() => Ok(dir.to_path_buf()),
        Some(dir) => {
            let what = if dir.exists() { "is not a directory" } else { "does not exist" };
            Err(Error::new(format!("the model {} {what}", dir.display()))
                .help("--model takes a checkpoint directory: the one with config.json and model.safetensors"))
        }
    }
}

/// The checkpoint under `root` (itself, its folders and theirs) whose weights were written last.
pub fn newest_checkpoint(root: &Path) -> Result<PathBuf> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    let mut visit = vec![(root.to_path_buf(), 0)];
    while let Some((dir, depth)) = visit.pop() {
        let written = std::fs::metadata(dir.join("model.safetensors")).and_then(|m| m.modified());
        if let (Ok(written), true) = (written, dir.join("config.json").is_file()) {
            newest = newest.max(Some((written, dir.clone())));
        }
        if depth < 2 {
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            visit.extend(entries.map(|e| e.path()).filter(|p| p.is_dir()).map(|p| (p, depth + 1)));
        }
    }
    newest.map(|(_, dir)| dir).ok_or_else(|| {
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
