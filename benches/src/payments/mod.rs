//! Workloads of the payments VM, each beside what it is held against.

pub mod admission;
pub mod apply;
pub mod decode;
pub mod node;
pub mod pipeline;
pub mod pool;

use avalanche_consensus::{Height, Id};
use avalanche_vm::payments::{Address, Header, SignedTransfer, Transfer};

use crate::id;

/// Accounts of a ledger.
pub const ACCOUNTS: u32 = 1_000_000;

/// Transfers of a block.
pub const TRANSFERS: u32 = 10_000;

/// The chain of all of them.
pub const CHAIN: Id = Id::new([7; 32]);

/// The `index`-th account.
#[must_use]
pub fn address(index: u32) -> Address {
    Address::new(*id("account", index.into()).as_bytes())
}

/// A transfer of 1, which never expires. Nobody looks at its signature.
#[must_use]
pub fn transfer(sender: Address, recipient: Address, nonce: u64, fee: u64) -> SignedTransfer {
    let (chain, amount, expiry) = (CHAIN, 1, u64::MAX);
    Transfer { chain, sender, recipient, amount, fee, nonce, expiry }.with_signature(&[9; 64])
}

/// The bytes of a block, empty if there are too many transfers for one.
#[must_use]
pub fn block(parent: Id, height: u64, transfers: &[SignedTransfer]) -> Vec<u8> {
    let (height, parent_state_root) = (Height::new(height), [0; 32]);
    let header = Header { parent, height, timestamp_ms: 0, parent_state_root };
    header.encode(transfers).unwrap_or_default()
}
