//! An address book in a file. These functions block.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{AddressBook, AddressBookError};

impl AddressBook {
    /// Reads the book in a file; an empty one if there is no file.
    ///
    /// # Errors
    ///
    /// [`AddressBookError`] names the file. It is left as it is.
    pub fn load(path: &Path) -> Result<Self, AddressBookError> {
        let Some(bytes) = read(path).map_err(|source| failed("read", path, source))? else {
            return Ok(Self::new());
        };
        Self::from_bytes(&bytes).map_err(|damage| AddressBookError::Damaged {
            path: path.to_owned(),
            damage,
            set_aside: None,
        })
    }

    /// Reads the book in a file. If it is damaged, moves the file to its name with `.damaged` behind
    /// it, in the place of an earlier one, and returns an empty book and what was wrong, to be
    /// logged.
    ///
    /// # Errors
    ///
    /// [`AddressBookError::Io`] if the file can be neither read nor moved.
    pub fn load_or_set_aside(
        path: &Path,
    ) -> Result<(Self, Option<AddressBookError>), AddressBookError> {
        match Self::load(path) {
            Ok(book) => Ok((book, None)),
            Err(AddressBookError::Damaged { path, damage, .. }) => {
                let aside = beside(&path, "", ".damaged");
                fs::rename(&path, &aside)
                    .and_then(|()| sync_folder(&path))
                    .map_err(|source| failed("set aside", &path, source))?;
                let set_aside = Some(aside);
                let error = AddressBookError::Damaged { path, damage, set_aside };
                Ok((Self::new(), Some(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the book, so that a crash leaves the earlier file or this one, each complete. One call
    /// at a time for each path.
    ///
    /// # Errors
    ///
    /// [`AddressBookError::Io`] names the file. The earlier one is still there.
    pub fn save(&self, path: &Path) -> Result<(), AddressBookError> {
        let temporary = beside(path, ".", ".tmp");
        write(&temporary, &self.to_bytes())
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_folder(path))
            .map_err(|source| failed("write", path, source))
    }
}

/// The bytes of a file, and one too many of a file that is too large.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    let max = u64::try_from(AddressBook::FILE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Whom a node knows and bans is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The file beside this one with something before and behind its name.
fn beside(path: &Path, before: &str, behind: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(behind);
    path.with_file_name(name)
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> AddressBookError {
    AddressBookError::Io { action, path: path.to_owned(), source }
}
