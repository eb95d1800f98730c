//! What can happen to a set of validators, and what it came to.

use super::Validator;
use crate::{Error, NodeId};

/// One change to a [`ValidatorSet`](super::ValidatorSet), as AvalancheGo's validator manager takes
/// it (`snow/validators/manager.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ValidatorChange {
    /// A node joins. It must not be in the set.
    Add(Validator),
    /// A node that is in the set leaves, whatever its weight.
    Remove(NodeId),
    /// A node that is in the set gains weight.
    AddWeight {
        /// The node.
        node_id: NodeId,
        /// Units that it gains, at least one.
        weight: u64,
    },
    /// A node that is in the set loses weight, and leaves if nothing remains.
    RemoveWeight {
        /// The node.
        node_id: NodeId,
        /// Units that it loses, at least one and at most what it has.
        weight: u64,
    },
}

impl ValidatorChange {
    /// The node that changes.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        match self {
            Self::Add(Validator { node_id, .. })
            | Self::Remove(node_id)
            | Self::AddWeight { node_id, .. }
            | Self::RemoveWeight { node_id, .. } => *node_id,
        }
    }

    /// The weight after the change of a node that has `before`, where zero means that it is not in
    /// the set.
    pub(super) fn after(&self, before: u64) -> Result<u64, Error> {
        let node = self.node_id();
        match *self {
            Self::Add(Validator { weight: 0, .. })
            | Self::AddWeight { weight: 0, .. }
            | Self::RemoveWeight { weight: 0, .. } => Err(Error::ZeroWeight { node }),
            Self::Add(_) if before > 0 => Err(Error::DuplicateValidator { node }),
            Self::Add(Validator { weight, .. }) => Ok(weight),
            _ if before == 0 => Err(Error::UnknownValidator { node }),
            Self::Remove(_) => Ok(0),
            Self::AddWeight { weight, .. } => {
                before.checked_add(weight).ok_or(Error::WeightOverflow)
            }
            Self::RemoveWeight { weight: removed, .. } => before
                .checked_sub(removed)
                .ok_or(Error::WeightUnderflow { node, weight: before, removed }),
        }
    }
}

/// What became of one validator: its weight before and after, where zero means that it is not in
/// the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ValidatorDiff {
    /// The node.
    pub node_id: NodeId,
    /// Units that it had.
    pub before: u64,
    /// Units that it has now; another number than `before`.
    pub after: u64,
}

impl ValidatorDiff {
    /// A validator that joined, as it is told to whoever follows a set that has members already.
    #[must_use]
    pub const fn joined(validator: Validator) -> Self {
        Self { node_id: validator.node_id, before: 0, after: validator.weight }
    }
}
