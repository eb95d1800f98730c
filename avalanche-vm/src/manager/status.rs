//! What an instance is at, and what it did.

use std::fmt;
use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_consensus::engine::Tip;

use crate::{VmId, VmVersion};

/// Where an instance is in its life.
///
/// ```text
///   Created --start--> Initialising --> Bootstrapping <--enter_phase--> Running
///                        ^    |               |                           |
///          after a rest  |    v               v    panic, fatal error,    v
///                        +-- Failed <---------+---- late call ------------+
///   any of them --stop--> Stopping --> Stopped --start--> Initialising
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceState {
    /// It was never started.
    Created,
    /// It opens its state, then executes the logged blocks above it.
    Initialising,
    /// It stands at the last accepted block, and the chain catches up with the network.
    Bootstrapping,
    /// It takes part.
    Running,
    /// It carries out what was asked before the stop.
    Stopping,
    /// It ended because it was told to.
    Stopped,
    /// It ended by itself.
    Failed {
        /// Why.
        reason: String,
        /// How long it rests before it is made anew; `None` if nothing but another
        /// [`start`](super::Instance::start) brings it back: its genesis or its settings are
        /// wrong, or a call has not returned.
        retry_in: Option<Duration>,
    },
}

impl InstanceState {
    /// The state's name, in lower case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Initialising => "initialising",
            Self::Bootstrapping => "bootstrapping",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether calls are answered.
    #[must_use]
    pub const fn answers(&self) -> bool {
        matches!(self, Self::Bootstrapping | Self::Running)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { reason, retry_in: Some(rest) } => {
                write!(f, "failed: {reason}; it is made anew after {rest:?}")
            }
            Self::Failed { reason, retry_in: None } => write!(f, "failed: {reason}"),
            other => f.write_str(other.name()),
        }
    }
}

/// An instance as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// The chain that it executes.
    pub chain: Id,
    /// What its VM is called.
    pub name: String,
    /// The kind of VM.
    pub vm: VmId,
    /// The version of its code.
    pub version: VmVersion,
    /// Where it is in its life.
    pub state: InstanceState,
    /// How often it was made. It changes when processing blocks were forgotten, which the chain
    /// has to verify again.
    pub generation: u64,
    /// How often it was made anew after a failure.
    pub restarts: u64,
    /// Logged blocks that were executed when it was made last.
    pub replayed: u64,
    /// The block that it stands at, after its last accept.
    pub last_accepted: Option<Tip>,
    /// Why it failed last.
    pub last_failure: Option<String>,
}

impl InstanceStatus {
    /// Whether a node with this instance is well. One that was told to stop, or was not told to
    /// start, is.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        !matches!(self.state, InstanceState::Failed { .. })
    }
}

/// Names the vm, the chain, and what is wrong if anything is.
impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VM {} {} of chain {}: {}", self.name, self.version, self.chain, self.state)
    }
}

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// [`Vm::parse`](crate::Vm::parse).
    Parse,
    /// [`Vm::build`](crate::Vm::build).
    Build,
    /// [`Vm::verify`](crate::Vm::verify).
    Verify,
    /// [`Vm::accept`](crate::Vm::accept).
    Accept,
    /// [`Vm::reject`](crate::Vm::reject).
    Reject,
    /// [`Vm::set_preference`](crate::Vm::set_preference).
    SetPreference,
    /// [`Vm::enter_phase`](crate::Vm::enter_phase).
    EnterPhase,
    /// [`Vm::app_message`](crate::Vm::app_message).
    AppMessage,
    /// [`Vm::transactions`](crate::Vm::transactions).
    Transactions,
    /// [`Vm::state_sync`](crate::Vm::state_sync).
    StateSync,
    /// [`Vm::handlers`](crate::Vm::handlers).
    Handlers,
}

impl CallKind {
    /// The method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Build => "build",
            Self::Verify => "verify",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::SetPreference => "set_preference",
            Self::EnterPhase => "enter_phase",
            Self::AppMessage => "app_message",
            Self::Transactions => "transactions",
            Self::StateSync => "state_sync",
            Self::Handlers => "handlers",
        }
    }

    /// Whether any error of this call is fatal, by the contract of [`Vm`](crate::Vm).
    pub(super) const fn must_succeed(self) -> bool {
        matches!(self, Self::Accept | Self::Reject | Self::EnterPhase)
    }
}

/// What calls of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Calls that returned.
    pub calls: u64,
    /// Those that answered an error.
    pub errors: u64,
    /// The time that they ran, all together.
    pub total: Duration,
    /// The time of the longest.
    pub longest: Duration,
}
