//! `metrics.jsonl`: one object a line, for a person, a plot or another program.

use crate::utils::fs::read_open;
use crate::utils::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file of [`MetricsFile`] in the folder of a run.
pub const METRICS: &str = "metrics.jsonl";
/// The largest that is read: ten million steps.
const METRICS_LIMIT: u64 = 4 << 30;

/// One line: what a step did and, where one followed, what the evaluation found. Losses are in nats per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Updates made.
    pub step: usize,
    /// Tokens trained on.
    pub tokens: u64,
    /// Mean loss of this step's batch, before the update.
    pub train_loss: f32,
    /// Loss on the validation split.
    pub val_loss: Option<f64>,
    /// The same in bits per byte.
    pub val_bpb: Option<f64>,
    /// Learning rate.
    pub lr: f32,
    /// Norm of the gradients before clipping.
    pub grad_norm: f32,
    /// Training speed of this step.
    pub tokens_per_s: f64,
    /// Seconds since the run began, pauses left out.
    pub elapsed_s: f64,
}

/// The file of a run, appended to line by line.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    rows: Vec<Metrics>,
}

impl MetricsFile {
    /// Opens the file and keeps its lines up to `step`: later ones belong to steps that are going to be made again.
    pub fn open(path: &Path, step: usize) -> Result<MetricsFile> {
        if path.symlink_metadata().is_ok_and(|kind| !kind.is_file()) {
            return Err(Error::new(format!("{} is not a plain file", path.display()))
                .help("move it away: the run would write to what it leads to"));
        }
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.map_err(|e| Error::io("open", path, e))?;
        // Before anything is changed, and held until the run ends, or the system ends it.
        lock(&file, path)?;
        let text = String::from_utf8_lossy(&read_open(&file, path, METRICS_LIMIT)?).into_owned();
        // What stays is the beginning of the file. A line cut off by a crash is the last one, and of a step that was not
        // saved.
        let (mut rows, mut end) = (Vec::new(), 0);
        for line in text.split_inclusive('\n') {
            match serde_json::from_str::<Metrics>(line) {
                Ok(row) if row.step <= step && line.ends_with('\n') => rows.push(row),
                _ => break,
            }
            end += line.len() as u64;
        }
        file.set_len(end).map_err(|e| Error::io("write", path, e))?;
        Ok(MetricsFile { path: path.to_owned(), file, rows })
    }

    /// Writes the file again, with all its lines, if somebody has removed it.
    pub(super) fn restore(&mut self) -> Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        *self = MetricsFile::open(&self.path, 0)?;
        rows.into_iter().try_for_each(|row| self.push(row))
    }

    /// Adds a line.
    pub fn push(&mut self, row: Metrics) -> Result<()> {
        self.rows.push(row);
        self.file.write_all(line(&row).as_bytes()).map_err(|e| crate::utils::fs::io_error("write", &self.path, e))
    }

    /// All lines so far.
    pub fn rows(&self) -> &[Metrics] {
        &self.rows
    }
}

/// Fails if a run that is going on writes to this file; none can begin to as long as the result is kept.
pub(super) fn check_unused(path: &Path) -> Result<Option<File>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    lock(&file, path)?;
    Ok(Some(file))
}

/// Locks a run's file. (On Windows a lock would keep others from reading it; some file systems have none.)
fn lock(file: &File, path: &Path) -> Result<()> {
    if cfg!(unix)
        && let Err(std::fs::TryLockError::WouldBlock) = file.try_lock()
    {
        return Err(Error::new(format!("{}: another motamot train is running there", path.display()))
            .help("wait for it, or give this run a folder of its own with --out"));
    }
    Ok(())
}

fn line(row: &Metrics) -> String {
    // Numbers and options only: this cannot fail.
    serde_json::to_string(row).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_the_saved_step_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let row = |step| Metrics {
            step,
            tokens: 10 * step as u64,
            train_loss: 1.5,
            val_loss: (step == 2).then_some(2.0),
            val_bpb: None,
            lr: 1e-3,
            grad_norm: 0.5,
            tokens_per_s: 1000.0,
            elapsed_s: 0.1,
        };
        let mut file = MetricsFile::open(&path, 0).unwrap();
        if cfg!(unix) {
            assert!(MetricsFile::open(&path, 0).err().unwrap().to_string().contains("another motamot train"));
        }
        (1..=4).for_each(|step| file.push(row(step)).unwrap());
        drop(file);
        // A crash in the middle of a line.
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\":5,").unwrap();
        let mut file = MetricsFile::open(&path, 3).unwrap();
        assert_eq!(file.rows(), [row(1), row(2), row(3)]);
        file.push(row(4)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
    }
}
