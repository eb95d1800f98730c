//! A virtual machine of payments: accounts with a balance and a nonce, and signed transfers.
//!
//! ```text
//!   bytes --> [TransferRef] --> Mempool --next_block--> [BlockRef] --execute--> Layer --accept-.
//!                                                                    ^                         |
//!                                                                    '-------- Ledger <--------'
//! ```
//!
//! Everything in this part is pure: no clock, no files, no threads. Time is an argument, and
//! signatures are somebody else's: what comes here was checked, or comes from a block that was.
//!
//! # Rules
//!
//! - A transfer takes `amount + fee` from its sender and gives `amount` to its recipient. The fee
//!   is burned. Balances and burned fees together are the supply of genesis, always.
//! - Nonces of a sender begin at 0 and are used one after another.
//! - A recipient that has no account gets one. A transfer to oneself is allowed and costs its fee.
//! - A transfer that cannot be applied makes its block invalid. There are no failed transfers in a
//!   block, and a refused block changes nothing.
//!
//! [`Refusal`] lists every way to break them, each with its stable code.

mod account;
mod address;
mod block;
mod genesis;
mod ledger;
mod mempool;
mod receipt;
mod refusal;
mod transfer;
mod vm;
mod wire;

pub use account::{ACCOUNT_BYTES, Account, BURNED_BYTES, BURNED_KEY, Burned};
pub use address::Address;
pub use block::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, BlockRef, FUTURE_MAX, Header, Parent, TRANSFERS_MAX,
    Transfers, transfers_in,
};
pub use genesis::{GENESIS_BYTES_MAX, Genesis};
pub use ledger::{Layer, Ledger, Rules};
pub use mempool::{Mempool, MempoolConfig, MempoolConfigError};
pub use receipt::{Receipt, receipts};
pub use refusal::Refusal;
pub use transfer::{
    SIGNED_BYTES, SignedTransfer, TRANSFER_BYTES, TRANSFER_DOMAIN, Transfer, TransferRef,
};
pub use vm::{
    AccountProof, HEAD_BYTES, HEAD_KEY, Head, PAYMENTS, PaymentsConfig, PaymentsFactory,
    PaymentsReader, PaymentsVm, Totals,
};
