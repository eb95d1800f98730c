//! Blocks survive writing and reading, and nothing else is one.

use proptest::prelude::*;

use super::*;

const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_123);
const CHAIN: Id = Id::new([9; 32]);

fn identity() -> Identity {
    Identity::generate().unwrap()
}

fn block(identity: &Identity, payload: &[u8]) -> ChainBlock {
    let (parent, height) = (Id::new([7; 32]), Height::new(3));
    ChainBlock::build(parent, height, TIME, payload, identity).unwrap()
}

fn decode(bytes: &[u8]) -> Result<ChainBlock, BlockError> {
    ChainBlock::decode(Bytes::copy_from_slice(bytes))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(text).collect()
}

#[test]
fn the_bytes_of_genesis_are_these() {
    let genesis = ChainBlock::genesis(CHAIN, TIME, b"vm").unwrap();
    let expected = unhex(
        "01 0909090909090909090909090909090909090909090909090909090909090909
         0000000000000000 0000018bcfe5687b 00000000 00000002 766d 0000",
    );
    assert_eq!(genesis.bytes(), &expected);
    assert_eq!(genesis.id(), Id::hash(&expected));
    assert_eq!(genesis.proposer(), None);
    assert_eq!((genesis.parent(), genesis.height()), (CHAIN, Height::GENESIS));
    assert_eq!(genesis.verify_signature(), Ok(()));
}

#[test]
fn the_bytes_of_a_signed_block_are_these() {
    let bytes = unhex(GOLDEN);
    let block = decode(&bytes).unwrap();
    assert_eq!(block.verify_signature(), Ok(()));
    assert_eq!(block.parent(), Id::new([7; 32]));
    assert_eq!((block.height(), block.timestamp()), (Height::new(3), TIME));
    assert_eq!(block.payload(), &b"payload"[..]);
    assert_eq!(block.id().to_string(), GOLDEN_ID);
    assert_eq!(block.proposer().map(|node| node.to_string()).as_deref(), Some(GOLDEN_PROPOSER));
}

