//! Deal with peers that are slow, silent or gone: when to give up, whom to spare, whom to ask.
//!
//! Parts for a program that sends requests to peers. None of them sends anything or reads a clock:
//! the program reports what it sent and what came back, with the time, and gets decisions as data.
//!
//! ```text
//!   request sent --> AdaptiveTimeouts --- fire(now) ---> too late, a failure
//!   answer ------------>  |                                  |
//!                         | latency                          | outcome
//!                         v                                  v
//!                 ContinuousAverager <--- failures --- Benchlist ---> do not wait for this node
//!                         ^
//!                         | bandwidth
//!                    PeerTracker <---- select(source): whom to ask while catching up
//! ```
//!
//! | Part | Question | AvalancheGo |
//! |---|---|---|
//! | [`ContinuousAverager`] | what is the average, where old values fade? | `utils/math` |
//! | [`AdaptiveTimeouts`] | when is an answer too late? | `utils/timer` |
//! | [`Benchlist`] | which validators fail too often to be waited for? | `snow/networking/benchlist` |
//! | [`PeerTracker`] | which peer delivers fastest, and is a new one worth a try? | `network/p2p` |
//!
//! # Example
//!
//! A validator of little weight that never answers is benched, and let off five minutes later.
//!
//! ```
//! use avalanche_consensus::network::{
//!     AdaptiveTimeouts, BenchConfig, BenchEvent, Benchlist, TimeoutConfig,
//! };
//! use avalanche_consensus::snowball::Parameters;
//! use avalanche_consensus::validators::{Validator, ValidatorSet};
//! use avalanche_consensus::{NodeId, Timestamp};
//!
//! let [silent, other] = [1, 2].map(|byte| NodeId::new([byte; 20]));
//! let validators = ValidatorSet::try_from(vec![
//!     Validator { node_id: silent, weight: 5 },
//!     Validator { node_id: other, weight: 95 },
//! ])?;
//! let mut now = Timestamp::ZERO;
//! let mut timeouts = AdaptiveTimeouts::new(TimeoutConfig::default(), now)?;
//! let mut benchlist = Benchlist::new(BenchConfig::default(), &Parameters::default())?;
//!
//! let mut events = Vec::new();
//! while events.is_empty() {
//!     now = timeouts.put(silent, true, now)?;
//!     while let Some(node) = timeouts.fire(now) {
//!         events.extend(benchlist.observe(node, true, &validators, now)?);
//!     }
//! }
//! assert!(matches!(events[..], [BenchEvent::Benched { node, .. }] if node == silent));
//!
//! let expiry = benchlist.next_expiry().expect("somebody is benched");
//! assert_eq!(benchlist.expire(expiry).len(), 1);
//! assert!(!benchlist.is_benched(&silent));
//! # Ok::<(), avalanche_consensus::Error>(())
//! ```
//!
//! # Limits
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | open requests | [`AdaptiveTimeouts::OUTSTANDING_MAX`] = 65,536 | [`Error::TimeoutsFull`](crate::Error::TimeoutsFull) |
//! | nodes whose failures are followed | [`Benchlist::NODES_MAX`] = 65,536 | [`Error::BenchlistFull`](crate::Error::BenchlistFull) |
//! | connected peers | [`PeerTracker::PEERS_MAX`] = 65,536 | [`Error::ConnectionsFull`](crate::Error::ConnectionsFull) |
//!
//! Each bound can be set. Exponentials come from `libm`, so every target decides alike.

mod averager;
mod bench_config;
mod benchlist;
mod peer_set;
mod peer_tracker;
mod timeout_config;
mod timeouts;

pub use averager::ContinuousAverager;
pub use bench_config::{BenchConfig, BenchRule};
pub use benchlist::{BenchEvent, Benchlist, UnbenchCause};
pub use peer_tracker::PeerTracker;
pub use timeout_config::{TimeoutConfig, TimeoutRule};
pub use timeouts::AdaptiveTimeouts;
