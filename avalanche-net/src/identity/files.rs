//! Where an identity is stored: three files with AvalancheGo's names.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::keys::{Stored, random, read_certificate, read_key};
use super::{BlsSecretKey, FileError, Identity, KeyError};

/// The certificate, as PEM.
pub const CERTIFICATE_FILE: &str = "staker.crt";
/// The key of the certificate, as PEM.
pub const KEY_FILE: &str = "staker.key";
/// The BLS key, as 32 bytes.
pub const SIGNER_FILE: &str = "signer.key";

/// Most bytes of a file that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// Permissions of others than the owner.
const OTHERS: u32 = 0o077;

/// Whether a file is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Secret,
}

impl Identity {
    /// The identity that is stored in a directory; a new one, if there is none.
    ///
    /// New files are readable by their owner only, are written whole or not at all, and never
    /// replace others. AvalancheGo can use them, and its files can be used here.
    ///
    /// Blocks: call it before the network starts, or from a thread that may block.
    ///
    /// # Errors
    ///
    /// Those of [`Identity::load`], but for no file being there; what cannot be written.
    pub fn load_or_create(dir: &Path) -> Result<Self, FileError> {
        if present(dir).is_none() {
            create(dir)?;
        }
        Self::load(dir)
    }

    /// The identity that is stored in a directory.
    ///
    /// # Errors
    ///
    /// [`FileError`] names the file and what to do: one is missing, cannot be read, may be read by
    /// others, or does not hold what it should.
    pub fn load(dir: &Path) -> Result<Self, FileError> {
        let (certificate, _) = read(dir, CERTIFICATE_FILE, Kind::Public, read_certificate)?;
        let (key, key_path) = read(dir, KEY_FILE, Kind::Secret, read_key)?;
        let read_signer = |bytes: &[u8]| BlsSecretKey::from_bytes(bytes).map_err(KeyError::Signer);
        let (signer, _) = read(dir, SIGNER_FILE, Kind::Secret, read_signer)?;
        Self::new(certificate, key, signer)
            .map_err(|source| FileError::Invalid { path: key_path, source })
    }
}

/// The first file of an identity that is in a directory.
fn present(dir: &Path) -> Option<PathBuf> {
    let paths = [CERTIFICATE_FILE, KEY_FILE, SIGNER_FILE].map(|name| dir.join(name));
    // A link to nowhere is there, too: nothing may be created over it.
    paths.into_iter().find(|path| path.symlink_metadata().is_ok())
}

/// Reads a file, with its path.
fn read<T>(
    dir: &Path,
    name: &str,
    kind: Kind,
    parse: impl FnOnce(&[u8]) -> Result<T, KeyError>,
) -> Result<(T, PathBuf), FileError> {
    let path = dir.join(name);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.clone(), present: present(dir) },
        _ => FileError::Io { action: "read", path: path.clone(), source },
    };
    let file = File::open(&path).map_err(failed)?;
    let mode = mode(&file.metadata().map_err(failed)?);
    if kind == Kind::Secret && mode & OTHERS != 0 {
        return Err(FileError::Exposed { path, mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|len| len <= MAX_FILE_BYTES);
    let parsed = fits.then(|| parse(&bytes));
    // No trace of a secret in freed memory, as far as that can be had without unsafe code.
    bytes.fill(0);
    match parsed {
        None => Err(FileError::TooLarge { path, max: MAX_FILE_BYTES }),
        Some(Ok(value)) => Ok((value, path)),
        Some(Err(source)) => Err(FileError::Invalid { path, source }),
    }
}

/// Writes a new identity. The certificate comes last: a node exists once it is there.
fn create(dir: &Path) -> Result<(), FileError> {
    let failed = |source| FileError::Invalid { path: dir.to_owned(), source };
    let stored = Stored::generate().map_err(failed)?;
    private_directory(dir)?;
    write_new(dir, SIGNER_FILE, &stored.signer)?;
    write_new(dir, KEY_FILE, stored.key.as_bytes())?;
    write_new(dir, CERTIFICATE_FILE, stored.certificate.as_bytes())
}

/// Writes a file that is there with all of its bytes or not at all, and replaces no other.
fn write_new(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let path = dir.join(name);
    let suffix = random().map(u64::from_be_bytes);
    let suffix = suffix.map_err(|source| FileError::Invalid { path: path.clone(), source })?;
    let temporary = dir.join(format!(".{name}.{suffix:016x}"));
    let result = write_all(&temporary, bytes)
        // A link fails where a file is; a rename would replace it.
        .and_then(|()| fs::hard_link(&temporary, &path))
        .and_then(|()| File::open(dir)?.sync_all());
    let removed = fs::remove_file(&temporary);
    result.and(removed).map_err(|source| FileError::Io { action: "create", path, source })
}

fn write_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn private_directory(dir: &Path) -> Result<(), FileError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| FileError::Io {
        action: "create",
        path: dir.to_owned(),
        source,
    })
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
}

/// Elsewhere there are no such permissions.
#[cfg(not(unix))]
const fn mode(_: &fs::Metadata) -> u32 {
    0o600
}
