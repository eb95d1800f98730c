//! Why a call on this crate can fail.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// A call that failed. Each variant says what was wrong, where, and what to do.
///
/// What a peer sent wrong, such as a proof that proves nothing, is not here: see
/// [`ProofFault`](crate::ProofFault).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused. The message names the path and, by kind, what to do.
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
    /// Another process, or another part of this one, has the folder open. Stop it, or give this
    /// one a folder of its own.
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Written in a format that this release does not know. Use the release that wrote it, or a
    /// later one; nothing was changed.
    Version {
        /// The file or folder.
        path: PathBuf,
        /// The version that it states.
        found: u32,
        /// The newest version that this release knows.
        supported: u32,
    },
    /// Bytes that were durable are no longer what was written: the disk, or another program,
    /// changed them.
    Corrupt {
        /// The file or folder.
        path: PathBuf,
        /// Where the damage begins, in bytes; 0 for a store that does not say.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// An earlier write or sync failed, so that what is on disk is unknown. Open the folder
    /// again: recovery finds out.
    Poisoned {
        /// The file or folder.
        path: PathBuf,
    },
    /// A key is longer than the store takes. Use a shorter one, or its hash; nothing was changed.
    KeyTooLarge {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        max: usize,
    },
    /// A value is longer than the store takes. Split it, or keep it in the block log; nothing was
    /// changed.
    ValueTooLarge {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        max: usize,
    },
    // What an authenticated state answers.
    /// The state of a height is no longer kept. Ask for a later one, or rebuild it from the log.
    HeightPruned {
        /// The height that was asked for.
        height: u64,
        /// The oldest that is kept.
        oldest: u64,
    },
    /// The state has not come to a height yet.
    HeightNotReached {
        /// The height that was asked for.
        height: u64,
        /// The accepted height; `None` before the first.
        last: Option<u64>,
    },
    /// A view that is not over the accepted state, or of another height, cannot be accepted.
    /// Nothing was changed. Execute its block again.
    ViewNotNext {
        /// The height to accept.
        height: u64,
        /// The height of the view.
        view: u64,
        /// The accepted height; `None` before the first.
        accepted: Option<u64>,
    },
    /// The state was rolled back since this view was begun. Execute its block again.
    StaleView,
    /// A state can be imported only into an empty store, or where the same import has begun.
    StoreNotEmpty {
        /// The store.
        path: PathBuf,
    },
    /// An import has not come to its end. Go on with it, or begin again in an empty store.
    ImportUnfinished {
        /// The store.
        path: PathBuf,
    },
    /// A range does not continue an import: it is of another root, or begins elsewhere. Nothing was
    /// changed. Ask for one from the import's position.
    ImportOutOfPlace {
        /// The store.
        path: PathBuf,
    },
    /// Entries do not have the root that they are said to have.
    RootDiffers {
        /// The store, or the file.
        path: PathBuf,
        /// The height that they are said to be of.
        height: u64,
    },
}

impl Error {
    /// For `map_err`: what was tried, and on what.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}; {}", path.display(), advice(source))
            }
            Self::InUse { path } => write!(
                f,
                "{} is in use by another process: stop it, or choose another folder",
                path.display()
            ),
            Self::Version { path, found, supported } => write!(
                f,
                "{} has format version {found}, and this release reads up to {supported}: use \
                 the release that wrote it, or a later one",
                path.display()
            ),
            Self::Corrupt { path, offset, what } => write!(
                f,
                "{} is damaged at byte {offset}: {what}; check the disk, and restore this file \
                 from a copy or rebuild it",
                path.display()
            ),
            Self::Poisoned { path } => write!(
                f,
                "{} is closed to further calls because a write or sync failed earlier: open it \
                 again to recover",
                path.display()
            ),
            Self::KeyTooLarge { bytes, max } => {
                write!(
                    f,
                    "key of {bytes} bytes exceeds the store's {max}: use a shorter one or a hash"
                )
            }
            Self::ValueTooLarge { bytes, max } => write!(
                f,
                "value of {bytes} bytes exceeds the store's {max}: split it, or keep it in the log"
            ),
            Self::HeightPruned { height, oldest } => write!(
                f,
                "the state at height {height} was pruned: ask for {oldest} or later, keep more \
                 heights, or rebuild it from the log"
            ),
            Self::HeightNotReached { height, last } => write!(
                f,
                "the state has not reached height {height}: the last accepted is {}",
                Height(*last)
            ),
            Self::ViewNotNext { height, view, accepted } => write!(
                f,
                "a view of height {view} cannot be accepted at {height} over height {}: execute \
                 its block on the accepted state",
                Height(*accepted)
            ),
            Self::StaleView => f.write_str(
                "the state was rolled back since this view was begun: execute its block again",
            ),
            Self::StoreNotEmpty { path } => write!(
                f,
                "{} holds something else: import a state into an empty store",
                path.display()
            ),
            Self::ImportUnfinished { path } => write!(
                f,
                "{} holds a state whose import is not finished: go on with it, or begin again in \
                 an empty store",
                path.display()
            ),
            Self::ImportOutOfPlace { path } => write!(
                f,
                "the range does not continue the import into {}: ask for one of its root from its \
                 position on",
                path.display()
            ),
            Self::RootDiffers { path, height } => write!(
                f,
                "the entries of height {height} in {} do not have the root that is stated: take \
                 another copy, or rebuild the state from the log",
                path.display()
            ),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A height that may not be there yet, for messages.
struct Height(Option<u64>);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(height) => write!(f, "{height}"),
            None => f.write_str("none"),
        }
    }
}

/// What to do about an answer of the operating system.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk, then open it again; nothing acknowledged is lost"
        }
        io::ErrorKind::PermissionDenied => {
            "give this user permission to read and write there, or choose another folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount it writable (a disk with errors turns read-only), or choose another folder"
        }
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "check the path: a folder stands for a file, or a file for a folder"
        }
        io::ErrorKind::AlreadyExists => "remove it, or choose another name",
        io::ErrorKind::UnexpectedEof => "the file is shorter than it was: check the disk",
        _ => "check the disk and the system's log, then open it again",
    }
}
