//! Who the peers are: what they say of themselves, where they are, and how good they are.

mod address_book;
mod admission;
mod bans;
mod bloom;
mod claimed_ip;
mod dialer;
mod gossipable;
mod hello;
mod random;
mod scores;
mod tracker;
mod version;

pub use address_book::{AddressBook, AddressBookDamage, AddressBookError, KnownNode};
pub use admission::{Admission, Admissions, PeerKind};
pub use bans::{Ban, Bans};
pub use bloom::{Bloom, BloomError, Filter, HASHES_MAX, Parameters, SALT_BYTES_MAX, gossip_id};
pub use claimed_ip::{ClaimedIp, check_get_peer_list, make_peer_list};
pub use dialer::{Dial, Dialer, DialerConfig};
pub use hello::{
    HelloConfig, PRIMARY_NETWORK, PeerInfo, TRACKED_SUBNETS_MAX, check_hello, make_hello,
};
pub use random::SeedStream;
pub use scores::{Score, ScoreConfig, Scores};
pub use tracker::{
    IpTracker, PEER_LIST_ENTRIES_MAX, PEER_LIST_MAX, PeerListRequest, TrackerConfig,
};
pub use version::{Compatibility, Version};
