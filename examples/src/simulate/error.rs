//! Why a command stops without a result.

use std::{fmt, io};

use super::OptionError;

/// Why a command stops without a result.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandError {
    /// The command line is wrong.
    Options(OptionError),
    /// Something could not be written.
    Io(io::Error),
    /// A run could not begin or go on.
    Run(String),
}

impl CommandError {
    /// Whether only the reader of the output went away, as `head` does, which is no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that goes with it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Options(_) => 2,
            _ if self.is_broken_pipe() => 0,
            Self::Io(_) | Self::Run(_) => 1,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Run(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Options(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Run(_) => None,
        }
    }
}

impl From<OptionError> for CommandError {
    fn from(error: OptionError) -> Self {
        Self::Options(error)
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
