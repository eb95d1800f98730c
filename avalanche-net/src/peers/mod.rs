//! Who the peers are: what they say of themselves, where they are, and how good they are.

mod bloom;
mod dialer;
mod random;
mod version;

pub use bloom::{Bloom, BloomError, Filter, HASHES_MAX, Parameters, SALT_BYTES_MAX, gossip_id};
pub use dialer::{Dial, Dialer, DialerConfig};
pub use random::SeedStream;
pub use version::{Compatibility, Version};
