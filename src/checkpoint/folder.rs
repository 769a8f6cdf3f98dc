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

use crate::utils::json::{Fields, parse_object};
use crate::utils::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};

const COMMIT: &str = ".motamot-commit.json";
const NEW: &str = ".motamot-new.";
/// The most bytes of a JSON file that are read: parsed, it takes some ten times as much. The largest index known has 9 MB.
const JSON_LIMIT: u64 = 32 << 20;

/// Whether `name` is a file name and nothing else: no folder, no `..`, no drive.
pub fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(one)), None) if one == name)
        && !name.contains(['/', '\\', ':', '\0'])
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Makes renames in `dir` last through a power cut. Where folders cannot be opened (Windows) the system does it itself.
fn sync_folder(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(dir).and_then(|f| f.sync_all()).map_err(|e| Error::io("sync", dir, e))?;
    }
    Ok(())
}

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
        let kind = fs::metadata(&dir).map_err(|e| {
            Error::io("open", &dir, e)
                .help("a model is a folder with config.json and model.safetensors; `motamot train` makes one")
        })?;
        if !kind.is_dir() {
            return Err(Error::new(format!("{} is not a folder", dir.display()))
                .help("name the folder that holds config.json and model.safetensors"));
        }
        let mut folder = Folder { dir, pending: BTreeMap::new() };
        let list = folder.dir.join(COMMIT);
        if !folder.has(COMMIT) {
            return Ok(folder);
        }
        let bytes = match folder.read(COMMIT) {
            Ok(bytes) => bytes,
            Err(_) if !folder.has(COMMIT) => return Ok(folder), // the save that wrote it has just ended
            Err(e) => return Err(e),
        };
        let map = parse_object(&bytes, list.display())?;
        let fields = Fields::new(&map, list.display());
        for name in fields.names() {
            let new = fields.text(name)?.ok_or_else(|| fields.error(name, "null"))?;
            if !is_plain_name(name) || !is_plain_name(new) || !new.starts_with(NEW) {
                return Err(fields
                    .error(name, "not a file of a save")
                    .help("remove the file if the folder is not yours"));
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

    /// Opens a regular file (a pipe would block for ever) → its path, itself, its length.
    ///
    /// Symbolic links are followed: a download cache of Hugging Face consists of them.
    pub fn file(&self, name: &str) -> Result<(PathBuf, File, u64)> {
        let path = self.path(name);
        match open_regular(&path) {
            // A save that was running when the list was read has renamed it since.
            Err(_) if path != self.dir.join(name) && !path.exists() => {
                let path = self.dir.join(name);
                open_regular(&path).map(|(file, len)| (path, file, len))
            }
            result => result.map(|(file, len)| (path, file, len)),
        }
    }

    /// The whole of a small file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let (path, file, len) = self.file(name)?;
        if len > JSON_LIMIT {
            return Err(Error::new(format!("{}: {len} bytes are too many for such a file", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(JSON_LIMIT).read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
        Ok(bytes)
    }

    /// A JSON file that was written by [`Save::json`].
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.dir.join(name);
        let bytes = self.read(name)?;
        parse_object(&bytes, path.display())?; // refuses what serde_json would let pass
        serde_json::from_slice(&bytes).map_err(|e| Error::new(format!("{}: {e}", path.display())).caused_by(e))
    }
}

/// Opens a regular file for reading → itself and its length.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let kind = fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
    if !kind.is_file() {
        return Err(Error::new(format!("{} is not a file", path.display())));
    }
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    Ok((file, kind.len()))
}

/// A save in progress. Nothing changes before [`Save::commit`]; dropping it instead gives up.
pub struct Save {
    dir: PathBuf,
    stamp: String,
    names: Vec<String>,
    /// Held so that no other process saves here at the same time; the system lets go of it when the process ends.
    _lock: Option<File>,
    committed: bool,
    /// Tests: how many steps until this process is "killed".
    fuse: Option<usize>,
}

impl Save {
    /// Makes the folder if need be, finishes a save that was interrupted there and removes what else it left.
    /// This alone, then dropped, brings a folder in order for other programs after a kill.
    pub fn begin(dir: impl AsRef<Path>) -> Result<Save> {
        Save::begin_with_fuse(dir.as_ref(), None)
    }

    pub(super) fn begin_with_fuse(dir: &Path, fuse: Option<usize>) -> Result<Save> {
        fs::create_dir_all(dir)
            .map_err(|e| Error::io("create the folder", dir, e).help("choose a folder that you may write to"))?;
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos());
        // The stamp is new for each save: a reader with an old list must never find the half-written file of a newer save.
        let stamp = format!("{}-{nanos}", std::process::id());
        let lock = lock_folder(dir)?;
        let mut save = Save { dir: dir.to_path_buf(), stamp, names: Vec::new(), _lock: lock, committed: false, fuse };
        save.recover()
            .map_err(|e| if e.help_line().is_none() { e.help("choose a folder that you may write to") } else { e })?;
        Ok(save)
    }

    fn recover(&mut self) -> Result<()> {
        let interrupted = Folder::open(&self.dir)?;
        self.finish(&interrupted.pending)?;
        let entries = fs::read_dir(&self.dir).map_err(|e| Error::io("list", &self.dir, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list", &self.dir, e))?;
            if entry.file_name().to_string_lossy().starts_with(NEW) {
                self.step()?;
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Step 3: renames the files of a committed save and removes their list.
    fn finish(&mut self, files: &BTreeMap<String, String>) -> Result<()> {
        for (name, new) in files {
            self.step()?;
            let (from, to) = (self.dir.join(new), self.dir.join(name));
            match fs::rename(&from, &to) {
                Err(e) if e.kind() == ErrorKind::NotFound && to.exists() => {} // renamed before the interruption
                Err(e) => {
                    let help = format!("if the folder was copied while a save was running, remove {COMMIT} from it");
                    return Err(Error::io("rename to", &to, e).help(help));
                }
                Ok(()) => {}
            }
        }
        if files.is_empty() && !self.dir.join(COMMIT).exists() {
            return Ok(());
        }
        sync_folder(&self.dir)?;
        self.step()?;
        remove_if_there(&self.dir.join(COMMIT))
    }

    fn step(&mut self) -> Result<()> {
        match &mut self.fuse {
            Some(0) => Err(Error::new("killed by a test")),
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn new_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{NEW}{}.{name}", self.stamp))
    }

    /// Writes a new file, to take the place of `name` in the folder.
    pub fn write(&mut self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
        assert!(
            is_plain_name(name) && !self.names.iter().any(|n| n == name),
            "save: {name:?} is no name, or comes twice"
        );
        let place = self.dir.join(name);
        if place.is_dir() {
            return Err(Error::new(format!("{} is a folder, where a file has to go", place.display())));
        }
        self.names.push(name.to_owned());
        self.step()?;
        let path = self.new_path(name);
        let unchanged = "what was saved there before is unchanged; check free space and permissions";
        let cannot = |e: std::io::Error| Error::io("write", &path, e).help(unchanged);
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(cannot)?);
        self.step()?;
        write(&mut out).map_err(|e| if e.help_line().is_none() { e.help(unchanged) } else { e })?;
        self.step()?;
        let file = out.into_inner().map_err(|e| cannot(e.into_error()))?;
        if self.fuse.is_none() {
            file.sync_all().map_err(cannot)?; // a simulated kill loses no cache, so tests need not wait for the disk
        }
        self.step()
    }

    /// Writes a file of these bytes.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        self.write(name, |out| out.write_all(bytes).map_err(|e| Error::io("write", path, e)))
    }

    /// Writes a JSON file, for [`Folder::json`].
    pub fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Error::new(format!("{name}: {e}")).caused_by(e))?;
        self.bytes(name, (text + "\n").as_bytes())
    }

    /// All files that were written become the folder's, together.
    pub fn commit(mut self) -> Result<()> {
        let files: BTreeMap<String, String> =
            self.names.iter().map(|n| (n.clone(), format!("{NEW}{}.{n}", self.stamp))).collect();
        let (list, name) = (self.dir.join(COMMIT), "commit");
        self.names.clear();
        let written = self.json(name, &files).and_then(|()| sync_folder(&self.dir));
        self.names = files.keys().cloned().chain([name.to_owned()]).collect();
        written?;
        self.step()?;
        fs::rename(self.new_path(name), &list).map_err(|e| Error::io("rename to", &list, e))?;
        self.committed = true;
        sync_folder(&self.dir)?;
        self.finish(&files)
    }
}

impl Drop for Save {
    fn drop(&mut self) {
        if !self.committed && self.fuse != Some(0) {
            self.names.iter().for_each(|name| drop(fs::remove_file(self.new_path(name))));
        }
    }
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

    const NAMES: [&str; 3] = ["a.json", "b.safetensors", "c"];

    fn save(dir: &Path, content: &str, fuse: Option<usize>) -> Result<()> {
        let mut save = Save::begin_with_fuse(dir, fuse)?;
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
            save(dir.path(), "old", Some(usize::MAX)).unwrap();
            let done = save(dir.path(), "new", Some(first)).is_ok();
            match content(dir.path()).as_str() {
                "old" => old += 1,
                "new" => new += 1,
                other => panic!("{other}"),
            }
            let before = content(dir.path());
            // The next save may be killed too, while it finishes or cleans up after the first.
            for second in (0..12).chain([usize::MAX]) {
                save(dir.path(), "newer", Some(second)).ok();
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
        save(dir.path(), "old", None).unwrap();
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

    #[test]
    fn plain_names() {
        assert!(is_plain_name("model-00001-of-00002.safetensors"));
        for bad in ["", ".", "..", "../x", "/x", "a/b", "a/", "a\\b", "c:x", "./x", "x\0"] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
