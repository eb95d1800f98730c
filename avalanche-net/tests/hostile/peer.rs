//! A peer that says what it is told to, true or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::NodeId;
use avalanche_net::identity::{Identity, SignedIp, UnsignedIp};
use avalanche_net::peers::{HelloConfig, make_hello};
use avalanche_net::transport::{Stream, TcpTransport, Transport};
use avalanche_net::wire::{Body, Compression, Decoder, Encoder, FrameReader, build, p2p};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Nothing that is waited for takes as long, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NETWORK_ID: u32 = 4_242;

pub(crate) fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

pub(crate) fn identity() -> Arc<Identity> {
    Arc::new(Identity::generate().expect("an identity"))
}

/// An address of its own that a node claims.
pub(crate) fn sign(identity: &Identity, timestamp: u64) -> SignedIp {
    let addr = SocketAddr::from(([127, 0, 0, 1], 9));
    UnsignedIp { addr, timestamp }.sign(identity).expect("signed")
}

/// The handshake of an honest node.
pub(crate) fn hello(identity: &Identity) -> p2p::Handshake {
    let config = HelloConfig::new(NETWORK_ID, 0);
    let unix = unix();
    make_hello(&config, unix, &sign(identity, unix), &[].into(), false, None)
}

/// The frame of a message that nobody else would compress or not.
pub(crate) fn frame(body: Body) -> Vec<u8> {
    Encoder::new(Compression::None).encode(body).expect("not too long").bytes().to_vec()
}

/// A frame of these bytes.
pub(crate) fn framed(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("short");
    [&len.to_be_bytes()[..], bytes].concat()
}

/// A protobuf field of bytes, by its number.
pub(crate) fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(number << 3 | 2, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// The frame of a message that zstd makes of `plain`.
pub(crate) fn compressed(plain: &[u8]) -> Vec<u8> {
    framed(&field(2, &zstd::bulk::compress(plain, 3).expect("compressed")))
}

/// One authenticated connection, and whoever speaks on it.
pub(crate) struct Peer {
    pub(crate) identity: Arc<Identity>,
    stream: Box<dyn Stream>,
    frames: FrameReader,
    decoder: Decoder,
}

impl Peer {
    pub(crate) async fn dial(addr: SocketAddr) -> Self {
        Self::dial_as(identity(), addr).await
    }

    pub(crate) async fn dial_as(identity: Arc<Identity>, addr: SocketAddr) -> Self {
        let transport = TcpTransport::new(&identity).expect("TLS");
        Self::dial_on(&transport, identity, addr).await.expect("connected")
    }

    /// As [`Peer::dial_as`], when the other end may refuse, or be somewhere else.
    pub(crate) async fn dial_on(
        transport: &dyn Transport,
        identity: Arc<Identity>,
        addr: SocketAddr,
    ) -> Option<Self> {
        let connection = timeout(PATIENCE, transport.dial(addr)).await.ok()?.ok()?;
        Some(Self {
            identity,
            stream: connection.stream,
            frames: FrameReader::new(),
            decoder: Decoder::new(),
        })
    }

    pub(crate) fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Whether the other end, as far as this one can tell, took the bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, written).await.is_ok_and(|written| written.is_ok())
    }

    pub(crate) async fn send(&mut self, body: Body) -> bool {
        self.write(&frame(body)).await
    }

    /// The next message; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Body> {
        loop {
            if let Some(frame) = self.frames.next_frame().expect("an honest length") {
                return Some(self.decoder.decode(frame).expect("an honest message").body);
            }
            let read = self.stream.read_buf(self.frames.space());
            if timeout(PATIENCE, read).await.expect("something comes").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads up to and with the first message that is wanted; none if the stream ends before it.
    pub(crate) async fn wait_for(&mut self, wanted: impl Fn(&Body) -> bool) -> Option<Body> {
        loop {
            let body = self.next().await?;
            if wanted(&body) {
                return Some(body);
            }
        }
    }

    /// Shakes hands as it should be; whether that worked.
    pub(crate) async fn shake(&mut self) -> bool {
        let hello = hello(&self.identity);
        self.send(Body::Handshake(Box::new(hello))).await
            && self.wait_for(|body| matches!(body, Body::PeerList(_))).await.is_some()
            && self.send(build::peer_list(Vec::new())).await
    }

    /// Whether the other end answers a ping, so has read all that came before it.
    pub(crate) async fn is_served(&mut self) -> bool {
        self.send(build::ping(100)).await
            && self.wait_for(|body| matches!(body, Body::Pong(_))).await.is_some()
    }
}
