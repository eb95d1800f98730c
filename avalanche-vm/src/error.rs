//! Why a VM refuses, in three classes: the input is wrong, the VM cannot answer now, the chain is
//! broken.

use std::{error, fmt};

/// What a call on a VM can answer instead of a result. Who has to act tells the variants apart.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A block, transaction or message breaks a rule. Whoever sent it has to change it; the VM is
    /// as it was before the call.
    Invalid(Invalid),
    /// The VM cannot answer now, and may later: it starts, stops, is being restarted, or is full.
    /// Nothing was changed, unless a deadline passed: then the instance is restarted.
    NotReady {
        /// What it is waiting for.
        reason: String,
    },
    /// The VM cannot go on: its store failed, or it found itself in a state that must not be. Its
    /// chain stops, the process lives; a supervised instance is made anew from its last accepted
    /// block.
    Fatal {
        /// What was found.
        reason: String,
        /// What led to it, if anything.
        source: Option<Box<dyn error::Error + Send + Sync>>,
    },
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What kind of rule.
    pub kind: InvalidKind,
    /// The rule's name, in `snake_case`: stable, for programs. A VM documents its codes.
    pub code: &'static str,
    /// What was wrong, and what is allowed: for people.
    pub reason: String,
}

/// Kinds of broken rules, so that an edge that knows no VM can choose a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InvalidKind {
    /// It cannot be read, or a field of it is impossible whatever the state: 400.
    Malformed,
    /// It is longer than is allowed: 413.
    TooLarge,
    /// Its signature does not fit: 400. (401 is about the caller's token.)
    Signature,
    /// The state does not allow it, and may some day: funds, nonce, time, parent: 400.
    State,
    /// It is here already, or one that takes its place: 409.
    Duplicate,
    /// There is no room for it now; a higher fee or a later try may find some: 429.
    Full,
}

impl Invalid {
    /// A broken rule.
    #[must_use]
    pub fn new(kind: InvalidKind, code: &'static str, reason: impl Into<String>) -> Self {
        Self { kind, code, reason: reason.into() }
    }
}

impl InvalidKind {
    /// The HTTP status that fits.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Signature | Self::State => 400,
            Self::Duplicate => 409,
            Self::TooLarge => 413,
            Self::Full => 429,
        }
    }
}

impl Error {
    /// A broken rule.
    #[must_use]
    pub fn invalid(kind: InvalidKind, code: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid(Invalid::new(kind, code, reason))
    }

    /// Not now.
    #[must_use]
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self::NotReady { reason: reason.into() }
    }

    /// The end of this chain, for a reason without a cause below it.
    #[must_use]
    pub fn fatal(reason: impl Into<String>) -> Self {
        Self::Fatal { reason: reason.into(), source: None }
    }

    /// The rule that was broken, if one was.
    #[must_use]
    pub const fn as_invalid(&self) -> Option<&Invalid> {
        match self {
            Self::Invalid(invalid) => Some(invalid),
            Self::NotReady { .. } | Self::Fatal { .. } => None,
        }
    }

    /// Whether the chain has to stop.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }

    /// The HTTP status that fits: that of the [kind](InvalidKind::status), 503 for not ready, 500
    /// for fatal.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(invalid) => invalid.kind.status(),
            Self::NotReady { .. } => 503,
            Self::Fatal { .. } => 500,
        }
    }

    /// A stable name for programs: the rule's code, `not_ready` or `fatal`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.code,
            Self::NotReady { .. } => "not_ready",
            Self::Fatal { .. } => "fatal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::NotReady { reason } => write!(f, "the VM is not ready: {reason}; try again"),
            Self::Fatal { reason, source: None } => write!(f, "the VM cannot go on: {reason}"),
            Self::Fatal { reason, source: Some(source) } => {
                write!(f, "the VM cannot go on: {reason}: {source}")
            }
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Fatal { source: Some(source), .. } => Some(&**source),
            Self::Invalid(_) | Self::NotReady { .. } | Self::Fatal { source: None, .. } => None,
        }
    }
}

impl error::Error for Invalid {}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// A store that fails is fatal for the chain that it is under.
impl From<avalanche_store::Error> for Error {
    fn from(source: avalanche_store::Error) -> Self {
        Self::Fatal { reason: "its store failed".to_owned(), source: Some(Box::new(source)) }
    }
}
