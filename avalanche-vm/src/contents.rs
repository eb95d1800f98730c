//! What a block of a VM holds, for an index that knows no VM.

use avalanche_consensus::{Height, Id};

use crate::{Block, Error};

/// Reads the transactions of blocks.
///
/// # Contract
///
/// Everything is a pure function of the arguments: an index can be built again from a block log
/// alone, without the VM's state, in any thread. Blocks that are given were accepted, so that
/// validity is not in question. The number and order of transactions are the same in all
/// methods.
pub trait BlockContents: Send + Sync {
    /// Calls `visit` with the name of each transaction and the addresses that it touches, each of
    /// them once, in the order of the block.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if these bytes are no block of this VM.
    fn transactions(
        &self,
        block: &[u8],
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error>;

    /// As [`transactions`](Self::transactions), for a block that the VM has parsed: what it
    /// attached to the block can save work.
    ///
    /// # Errors
    ///
    /// As those of [`transactions`](Self::transactions); [`Error::Fatal`] if another VM parsed the
    /// block.
    fn transactions_of(
        &self,
        block: &Block,
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error> {
        self.transactions(block.bytes(), visit)
    }

    /// How many transactions a block holds.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if these bytes are no block of this VM.
    fn count(&self, block: &[u8]) -> Result<u32, Error>;

    /// The name of the transaction at a place, from 0; `None` if there are not so many.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if these bytes are no block of this VM.
    fn name(&self, block: &[u8], index: u32) -> Result<Option<Id>, Error> {
        let (mut at, mut found) = (0, None);
        self.transactions(block, &mut |name, _| {
            if at == index {
                found = Some(name);
            }
            at += 1;
        })?;
        Ok(found)
    }

    /// The receipt, a JSON object, of the transaction at a place, from 0; `None` if there are not
    /// so many. `block_id` and `height` are those by which clients know the block.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if these bytes are no block of this VM.
    fn receipt(
        &self,
        block: &[u8],
        block_id: Id,
        height: Height,
        index: u32,
    ) -> Result<Option<String>, Error>;
}

/// Contents of a VM whose transactions have names, and nothing else that an index knows.
pub(crate) struct Named(pub(crate) fn(&[u8]) -> Result<Vec<Id>, Error>);

impl BlockContents for Named {
    fn transactions(
        &self,
        block: &[u8],
        visit: &mut dyn FnMut(Id, &[[u8; 32]]),
    ) -> Result<(), Error> {
        for id in (self.0)(block)? {
            visit(id, &[]);
        }
        Ok(())
    }

    fn count(&self, block: &[u8]) -> Result<u32, Error> {
        // Beyond 32 bits is beyond the bytes of any block.
        Ok(u32::try_from((self.0)(block)?.len()).unwrap_or(u32::MAX))
    }

    fn receipt(
        &self,
        block: &[u8],
        block_id: Id,
        height: Height,
        index: u32,
    ) -> Result<Option<String>, Error> {
        let names = (self.0)(block)?;
        let id = usize::try_from(index).ok().and_then(|at| names.get(at));
        Ok(id.map(|id| {
            format!(
                "{{\"id\":\"{id}\",\"height\":\"{height}\",\"index\":{index},\
                 \"block\":\"{block_id}\"}}"
            )
        }))
    }
}
