//! AvalancheGo's peer protocol: identity, framing, TLS, handshake, requests, throttling and gossip.

mod close_reason;
pub mod gossip;
pub mod identity;
pub mod peers;
pub mod queue;
pub mod requests;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttle;
pub mod transport;
pub mod wire;

pub use close_reason::CloseReason;
