//! The folder of keys: a file for each, which nobody but its owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::file::{FILE_BYTES_MAX, KeyFile};
use crate::cli::CliError;

/// What file names end with.
const ENDING: &str = ".key.json";
/// The longest name of a key.
const NAME_BYTES_MAX: usize = 32;
/// The most keys that are listed.
const KEYS_MAX: usize = 10_000;

/// A folder of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The named one, or `.avalanche/keys` in the folder of the user.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, CliError> {
        if let Some(path) = named {
            return Ok(Self(path.to_owned()));
        }
        std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .map(|home| Self(home.join(".avalanche").join("keys")))
            .ok_or_else(|| {
                let reason = "no folder for keys: HOME is not set; name one with --keys-dir";
                CliError::failed("keys_folder", reason)
            })
    }

    /// Where the key of a name is kept.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}{ENDING}"))
    }

    /// Refuses if a key of that name is there.
    pub(super) fn check_free(&self, name: &str) -> Result<(), CliError> {
        match fs::symlink_metadata(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(trouble(&self.path(name), &error.to_string())),
            Ok(_) => Err(self.exists(name)),
        }
    }

    /// Writes a new key. It is there whole or not at all, also after a crash, and takes nobody's
    /// place.
    pub(super) fn add(&self, name: &str, file: &KeyFile) -> Result<PathBuf, CliError> {
        let text = file.to_text()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|error| trouble(&self.0, &format!("it cannot be made: {error}")))?;
        let path = self.path(name);
        let draft = self.0.join(format!(".{name}.{}.draft", std::process::id()));
        let written = write_new(&draft, text.as_bytes()).and_then(|()| {
            // A link, unlike a rename, does not replace what is there.
            fs::hard_link(&draft, &path)?;
            File::open(&self.0)?.sync_all()
        });
        let removed = fs::remove_file(&draft);
        match written {
            Ok(()) => {
                removed.map_err(|error| trouble(&draft, &error.to_string()))?;
                Ok(path)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(self.exists(name)),
            Err(error) => Err(trouble(&path, &format!("it cannot be written: {error}"))),
        }
    }

    /// Reads a key's file. Files that others may read or write are refused.
    pub(super) fn read(&self, name: &str) -> Result<KeyFile, CliError> {
        let path = self.path(name);
        let file = File::open(&path).map_err(|error| {
            if error.kind() == ErrorKind::NotFound {
                let folder = self.0.display();
                let reason = format!(
                    "there is no key {name:?} in {folder}; `avalanche keys list` shows what is \
                     there, `avalanche keys create {name}` makes one"
                );
                CliError::failed("no_such_key", reason)
            } else {
                trouble(&path, &format!("it cannot be read: {error}"))
            }
        })?;
        let about = file.metadata().map_err(|error| trouble(&path, &error.to_string()))?;
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let reason = format!(
                "others may use it (mode {mode:o}); allowed is 600: chmod 600 {}",
                path.display()
            );
            return Err(CliError::failed(
                "key_permissions",
                format!("{}: {reason}", path.display()),
            ));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| trouble(&path, &format!("it cannot be read: {error}")))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let reason = format!("it is longer than {FILE_BYTES_MAX} bytes, so it is no key file");
            return Err(CliError::failed("damaged_key", format!("{}: {reason}", path.display())));
        }
        KeyFile::parse(&text)
            .map_err(|error| CliError::failed(error.code(), format!("{}: {error}", path.display())))
    }

    /// The names of all keys, in order. A folder that is not there has none.
    pub(super) fn names(&self) -> Result<Vec<String>, CliError> {
        let cannot = |error: std::io::Error| trouble(&self.0, &error.to_string());
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(cannot)?,
        };
        let mut names = Vec::new();
        for entry in entries.take(KEYS_MAX) {
            let file = entry.map_err(cannot)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(ENDING));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, name: &str) -> CliError {
        let path = self.path(name);
        let reason =
            format!("key {name:?} is there already: {}; take another name", path.display());
        CliError::failed("key_exists", reason)
    }
}

/// Checks the name of a key, which becomes part of the name of a file.
///
/// # Errors
///
/// What is allowed.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| letter(byte) || byte == b'-' || byte == b'_';
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if fits && name.bytes().all(inner) && name.bytes().next().is_some_and(letter) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name of a key: 1 to {NAME_BYTES_MAX} lower-case letters, digits, hyphens \
         and underscores are, a letter or digit first"
    ))
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn trouble(path: &Path, reason: &str) -> CliError {
    CliError::failed("keys_folder", format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::keys::file::Cost;
    use crate::cli::secret::Secret;

    struct Temporary(Folder);

    impl Temporary {
        fn new(name: &str) -> Self {
            let name = format!("avalanche-keys-{name}-{}", std::process::id());
            Self(Folder(std::env::temp_dir().join(name)))
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.0);
        }
    }

    fn sealed() -> KeyFile {
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        KeyFile::seal(&crate::demo::key(0), &Secret::new(vec![1]), cost).unwrap()
    }

    #[test]
    fn keys_are_added_once_and_read_again() {
        let Temporary(folder) = &Temporary::new("add");
        assert_eq!(folder.names().unwrap(), [""; 0]);
        assert_eq!(folder.read("a").unwrap_err().code(), "no_such_key");
        let file = sealed();
        for name in ["b", "a"] {
            folder.check_free(name).unwrap();
            let path = folder.add(name, &file).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(folder.read(name).unwrap(), file);
        }
        assert_eq!(fs::metadata(&folder.0).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.check_free("a").unwrap_err().code(), "key_exists");
        assert_eq!(folder.add("a", &sealed()).unwrap_err().code(), "key_exists");
        assert_eq!(folder.read("a").unwrap(), file, "the first one stays");
        // Drafts are gone, and other files are no keys.
        fs::write(folder.0.join("note.txt"), "").unwrap();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 3);
        assert_eq!(folder.names().unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let Temporary(folder) = &Temporary::new("mode");
        let path = folder.add("a", &sealed()).unwrap();
        for mode in [0o640, 0o604, 0o602, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = folder.read("a").unwrap_err();
            assert_eq!(error.code(), "key_permissions");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        folder.read("a").unwrap();
    }

    #[test]
    fn damage_is_told_with_the_path() {
        let Temporary(folder) = &Temporary::new("damage");
        let path = folder.add("a", &sealed()).unwrap();
        for text in ["", "{}", &" ".repeat(5_000)] {
            fs::write(&path, text).unwrap();
            let error = folder.read("a").unwrap_err();
            assert_eq!(error.code(), "damaged_key");
            assert!(error.to_string().contains("a.key.json"), "{error}");
        }
    }

    #[test]
    fn names_stay_in_the_folder() {
        for wrong in ["", "../a", "a/b", "a.b", "A", "-a", "_a", "demo:0", "é", &"a".repeat(33)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        for right in ["a", "0", "my-key_2", &"a".repeat(32)] {
            assert!(check_name(right).is_ok(), "{right}");
        }
    }
}
