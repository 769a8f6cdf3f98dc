//! Files written whole or not at all, and read with a limit.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Error, Result};

/// Comes before every change of the file system. Tests stop there, as a kill would: see [`tests::killed_after`].
#[cfg(not(test))]
fn step() -> io::Result<()> {
    Ok(())
}
#[cfg(test)]
use tests::step;
#[cfg(test)]
pub(crate) mod tests;

/// A failed file operation, with the help that fits its cause.
pub fn io_error(doing: &str, path: &Path, source: io::Error) -> Error {
    let help = match source.kind() {
        io::ErrorKind::NotFound => "check the path; relative paths start at the current folder",
        io::ErrorKind::PermissionDenied => "check the permissions of the file and of its folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space, or choose another folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only: choose another folder",
        io::ErrorKind::AlreadyExists => "something of this name is there already: choose another",
        io::ErrorKind::IsADirectory => "this is a folder, and a file is needed",
        io::ErrorKind::NotADirectory => "a part of this path is a file, and a folder is needed",
        _ => return Error::io(doing, path, source),
    };
    Error::io(doing, path, source).help(help)
}

/// Makes a folder and those above it.
pub fn create_dir_all(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|e| io_error("make the folder", path, e))
}

/// Whether `name` is a file name and nothing else: no folder, no `..`, no drive.
pub fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(one)), None) if one == name)
        && !name.contains(['/', '\\', ':', '\0'])
}

/// Begins the name of every file that is ours and only there for a while: the next save in its folder removes it.
pub const OURS: &str = ".motamot-";

/// Opens a regular file for reading; a pipe or a device would block for ever. Symbolic links are followed.
pub fn open_regular(path: &Path) -> Result<File> {
    let kind = fs::metadata(path).map_err(|e| io_error("open", path, e))?;
    if !kind.is_file() {
        return Err(Error::new(format!("{} is not a file", path.display())).help("name a regular file"));
    }
    File::open(path).map_err(|e| io_error("open", path, e))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_open(&File::open(path).map_err(|e| io_error("open", path, e))?, path, limit)
}

/// The same for a file that is open.
pub fn read_open(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let size = file.metadata().map_err(|e| io_error("read", path, e))?.len();
    let mut bytes = Vec::new();
    if size <= limit {
        bytes
            .try_reserve_exact(size as usize)
            .map_err(|e| Error::new(format!("{}: not enough memory", path.display())).caused_by(e))?;
        // The size may be 0 (a pipe) or change: the limit holds for what is really read.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| io_error("read", path, e))?;
    }
    if size > limit || bytes.len() as u64 > limit {
        return Err(Error::new(format!("{}: larger than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a whole UTF-8 file of at most `limit` bytes.
pub fn read_to_string(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::new(format!("{}: not UTF-8 at byte {at}", path.display())).caused_by(e)
    })
}

/// Writes a file so that it is either the old one or the new one, whole, even if the machine stops in between.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |out| out.write_all(bytes))
}

/// As [`write_atomic`], for content that is written piece by piece.
fn write_atomic_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    // Somebody may have put a link there that leads to a file of ours; and a device must not become a file.
    if let Ok(kind) = fs::symlink_metadata(path)
        && !kind.is_file()
    {
        let what = if kind.is_dir() { "a folder" } else { "a link, a pipe or a device" };
        return Err(Error::new(format!("cannot write {}: it is {what}", path.display()))
            .help("name a plain file, or one that is not there yet"));
    }
    let Some(name) = path.file_name() else {
        return Err(Error::new(format!("cannot write {}: not a file name", path.display())));
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir_all(folder)?;
    let temporary = Temporary::beside(folder, name);
    write_new(&temporary.0, write)
        .and_then(|()| replace(&temporary.0, path))
        .map_err(|e| io_error("write", path, e))?;
    sync_folder(folder);
    Ok(())
}

/// Writes a file that is not there yet; when this returns, its content is on the disk.
pub fn write_new(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    step()?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    step()?;
    write(&mut out)?;
    step()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Renames `from` over `to`, which lasts once [`sync_folder`] returns.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match step().and_then(|()| fs::remove_file(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path, e)),
        _ => Ok(()),
    }
}

/// On Unix a renaming is only safe once the folder is on disk; some file systems refuse this, and nothing is lost then.
pub fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|f| f.sync_all());
    }
}

/// A file name of our own beside the target; whatever is left there when it is dropped goes away.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(folder: &Path, name: &std::ffi::OsStr) -> Temporary {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut temporary = OsString::from(OURS);
        temporary.push(name);
        temporary.push(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let path = folder.join(temporary);
        // Left by a killed process that had our id; nobody else can own it.
        let _ = fs::remove_file(&path);
        Temporary(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}
