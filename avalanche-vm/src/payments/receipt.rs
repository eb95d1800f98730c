//! What an accepted transfer has done.

use avalanche_consensus::{Height, Id};

use super::{Address, BlockRef, TransferRef};

/// A transfer of an accepted block, in the words of whoever asks what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transfer's name.
    pub id: Id,
    /// The height of its block.
    pub height: Height,
    /// Its place in the block, from 0.
    pub index: u32,
    /// The block.
    pub block: Id,
    /// Who paid.
    pub sender: Address,
    /// Who was paid.
    pub recipient: Address,
    /// How much the recipient got, in the smallest unit.
    pub amount: u64,
    /// How much was burned.
    pub fee: u64,
    /// The transfer's place among the sender's, from 0.
    pub nonce: u64,
}

impl Receipt {
    /// The receipt of a transfer of that name, in a block of that name and height at that place.
    pub(super) fn new(
        id: Id,
        (block, height, index): (Id, Height, u32),
        transfer: TransferRef<'_>,
    ) -> Self {
        Self {
            id,
            height,
            index,
            block,
            sender: transfer.sender(),
            recipient: transfer.recipient(),
            amount: transfer.amount(),
            fee: transfer.fee(),
            nonce: transfer.nonce(),
        }
    }

    /// What clients are shown: a JSON object whose 64-bit numbers are decimal strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { id, height, index, block, sender, recipient, amount, fee, nonce } = self;
        format!(
            "{{\"id\":\"{id}\",\"height\":\"{height}\",\"index\":{index},\"block\":\"{block}\",\
             \"sender\":\"{sender}\",\"recipient\":\"{recipient}\",\"amount\":\"{amount}\",\
             \"fee\":\"{fee}\",\"nonce\":\"{nonce}\"}}"
        )
    }
}

/// The receipts of a block of that name, in the order of its transfers. Each takes a SHA-256.
pub fn receipts<'a>(id: Id, block: &BlockRef<'a>) -> impl Iterator<Item = Receipt> + use<'a> {
    let (height, transfers) = (block.header.height, block.transfers);
    (0..)
        .zip(transfers.iter())
        .map(move |(index, transfer)| Receipt::new(transfer.id(), (id, height, index), transfer))
}
