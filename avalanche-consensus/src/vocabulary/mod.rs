//! The words every other module uses: identifiers, heights, times, bags of votes, keyed lookups.

mod bag;
#[cfg(feature = "bincode")]
mod bincode_forms;
mod cb58;
mod hash_key;
mod height;
mod hex;
mod id;
mod id_map;
mod node_id;
mod parse_error;
#[cfg(feature = "serde")]
mod serde_forms;
mod timestamp;

pub use bag::Bag;
pub use hash_key::HashKey;
pub use height::Height;
pub use id::Id;
pub(crate) use id_map::IdMap;
pub use node_id::NodeId;
pub use parse_error::ParseError;
pub use timestamp::Timestamp;

#[cfg(feature = "bincode")]
use bincode_forms::bincode_as;
#[cfg(feature = "serde")]
use serde_forms::serde_text_or_bytes;
