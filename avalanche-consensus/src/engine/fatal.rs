//! What stops a chain.

use std::fmt;

use super::CallId;
use crate::Error;

/// Why this chain stopped. The process lives; the chain starts again from what was accepted, with a
/// new engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fatal {
    /// A part of the engine refused what it was given: changes of validators that do not fit the
    /// set, or, by a defect of this crate, something else.
    Refused(Error),
    /// An invariant does not hold, which is a defect of this crate. Please report it.
    Invariant(&'static str),
    /// An output could not be carried out; this is what the shell said.
    Shell(String),
    /// A call was answered by something else than what was asked for. Mend the shell.
    WrongAnswer(CallId),
    /// The shell does not drain its outputs. Call
    /// [`Engine::poll_output`](super::Engine::poll_output) until `None` after every input.
    Undrained {
        /// The bound on waiting outputs.
        max: usize,
    },
    /// The engine has stopped before.
    Stopped,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chain stopped: ")?;
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Invariant(broken) => write!(f, "invariant broken: {broken}; please report this"),
            Self::Shell(reason) => f.write_str(reason),
            Self::WrongAnswer(CallId(call)) => {
                write!(f, "call {call} got an answer of another kind; mend the shell")
            }
            Self::Undrained { max } => {
                write!(f, "more than {max} outputs wait; drain them after every input")
            }
            Self::Stopped => f.write_str("it did so before; make a new engine"),
        }
    }
}

impl std::error::Error for Fatal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for Fatal {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}
