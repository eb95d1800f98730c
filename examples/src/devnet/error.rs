//! Why a devnet, or a command for one, stops without a result.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// Why a devnet, or a command for one, stops without a result.
#[derive(Debug)]
#[non_exhaustive]
pub enum DevnetError {
    /// The folder cannot be used.
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A port cannot be listened on.
    Port {
        /// The port.
        port: u16,
        /// Whose it is, as `--api-port`.
        whose: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No devnet runs on the folder, so that nothing can be asked of it.
    NothingRuns {
        /// The folder.
        folder: PathBuf,
    },
    /// The devnet does not do what it was asked.
    Refused(String),
    /// A node does not start, or ended by itself.
    Node(String),
    /// The output cannot be written.
    Output(io::Error),
}

impl DevnetError {
    /// Something is wrong with a folder or a file in it.
    pub(crate) fn folder(path: &Path, reason: impl Into<String>) -> Self {
        Self::Folder { path: path.to_owned(), reason: reason.into() }
    }

    /// Whether only the reader of the output went away, as `head` does, which is no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for DevnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Port { port, whose, reason } => write!(f, "port {port} ({whose}): {reason}"),
            Self::NothingRuns { folder } => write!(
                f,
                "no devnet runs on {}; start one, or say with --data-dir where it runs",
                folder.display()
            ),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Node(reason) => f.write_str(reason),
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl error::Error for DevnetError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Output(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for DevnetError {
    /// Only writing to the output fails without more words.
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