#[test]
fn what_is_built_can_be_read_and_is_the_builders() {
    let identity = identity();
    let built = block(&identity, b"payload");
    let read = decode(built.bytes()).unwrap();
    assert_eq!(read, built);
    assert_eq!(read.proposer(), Some(identity.node_id()));
    assert_eq!(read.verify_signature(), Ok(()));
    assert_eq!(
        read.as_consensus_block(),
        snowman::Block { id: built.id(), parent: Id::new([7; 32]), height: Height::new(3) }
    );
    // A part, not a copy.
    let payload = read.payload();
    assert!(read.bytes().as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn fractions_of_a_millisecond_are_cut_off() {
    let genesis = ChainBlock::genesis(CHAIN, Timestamp::from_nanos(5_999_999), b"").unwrap();
    assert_eq!(genesis.timestamp(), Timestamp::from_millis(5));
}

#[test]
fn every_truncation_and_every_longer_one_is_refused() {
    for whole in [block(&identity(), b"pay"), ChainBlock::genesis(CHAIN, TIME, b"pay").unwrap()] {
        for len in 0..whole.bytes().len() {
            let error = decode(&whole.bytes()[..len]).unwrap_err();
            assert!(matches!(error, BlockError::Truncated { .. }), "{len}: {error}");
        }
        let longer = [whole.bytes(), &[0][..]].concat();
        assert_eq!(decode(&longer), Err(BlockError::Trailing { len: 1 }));
    }
}

#[test]
fn every_changed_bit_is_refused_or_gives_another_block_that_nobody_signed() {
    let whole = block(&identity(), b"pay");
    let (mut refused, mut unsigned) = (0, 0);
    for bit in 0..whole.bytes().len() * 8 {
        let mut bytes = whole.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match decode(&bytes) {
            Err(_) => refused += 1,
            Ok(other) => {
                assert_ne!(other.id(), whole.id());
                assert!(other.verify_signature().is_err(), "bit {bit}");
                unsigned += 1;
            }
        }
    }
    assert!(refused > 60 && unsigned > 1_000, "{refused} {unsigned}");
}

#[test]
fn the_other_form_of_a_signature_makes_no_sibling() {
    // The order of P-256 minus s is what anybody can put in its place.
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let identity = identity();
    for _ in 0..8 {
        let low = block(&identity, b"pay");
        let bytes = low.bytes();
        let signature = bytes[low.0.parts.signature.clone()].to_vec();
        let r_len = usize::from(signature[3]);
        let (r, s) = (&signature[2..4 + r_len], &signature[6 + r_len..]);
        let mut s = [vec![0; 33 - s.len()], s.to_vec()].concat();
        let (mut borrow, order) = (0, [vec![0], unhex(ORDER)].concat());
        for (digit, order) in s.iter_mut().zip(&order).rev() {
            let difference = i32::from(*order) - i32::from(*digit) - borrow;
            borrow = i32::from(difference < 0);
            *digit = u8::try_from(difference & 0xff).unwrap();
        }
        // High: with the zero in front that keeps it positive, or at 32 bytes all the same.
        let s = if s[1] & 0x80 == 0 { s[1..].to_vec() } else { s };
        let integers = [r, &[2, u8::try_from(s.len()).unwrap()][..], &s].concat();
        let length = u8::try_from(integers.len()).unwrap();
        let high = [&[0x30, length][..], &integers].concat();
        let message = message(&low.0.signed);
        assert!(identity.certificate().verify(&message, &high), "the other form is a signature");

        let mut sibling = bytes[..low.0.parts.payload.end].to_vec();
        sibling.extend(u16::try_from(high.len()).unwrap().to_be_bytes());
        sibling.extend(high);
        let sibling = decode(&sibling).unwrap();
        let proposer = identity.node_id();
        assert_eq!(sibling.verify_signature(), Err(BlockError::Signature { proposer }));
    }
}

#[test]
fn each_wrong_is_named() {
    let whole = block(&identity(), b"pay");
    let certificate = whole.0.parts.certificate.len();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = whole.bytes().to_vec();
        bytes[at..at + new.len()].copy_from_slice(new);
        decode(&bytes).unwrap_err()
    };
    let max = MAX_CERTIFICATE_BYTES;
    let too_long = BlockError::PartTooLarge { what: "the certificate", len: max + 1, max };
    assert_eq!(with(0, &[2]), BlockError::Version { found: 2 });
    assert_eq!(with(41, &[0xff; 8]), BlockError::Timestamp { millis: u64::MAX });
    assert_eq!(with(49, &(u32::try_from(max).unwrap() + 1).to_be_bytes()), too_long);
    assert_eq!(with(33, &[0; 8]), BlockError::GenesisSigned);
    let at = 53 + certificate;
    assert!(matches!(
        with(at, &[0xff; 4]),
        BlockError::PartTooLarge { what: "the VM's block", max: BLOCK_BYTES_MAX, .. }
    ));

    let mut unsigned = ChainBlock::genesis(CHAIN, TIME, b"").unwrap().bytes().to_vec();
    unsigned[40] = 1;
    assert_eq!(decode(&unsigned), Err(BlockError::Unsigned { height: Height::new(1) }));
    let large = vec![0; BLOCK_BYTES_MAX + 1];
    assert_eq!(decode(&large), Err(BlockError::TooLarge { len: BLOCK_BYTES_MAX + 1 }));
    let error = ChainBlock::genesis(CHAIN, TIME, &large).unwrap_err();
    assert!(matches!(error, BlockError::TooLarge { .. }));
    let genesis = ChainBlock::build(Id::EMPTY, Height::GENESIS, TIME, b"", &identity());
    assert_eq!(genesis, Err(BlockError::GenesisSigned));
}

#[test]
fn a_certificate_that_nobody_may_have_is_named_when_it_is_looked_at() {
    let mut bytes = block(&identity(), b"pay").bytes().to_vec();
    bytes[53] ^= 1;
    let block = decode(&bytes).unwrap();
    assert_eq!(block.proposer(), None);
    assert!(matches!(block.verify_signature(), Err(BlockError::Certificate(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_block_round_trips(
        parent: [u8; 32],
        height in 1..u64::MAX,
        nanos: u64,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let identity = identity();
        let (parent, height) = (Id::new(parent), Height::new(height));
        let time = Timestamp::from_nanos(nanos);
        let built = ChainBlock::build(parent, height, time, &payload, &identity).unwrap();
        let read = decode(built.bytes()).unwrap();
        prop_assert_eq!((read.parent(), read.height()), (parent, height));
        prop_assert_eq!(read.timestamp().as_nanos(), nanos / 1_000_000 * 1_000_000);
        prop_assert_eq!(read.payload(), payload);
        prop_assert_eq!(read.verify_signature(), Ok(()));
        prop_assert_eq!(read.id(), Id::hash(built.bytes()));
    }

    #[test]
    fn no_bytes_panic_and_what_is_read_is_what_was_given(
        head in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = ChainBlock::genesis(CHAIN, TIME, b"x").unwrap().bytes().to_vec();
        let len = bytes.len();
        for (at, byte) in head.iter().enumerate() {
            bytes[(at * 7 + 49) % len] = *byte;
            if let Ok(block) = decode(&bytes) {
                prop_assert_eq!(block.bytes(), &bytes);
                prop_assert_eq!(block.verify_signature().is_ok(), block.height().get() == 0);
            }
        }
    }
}

/// Written once by a node that no longer exists: ECDSA signs differently each time.
const GOLDEN: &str = "
    0107070707070707070707070707070707070707070707070707070707070707070000000000000003000001
    8bcfe5687b00000114308201103081b7a003020102020100300a06082a8648ce3d04030230003020170d3939
    313233313030303030305a180f32313236313133303030303030305a30003059301306072a8648ce3d020106
    082a8648ce3d030107034200040e497178f1a34cc697bda40ef41eea91cbdcc02172b771e2f550fcab88b956
    5f2217deb38c324dc167aca16c7671257db3aab5cc9e1242313090a314097c278da320301e300e0603551d0f
    0101ff040403020780300c0603551d130101ff04023000300a06082a8648ce3d04030203480030450220168d
    d42b81bc896929806a60f101882423fff409e18939aafe1efd7a86adc00c022100eac7538df9b80135c42f37
    9df12dda32b54ff6ce797465003ccd0477d01af640000000077061796c6f616400473045022100e56c29fd75
    18237f2238172bb6eccd25c41384488ea3f40812723ead8c085d390220616a1e3ca11071d2a5ea52fec15a0d
    31e7a3003776529b20b0da7a61f3533ada
";
const GOLDEN_ID: &str = "2b8L6JfXKnnkyokWBonJQFG2E29kywozdDRVXFuLJGuNp49rZq";
const GOLDEN_PROPOSER: &str = "NodeID-5hqCqdChULQ6LeEpXxMQuTnevyps8AXPq";
