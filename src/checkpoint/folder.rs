//! A set of files that changes as one, in a folder that stays a plain one.
//!
//! A rename replaces one file atomically; a checkpoint is several. So a save keeps a *redo log*:
//!
//! 1. each new file is written beside its place as `.motamot-new.STAMP.NAME` and synced to disk;
//! 2. `.motamot-commit.json`, which lists them, is written and renamed into place: from this moment the save has happened;
//! 3. the files are renamed into place, and the list is removed.
//!
//! A kill before 2 leaves the old set (and garbage, removed by the next save); a kill after it leaves the new set: readers
//! follow the list to the files that have not been renamed yet, and the next save finishes the renames. Readers never write.

use super::tensors::{Item, TensorFile, write_tensors};
use crate::utils::fs::{
    OURS, is_plain_name, open_regular, read_open, remove, replace, sync_folder, write_atomic, write_new,
};
use crate::utils::hash::{Hasher, hex};
use crate::utils::json::Fields;
use crate::utils::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const COMMIT: &str = ".motamot-commit.json";
const NEW: &str = ".motamot-new.";
const UNCHANGED: &str = "what was saved there before is unchanged; check free space and permissions";
/// The most bytes of a JSON file that are read: parsed, it takes some ten times as much. The largest index known has 9 MB.
const JSON_LIMIT: u64 = 32 << 20;

/// A checkpoint folder, for reading. An interrupted save is seen as finished.
pub struct Folder {
    dir: PathBuf,
    /// Files of a save that was committed but not yet renamed: name → temporary name.
    pending: BTreeMap<String, String>,
}

impl Folder {
    /// Looks at the folder; fails if it is none.
    pub fn open(dir: impl AsRef<Path>) -> Result<Folder> {
        let dir = dir.as_ref().to_path_buf();
        let help = "a model is a folder with config.json and model.safetensors; `motamot train` makes one";
        let kind = fs::metadata(&dir).map_err(|e| Error::io("open", &dir, e).help(help))?;
        if !kind.is_dir() {
            return Err(Error::new(format!("{} is not a folder", dir.display())).help(help));
        }
        let mut folder = Folder { dir, pending: BTreeMap::new() };
        let list = match folder.fields(COMMIT) {
            Ok(list) => list,
            Err(_) if !folder.has(COMMIT) => return Ok(folder), // no save is going on, or it has just ended
            Err(e) => return Err(e),
        };
        for name in list.names() {
            let new = list.required(name, Fields::text)?;
            if !is_plain_name(name) || !is_plain_name(new) || !new.starts_with(NEW) {
                let help = "remove the file if the folder is not yours";
                return Err(list.error(name, "not a file of a save").help(help));
            }
            folder.pending.insert(name.clone(), new.to_owned());
        }
        Ok(folder)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file is right now.
    pub fn path(&self, name: &str) -> PathBuf {
        let new = self.pending.get(name).map(|new| self.dir.join(new)).filter(|path| path.exists());
        new.unwrap_or_else(|| self.dir.join(name))
    }

    /// Whether there is something of that name.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Opens a file by `open`.
    fn open_file<T>(&self, name: &str, open: impl Fn(&Path) -> Result<T>) -> Result<T> {
        let path = self.path(name);
        match open(&path) {
            // A save that was running when its list was read has renamed the file since.
            Err(_) if self.path(name) != path => open(&self.path(name)),
            result => result,
        }
    }

    /// The whole of a small file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.open_file(name, |path| read_open(&open_regular(path)?, path, JSON_LIMIT))
    }

    /// The fields of a JSON file.
    pub fn fields(&self, name: &str) -> Result<Fields> {
        Fields::parse(&self.read(name)?, self.dir.join(name).display())
    }

    /// A JSON file that was written by [`Save::json`].
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let (place, bytes) = (self.dir.join(name), self.read(name)?);
        Fields::parse(&bytes, place.display())?; // refuses what serde_json would let pass
        serde_json::from_slice(&bytes).map_err(|e| Error::new(format!("{}: {e}", place.display())).caused_by(e))
    }

    /// The SHA-256 of a file, in hexadecimal.
    pub fn sum(&self, name: &str) -> Result<String> {
        self.open_file(name, sum_of)
    }

    /// Opens a safetensors file.
    pub fn tensors(&self, name: &str) -> Result<TensorFile> {
        self.open_file(name, |path| TensorFile::open(path))
    }
}

