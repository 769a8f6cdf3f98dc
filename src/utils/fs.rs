//! Files written whole or not at all, and read with a limit.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Error, Result};

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

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| io_error("open", path, e))?;
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
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    // A link stays a link: the file it names is replaced.
    let path = &match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => fs::canonicalize(path).map_err(|e| io_error("write", path, e))?,
        _ => path.to_path_buf(),
    };
    if path.is_dir() {
        return Err(io_error("write", path, io::ErrorKind::IsADirectory.into()));
    }
    let Some(name) = path.file_name() else {
        return Err(Error::new(format!("cannot write {}: not a file name", path.display())));
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir_all(folder)?;
    let temporary = Temporary::beside(folder, name);
    let result = (|| {
        let mut out = BufWriter::new(File::create_new(&temporary.0)?);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary.0, path)
    })();
    result.map_err(|e| io_error("write", path, e))?;
    sync_folder(folder);
    Ok(())
}

/// Renames a finished file over `to`, and makes the renaming last.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| io_error("write", to, e))?;
    sync_folder(to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    Ok(())
}

/// On Unix a renaming is only safe once the folder is on disk; some file systems refuse this, and nothing is lost then.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|f| f.sync_all());
    }
}

/// A file name of our own beside the target; whatever is left there when it is dropped goes away.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(folder: &Path, name: &std::ffi::OsStr) -> Temporary {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut temporary = OsString::from(".");
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
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_rubbish() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/file.bin");
        write_atomic(&path, b"old").unwrap();
        let err = write_atomic_with(&path, |out| {
            out.write_all(b"half of the new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let err = err.unwrap_err();
        assert!(err.to_string().contains("file.bin"), "{err}");
        assert!(err.help_line().unwrap().contains("full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn reading_keeps_to_its_limit_and_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ten");
        fs::write(&path, b"0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert!(read(&path, 9).unwrap_err().to_string().contains("larger than 9 bytes"));
        let err = read(&dir.path().join("nothing"), 10).unwrap_err();
        assert!(err.to_string().contains("nothing") && err.help_line().is_some());
        fs::write(&path, b"ab\xff").unwrap();
        assert!(read_to_string(&path, 10).unwrap_err().to_string().contains("byte 2"));
    }

    #[test]
    fn a_folder_is_not_a_target() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write_atomic(dir.path(), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
