//! The transfers of payments blocks, for an index; and their names, hashed once.

use std::sync::{Arc, OnceLock};

use avalanche_consensus::{Height, Id};

use crate::payments::{BlockRef, Receipt, TransferRef, Transfers};
use crate::{Block, BlockContents, Error};

/// What the VM attaches to a block: the names of its transfers, once somebody asked for them.
#[derive(Debug, Default)]
pub(super) struct Names(OnceLock<Arc<[Id]>>);

impl Names {
    /// Those of a block that was built of transfers whose names were known.
    pub(super) fn known(names: impl IntoIterator<Item = Id>) -> Self {
        Self(OnceLock::from(names.into_iter().collect::<Arc<[Id]>>()))
    }

    /// The names, in the order of the transfers, which are those of the block.
    pub(super) fn of(&self, transfers: Transfers<'_>) -> Arc<[Id]> {
        self.or(|| transfers.iter().map(TransferRef::id).collect())
    }

    /// The names; `work_out` says what they are if nobody knows yet.
    pub(super) fn or(&self, work_out: impl FnOnce() -> Arc<[Id]>) -> Arc<[Id]> {
        Arc::clone(self.0.get_or_init(work_out))
    }
}

/// Reads blocks of payments: each transfer touches its sender and its recipient.
pub(super) struct PaymentsContents;

impl BlockContents for PaymentsContents {
    fn transactions(
        &self,
        block: &[u8],
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error> {
        for transfer in BlockRef::decode(block)?.transfers.iter() {
            visit_one(transfer.id(), transfer, visit);
        }
        Ok(())
    }

    fn transactions_of(
        &self,
        block: &Block,
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error> {
        let transfers = BlockRef::decode(block.bytes())?.transfers;
        let names = block.content::<Names>()?.of(transfers);
        for (name, transfer) in names.iter().zip(transfers.iter()) {
            visit_one(*name, transfer, visit);
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

fn visit_one(name: Id, transfer: TransferRef<'_>, visit: &mut dyn FnMut(Id, &[[u8; 32]])) {
    let addresses = [*transfer.sender().as_bytes(), *transfer.recipient().as_bytes()];
    let [sender, recipient] = &addresses;
    let distinct = if sender == recipient { 1 } else { 2 };
    visit(name, addresses.get(..distinct).unwrap_or_default());
}