/// A save in progress. Nothing changes before [`Save::commit`]; dropping it instead gives up.
pub struct Save {
    dir: PathBuf,
    stamp: String,
    /// The files so far: name → temporary name.
    files: BTreeMap<String, String>,
    /// Held so that no other process saves here at the same time; the system lets go of it when the process ends.
    _lock: Option<File>,
}

impl Save {
    /// Makes the folder if need be, finishes a save that was interrupted there and removes what else it left.
    /// This alone, then dropped, brings a folder in order for other programs after a kill.
    pub fn begin(dir: impl AsRef<Path>) -> Result<Save> {
        let dir = dir.as_ref();
        Save::recover(dir).map_err(|e| e.or_help("choose a folder that you may write to"))
    }

    fn recover(dir: &Path) -> Result<Save> {
        fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, e))?;
        let lock = lock_folder(dir)?;
        finish(dir, &Folder::open(dir)?.pending)?;
        let cannot = |e| Error::io("list", dir, e);
        for entry in fs::read_dir(dir).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if entry.file_name().to_string_lossy().starts_with(OURS) {
                remove(&entry.path())?;
            }
        }
        // The stamp is new for each save: a reader with an old list must never find the half-written file of a newer save.
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos());
        let stamp = format!("{}-{nanos}", std::process::id());
        Ok(Save { dir: dir.to_path_buf(), stamp, files: BTreeMap::new(), _lock: lock })
    }

    /// Writes a new file, to take the place of `name` in the folder.
    pub fn write(&mut self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
        assert!(is_plain_name(name) && !self.files.contains_key(name), "save: {name:?} is no name, or comes twice");
        let place = self.dir.join(name);
        if place.is_dir() {
            return Err(Error::new(format!("{} is a folder, where a file has to go", place.display()))
                .help("move the folder away, or save elsewhere"));
        }
        let new = format!("{NEW}{}.{name}", self.stamp);
        let path = self.dir.join(&new);
        self.files.insert(name.to_owned(), new);
        write_new(&path, |out| write(out).map_err(io::Error::other)).map_err(|e| {
            let error = e.downcast::<Error>().unwrap_or_else(|e| Error::io("write", &path, e));
            error.or_help(UNCHANGED)
        })
    }

    /// Writes a file of these bytes.
    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        self.write(name, |out| out.write_all(bytes).map_err(|e| Error::io("write", path, e)))
    }

    /// Writes a JSON file, for [`Folder::json`].
    pub fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        self.bytes(name, json_text(name, value)?.as_bytes())
    }

    /// Writes a safetensors file, such as the optimiser's state, for [`Folder::tensors`].
    pub fn tensors(&mut self, name: &str, items: Vec<Item<'_>>, metadata: &[(&str, &str)]) -> Result<()> {
        let place = self.dir.join(name);
        self.write(name, |out| write_tensors(out, &place, items, metadata))
    }

    /// The SHA-256 of each file that was written so far, by name.
    pub fn sums(&self) -> Result<BTreeMap<String, String>> {
        self.files.iter().map(|(name, new)| Ok((name.clone(), sum_of(&self.dir.join(new))?))).collect()
    }

    /// All files that were written become the folder's, together.
    pub fn commit(mut self) -> Result<()> {
        let list = json_text(COMMIT, &self.files)?;
        sync_folder(&self.dir);
        write_atomic(&self.dir.join(COMMIT), list.as_bytes()).map_err(|e| e.help(UNCHANGED))?;
        finish(&self.dir, &std::mem::take(&mut self.files))
    }
}

impl Drop for Save {
    fn drop(&mut self) {
        self.files.values().for_each(|new| drop(remove(&self.dir.join(new))));
    }
}

