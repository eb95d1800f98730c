//! What consensus knows of a block.

use crate::{Height, Id};

/// A block as consensus sees it: a name, a parent and a height. The rest is the VM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// The block.
    pub id: Id,
    /// The block that it builds on.
    pub parent: Id,
    /// The parent's height plus one.
    pub height: Height,
}
