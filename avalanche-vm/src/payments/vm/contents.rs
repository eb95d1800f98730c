//! The transfers of payments blocks, for an index.

use avalanche_consensus::{Height, Id};

use crate::payments::{BlockRef, Receipt, TransferRef};
use crate::{BlockContents, Error};

/// Reads blocks of payments: each transfer touches its sender and its recipient.
pub(super) struct PaymentsContents;

impl BlockContents for PaymentsContents {
    fn transactions(
        &self,
        block: &[u8],
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error> {
        for transfer in BlockRef::decode(block)?.transfers.iter() {
            let addresses = [*transfer.sender().as_bytes(), *transfer.recipient().as_bytes()];
            let [sender, recipient] = &addresses;
            let distinct = if sender == recipient { 1 } else { 2 };
            visit(transfer.id(), addresses.get(..distinct).unwrap_or_default());
        }
        Ok(())
    }

    fn count(&self, block: &[u8]) -> Result<u32, Error> {
        // A block has at most some thousands.
        Ok(u32::try_from(BlockRef::decode(block)?.transfers.len()).unwrap_or(u32::MAX))
    }

    fn name(&self, block: &[u8], index: u32) -> Result<Option<Id>, Error> {
        let decoded = BlockRef::decode(block)?;
        let at = usize::try_from(index).ok();
        Ok(at.and_then(|at| decoded.transfers.get(at)).map(TransferRef::id))
    }

    fn receipt(
        &self,
        block: &[u8],
        block_id: Id,
        height: Height,
        index: u32,
    ) -> Result<Option<String>, Error> {
        let decoded = BlockRef::decode(block)?;
        let at = usize::try_from(index).ok();
        let transfer = at.and_then(|at| decoded.transfers.get(at));
        Ok(transfer.map(|transfer| {
            let id = transfer.id();
            Receipt::new(id, (block_id, height, index), transfer).to_json()
        }))
    }
}
