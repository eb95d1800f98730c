//! Transactions on their way to whoever proposes next.
//!
//! Whoever takes transactions in pushes them at once to all validators it is connected with, many
//! in a message, so that each of them can propose them and each gets them once. What was lost on
//! the way, or was there before a node came, is pulled.
//!
//! ```text
//!   submitted -- VM admits --> add_own --> poll --> PushGossip to the validators
//!   PushGossip, answers --> received_* --> VM admits --> admitted | refused
//!   block accepted --> accepted
//!   now and then: pull --> one peer answers with what the filter does not have
//! ```
//!
//! Pure: no clock, no sockets. One task calls it.

mod gossip;
#[cfg(test)]
mod tests;

use std::fmt;

use avalanche_consensus::Id;
use avalanche_net::gossip::{Gossipable, prefix};
use bytes::Bytes;

pub use gossip::TransactionGossip;

/// The number before messages of a chain's VM. Those of [`TransactionGossip`] have
/// [`prefix::TX_GOSSIP`].
const VM_HANDLER: u64 = 256;

/// A transaction as gossip knows it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Tx {
    id: Id,
    bytes: Bytes,
}

impl Tx {
    /// A transaction of these bytes. Its name is their SHA-256.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { id: Id::hash(&bytes), bytes }
    }

    /// The same, for those who have the name from the VM.
    pub(crate) const fn named(id: Id, bytes: Bytes) -> Self {
        Self { id, bytes }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// All of it.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl AsRef<[u8]> for Tx {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Gossipable for Tx {
    fn id(&self) -> Id {
        self.id
    }

    fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    fn parse(bytes: &Bytes) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self::new(bytes.clone()))
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tx({}, {} bytes)", self.id, self.bytes.len())
    }
}

/// Whom an app request or app gossip of a chain is for, by the number it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppRoute {
    /// [`TransactionGossip`], with the rest of the message.
    Gossip(Bytes),
    /// The VM, with the rest of the message.
    Vm(Bytes),
    /// Nobody here: a request is answered with
    /// [`ERROR_UNREGISTERED_HANDLER`](prefix::ERROR_UNREGISTERED_HANDLER).
    Nobody,
}

impl AppRoute {
    /// Reads the number.
    #[must_use]
    pub fn of(message: &Bytes) -> Self {
        match prefix::split(message) {
            Some((prefix::TX_GOSSIP, rest)) => Self::Gossip(rest),
            Some((VM_HANDLER, rest)) => Self::Vm(rest),
            _ => Self::Nobody,
        }
    }

    /// Puts the number before a request or gossip of the VM. Responses have none.
    #[must_use]
    pub fn from_vm(message: &[u8]) -> Bytes {
        prefix::add(VM_HANDLER, message)
    }
}
