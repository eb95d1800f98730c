//! Bytes on the wire of a block that several peers are sent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use avalanche_consensus::NodeId;
use avalanche_net::wire::{Body, build};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::{CHAIN, DEADLINE, Node, config, loopback, payload, runtime};
use crate::measure::{Comparison, as_f64};
use crate::store::told;

/// Peers that get the block.
pub const PEERS: usize = 4;
/// Lengths of blocks.
pub const LENGTHS: [usize; 2] = [256 << 10, 1 << 20];

/// A node and four peers, with a relay on each connection that counts below TLS.
#[derive(Debug)]
pub struct Blocks {
    runtime: Runtime,
    sender: Node,
    peers: Vec<Node>,
    ids: Vec<NodeId>,
    carried: Arc<AtomicU64>,
}

impl Blocks {
    /// Nodes that are connected.
    ///
    /// # Errors
    ///
    /// Of the loopback.
    pub fn new() -> io::Result<Self> {
        let runtime = runtime()?;
        let carried = Arc::new(AtomicU64::new(0));
        let (sender, peers) = runtime.block_on(async {
            let sender = Node::start(config()).await?;
            let (mut peers, mut relays) = (Vec::new(), Vec::new());
            for _ in 0..PEERS {
                let peer = Node::start(config()).await?;
                let listener = TcpListener::bind(loopback()).await?;
                relays.push((peer.id, listener.local_addr()?));
                tokio::spawn(relay(listener, peer.network.local_addr(), Arc::clone(&carried)));
                peers.push(peer);
            }
            sender.connect(&relays).await?;
            for peer in &peers {
                super::wait(|| peer.network.is_connected(&sender.id)).await?;
            }
            Ok::<_, io::Error>((sender, peers))
        })?;
        let ids = peers.iter().map(|peer| peer.id).collect();
        Ok(Self { runtime, sender, peers, ids, carried })
    }

    /// Sends some blocks in queries to all peers: bytes that the sockets carried both ways beside
    /// those of the blocks alone, for each block.
    ///
    /// # Errors
    ///
    /// A block was not sent.
    pub fn run(&mut self, length: usize, blocks: u32) -> io::Result<Comparison> {
        let Self { runtime, sender, peers, ids, carried } = self;
        let block = payload(length);
        let before = carried.load(Ordering::Relaxed);
        runtime.block_on(async {
            for number in 0..blocks {
                let body = build::push_query(CHAIN, number, DEADLINE, block.clone(), 1);
                let done = sender.network.send(ids, body).map_err(told)?;
                assert_eq!(done.queued.len(), PEERS, "a block was not queued");
                for peer in &mut *peers {
                    let delivery = peer.inbox.recv().await.ok_or_else(|| told("no block"))?;
                    let Body::PushQuery(asked) = &delivery.body else {
                        return Err(told("another kind"));
                    };
                    assert_eq!(asked.container, block, "another block");
                }
            }
            Ok(())
        })?;
        let carried = as_f64(carried.load(Ordering::Relaxed) - before) / f64::from(blocks);
        let alone = as_f64((PEERS * length) as u64);
        Ok(Comparison { ours: carried, floor: alone, ratio: carried / alone })
    }
}

/// Carries one connection, and counts its bytes in both directions.
async fn relay(listener: TcpListener, to: SocketAddr, carried: Arc<AtomicU64>) -> io::Result<()> {
    let (near, _) = listener.accept().await?;
    let far = TcpStream::connect(to).await?;
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let back = tokio::spawn(carry(far_read, near_write, Arc::clone(&carried)));
    carry(near_read, far_write, carried).await?;
    back.await.map_err(told)?
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    carried: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        carried.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}
