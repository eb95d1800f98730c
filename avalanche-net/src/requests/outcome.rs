//! How a request ends, and what else came.

use std::fmt;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};

use crate::wire::Op;

/// What came as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only a matched answer is delivered"]
pub enum Answer {
    /// The first answer to an open request: deliver it.
    Matched {
        /// The kind of the request.
        request: Op,
        /// How long it took.
        latency: Duration,
    },
    /// The request has failed already.
    Late,
    /// The request was answered already.
    Duplicate,
    /// There is no such request, or it was long ago.
    Unsolicited,
    /// A request of this number is open, and another kind of message answers it.
    WrongOp {
        /// That kind.
        expected: Op,
    },
}

/// A request that ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Who was asked.
    pub node: NodeId,
    /// The chain that asked.
    pub chain: Id,
    /// The number.
    pub request_id: u32,
    /// The kind of the request.
    pub op: Op,
    /// Why.
    pub cause: FailureCause,
}

/// Why a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureCause {
    /// Its deadline came.
    TimedOut,
    /// The peer disconnected.
    Disconnected,
    /// It could not be sent.
    NotSent,
}

impl FailureCause {
    /// A name for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Disconnected => "disconnected",
            Self::NotSent => "not_sent",
        }
    }
}

/// Why a request is not to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// As many requests are open as allowed. Wait for some of them to end.
    TooMany {
        /// The bound.
        max: usize,
    },
    /// As many requests to this peer are open as allowed. Ask another peer.
    TooManyOfNode {
        /// The bound.
        max: usize,
    },
    /// A request to this peer, of this chain and kind, has the same number. Use another.
    IdInUse {
        /// The number.
        request_id: u32,
    },
    /// Nothing answers this kind of message. Send it without registering it.
    NoRequest {
        /// The kind.
        op: Op,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { max } => {
                write!(f, "{max} requests are open, which is the most; wait for answers")
            }
            Self::TooManyOfNode { max } => {
                write!(f, "{max} requests to the peer are open, which is the most; ask another")
            }
            Self::IdInUse { request_id } => {
                write!(f, "request {request_id} is open already; use another number")
            }
            Self::NoRequest { op } => write!(f, "{op} has no answer; send it unregistered"),
        }
    }
}

impl std::error::Error for Refused {}

/// What happened to requests and answers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// Requests that were opened.
    pub registered: u64,
    /// Of those, requests to benched peers, which failed at once.
    pub benched: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that were answered.
    pub matched: u64,
    /// Requests that failed at their deadline.
    pub timed_out: u64,
    /// Requests that failed because the peer disconnected.
    pub disconnected: u64,
    /// Requests that could not be sent.
    pub not_sent: u64,
    /// Answers to requests that had failed.
    pub late: u64,
    /// Further answers to requests that were answered.
    pub duplicate: u64,
    /// Answers to nothing.
    pub unsolicited: u64,
    /// Answers of the wrong kind.
    pub wrong_op: u64,
    /// Outcomes that a bench list had no room for.
    pub bench_full: u64,
}

impl RequestStats {
    pub(super) const fn count_answer(&mut self, answer: Answer) {
        let counter = match answer {
            Answer::Matched { .. } => &mut self.matched,
            Answer::Late => &mut self.late,
            Answer::Duplicate => &mut self.duplicate,
            Answer::Unsolicited => &mut self.unsolicited,
            Answer::WrongOp { .. } => &mut self.wrong_op,
        };
        *counter += 1;
    }
}
