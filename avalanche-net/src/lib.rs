//! AvalancheGo's peer protocol: identity, TLS, handshake, requests, throttling and gossip.
//!
//! Whatever runs on this crate can shake hands with AvalancheGo v1.14.2: a network of one's own and
//! the real one have the same protocol. AvalancheGo's own peer, network and node are its judges
//! (`interop/`).
//!
//! # The path of a byte
//!
//! ```text
//!  socket -> transport -> wire ----------> throttle -> network::Inbox -> a chain
//!            TLS 1.3      frame, zstd,     bytes,      lanes: consensus,
//!            certificate  protobuf         messages,   sync, app
//!                            |             CPU
//!                            v
//!                         control          handshake, pings, peer lists,
//!                            |             dials, scores, bans
//!                            v
//!  socket <- transport <- queue <- wire <- network::Network::send <- a chain
//!                         lanes    encoded once for all peers
//! ```
//!
//! | Module | | |
//! |---|---|---|
//! | [`identity`] | certificate, NodeId, BLS key, signed addresses | files |
//! | [`transport`] | authenticated streams: TLS over TCP, memory | async |
//! | [`wire`] | messages as bytes | pure |
//! | [`peers`] | versions, handshakes, peer lists, dialling, scores, bans, address book | pure |
//! | [`control`] | one state machine over all connections | pure |
//! | [`queue`], [`throttle`] | what waits, and who has to | pure |
//! | [`requests`] | each request has one outcome | pure |
//! | [`gossip`] | push and pull of transactions and blocks | pure |
//! | [`network`] | the tasks that carry all of it out | async |
//!
//! Pure parts do no I/O, read no clock and draw nothing: times and seeds are arguments, outputs are
//! data.
//!
//! # A node
//!
//! ```
//! use std::sync::Arc;
//!
//! use avalanche_consensus::Id;
//! use avalanche_net::identity::Identity;
//! use avalanche_net::network::{Network, NetworkConfig};
//! use avalanche_net::wire::build;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let any_port = "127.0.0.1:0".parse()?;
//! let start = || async {
//!     let identity = Arc::new(Identity::generate()?);
//!     let network = Network::start(NetworkConfig::new(1337, any_port), identity).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(network)
//! };
//! let (ada, bob) = (start().await?, start().await?);
//! let chain = Id::new([1; 32]);
//! let mut inbox = bob.register(chain)?;
//! ada.connect(bob.local_addr());
//! while ada.peers().is_empty() {
//!     tokio::task::yield_now().await;
//! }
//! let nodes = [ada.peers()[0].node_id];
//! let sent = ada.send(&nodes, build::app_gossip(chain, "hello".into()))?;
//! assert_eq!(sent.queued, nodes);
//! let delivery = inbox.recv().await.ok_or("shut down")?;
//! assert_eq!(delivery.op.as_str(), "app_gossip");
//! drop(delivery);
//! ada.shutdown().await;
//! bob.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Errors are the caller's. What a peer does wrong is a [`CloseReason`], counted and told as an
//! event.
//!
//! # Features
//!
//! | Feature | | Default |
//! |---|---|---|
//! | `testing` | `testing`: a simulated network, and the suite that each transport passes | no |

mod close_reason;
pub mod control;
pub mod gossip;
pub mod identity;
pub mod network;
pub mod peers;
pub mod queue;
pub mod requests;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttle;
pub mod transport;
pub mod wire;

pub use close_reason::CloseReason;
