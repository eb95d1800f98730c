//! A request and its answer, one at a time.

use std::io;
use std::time::Duration;

use avalanche_net::wire::{Body, build};
use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::bare::{self, Client, Server};
use super::poll::vote;
use super::{CHAIN, DEADLINE, Node, PAYLOAD, pair, payload, runtime};
use crate::measure::Clock;
use crate::store::told;

/// Requests by [`avalanche_net::network::Network::app_request`] of a node that answers from its
/// inbox.
#[derive(Debug)]
pub struct Requests {
    runtime: Runtime,
    asking: Node,
    answering: avalanche_consensus::NodeId,
    payload: Bytes,
    _answers: JoinHandle<()>,
}

impl Requests {
    /// Two nodes that are connected.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (asking, mut other) = runtime.block_on(pair())?;
        let answering = other.id;
        let answers = runtime.spawn(async move {
            while let Some(delivery) = other.inbox.recv().await {
                let Some(answer) = answer_to(&delivery.body) else { continue };
                // What is not sent is missed by who asked.
                let _ = other.network.send(&[delivery.node_id], answer);
            }
        });
        Ok(Self { runtime, asking, answering, payload: payload(PAYLOAD), _answers: answers })
    }

    /// Asks one after the other; how long each took.
    ///
    /// # Errors
    ///
    /// One was not answered.
    pub fn run(&self, clock: Clock, requests: usize) -> io::Result<Vec<Duration>> {
        let (network, answering) = (self.asking.network.clone(), self.answering);
        let payload = self.payload.clone();
        in_a_task(&self.runtime, async move {
            let mut taken = Vec::with_capacity(requests);
            for _ in 0..requests {
                let start = clock.now();
                let request = network.app_request(answering, CHAIN, payload.clone());
                let answer = request.await.map_err(told)?;
                taken.push(clock.now().saturating_sub(start));
                assert_eq!(answer, payload, "another answer");
            }
            Ok(taken)
        })
    }
}

/// Queries by [`avalanche_net::network::Network::send`], with numbers of the sender's own, as an
/// engine asks; the answers come through its inbox.
#[derive(Debug)]
pub struct Queries {
    runtime: Runtime,
    /// None after a run that failed.
    asking: Option<Node>,
    answering: avalanche_consensus::NodeId,
    payload: Bytes,
    _answers: JoinHandle<()>,
}

impl Queries {
    /// Two nodes that are connected.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (asking, mut other) = runtime.block_on(pair())?;
        let answering = other.id;
        let answers = runtime.spawn(async move {
            while let Some(delivery) = other.inbox.recv().await {
                if let Some(answer) = answer_to(&delivery.body) {
                    // What is not sent is missed by who asked.
                    let _ = other.network.send(&[delivery.node_id], answer);
                }
            }
        });
        let (asking, payload) = (Some(asking), payload(BLOCK));
        Ok(Self { runtime, asking, answering, payload, _answers: answers })
    }

    /// Asks one after the other; how long each took.
    ///
    /// # Errors
    ///
    /// One was not answered.
    pub fn run(&mut self, clock: Clock, requests: usize) -> io::Result<Vec<Duration>> {
        let (answering, payload) = (self.answering, self.payload.clone());
        let mut asking = self.asking.take().ok_or_else(|| told("a run failed"))?;
        let (asking, taken) = in_a_task(&self.runtime, async move {
            let mut taken = Vec::with_capacity(requests);
            for number in 1..=requests {
                let start = clock.now();
                let number = u32::try_from(number).map_err(told)?;
                let body = build::push_query(CHAIN, number, DEADLINE, payload.clone(), 1);
                let sent = asking.network.send(&[answering], body).map_err(told)?;
                let vote = asking.inbox.recv().await.ok_or_else(|| told("no answer"))?;
                taken.push(clock.now().saturating_sub(start));
                assert_eq!((sent.queued.len(), number_of(&vote.body)), (1, Some(number)));
            }
            Ok((asking, taken))
        })?;
        self.asking = Some(asking);
        Ok(taken)
    }
}

/// Bytes of a block that make a query one of about 200.
const BLOCK: usize = 150;

fn answer_to(body: &Body) -> Option<Body> {
    match body {
        Body::PushQuery(asked) => Some(vote(asked.request_id)),
        Body::AppRequest(asked) => {
            Some(build::app_response(CHAIN, asked.request_id, asked.app_bytes.clone()))
        }
        _ => None,
    }
}

/// The number of an answer.
const fn number_of(body: &Body) -> Option<u32> {
    match body {
        Body::Chits(vote) => Some(vote.request_id),
        Body::AppResponse(answer) => Some(answer.request_id),
        _ => None,
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request of an application, with its answer.
    App,
    /// A query with a short block, and a vote.
    Query,
}

/// Requests over bare TLS, of a task that answers.
#[derive(Debug)]
pub struct RequestsFloor {
    runtime: Runtime,
    /// None after a run that failed.
    client: Option<Client>,
    kind: Kind,
    payload: Bytes,
    _answers: JoinHandle<io::Result<()>>,
}

impl RequestsFloor {
    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new(kind: Kind) -> io::Result<Self> {
        let runtime = runtime()?;
        let (client, server) = runtime.block_on(bare::connect())?;
        let answers = runtime.spawn(answer(server));
        let payload = payload(if kind == Kind::App { PAYLOAD } else { BLOCK });
        Ok(Self { runtime, client: Some(client), kind, payload, _answers: answers })
    }

    /// Asks one after the other; how long each took.
    ///
    /// # Errors
    ///
    /// One was not answered.
    pub fn run(&mut self, clock: Clock, requests: usize) -> io::Result<Vec<Duration>> {
        let (kind, payload) = (self.kind, self.payload.clone());
        let mut client = self.client.take().ok_or_else(|| told("a run failed"))?;
        let (client, taken) = in_a_task(&self.runtime, async move {
            let mut taken = Vec::with_capacity(requests);
            for number in 1..=requests {
                let start = clock.now();
                let number = u32::try_from(number).map_err(told)?;
                let payload = payload.clone();
                let asked = match kind {
                    Kind::App => build::app_request(CHAIN, number, DEADLINE, payload),
                    Kind::Query => build::push_query(CHAIN, number, DEADLINE, payload, 1),
                };
                client.put(asked).await?;
                client.flush().await?;
                let answer = client.next().await?;
                taken.push(clock.now().saturating_sub(start));
                assert_eq!(number_of(&answer), Some(number), "another answer");
            }
            Ok((client, taken))
        })?;
        self.client = Some(client);
        Ok(taken)
    }
}

/// Runs who asks as a task of its own, as whoever uses a network does, and the floor too. What
/// [`Runtime::block_on`] is given itself is polled only after the runtime has looked for events of
/// the operating system: a system call more for who is woken by another task, and none for who is
/// woken by a socket.
fn in_a_task<T: Send + 'static>(
    runtime: &Runtime,
    asks: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    runtime.block_on(runtime.spawn(asks)).map_err(told)?
}

async fn answer(mut server: Server) -> io::Result<()> {
    loop {
        let Some(answer) = answer_to(&server.next().await?) else { continue };
        server.put(answer).await?;
        server.flush().await?;
    }
}
