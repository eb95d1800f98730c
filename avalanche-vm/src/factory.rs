//! Kinds of VMs, by name and version.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Id, ParseError};

use avalanche_store::KeyValue;

use crate::{Block, BlockContents, Error, Vm, VmContext};

/// The name of a kind of VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmId(Id);

impl VmId {
    /// The identifier of a short name, as AvalancheGo makes it: the name, filled up with zeros to
    /// 32 bytes. What is longer is cut.
    #[must_use]
    pub const fn named(name: &str) -> Self {
        let (name, mut bytes, mut at) = (name.as_bytes(), [0; 32], 0);
        let mut rest = name;
        while let Some((first, more)) = rest.split_first() {
            if at == bytes.len() {
                break;
            }
            let (_, tail) = bytes.split_at_mut(at);
            if let Some(place) = tail.first_mut() {
                *place = *first;
            }
            at += 1;
            rest = more;
        }
        Self(Id::new(bytes))
    }

    /// The identifier.
    #[must_use]
    pub const fn id(self) -> Id {
        self.0
    }
}

impl From<Id> for VmId {
    fn from(id: Id) -> Self {
        Self(id)
    }
}

impl FromStr for VmId {
    type Err = ParseError;

    /// CB58 or hexadecimal, as for an [`Id`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a VM's code. A change of rules is a change of `major`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmVersion {
    /// Other rules: nodes with different ones fork.
    pub major: u32,
    /// The same rules, more to offer.
    pub minor: u32,
    /// The same, mended.
    pub patch: u32,
}

impl fmt::Display for VmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Makes instances of one kind of VM.
///
/// # Contract
///
/// [`genesis`](Self::genesis) depends on its argument alone. [`create`](Self::create) may be called
/// again for a chain after an instance of it has gone, and then finds the state that it left.
#[async_trait]
pub trait VmFactory: Send + Sync {
    /// The kind.
    fn id(&self) -> VmId;

    /// The version of the code.
    fn version(&self) -> VmVersion;

    /// The first block of a chain, at height 0, whose parent is [`Id::EMPTY`]. The chain
    /// writes it to its log.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] says what is wrong with the genesis bytes.
    fn genesis(&self, genesis: &[u8]) -> Result<Block, Error>;

    /// The block that the state in a store stands at; `None` if the store has no state, or if this
    /// kind of VM does not say. A chain asks before [`create`](Self::create), to find out whether
    /// the state fits its block log; one that does not is set aside, and built again.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] for a state that cannot be read.
    fn stands_at(&self, store: &Arc<dyn KeyValue>) -> Result<Option<Tip>, Error> {
        let _ = store;
        Ok(None)
    }

    /// Opens the state in the context's store, makes it from genesis if there is none, and returns
    /// the instance that stands at it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for genesis or config bytes that cannot be used, [`Error::Fatal`] for a
    /// state that cannot be opened or belongs to another genesis.
    async fn create(&self, context: VmContext) -> Result<Box<dyn Vm>, Error>;

    /// Reads the transactions of blocks for an index, if the VM has any.
    fn contents(&self) -> Option<Arc<dyn BlockContents>> {
        None
    }
}
