//! Whom to trust while catching up, where those are not the validators.

use crate::validators::{ConnectedWeight, ValidatorDiff, ValidatorSet};
use crate::{Error, NodeId};

/// A fixed set of nodes, and how much of it is connected.
#[derive(Debug)]
pub(super) struct Beacons {
    pub(super) set: ValidatorSet,
    pub(super) connected: ConnectedWeight,
}

impl Beacons {
    /// The set, of which at most this node is connected.
    pub(super) fn new(set: ValidatorSet, own: NodeId, connected_max: usize) -> Result<Self, Error> {
        let mut connected = ConnectedWeight::new().with_connected_max(connected_max);
        connected.connect(own)?;
        let joined: Vec<_> = set.iter().map(ValidatorDiff::joined).collect();
        connected.follow(&joined)?;
        Ok(Self { set, connected })
    }
}
