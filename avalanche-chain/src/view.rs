//! Blocks as others see them.

use avalanche_consensus::Id;

use crate::shared::Shared;
use crate::{BlockInfo, BlockStatus, ChainBlock};

/// A block, with what its VM says of it.
pub(crate) fn block_info(shared: &Shared, block: &ChainBlock, status: BlockStatus) -> BlockInfo {
    block_info_named(shared, block, Id::hash(&block.payload()), status)
}

/// The same, for those who know the VM's name of it.
pub(crate) fn block_info_named(
    shared: &Shared,
    block: &ChainBlock,
    vm_block: Id,
    status: BlockStatus,
) -> BlockInfo {
    let payload = block.payload();
    let count = shared.contents.as_ref().map(|contents| contents.count(&payload));
    BlockInfo {
        id: block.id(),
        parent: block.parent(),
        height: block.height(),
        timestamp: block.timestamp(),
        proposer: block.proposer(),
        status,
        vm_block,
        // What is accepted or processing was read by the VM: it can be counted.
        transactions: count.and_then(Result::ok),
        bytes: block.bytes().clone(),
        payload,
    }
}
