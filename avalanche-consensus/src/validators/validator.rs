//! One validator.

use crate::NodeId;

/// A node with a weight in the decisions of a subnet.
///
/// The weight is in units of stake, nAVAX on the primary network. A poll can ask one validator for
/// as many votes as it has units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Validator {
    /// The node.
    pub node_id: NodeId,
    /// Units of stake; never zero in a [`ValidatorSet`](super::ValidatorSet).
    pub weight: u64,
}
