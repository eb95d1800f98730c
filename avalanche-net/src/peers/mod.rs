//! Who the peers are: what they say of themselves, where they are, and how good they are.
//!
//! All is pure but for two calls that read and write a file: time, seeds, keys and messages are
//! arguments, and what a peer does wrong is a [`CloseReason`](crate::CloseReason). The parts know
//! nothing of each other; whoever owns the connections asks them in turn:
//!
//! ```text
//!   certificate --> Admissions ------ enter: is it banned, is there room, who has to go?
//!                    (Bans, Scores)
//!   Handshake ----> check_hello ----- is it believed? --> PeerInfo, and what it knows
//!                        |
//!                        v
//!   PeerList <----- IpTracker ------- connected: whom to tell it of; what it can be told of
//!                        ^
//!   PeerList ------------+ ---------- claimed: newer addresses of nodes that are wanted
//!                        |
//!                        v
//!                    Dialer --------- next: whom to dial now, and no sooner
//!
//!   answers, faults --> Scores        best: whom to ask; worst: who has to go
//!   AddressBook ------- file          addresses and bans from one run to the next
//! ```
//!
//! | When | What to call |
//! |---|---|
//! | start | [`AddressBook::load_or_set_aside`]; [`IpTracker::set_validators`], [`IpTracker::track_manually`], then [`IpTracker::restore`] with each claim of the book; [`Dialer::want`] with what it returns and with the manual addresses |
//! | TLS is done | [`Admissions::enter`]; [`Dialer::connecting`] |
//! | a handshake came | [`check_hello`]; [`IpTracker::peer_list`] for the answer |
//! | the handshake is finished | [`Dialer::connected`], [`IpTracker::connected`], [`AddressBook::claimed`] |
//! | a peer list came | [`IpTracker::claimed`]; [`Dialer::want`] for those that are not connected |
//! | a request for peers came | [`check_get_peer_list`], [`IpTracker::peer_list`] |
//! | before each ping | [`PeerInfo::recheck`] |
//! | an answer, or none, or a fault | [`Scores::answered`], [`Scores::unanswered`], [`Scores::fault`] |
//! | a connection ended | [`Admissions::leave`], [`Dialer::failed`]; if it was finished [`IpTracker::disconnected`], and [`Dialer::want`] with what it returns |
//! | validators changed | [`IpTracker::set_validators`], [`Admissions::set_kind`], [`Dialer::forget`] for who is not wanted any more |
//! | a deadline | [`IpTracker::tick`], [`Dialer::next`] |
//! | now and then, and at the end | [`AddressBook::save`] |
//!
//! # Limits
//!
//! Each part states its own. With the defaults 65,536 nodes are tracked, 16,384 are waited for to
//! be dialled, 4,096 are connected, scored and kept, and 1,024 are banned.

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
