//! Messages as bytes and back, and filters.

use avalanche_consensus::Id;
use avalanche_net::peers::{Bloom, Parameters, SeedStream};
use avalanche_net::wire::build::{self, Chits};
use avalanche_net::wire::{Body, Compression, Decoder, Encoder, LENGTH_BYTES, p2p};
use bytes::Bytes;

use super::{CHAIN, DEADLINE, PAYLOAD, payload};

/// A length that blocks have.
pub const MIB: usize = 1 << 20;
/// Keys that a filter is made for.
pub const KEYS: usize = 4_096;

/// A body of every kind that a running node sends often, of a usual size.
#[must_use]
pub fn bodies() -> Vec<Body> {
    let block = Id::new([9; 32]);
    let votes =
        Chits { preferred: block, preferred_at_height: block, accepted: block, accepted_height: 9 };
    vec![
        build::ping(100),
        build::pong(),
        Body::Handshake(Box::new(handshake())),
        build::get_peer_list(payload(2_048), payload(32), false),
        build::peer_list((0..15).map(|_| claimed()).collect()),
        build::get_accepted_frontier(CHAIN, 1, DEADLINE),
        build::accepted_frontier(CHAIN, 1, block),
        build::get_accepted(CHAIN, 1, DEADLINE, [block; 8]),
        build::accepted(CHAIN, 1, [block; 8]),
        build::get_ancestors(CHAIN, 1, DEADLINE, block),
        build::ancestors(CHAIN, 1, (0..16).map(|_| payload(2_048)).collect()),
        build::get(CHAIN, 1, DEADLINE, block),
        build::put(CHAIN, 1, payload(2_048)),
        build::push_query(CHAIN, 1, DEADLINE, payload(2_048), 9),
        build::pull_query(CHAIN, 1, DEADLINE, block, 9),
        build::chits(CHAIN, 1, votes),
        build::app_request(CHAIN, 1, DEADLINE, payload(PAYLOAD)),
        build::app_response(CHAIN, 1, payload(PAYLOAD)),
        build::app_gossip(CHAIN, payload(PAYLOAD)),
    ]
}

fn handshake() -> p2p::Handshake {
    p2p::Handshake {
        network_id: 1,
        my_time: 1_700_000_000,
        ip_addr: payload(16),
        ip_port: 9_651,
        ip_signing_time: 1_700_000_000,
        ip_node_id_sig: payload(71),
        client: Some(p2p::Client { name: "avalanchego".to_owned(), major: 1, minor: 14, patch: 2 }),
        known_peers: Some(p2p::BloomFilter { filter: payload(2_048), salt: payload(32) }),
        ip_bls_sig: payload(96),
        ..Default::default()
    }
}

fn claimed() -> p2p::ClaimedIpPort {
    p2p::ClaimedIpPort {
        x509_certificate: payload(320),
        ip_addr: payload(16),
        ip_port: 9_651,
        timestamp: 1_700_000_000,
        signature: payload(71),
        tx_id: payload(32),
    }
}

/// A message, encoded and decoded again and again.
#[derive(Debug)]
pub struct Codec {
    encoder: Encoder,
    decoder: Decoder,
    body: Body,
    frame: Bytes,
}

impl Codec {
    /// Both ways for one body.
    #[must_use]
    pub fn new(body: Body, compression: Compression) -> Self {
        let mut encoder = Encoder::new(compression);
        let frame = encoder.encode(&body).map(|frame| frame.bytes().slice(LENGTH_BYTES..));
        Self { encoder, decoder: Decoder::new(), body, frame: frame.unwrap_or_default() }
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Bytes of the frame.
    #[must_use]
    pub fn length(&self) -> usize {
        self.frame.len()
    }

    /// Encodes it; whether it is as long as the first time.
    pub fn encode(&mut self) -> bool {
        let frame = self.encoder.encode(&self.body);
        frame.is_ok_and(|frame| frame.len() == LENGTH_BYTES + self.frame.len())
    }

    /// Decodes it; whether it is that kind of message.
    pub fn decode(&mut self) -> bool {
        let decoded = self.decoder.decode(self.frame.clone());
        decoded.is_ok_and(|decoded| {
            std::mem::discriminant(&decoded.body) == std::mem::discriminant(&self.body)
        })
    }
}

/// Queries with a block of 1 MiB: of records that are much alike, as transactions are, and of bytes
/// that cannot be compressed.
#[must_use]
pub fn blocks() -> [(&'static str, Codec); 2] {
    let record = payload(96);
    let alike: Vec<u8> = (0_u64..)
        .flat_map(|number| {
            let number = number.to_be_bytes().into_iter();
            record.iter().copied().chain(number.chain(payload(24)))
        })
        .take(MIB)
        .collect();
    let codec = |block: Bytes| {
        let body = build::push_query(CHAIN, 1, DEADLINE, block, 9);
        Codec::new(body, Compression::default())
    };
    [("alike", codec(alike.into())), ("random", codec(payload(MIB)))]
}

/// A filter that is as full as it may be, and keys.
#[derive(Debug)]
pub struct Filters {
    bloom: Bloom,
    next: u32,
}

impl Default for Filters {
    fn default() -> Self {
        let parameters = Parameters::optimal(KEYS, 0.01);
        let mut bloom = Bloom::new(parameters, 0.05, &mut SeedStream::new(&[3; 32]));
        (0..u32::try_from(KEYS).unwrap_or(0)).for_each(|key| {
            bloom.add(&key.to_le_bytes());
        });
        Self { bloom, next: 0 }
    }
}

impl Filters {
    /// Looks up a key that is there.
    pub fn contains(&mut self) -> bool {
        self.next = (self.next + 1) % u32::try_from(KEYS).unwrap_or(1);
        self.bloom.contains(&self.next.to_le_bytes())
    }

    /// Adds a key that is there.
    pub fn add(&mut self) -> bool {
        self.next = (self.next + 1) % u32::try_from(KEYS).unwrap_or(1);
        !self.bloom.add(&self.next.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_survive_and_blocks_shrink_where_they_can() {
        let mut kinds = 0;
        for body in bodies() {
            let mut codec = Codec::new(body, Compression::default());
            assert!(codec.length() > 0 && codec.encode() && codec.decode(), "{:?}", codec.body());
            kinds += 1;
        }
        assert_eq!(kinds, 19);
        let [(_, mut alike), (_, mut random)] = blocks();
        assert!(alike.encode() && alike.decode() && random.encode() && random.decode());
        assert!(alike.length() < MIB / 4 && random.length() > MIB);
    }

    #[test]
    fn a_filter_has_its_keys() {
        let mut filters = Filters::default();
        assert!((0..100).all(|_| filters.contains() && filters.add()));
    }
}
