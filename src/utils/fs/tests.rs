use super::*;
use std::cell::Cell;

// How many more changes of the file system this thread may make; none: as many as it likes.
thread_local! {
    static STEPS: Cell<Option<usize>> = const { Cell::new(None) };
    static ONCE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` as if the process were killed after `steps` changes of the file system: none succeeds from then on.
pub fn killed_after<T>(steps: usize, f: impl FnOnce() -> T) -> T {
    STEPS.set(Some(steps));
    let result = f();
    STEPS.set(None);
    result
}

/// How many changes of the file system `f` makes.
pub fn changes_of(f: impl FnOnce()) -> usize {
    STEPS.set(Some(usize::MAX));
    f();
    usize::MAX - STEPS.take().unwrap_or(usize::MAX)
}

/// Runs `f` with one change of the file system that fails, after `steps` that succeed; later ones succeed again.
pub fn failing_once<T>(steps: usize, f: impl FnOnce() -> T) -> T {
    ONCE.set(true);
    let result = killed_after(steps, f);
    ONCE.set(false);
    result
}

/// What every change of the file system asks first.
pub fn step() -> io::Result<()> {
    match STEPS.get() {
        Some(0) => {
            if ONCE.get() {
                STEPS.set(None);
            }
            return Err(io::Error::other("stopped by a test"));
        }
        steps => STEPS.set(steps.map(|n| n - 1)),
    }
    Ok(())
}

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
fn only_a_plain_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, b"old").unwrap();
    let dangling = dir.path().join("dangling");
    for (link, to) in [(&link, file.as_path()), (&dangling, &dir.path().join("nowhere"))] {
        std::os::unix::fs::symlink(to, link).unwrap();
        let error = write_atomic(link, b"new").unwrap_err();
        assert!(error.to_string().contains("it is a link") && error.help_line().is_some(), "{error}");
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    }
    assert!(write_atomic(Path::new("/dev/null"), b"new").unwrap_err().to_string().contains("a device"));
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn plain_names() {
    assert!(is_plain_name("model-00001-of-00002.safetensors"));
    for bad in ["", ".", "..", "../x", "/x", "a/b", "a/", "a\\b", "c:x", "./x", "x\0"] {
        assert!(!is_plain_name(bad), "{bad:?}");
    }
}
