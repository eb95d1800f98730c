//! Blocks as a VM sees them: values, which the VM acts on.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use avalanche_consensus::{Height, Id, Timestamp};

use crate::Error;

/// A block of one VM: parsed, and not more. Cheap to clone.
///
/// Made by [`Vm::parse`](crate::Vm::parse) and [`Vm::build`](crate::Vm::build) only, so that what a
/// VM attached to it is there again when the block comes back.
#[derive(Clone)]
pub struct Block(Arc<Inner>);

struct Inner {
    id: Id,
    place: Place,
    bytes: Vec<u8>,
    content: Box<dyn Any + Send + Sync>,
}

/// Where a block stands in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block below.
    pub parent: Id,
    /// One more than the parent's.
    pub height: Height,
    /// When its proposer says that it was made. Since the Unix epoch.
    pub timestamp: Timestamp,
}

impl Block {
    /// A block of these bytes, which are all of it: its identifier is their SHA-256, as in
    /// AvalancheGo. `content` is what the VM wants to find again in [`content`](Self::content): the
    /// decoded form.
    #[must_use]
    pub fn new(place: Place, bytes: Vec<u8>, content: impl Any + Send + Sync) -> Self {
        let id = Id::hash(&bytes);
        Self(Arc::new(Inner { id, place, bytes, content: Box::new(content) }))
    }

    /// Its name: the SHA-256 of its bytes.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The block below.
    #[must_use]
    pub fn parent(&self) -> Id {
        self.0.place.parent
    }

    /// Its height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.0.place.height
    }

    /// When its proposer says that it was made.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.0.place.timestamp
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What its VM attached to it.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`] if that was of another type: the block belongs to another VM, and whoever
    /// routes blocks has made a mistake.
    pub fn content<T: Any>(&self) -> Result<&T, Error> {
        self.0.content.downcast_ref().ok_or_else(|| {
            Error::fatal(format!("block {} was parsed by another kind of VM", self.id()))
        })
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("id", &self.id())
            .field("place", &self.0.place)
            .field("bytes", &self.0.bytes.len())
            .finish_non_exhaustive()
    }
}
