//! The folder of an engine: held by one process, and marked with who wrote it.
//!
//! ```text
//!   <dir>/lock       held while the store is open
//!   <dir>/creating   the mark, before the engine's files are complete and durable
//!   <dir>/format     the mark: "avalanche-store <engine> <version>\n"
//!   <dir>/...        files of the engine
//! ```
//!
//! A folder without a mark that holds anything else is somebody's, and is not touched. With
//! `creating` nothing in it was ever acknowledged: power failed while it was made, and it is made
//! anew.

use std::path::{Path, PathBuf};

use crate::{Disk, DiskFile, Error, OpenMode};

const LOCK: &str = "lock";
const CREATING: &str = "creating";
const FORMAT: &str = "format";
/// The longest mark that is read, in bytes.
const FORMAT_BYTES_MAX: u64 = 64;

/// The first words of a mark.
const OWNER: &str = "avalanche-store ";

/// An engine and the version of what this crate writes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) engine: &'static str,
    pub(super) version: u32,
}

/// A folder that this process holds.
#[derive(Debug)]
pub(super) struct Folder<L> {
    dir: PathBuf,
    format: Format,
    /// Whether the engine's files are to be made.
    pub(super) new: bool,
    _lock: L,
}

impl<L> Folder<L> {
    /// Takes the folder, made if it is absent.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`]; [`Error::Version`]; [`Error::Foreign`]; [`Error::Corrupt`] if the mark is
    /// unreadable; [`Error::Io`].
    pub(super) fn open<D: Disk<Lock = L>>(
        disk: &D,
        dir: &Path,
        format: Format,
    ) -> Result<Self, Error> {
        disk.create_dir_all(dir).map_err(Error::io("make the folder", dir))?;
        let lock = disk
            .lock(&dir.join(LOCK))
            .map_err(Error::io("lock", &dir.join(LOCK)))?
            .ok_or_else(|| Error::InUse { path: dir.to_path_buf() })?;
        let files = disk.list(dir).map_err(Error::io("list", dir))?;
        let has = |name: &str| files.iter().any(|file| file == name);
        let folder = Self { dir: dir.to_path_buf(), format, new: !has(FORMAT), _lock: lock };
        if has(FORMAT) {
            folder.check(disk)?;
            return Ok(folder);
        }
        let resumed = has(CREATING);
        for file in files.iter().filter(|file| *file != LOCK && *file != CREATING) {
            let path = dir.join(file);
            if !resumed {
                return Err(Error::Foreign { path, wanted: format.engine });
            }
            disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        folder.begin(disk, if resumed { OpenMode::Write } else { OpenMode::CreateNew })?;
        Ok(folder)
    }

    /// States that the engine's files are complete and durable.
    pub(super) fn complete<D: Disk<Lock = L>>(&self, disk: &D) -> Result<(), Error> {
        let sync = || disk.sync_dir(&self.dir).map_err(Error::io("sync the folder", &self.dir));
        sync()?;
        if self.new {
            disk.rename(&self.dir.join(CREATING), &self.dir.join(FORMAT))
                .map_err(Error::io("rename", &self.dir.join(CREATING)))?;
            sync()?;
        }
        Ok(())
    }

    fn begin<D: Disk<Lock = L>>(&self, disk: &D, mode: OpenMode) -> Result<(), Error> {
        let path = self.dir.join(CREATING);
        let mark = format!("{OWNER}{} {}\n", self.format.engine, self.format.version);
        let file = disk.open(&path, mode).map_err(Error::io("make", &path))?;
        file.set_len(0).map_err(Error::io("write", &path))?;
        file.write_at(mark.as_bytes(), 0).map_err(Error::io("write", &path))?;
        file.sync_data().map_err(Error::io("sync", &path))?;
        disk.sync_dir(&self.dir).map_err(Error::io("sync the folder", &self.dir))
    }

    fn check<D: Disk<Lock = L>>(&self, disk: &D) -> Result<(), Error> {
        let path = self.dir.join(FORMAT);
        let file = disk.open(&path, OpenMode::Read).map_err(Error::io("open", &path))?;
        let bytes = file.len().map_err(Error::io("read", &path))?.min(FORMAT_BYTES_MAX);
        let mut mark = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.read_at(&mut mark, 0).map_err(Error::io("read", &path))?;
        let damaged = || Error::Corrupt {
            path: path.clone(),
            offset: 0,
            what: "it does not say which engine wrote this folder, and in which version",
        };
        let (engine, version) = parse(&mark).ok_or_else(damaged)?;
        if engine != self.format.engine {
            return Err(Error::Foreign { path, wanted: self.format.engine });
        }
        if version != self.format.version {
            return Err(Error::Version { path, found: version, supported: self.format.version });
        }
        Ok(())
    }
}

/// Engine and version that a mark states.
fn parse(mark: &[u8]) -> Option<(&str, u32)> {
    let mark = std::str::from_utf8(mark).ok()?.strip_prefix(OWNER)?.strip_suffix('\n')?;
    let (engine, version) = mark.split_once(' ')?;
    let plain = !version.starts_with(['+', '0']);
    Some((engine, version.parse().ok().filter(|_version| plain)?))
}