fn sum_of(path: &Path) -> Result<String> {
    let mut file = open_regular(path)?;
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).map_err(|e| Error::io("read", path, e))? {
            0 => return Ok(hex(&hasher.finish())),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// Step 3: renames the files of a committed save and removes their list.
fn finish(dir: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    for (name, new) in files {
        let (from, to) = (dir.join(new), dir.join(name));
        match replace(&from, &to) {
            Err(e) if e.kind() == ErrorKind::NotFound && to.exists() => {} // renamed before the interruption
            Err(e) => {
                let help = format!("if the folder was copied while a save was running, remove {COMMIT} from it");
                return Err(Error::io("rename to", &to, e).help(help));
            }
            Ok(()) => {}
        }
    }
    if dir.join(COMMIT).exists() {
        sync_folder(dir);
        remove(&dir.join(COMMIT))?;
    }
    Ok(())
}

fn json_text(name: &str, value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new(format!("{name}: {e}")).caused_by(e))?;
    Ok(text + "\n")
}

#[cfg(unix)]
fn lock_folder(dir: &Path) -> Result<Option<File>> {
    let folder = File::open(dir).map_err(|e| Error::io("open", dir, e))?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::new(format!("{}: another process is saving there", dir.display()))
                .help("give each training run a folder of its own with --out"))
        }
        Err(fs::TryLockError::Error(_)) => Ok(None), // a file system without locks
    }
}

#[cfg(not(unix))]
fn lock_folder(_: &Path) -> Result<Option<File>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utils::fs::tests::killed_after;

    const NAMES: [&str; 3] = ["a.json", "b.safetensors", "c"];

    fn save(dir: &Path, content: &str) -> Result<()> {
        let mut save = Save::begin(dir)?;
        for name in NAMES {
            save.write(name, |out| out.write_all(content.as_bytes()).map_err(|e| Error::io("write", dir, e)))?;
        }
        save.commit()
    }

    fn content(dir: &Path) -> String {
        let folder = Folder::open(dir).unwrap();
        let all = NAMES.map(|n| String::from_utf8(folder.read(n).unwrap()).unwrap());
        assert!(all.iter().all(|c| *c == all[0]), "a mixture: {all:?}");
        all[0].clone()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn killed_at_any_step_the_set_is_old_or_new() {
        let (mut old, mut new) = (0, 0);
        for first in 0.. {
            let dir = tempfile::tempdir().unwrap();
            save(dir.path(), "old").unwrap();
            let done = killed_after(first, || save(dir.path(), "new")).is_ok();
            match content(dir.path()).as_str() {
                "old" => old += 1,
                "new" => new += 1,
                other => panic!("{other}"),
            }
            let before = content(dir.path());
            // The next save may be killed too, while it finishes or cleans up after the first.
            for second in (0..12).chain([usize::MAX]) {
                killed_after(second, || save(dir.path(), "newer")).ok();
                assert!([before.as_str(), "newer"].contains(&content(dir.path()).as_str()));
            }
            assert_eq!(content(dir.path()), "newer");
            assert_eq!(names(dir.path()), NAMES, "nothing is left over");
            if done {
                break;
            }
        }
        assert!(old > 10 && new > 3, "{old} kills before the commit, {new} after");
    }

    #[test]
    fn a_failed_write_leaves_the_old_set_and_no_garbage() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "old").unwrap();
        let mut failing = Save::begin(dir.path()).unwrap();
        failing.bytes("a.json", b"new").unwrap();
        assert!(failing.write("b.safetensors", |_| Err(Error::new("no space left"))).is_err());
        assert!(Save::begin(dir.path()).is_err() || cfg!(not(unix)), "two saves at once");
        drop(failing);
        assert_eq!((content(dir.path()).as_str(), names(dir.path()).len()), ("old", 3));
        fs::create_dir(dir.path().join("folder")).unwrap();
        let error = Save::begin(dir.path()).unwrap().bytes("folder", b"").err().unwrap();
        assert!(error.to_string().contains("is a folder"));
    }

    #[test]
    fn a_hostile_list_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for list in
            [r#"{"../x": ".motamot-new.1"}"#, r#"{"x": "/etc/passwd"}"#, r#"{"x": "config.json"}"#, r#"{"x": 1}"#, "["]
        {
            fs::write(dir.path().join(COMMIT), list).unwrap();
            let error = Folder::open(dir.path()).err().unwrap();
            assert!(error.to_string().contains(COMMIT), "{error}");
        }
    }
}
