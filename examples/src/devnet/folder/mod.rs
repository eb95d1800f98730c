//! What a devnet keeps between runs.
//!
//! ```text
//!   avalanche-devnet/
//!     lock            held while a devnet runs on the folder; its process id
//!     devnet.json     format, number of validators, ports
//!     genesis.json    what the network begins with
//!     control.sock    how commands find the run
//!     node-1/         one for each validator
//!       staking/      its keys: who it is
//!       config.toml   what it is told, written at each start
//!       log           what it says, over all runs
//!       chains/       its blocks and states
//! ```
//!
//! Starting again on a folder goes on where it stopped: same genesis, keys and blocks; and the same
//! ports, if nobody took them meanwhile.

mod layout;
mod plan;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use avalanche_chain::node::StoreKind;

use super::DevnetError;

pub use layout::{FORMAT, Layout, NodePorts};
pub use plan::{ACCOUNTS, BALANCE, CHAIN, NETWORK_ID, Network, NodePlan, genesis, plan, weight};

const LOCK: &str = "lock";
const LAYOUT: &str = "devnet.json";
const GENESIS: &str = "genesis.json";
const CONTROL: &str = "control.sock";

/// A folder that this process has for itself, until this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    layout: Layout,
    /// Whether a network was in it before.
    known: bool,
    /// The operating system lets go of it when this process ends, however it does.
    _lock: File,
}

/// What the command line wants of a folder; `None`: as it is, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many validators.
    pub validators: Option<u16>,
    /// What keeps states and indexes.
    pub store: Option<StoreKind>,
}

impl Folder {
    /// Takes a folder: makes it if it is not there, or goes on with the network in it.
    ///
    /// # Errors
    ///
    /// [`DevnetError::Folder`] if another devnet runs on it, or it cannot be written, or holds
    /// other files, a format that this program does not know, or another number of validators;
    /// [`DevnetError::Port`] if there are no ports.
    pub fn open(path: &Path, wanted: Wanted) -> Result<Self, DevnetError> {
        make(path)?;
        let path = path
            .canonicalize()
            .map_err(|error| DevnetError::folder(path, format!("it cannot be read: {error}")))?;
        refuse_others_files(&path)?;
        let lock = lock(&path)?;
        let file = path.join(LAYOUT);
        let found = match fs::read(&file) {
            Ok(bytes) => Some(Layout::parse(&file, &bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(DevnetError::folder(&file, format!("it cannot be read: {error}")));
            }
        };
        let known = found.is_some();
        let layout = match found {
            Some(found) => found.wanted(&path, wanted)?,
            None => Layout::new(wanted)?,
        };
        replace(&file, layout.to_json().as_bytes())?;
        Ok(Self { path, layout, known, _lock: lock })
    }

    /// Where it is: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ports and numbers.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a network was in it before this run.
    #[must_use]
    pub const fn known(&self) -> bool {
        self.known
    }

    /// The control socket.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        control(&self.path)
    }
}

/// The control socket of a folder.
#[must_use]
pub fn control(folder: &Path) -> PathBuf {
    folder.join(CONTROL)
}

/// The folder that is used unless told otherwise: `avalanche-devnet` in the user's folder for data,
/// by the variables `XDG_DATA_HOME` and `HOME`, or else in the one for temporary files.
#[must_use]
pub fn default_path(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let absolute = |name: &str| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("share")));
    data.unwrap_or_else(std::env::temp_dir).join("avalanche-devnet")
}

/// Makes a folder and those above it; the last one for its owner alone.
fn make(path: &Path) -> Result<(), DevnetError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let cannot = |error: std::io::Error| {
        let advice = "choose another with --data-dir";
        DevnetError::folder(path, format!("the folder cannot be made: {error}; {advice}"))
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            let reason = "it is a file; --data-dir wants a folder, or a name that is not there yet";
            return Err(DevnetError::folder(path, reason));
        }
        Err(_) => {}
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above).map_err(cannot)?;
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)
}

/// A folder with anything in it has to be a devnet's.
fn refuse_others_files(path: &Path) -> Result<(), DevnetError> {
    let entries = fs::read_dir(path)
        .map_err(|error| DevnetError::folder(path, format!("it cannot be read: {error}")))?;
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let ours = [LOCK, LAYOUT].iter().any(|name| path.join(name).exists());
    match names.next() {
        Some(name) if !ours => {
            let name = Path::new(&name).display();
            let reason = format!(
                "it holds other files, as {name}; choose an empty folder, or one of a devnet, with \
                 --data-dir"
            );
            Err(DevnetError::folder(path, reason))
        }
        _ => Ok(()),
    }
}

/// Takes the lock of a folder, and leaves the number of this process in it.
fn lock(folder: &Path) -> Result<File, DevnetError> {
    let path = folder.join(LOCK);
    let cannot = |error: std::io::Error| {
        let advice = "it has to be writable; choose another with --data-dir";
        DevnetError::folder(folder, format!("the lock cannot be written: {error}; {advice}"))
    };
    let mut options = File::options();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Whoever holds it has written its number there, or is about to.
            let _ = file.take(32).read_to_string(&mut pid);
            let who = match pid.trim() {
                "" => String::new(),
                pid => format!(", process {pid}"),
            };
            let reason = format!(
                "a devnet runs on it{who}; end that one, or choose another folder with --data-dir"
            );
            return Err(DevnetError::folder(folder, reason));
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    file.set_len(0).map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    writeln!(file, "{}", std::process::id()).map_err(cannot)?;
    Ok(file)
}

/// Writes a file so that it has its old or its new contents, whatever happens.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), DevnetError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| DevnetError::folder(path, format!("it cannot be written: {error}")))
}
