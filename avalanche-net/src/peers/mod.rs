//! Who the peers are: what they say of themselves, where they are, and how good they are.

mod admission;
mod bans;
mod bloom;
mod dialer;
mod hello;
mod random;
mod scores;
mod version;

pub use admission::{Admission, Admissions, PeerKind};
pub use bans::{Ban, Bans};
pub use bloom::{Bloom, BloomError, Filter, HASHES_MAX, Parameters, SALT_BYTES_MAX, gossip_id};
pub use dialer::{Dial, Dialer, DialerConfig};
pub use hello::{
    HelloConfig, PRIMARY_NETWORK, PeerInfo, TRACKED_SUBNETS_MAX, check_hello, make_hello,
};
pub use random::SeedStream;
pub use scores::{Score, ScoreConfig, Scores};
pub use version::{Compatibility, Version};
