//! The part of a file system that this crate writes through, so that tests can lose power.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::{fmt, io};

/// A file system, as far as the block log and checkpoints need one.
///
/// # Contract
///
/// - Bytes written are read back at once; they survive power loss after
///   [`DiskFile::sync_data`] of their file has returned.
/// - A file that was made, renamed or removed is so after power loss once
///   [`sync_dir`](Self::sync_dir) of its folder has returned; before that, either is possible.
/// - A rename is atomic and replaces the target.
pub trait Disk: Send + Sync + fmt::Debug {
    /// An open file.
    type File: DiskFile;
    /// Holds a folder for this process until it is dropped.
    type Lock: Send + Sync + fmt::Debug;

    /// Makes a folder and those above it, and their names durable; one that is there is no error.
    ///
    /// # Errors
    ///
    /// Those of the operating system, as in all other methods.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files in a folder, sorted. Folders are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Self::File>;

    /// Gives a file another name, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes a lock file, made if it is absent. `None` if another process, or another part of this
    /// one, holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
}

/// An open file, read and written at offsets.
#[expect(clippy::len_without_is_empty, reason = "a length on disk, which can fail to be read")]
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on; fails with `UnexpectedEof` if there are too
    /// few.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. A failure may leave a part written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or extends it by zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes content and length durable. After a failure the operating system may have dropped
    /// what was not written: never try again, open anew.
    fn sync_data(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A file that must not exist yet, to read and write.
    CreateNew,
}

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// A file of the operating system.
#[derive(Debug)]
pub struct OsFile(File);

/// A lock on a file, which the operating system gives back when the process ends.
#[derive(Debug)]
pub struct OsLock {
    _file: File,
}

impl Disk for OsDisk {
    type File = OsFile;
    type Lock = OsLock;

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<_> = dir.ancestors().take_while(|above| is_missing(above)).collect();
        for dir in missing.iter().rev() {
            match fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.sync_dir(parent(dir))?,
            }
        }
        // A file in its place is an error, with the answer of the operating system.
        fs::read_dir(dir).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // A name that is not Unicode is not one of ours.
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<OsFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::CreateNew);
        Ok(OsFile(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Elsewhere a folder cannot be opened to be synced; NTFS journals names itself.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<OsLock>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(OsLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.0, buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(not(any(unix, windows)))]
    fn read_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(not(any(unix, windows)))]
    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Whether a folder has to be made. The empty path is the current folder.
fn is_missing(dir: &Path) -> bool {
    !dir.as_os_str().is_empty()
        && fs::metadata(dir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The folder that a path's name stands in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
