//! Chains and blocks.

use std::fmt;

use avalanche_consensus::{Id, NodeId};
use serde::{Deserialize, Serialize};

use super::{Phase, Tip, decimal};

/// The answer of `GET chains`: the default chain first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// All chains of the node.
    pub chains: Vec<Chain>,
}

/// The answer of `GET chains/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The chain.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// The alias of its VM.
    pub vm: String,
    /// The phase of its engine; left out while the engine does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Why the engine does not run, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The last accepted block.
    pub last_accepted: Tip,
    /// Transactions that wait for a block.
    #[serde(with = "decimal")]
    pub pending: u64,
}

/// The answer of `GET chains/{id}/blocks`: a page, lowest height first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// The height that the next page begins at; left out if that block is not accepted yet.
    #[serde(with = "decimal::option", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A block without its bytes; see [`BlockForm`] for those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its name.
    pub id: Id,
    /// The block below.
    pub parent: Id,
    /// Its height.
    #[serde(with = "decimal")]
    pub height: u64,
    /// When its proposer says that it was made.
    #[serde(with = "decimal")]
    pub timestamp_ns: u64,
    /// Who made it; left out for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposer: Option<NodeId>,
    /// Whether it is final.
    pub status: BlockStatus,
    /// The name of the VM's block in it.
    pub vm_block: Id,
    /// How many transactions it holds; left out for a VM that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<u32>,
    /// Bytes of the whole block.
    pub bytes: u32,
    /// Bytes of the VM's block in it.
    pub payload_bytes: u32,
}

/// Whether a block is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockStatus {
    /// It is.
    Accepted,
    /// It is verified and not decided.
    Processing,
}

/// Bytes of a block that `?form=` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockForm {
    /// The whole block: header of the chain and VM's block. Its SHA-256 is the block's name.
    Container,
    /// The VM's block.
    Payload,
}

impl fmt::Display for BlockForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Payload => "payload",
        })
    }
}
