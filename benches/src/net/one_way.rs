//! Short messages to one peer, one way.

use std::io;
use std::time::Duration;

use avalanche_net::network::Delivery;
use avalanche_net::wire::{Body, build};
use bytes::Bytes;
use tokio::runtime::Runtime;

use super::bare::{self, Client, Server};
use super::{CHAIN, Node, PAYLOAD, pair, payload, runtime};
use crate::measure::Done;
use crate::store::told;

/// Messages that are sent before the sender looks what has arrived.
const BURST: u64 = 256;

/// Gossip by [`avalanche_net::network::Network::send`], received by an inbox.
#[derive(Debug)]
pub struct OneWay {
    runtime: Runtime,
    sender: Node,
    receiver: Node,
    payload: Bytes,
}

impl OneWay {
    /// Two nodes that are connected.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (sender, receiver) = runtime.block_on(pair())?;
        Ok(Self { runtime, sender, receiver, payload: payload(PAYLOAD) })
    }

    /// Sends messages until all have arrived.
    ///
    /// # Errors
    ///
    /// A message was not sent.
    pub fn run(&mut self, messages: u64) -> io::Result<Done> {
        let Self { runtime, sender, receiver, payload } = self;
        let to = [receiver.id];
        let mut deliveries: Vec<Delivery> = Vec::new();
        runtime.block_on(async {
            let (mut sent, mut arrived) = (0, 0);
            while arrived < messages {
                // As much again is on its way while a burst is made.
                if sent - arrived <= BURST {
                    let burst = BURST.min(messages - sent);
                    for _ in 0..burst {
                        let body = build::app_gossip(CHAIN, payload.clone());
                        let done = sender.network.send(&to, body).map_err(told)?;
                        assert_eq!(done.queued.len(), 1, "a message was not queued");
                    }
                    sent += burst;
                }
                receiver.inbox.recv_many(&mut deliveries, 1_024).await;
                for delivery in deliveries.drain(..) {
                    check(&delivery.body);
                    arrived += 1;
                }
            }
            assert_eq!(arrived, messages);
            Ok(Done { operations: messages, apart: Duration::ZERO })
        })
    }
}

fn check(body: &Body) {
    let arrived = if let Body::AppGossip(gossip) = body { gossip.app_bytes.len() } else { 0 };
    assert_eq!(arrived, PAYLOAD, "another message than was sent");
}

/// The same messages over bare TLS, up to 64 KiB a write.
#[derive(Debug)]
pub struct OneWayFloor {
    runtime: Runtime,
    client: Client,
    server: Option<Server>,
    payload: Bytes,
}

impl OneWayFloor {
    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let (client, server) = runtime.block_on(bare::connect())?;
        Ok(Self { runtime, client, server: Some(server), payload: payload(PAYLOAD) })
    }

    /// Sends messages until all have arrived.
    ///
    /// # Errors
    ///
    /// A message was not sent.
    pub fn run(&mut self, messages: u64) -> io::Result<Done> {
        let Self { runtime, client, server, payload } = self;
        let mut reader = server.take().ok_or_else(|| told("the other end is gone"))?;
        runtime.block_on(async {
            let arriving = tokio::spawn(async move {
                for _ in 0..messages {
                    check(&reader.next().await?);
                }
                Ok::<_, io::Error>(reader)
            });
            for _ in 0..messages {
                client.put(build::app_gossip(CHAIN, payload.clone())).await?;
            }
            client.flush().await?;
            *server = Some(arriving.await.map_err(told)??);
            Ok(Done { operations: messages, apart: Duration::ZERO })
        })
    }
}
