//! A file as memory, read-only: its bytes come when they are looked at, and stay shared with every other reader.
//!
//! What remains at risk: if another program *cuts* the file while it is mapped, looking at the missing part ends the
//! process (SIGBUS), and if one writes into it in place, the numbers here change. Programs that replace a file by
//! renaming a new one over it, as ours do, are harmless: the map keeps the old one. Where there is no `mmap`, the file is
//! simply read.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

/// A regular file in memory.
pub struct FileMap {
    #[cfg(all(unix, target_pointer_width = "64"))]
    start: *const u8,
    #[cfg(all(unix, target_pointer_width = "64"))]
    len: usize,
    #[cfg(not(all(unix, target_pointer_width = "64")))]
    bytes: Vec<u8>,
}

// SAFETY: the map is only read, and belongs to no thread.
#[cfg(all(unix, target_pointer_width = "64"))]
unsafe impl Send for FileMap {}
// SAFETY: as above.
#[cfg(all(unix, target_pointer_width = "64"))]
unsafe impl Sync for FileMap {}

#[cfg(all(unix, target_pointer_width = "64"))]
mod sys {
    use std::ffi::{c_int, c_void};
    pub const PROT_READ: c_int = 1;
    pub const MAP_PRIVATE: c_int = 2;
    unsafe extern "C" {
        pub fn mmap(addr: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
        pub fn munmap(addr: *mut c_void, len: usize) -> c_int;
    }
}

impl FileMap {
    /// The whole of a file, as long as it is now.
    #[cfg(all(unix, target_pointer_width = "64"))]
    pub fn open(file: &File) -> io::Result<FileMap> {
        use std::os::fd::AsRawFd;
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if len == 0 {
            return Ok(FileMap { start: std::ptr::NonNull::dangling().as_ptr(), len }); // nothing cannot be mapped
        }
        let (prot, flags) = (sys::PROT_READ, sys::MAP_PRIVATE);
        // SAFETY: a new map, where the system likes, of a file that is open; the result is checked.
        let start = unsafe { sys::mmap(std::ptr::null_mut(), len, prot, flags, file.as_raw_fd(), 0) };
        if start.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        Ok(FileMap { start: start.cast(), len })
    }

    /// The whole of a file, read.
    #[cfg(not(all(unix, target_pointer_width = "64")))]
    pub fn open(file: &File) -> io::Result<FileMap> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut &*file, &mut bytes)?;
        Ok(FileMap { bytes })
    }

    /// Bytes `range` as little-endian numbers, if they can be used as they lie.
    pub fn floats(&self, range: Range<usize>) -> Option<&[f32]> {
        let bytes = self.get(range)?;
        // SAFETY: any bits are an f32.
        let (before, floats, after) = unsafe { bytes.align_to::<f32>() };
        (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(floats)
    }
}

impl Deref for FileMap {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        #[cfg(all(unix, target_pointer_width = "64"))]
        // SAFETY: `open` mapped so many bytes, until `drop`. That nobody cuts the file is the module's stated risk.
        return unsafe { std::slice::from_raw_parts(self.start, self.len) };
        #[cfg(not(all(unix, target_pointer_width = "64")))]
        &self.bytes
    }
}

#[cfg(all(unix, target_pointer_width = "64"))]
impl Drop for FileMap {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: mapped by `open`, and nothing that borrowed it is left.
            unsafe { sys::munmap(self.start.cast_mut().cast(), self.len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_bytes() {
        let path = std::env::temp_dir().join(format!("motamot-map-{}", std::process::id()));
        let numbers: Vec<u8> = [1.5f32, -2.0, 1e-40].iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(&path, &numbers).unwrap();
        let map = FileMap::open(&File::open(&path).unwrap()).unwrap();
        // A file that takes its name does not change it.
        let other = path.with_extension("new");
        std::fs::write(&other, b"short").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(&map[..], numbers);
        assert_eq!(map.floats(4..12), Some(&[-2.0, 1e-40][..]));
        assert_eq!((map.floats(2..6), map.floats(0..6), map.floats(8..16)), (None, None, None));
        std::fs::write(&path, b"").unwrap();
        assert!(FileMap::open(&File::open(&path).unwrap()).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
    }
}
