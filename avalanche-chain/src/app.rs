//! Messages of a VM to the same VM on other nodes.

use std::time::Duration;

use avalanche_consensus::NodeId;
use avalanche_vm::AppSender;

/// Drops what VMs send: no VM here sends anything so far, and gossip of transactions is the
/// chain's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainSender;

impl AppSender for ChainSender {
    fn request(&self, _: NodeId, _: u64, _: Duration, _: Vec<u8>) {}

    fn gossip(&self, _: Vec<u8>) {}
}
