//! A request and its answer, one at a time.

use std::io;
use std::time::Duration;

use avalanche_net::wire::{Body, build};
use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::bare::{self, Client, Server};
use super::{CHAIN, DEADLINE, Node, PAYLOAD, pair, payload, runtime};
use crate::measure::Clock;
use crate::store::told;

/// Requests by [`avalanche_net::network::Network::app_request`] of a node that answers from its inbox.
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
                let Body::AppRequest(asked) = &delivery.body else { continue };
                let (request, bytes) = (asked.request_id, asked.app_bytes.clone());
                let answer = build::app_response(CHAIN, request, bytes);
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
        let Self { runtime, asking, answering, payload, .. } = self;
        runtime.block_on(async {
            let mut taken = Vec::with_capacity(requests);
            for _ in 0..requests {
                let start = clock.now();
                let request = asking.network.app_request(*answering, CHAIN, payload.clone());
                let answer = request.await.map_err(told)?;
                taken.push(clock.now().saturating_sub(start));
                assert_eq!(answer, payload, "another answer");
            }
            Ok(taken)
        })
    }
}

/// Requests over bare TLS, of a task that answers.
#[derive(Debug)]
pub struct RequestsFloor {
    runtime: Runtime,
    client: Client,
    payload: Bytes,
    _answers: JoinHandle<io::Result<()>>,
}

impl RequestsFloor {
    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (client, server) = runtime.block_on(bare::connect())?;
        let answers = runtime.spawn(answer(server));
        Ok(Self { runtime, client, payload: payload(PAYLOAD), _answers: answers })
    }

    /// Asks one after the other; how long each took.
    ///
    /// # Errors
    ///
    /// One was not answered.
    pub fn run(&mut self, clock: Clock, requests: usize) -> io::Result<Vec<Duration>> {
        let Self { runtime, client, payload, .. } = self;
        runtime.block_on(async {
            let mut taken = Vec::with_capacity(requests);
            for number in 1..=requests {
                let start = clock.now();
                let number = u32::try_from(number).map_err(told)?;
                let asked = build::app_request(CHAIN, number, DEADLINE, payload.clone());
                client.put(asked).await?;
                client.flush().await?;
                let answer = client.next().await?;
                taken.push(clock.now().saturating_sub(start));
                let Body::AppResponse(answer) = answer else { return Err(told("another kind")) };
                assert_eq!((answer.request_id, &answer.app_bytes), (number, &*payload));
            }
            Ok(taken)
        })
    }
}

async fn answer(mut server: Server) -> io::Result<()> {
    loop {
        let Body::AppRequest(asked) = server.next().await? else { continue };
        server.put(build::app_response(CHAIN, asked.request_id, asked.app_bytes)).await?;
        server.flush().await?;
    }
}
