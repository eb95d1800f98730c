//! Runs a chain: the engine against a virtual machine, a block log and peers, and a node of such
//! chains.
//!
//! ```text
//!                 peers                      clients
//!                   |                           |
//!   avalanche-net Network                Submit, ChainReader
//!                   |                           |
//!   +---------------v---------------------------v-----------+
//!   | driver: inputs --> Engine --> outputs, in order       |
//!   +--------|------------------------|---------------------+
//!            v                        v
//!        block log: sync   ---->   VM: verify, accept  ---->  index  ---->  told
//! ```
//!
//! An accept goes from left to right: it is durable before the VM takes it, indexed before anybody
//! is told.

mod app;
mod block;
mod blocks;
mod builder;
mod clock;
mod driver;
mod error;
mod events;
mod executor;
mod fetched;
mod genesis;
mod handle;
mod indexer;
mod log;
pub mod node;
mod pool;
mod proposer;
mod reader;
mod recent;
mod shared;
mod start;
mod teller;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod waiters;
mod wire;

pub use block::{
    BLOCK_BYTES_MAX, BlockError, ChainBlock, HeaderFault, SIGNATURE_BYTES_MAX, TIMESTAMP_AHEAD_MAX,
    verify_header,
};
pub use error::Error;
pub use events::{AcceptedBlock, ChainEvent, Events};
pub use genesis::{ChainGenesis, Genesis, GenesisError, GenesisValidator, ProposerRules};
pub use handle::ChainHandle;
pub use indexer::{CaughtUp, IndexReader, IndexedBlocks, Indexer};
pub use pool::{AppRoute, TransactionGossip, Tx};
pub use proposer::{MayNotPropose, Proposers};
pub use reader::{
    AddressPage, BLOCKS_BYTES_MAX, BlockAt, BlockInfo, BlockStatus, Chain, ChainReader,
    ChainStatus, Check, Cursor, Finality, HealthReport, NodeReader, Outcome, PeerView, Submit,
    TransactionInfo, ValidatorView,
};
pub use start::{ChainConfig, ChainParts, StartError, start};
