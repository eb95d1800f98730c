//! What dependants test with (feature `testing`).

mod network;

pub use network::Network;
