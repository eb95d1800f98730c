//! Why a call on this crate can fail.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use avalanche_consensus::{Height, Id};

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

    // The block log.
    /// A block does not follow on the last one of the log. Append the expected height; nothing was
    /// changed.
    WrongHeight {
        /// The height that was given.
        given: Height,
        /// The only height that can be appended.
        expected: Height,
    },
    /// A block's id is in the log already, at another height. Nothing was changed.
    DuplicateBlock {
        /// The id.
        id: Id,
        /// Where it is.
        height: Height,
    },
    /// A block is longer than `LogConfig::block_bytes_max`. Raise that, or refuse such blocks
    /// earlier; nothing was changed.
    BlockTooLarge {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        max: usize,
    },
    /// The log was opened with durable blocks damaged: it can be read up to there, and takes no
    /// block. Restore the file from a copy, or give up the rest with `BlockLog::truncate_after`.
    LogDamaged {
        /// The damaged file.
        path: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// The first height that cannot be read.
        first_lost: Height,
        /// The last height that was there, as far as what is left shows.
        last_lost: Height,
    },
    /// The log does not hold this height.
    NotInLog {
        /// The folder.
        path: PathBuf,
        /// The height that was asked for.
        height: Height,
    },
    /// The log keeps every block (`Retention::Archive`). Open it with `Retention::Prune` to remove
    /// blocks; nothing was changed.
    ArchiveKeepsAll {
        /// The folder.
        path: PathBuf,
    },
    /// Blocks above the checkpoint are all that the state can be rebuilt from. Take a later
    /// checkpoint first; nothing was changed.
    PruneAboveCheckpoint {
        /// Blocks below this were to go.
        below: Height,
        /// The height of the checkpoint.
        checkpoint: Height,
    },

    // Key-value back-ends and views.
    /// The folder holds files of another program, or of another back-end. Choose another folder,
    /// or the back-end that wrote this one; nothing was changed.
    Foreign {
        /// A file that tells so.
        path: PathBuf,
        /// The back-end that was asked for.
        wanted: &'static str,
    },
    /// A layer that has children, or was accepted, is no longer written. Write to a child.
    Sealed {
        /// The height of the layer.
        height: u64,
    },
    /// The layer's view is gone: a sibling of it or of a layer below it was accepted, or a later
    /// layer on top of it. Build anew on the last accepted one.
    Superseded {
        /// The height of the layer.
        height: u64,
    },
    /// The layer below has not been accepted yet. Accept from the lowest height upwards.
    ParentProcessing {
        /// The height of the layer.
        height: u64,
    },
    /// Nothing was committed at this height yet.
    HeightUnknown {
        /// The height asked for.
        height: u64,
        /// The last height committed, if there is one.
        last: Option<u64>,
    },
    /// A height is committed once, in ascending order. Roll back first to replace it.
    HeightTaken {
        /// The height asked for.
        height: u64,
        /// The last height committed.
        last: u64,
    },
    /// What was there at this height has been pruned. Ask at `first` or above.
    Pruned {
        /// The height asked for.
        height: u64,
        /// The lowest height that can be read.
        first: u64,
    },

    // What an authenticated state answers.
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
            Self::WrongHeight { given, expected } => write!(
                f,
                "block at height {given} does not follow in the log: append height {expected}"
            ),
            Self::DuplicateBlock { id, height } => {
                write!(f, "block {id} is in the log already, at height {height}")
            }
            Self::BlockTooLarge { bytes, max } => write!(
                f,
                "block of {bytes} bytes exceeds the log's {max}: raise block_bytes_max, or refuse \
                 it earlier"
            ),
            Self::LogDamaged { path, offset, first_lost, last_lost } => write!(
                f,
                "{} is damaged at byte {offset}, and durable blocks {first_lost} to {last_lost} \
                 with it: restore it from a copy, or give them up with truncate_after",
                path.display()
            ),
            Self::NotInLog { path, height } => {
                write!(f, "the log in {} does not hold height {height}", path.display())
            }
            Self::ArchiveKeepsAll { path } => write!(
                f,
                "the log in {} is an archive and keeps every block: open it with Retention::Prune",
                path.display()
            ),
            Self::PruneAboveCheckpoint { below, checkpoint } => write!(
                f,
                "blocks below {below} are needed above the checkpoint at height {checkpoint}: \
                 prune at most up to it, or take a later one first"
            ),
            Self::Foreign { path, wanted } => write!(
                f,
                "{} was not written by the {wanted} back-end of this crate: choose another \
                 folder, or the back-end that wrote it",
                path.display()
            ),
            Self::Sealed { height } => write!(
                f,
                "the layer at height {height} is no longer written: it has children or was \
                 accepted; write to a child of it"
            ),
            Self::Superseded { height } => write!(
                f,
                "the layer at height {height} cannot be read any more: another one was accepted; \
                 build anew on the last accepted"
            ),
            Self::ParentProcessing { height } => write!(
                f,
                "the layer at height {height} cannot be accepted before the one below it: \
                 accept in ascending order"
            ),
            Self::HeightUnknown { height, last: Some(last) } => write!(
                f,
                "height {height} is not committed yet, the last one is {last}: ask at or below it"
            ),
            Self::HeightUnknown { height, last: None } => {
                write!(f, "height {height} is not committed yet, and no other: commit one first")
            }
            Self::HeightTaken { height, last } => write!(
                f,
                "height {height} cannot be committed after {last}: commit above it, or roll back \
                 first"
            ),
            Self::Pruned { height, first } => {
                write!(f, "height {height} has been pruned: ask at {first} or above")
            }
            Self::ViewNotNext { height, view, accepted } => write!(
                f,
                "a view of height {view} cannot be accepted at {height} over height {}: execute \
                 its block on the accepted state",
                Accepted(*accepted)
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
struct Accepted(Option<u64>);

impl fmt::Display for Accepted {
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
