//! Blocks and summaries as the shell parsed them.

use crate::snowman::Block;
use crate::{Height, Id};

/// A block that the shell has parsed: what consensus needs, and the shell's own handle.
///
/// The engine never looks into `handle`: it keeps it while the block matters and gives it back with
/// [`Output`](super::Output). An `Arc` of the block or its bytes is a good handle, since it is
/// cloned for each peer that a block is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
pub struct ParsedBlock<H> {
    /// The block's name, parent and height.
    pub block: Block,
    /// Length of the block in bytes. It counts against the bounds of
    /// [`EngineConfig`](super::EngineConfig).
    pub bytes: u32,
    /// The shell's own. It is not part of any recorded form.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub handle: H,
}

impl<H> ParsedBlock<H> {
    /// The block's name.
    pub const fn id(&self) -> Id {
        self.block.id
    }

    /// The name of the block that it builds on.
    pub const fn parent(&self) -> Id {
        self.block.parent
    }

    /// The block's height.
    pub const fn height(&self) -> Height {
        self.block.height
    }
}

/// A state summary that the shell has parsed: a state that a VM can start from instead of executing
/// every block up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "", deserialize = "H: Default")))]
pub struct Summary<H> {
    /// The summary's name.
    pub id: Id,
    /// The height of the block whose state it is.
    pub height: Height,
    /// The shell's own. It is not part of any recorded form.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub handle: H,
}

/// A last accepted block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tip {
    /// The block's name.
    pub id: Id,
    /// Its height.
    pub height: Height,
}
