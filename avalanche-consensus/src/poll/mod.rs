//! Ask a sample of validators which block they prefer, and know when enough have answered.
//!
//! A poll is one question to `k` sampled validators. Its result, the bag of their votes, is what
//! [`Topological::record_poll`](crate::snowman::Topological::record_poll) takes. [`Polls`] holds
//! the polls that are open at the same time. The caller sends the queries, reports who answered
//! what and who will not answer, and applies the results that come back.
//!
//! ```text
//!  add(request, validators) -----> +-------------------------------+
//!                                  | Polls                         |
//!  vote(request, validator, id) -> |  oldest  3 of 20 outstanding  | --> &[Bag] in issue order
//!                                  |          finished, waits      |     (none while the oldest
//!  drop_validator(request, ..) --> |  newest 20 outstanding        |      is unfinished)
//!                                  +-------------------------------+
//!                                       | parent of a block?
//!                                       v
//!                                   Ancestry (the tree of undecided blocks)
//! ```
//!
//! A poll is finished as soon as the answers that are missing cannot change what any Snow instance
//! would do with the result, so that one slow validator does not hold up consensus. With `v` votes
//! in, `r` outstanding and the thresholds `ap <= ac` (`alpha_preference`, `alpha_confidence`), that
//! is when
//!
//! 1. `r == 0`: nobody is left to answer (*exhausted*); or
//! 2. `v + r < ap`: the poll fails whatever comes (*early fail*); or
//! 3. there are votes, and each count `f` that an instance would see is settled: `f + r < ap`, or
//!    `f >= ap` and `f + r < ac`, or `f >= ac` (*early alpha*).
//!
//! A vote for a block counts for its ancestors too, and siblings whose identifiers begin with the
//! same bits share instances for those bits. So the counts of rule 3 are one for each voted block
//! and each ancestor of one, and one for each set of two or more voted siblings that share a
//! prefix: see [`snowball::Tree`](crate::snowball::Tree).
//!
//! The rules are those of AvalancheGo, `snow/consensus/snowman/poll`: `set.go`,
//! `early_term_traversal.go`, `graph.go` and `prefix.go`.
//!
//! # Example
//!
//! Four validators are sampled, and three votes decide.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use avalanche_consensus::poll::Polls;
//! use avalanche_consensus::snowball::Parameters;
//! use avalanche_consensus::{Bag, HashKey, Id, NodeId};
//!
//! let parameters = Parameters::new(4, 3, 3, 2)?;
//! let mut polls = Polls::new(&parameters, HashKey::from_seed([0; 32]));
//! let [a, b, c, d] = [1, 2, 3, 4].map(|n| NodeId::new([n; 20]));
//! polls.add(7, &Bag::from([a, b, c, d]))?;
//!
//! // `child` was built on `block`, so a vote for it is one for `block` as well.
//! let (block, child) = (Id::hash(b"block"), Id::hash(b"child"));
//! let tree = BTreeMap::from([(child, block)]);
//! assert!(polls.vote(7, &a, block, &tree).is_empty());
//! assert!(polls.vote(7, &b, child, &tree).is_empty());
//! assert!(polls.drop_validator(7, &c, &tree).is_empty());
//!
//! // `block` has 3 votes now, and `child` cannot get more than 1: nobody else is to answer.
//! let results = polls.vote(7, &d, block, &tree);
//! assert_eq!(results, [Bag::from([block, child, block])]);
//! # Ok::<(), avalanche_consensus::Error>(())
//! ```
//!
//! # Contract
//!
//! - Results leave in issue order. A finished poll waits for every older one, and votes for it that
//!   arrive meanwhile are still counted.
//! - Each validator is heard once a poll, and counts as often as it was sampled. Whatever a peer
//!   sends besides is ignored.
//! - Finished is decided by the block tree of the moment. A response asks the poll that it is for;
//!   if that one is finished, the oldest are asked until one is not. Once found finished, a poll
//!   stays so.
//! - Nothing here reads a clock. A timeout is a drop that the caller reports.
//!
//! # Limits
//!
//! | What | At most | Beyond it |
//! |---|---|---|
//! | open polls | [`Polls::POLLS_MAX`] = 4096, or [`Polls::with_polls_max`] | [`Error::PollsFull`](crate::Error::PollsFull) |
//! | votes in a poll | `k` | [`Error::TooManyVotes`](crate::Error::TooManyVotes) when it is opened |
//! | blocks looked at for rule 3 | [`Polls::VERTICES_MAX`] = 131 072, or [`Polls::with_vertices_max`] | the poll waits for its answers |
//!
//! The last bound makes an [`Ancestry`] that never ends harmless; one with a cycle is found out as
//! well. Rule 3 then says nothing, and the poll ends by rule 1 or 2. Memory of polls that left is
//! used again, so a vote that finishes nothing allocates nothing once every buffer has been as
//! large as it needs to be.

mod ancestry;
mod early_termination;
mod outstanding;
mod polls;
mod prefix_counts;
mod vote_graph;

pub use ancestry::Ancestry;
pub use polls::{Polls, Stats};

#[cfg(test)]
mod tests;
