//! `motamot models` and `motamot verify`: which models there are, and whether their files are as they were written.

use super::model_dir::{CHECKPOINTS, checkpoints, model_dir, name_of};
use super::output::{note, print, visible};
use clap::Args;
use motamot::checkpoint::read_config;
use motamot::training::state::{self, Summary};
use motamot::utils::{Error, Result};
use motamot_course::numbers::{duration, group};
use serde_json::json;
use std::path::{Path, PathBuf};

/// List the models under models/checkpoints, newest first
#[derive(Args, Clone, Debug)]
pub struct ModelsArgs {
    /// Another folder to look in, and in the folders below it
    #[arg(value_name = "DIR", default_value = CHECKPOINTS)]
    dir: PathBuf,
    /// Print one JSON object for each model
    #[arg(long)]
    json: bool,
}

/// Check that a run's files are as they were saved
///
/// Compares them with the sums in its training.json: a file that was damaged, exchanged or only half copied is named.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// A model's folder, or its name under models/checkpoints [default: the newest there]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
}

/// Runs `motamot models`.
pub fn run(args: &ModelsArgs) -> Result<()> {
    let found = checkpoints(&args.dir);
    if found.is_empty() {
        note(format_args!("there is no model in {}; `motamot train` makes one", args.dir.display()));
    } else if !args.json {
        print(format_args!(
            "{:<20} {:>11} {:>9} {:>13} {:>9} {:>12}  text\n",
            "model", "parameters", "bits/byte", "step", "size", "age"
        ))?;
    }
    for (written, dir) in found {
        let name = name_of(dir.strip_prefix(&args.dir).unwrap_or(&dir));
        // A folder that is no run of ours may hold a model all the same.
        let (config, summary) = match read_config(&dir).and_then(|config| Ok((config, state::summary(&dir)?))) {
            Ok(read) => read,
            Err(e) => {
                note(format_args!("{name}: {}", visible(&e.to_string())));
                continue;
            }
        };
        let parameters: usize = config.parts().iter().map(|part| part.parameters).sum();
        let bytes = std::fs::metadata(dir.join("model.safetensors")).map_or(0, |meta| meta.len());
        let age = written.elapsed().unwrap_or_default().as_secs_f64();
        let best = summary.as_ref().and_then(|s| s.best).map(|best| best.bits_per_byte);
        if args.json {
            let steps = summary.as_ref().map(|s| [s.step, s.steps]);
            print(format_args!(
                "{}\n",
                json!({
                    "model": dir.display().to_string(), "parameters": parameters, "bits_per_byte": best, "steps": steps,
                    "bytes": bytes, "age_s": age, "text": summary.map(|s| text(&s)),
                })
            ))?;
            continue;
        }
        print(format_args!(
            "{name:<20} {:>11} {:>9} {:>13} {:>6} MB {:>12}  {}\n",
            group(parameters),
            best.map_or("–".to_owned(), |best| format!("{best:.4}")),
            summary.as_ref().map_or("–".to_owned(), |s| format!("{}/{}", s.step, s.steps)),
            format!("{:.1}", bytes as f64 / 1e6),
            duration(age),
            visible(&summary.map_or("–".to_owned(), |s| text(&s)))
        ))?;
    }
    Ok(())
}

/// What a run learned from, in a few words.
fn text(summary: &Summary) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    match &summary.text.paths[..] {
        [] => "the embedded Shakespeare".to_owned(),
        paths => paths.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// Runs `motamot verify`.
pub fn verify(args: &VerifyArgs) -> Result<()> {
    let dir = model_dir(args.model.as_deref())?;
    let files = state::verify(&dir)?;
    for (name, whole) in &files {
        print(format_args!("{:<26} {}\n", visible(name), if *whole { "as it was saved" } else { "CHANGED" }))?;
    }
    let changed: Vec<&str> = files.iter().filter(|(_, whole)| !whole).map(|(name, _)| name.as_str()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("{}: {} not as saved", folder(&dir), visible(&changed.join(", "))))
        .help("copy the folder again, or train anew; a file that you exchanged on purpose is no fault"))
}

fn folder(dir: &Path) -> String {
    dir.display().to_string()
}
