//! Polls of twenty peers.

use std::io;
use std::time::Duration;

use avalanche_consensus::{Id, NodeId};
use avalanche_net::network::Delivery;
use avalanche_net::wire::build::{self, Chits};
use avalanche_net::wire::{Body, Op};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::bare::{self, Client, Server};
use super::{CHAIN, DEADLINE, Node, config, runtime, wait};
use crate::measure::Done;
use crate::store::told;

/// Peers that are asked.
pub const PEERS: usize = 20;
/// Polls that are under way at once.
pub const CONCURRENT: u64 = 32;
/// The block that is voted for.
const BLOCK: Id = Id::new([9; 32]);

fn query(number: u32) -> Body {
    build::pull_query(CHAIN, number, DEADLINE, BLOCK, 1)
}

pub(super) fn vote(number: u32) -> Body {
    let chits =
        Chits { preferred: BLOCK, preferred_at_height: BLOCK, accepted: BLOCK, accepted_height: 1 };
    build::chits(CHAIN, number, chits)
}

/// A node that asks twenty others.
#[derive(Debug)]
pub struct Polls {
    runtime: Runtime,
    asking: Node,
    peers: Vec<NodeId>,
    asked: u32,
    _voters: Vec<JoinHandle<()>>,
}

impl Polls {
    /// Nodes that are connected.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (asking, others) = runtime.block_on(async {
            let asking = Node::start(config()).await?;
            let mut others = Vec::new();
            for _ in 0..PEERS {
                others.push(Node::start(config()).await?);
            }
            let addresses: Vec<_> = others.iter().map(Node::address).collect();
            asking.connect(&addresses).await?;
            for other in &others {
                wait(|| other.network.is_connected(&asking.id)).await?;
            }
            Ok::<_, io::Error>((asking, others))
        })?;
        let peers = others.iter().map(|other| other.id).collect();
        let voters = others.into_iter().map(|other| runtime.spawn(answer(other))).collect();
        Ok(Self { runtime, asking, peers, asked: 0, _voters: voters })
    }

    /// Makes at least as many polls, [`CONCURRENT`] at once, until every vote is in.
    ///
    /// # Errors
    ///
    /// A query was not sent.
    pub fn run(&mut self, polls: u64) -> io::Result<Done> {
        let Self { runtime, asking, peers, asked, .. } = self;
        let rounds = polls.div_ceil(CONCURRENT);
        let mut votes: Vec<Delivery> = Vec::new();
        runtime.block_on(async {
            for _ in 0..rounds {
                for _ in 0..CONCURRENT {
                    *asked = asked.wrapping_add(1);
                    let done = asking.network.send(peers, query(*asked)).map_err(told)?;
                    assert_eq!(done.queued.len(), PEERS, "a query was not queued");
                }
                let mut missing = PEERS * usize::try_from(CONCURRENT).map_err(told)?;
                while missing > 0 {
                    missing -= asking.inbox.recv_many(&mut votes, missing).await;
                    for vote in votes.drain(..) {
                        assert_eq!(vote.op, Op::Chits);
                    }
                }
            }
            Ok(Done { operations: rounds * CONCURRENT, apart: Duration::ZERO })
        })
    }
}

/// Votes on whatever is asked.
async fn answer(mut node: Node) {
    let mut queries: Vec<Delivery> = Vec::new();
    while node.inbox.recv_many(&mut queries, 256).await > 0 {
        for query in queries.drain(..) {
            let Body::PullQuery(asked) = &query.body else { continue };
            // A vote that is not sent is missed by who asked.
            let _ = node.network.send(&[query.node_id], vote(asked.request_id));
        }
    }
}

/// Twenty echoes of the same messages over bare TLS, one after the other.
#[derive(Debug)]
pub struct PollsFloor {
    runtime: Runtime,
    client: Client,
    _voter: JoinHandle<io::Result<()>>,
}

impl PollsFloor {
    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (client, server) = runtime.block_on(bare::connect())?;
        let voter = runtime.spawn(bare_answer(server));
        Ok(Self { runtime, client, _voter: voter })
    }

    /// Makes as many polls.
    ///
    /// # Errors
    ///
    /// An answer did not come.
    pub fn run(&mut self, polls: u64) -> io::Result<Done> {
        let Self { runtime, client, .. } = self;
        runtime.block_on(async {
            for _ in 0..polls {
                for number in 0..u32::try_from(PEERS).map_err(told)? {
                    client.put(query(number)).await?;
                    client.flush().await?;
                    let Body::Chits(vote) = client.next().await? else {
                        return Err(told("another kind"));
                    };
                    assert_eq!(vote.request_id, number);
                }
            }
            Ok(Done { operations: polls, apart: Duration::ZERO })
        })
    }
}

async fn bare_answer(mut server: Server) -> io::Result<()> {
    loop {
        let Body::PullQuery(asked) = server.next().await? else { continue };
        server.put(vote(asked.request_id)).await?;
        server.flush().await?;
    }
}
