//! One handshake that is right, and each way in which it can be wrong.

use std::sync::LazyLock;

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::identity::Identity;

const NOW: u64 = 1_700_000_000;

static PEER: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("an identity"));
static STRANGER: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("an identity"));
static HELLO: LazyLock<p2p::Handshake> = LazyLock::new(|| {
    let ip = sign(&PEER, "203.0.113.7:9651", NOW - 10);
    let tracked = BTreeSet::from([Id::new([7; 32]), PRIMARY_NETWORK]);
    make_hello(&config(), NOW, &ip, &tracked, true, Some(filter()))
});

fn config() -> HelloConfig {
    HelloConfig::new(12_345, NOW - 1_000)
}

fn filter() -> p2p::BloomFilter {
    p2p::BloomFilter { filter: vec![1; 10].into(), salt: vec![2; 32].into() }
}

fn sign(identity: &Identity, addr: &str, timestamp: u64) -> SignedIp {
    let addr = addr.parse().expect("an address");
    UnsignedIp { addr, timestamp }.sign(identity).expect("signed")
}

fn check(hello: &p2p::Handshake) -> Result<(PeerInfo, Option<Filter>), CloseReason> {
    check_hello(&config(), NOW, PEER.certificate(), None, hello)
}

/// A handshake that is right but for `change`.
fn with(change: impl FnOnce(&mut p2p::Handshake)) -> p2p::Handshake {
    let mut hello = HELLO.clone();
    change(&mut hello);
    hello
}

#[test]
fn what_is_made_is_accepted_and_says_what_was_put_in() {
    // As it is on the wire.
    let hello = p2p::Handshake::decode(HELLO.encode_to_vec().as_slice()).expect("own bytes");
    let (info, known_peers) = check(&hello).expect("a right handshake");
    assert_eq!(info.node_id, PEER.node_id());
    assert_eq!(&info.certificate, PEER.certificate());
    assert_eq!(info.version, Version::current());
    assert_eq!(info.ip.ip.addr.to_string(), "203.0.113.7:9651");
    assert_eq!(info.ip.ip.timestamp, NOW - 10);
    assert_eq!(info.tracked_subnets, BTreeSet::from([PRIMARY_NETWORK, Id::new([7; 32])]));
    assert!(info.all_subnets);
    assert_eq!((info.upgrade_time, info.clock_difference), (NOW - 1_000, 0));
    assert_eq!(known_peers, Some(parse_filter(&filter()).expect("a filter")));
    assert_eq!(hello.tracked_subnets.len(), 1, "the primary network is not named");
    assert_eq!(check(&with(|hello| hello.known_peers = None)).expect("none is right").1, None);
}

#[test]
fn each_broken_rule_ends_the_connection_with_its_reason() {
    use CloseReason as Reason;
    let refuses = |what: &str, reason: CloseReason, change: &dyn Fn(&mut p2p::Handshake)| {
        assert_eq!(check(&with(change)).err(), Some(reason), "{what}");
    };
    refuses("network", Reason::WrongNetwork, &|hello| hello.network_id = 1);
    refuses("slow clock", Reason::ClockSkew, &|hello| hello.my_time = NOW - 61);
    refuses("fast clock", Reason::ClockSkew, &|hello| hello.my_time = NOW + 61);
    refuses("no clock", Reason::ClockSkew, &|hello| hello.my_time = 0);
    refuses("end of time", Reason::ClockSkew, &|hello| hello.my_time = u64::MAX);
    refuses("no client", Reason::MalformedHandshake, &|hello| hello.client = None);
    let id = Bytes::from_static(&[1; 32]);
    refuses("17 subnets", Reason::TooManySubnets, &|hello| {
        hello.tracked_subnets = vec![id.clone(); 17];
    });
    refuses("short subnet", Reason::MalformedHandshake, &|hello| {
        hello.tracked_subnets = vec![id.slice(1..)];
    });
    refuses("no subnet", Reason::MalformedHandshake, &|hello| {
        hello.tracked_subnets = vec![id.clone(), Bytes::new()];
    });
    let bloom = |filter: Vec<u8>, salt: usize| {
        Some(p2p::BloomFilter { filter: filter.into(), salt: vec![0; salt].into() })
    };
    refuses("empty filter", Reason::InvalidBloomFilter, &|hello| {
        hello.known_peers = bloom(vec![], 0);
    });
    refuses("short filter", Reason::InvalidBloomFilter, &|hello| {
        hello.known_peers = bloom(vec![1; 9], 0);
    });
    refuses("long salt", Reason::InvalidBloomFilter, &|hello| {
        hello.known_peers = bloom(vec![1; 10], 33);
    });
    for length in [0, 3, 5, 15, 17] {
        refuses("ip", Reason::InvalidIp, &|hello| hello.ip_addr = vec![1; length].into());
    }
    refuses("no port", Reason::InvalidIp, &|hello| hello.ip_port = 0);
    refuses("port of no low half", Reason::InvalidIp, &|hello| hello.ip_port = 0x1_0000);
    refuses("other port", Reason::InvalidSignature, &|hello| hello.ip_port = 9_652);
    refuses("other ip", Reason::InvalidSignature, &|hello| hello.ip_addr = vec![1; 4].into());
    refuses("other time", Reason::InvalidSignature, &|hello| hello.ip_signing_time += 1);
    refuses("no signature", Reason::InvalidSignature, &|hello| hello.ip_node_id_sig.clear());
    refuses("no BLS signature", Reason::InvalidSignature, &|hello| hello.ip_bls_sig.clear());
    refuses("short BLS signature", Reason::InvalidSignature, &|hello| {
        hello.ip_bls_sig.truncate(95);
    });
    refuses("no point", Reason::InvalidSignature, &|hello| {
        hello.ip_bls_sig = vec![0xff; 96].into();
    });
    refuses("old version", Reason::IncompatibleVersion, &|hello| {
        hello.client.as_mut().expect("a client").minor = 13;
    });
    refuses("next major version", Reason::IncompatibleVersion, &|hello| {
        hello.client.as_mut().expect("a client").major = 2;
    });
}

#[test]
fn what_avalanchego_accepts_is_accepted() {
    let accepts = |what: &str, change: &dyn Fn(&mut p2p::Handshake)| {
        assert!(check(&with(change)).is_ok(), "{what}");
    };
    accepts("a clock just right", &|hello| hello.my_time = NOW - 60);
    accepts("a clock just right", &|hello| hello.my_time = NOW + 60);
    accepts("a later version", &|hello| hello.client.as_mut().expect("a client").minor = 99);
    accepts("another name", &|hello| hello.client.as_mut().expect("a client").name.clear());
    accepts("a long port", &|hello| hello.ip_port |= 0xabc_0000);
    accepts("an ip of 4 bytes", &|hello| hello.ip_addr = vec![203, 0, 113, 7].into());
    accepts("16 subnets, the primary network and one twice", &|hello| {
        let subnet = |n: u8| Bytes::from(vec![n / 2; 32]);
        hello.tracked_subnets = (0..16).map(subnet).collect();
    });
    accepts("unknown ACPs both ways", &|hello| {
        (hello.supported_acps, hello.objected_acps) = (vec![23, 23], vec![23]);
    });
}

#[test]
fn the_first_broken_rule_counts() {
    // Everything is wrong; each step mends the first fault in AvalancheGo's order.
    let mut config = config();
    config.current_acps.insert(7);
    let mut hello = with(|hello| {
        hello.network_id = 1;
        hello.my_time = 0;
        hello.client.as_mut().expect("a client").minor = 12;
        hello.tracked_subnets = vec![Bytes::new(); 17];
        (hello.supported_acps, hello.objected_acps) = (vec![7], vec![7]);
        hello.known_peers = Some(p2p::BloomFilter::default());
        hello.ip_port = 0;
        hello.ip_node_id_sig.clear();
        hello.ip_bls_sig.clear();
    });
    let key = STRANGER.bls().public_key();
    let mut next = |expected, mend: &dyn Fn(&mut p2p::Handshake)| {
        let found = check_hello(&config, NOW, PEER.certificate(), Some(key), &hello);
        assert_eq!(found.err(), Some(expected));
        mend(&mut hello);
    };
    next(CloseReason::WrongNetwork, &|hello| hello.network_id = 12_345);
    next(CloseReason::ClockSkew, &|hello| hello.my_time = NOW);
    next(CloseReason::TooManySubnets, &|hello| hello.tracked_subnets.truncate(16));
    next(CloseReason::MalformedHandshake, &|hello| hello.tracked_subnets.clear());
    next(CloseReason::ConflictingAcps, &|hello| hello.objected_acps.clear());
    next(CloseReason::InvalidBloomFilter, &|hello| hello.known_peers = None);
    next(CloseReason::InvalidIp, &|hello| hello.ip_port = 9_651);
    next(CloseReason::InvalidSignature, &|hello| {
        hello.ip_node_id_sig = HELLO.ip_node_id_sig.clone();
    });
    next(CloseReason::InvalidSignature, &|hello| hello.ip_bls_sig = HELLO.ip_bls_sig.clone());
    next(CloseReason::IncompatibleVersion, &|hello| hello.client = HELLO.client.clone());
    next(CloseReason::InvalidSignature, &|_| ());
    let right = PEER.bls().public_key();
    let found = check_hello(&config, NOW, PEER.certificate(), Some(right), &hello);
    assert_eq!(found.map(|(info, _)| info.supported_acps), Ok(BTreeSet::from([7])));
}

#[test]
fn a_validator_must_sign_with_its_registered_key() {
    let check = |key: Option<&BlsPublicKey>, hello: &p2p::Handshake| {
        check_hello(&config(), NOW, PEER.certificate(), key, hello).map(|_| ())
    };
    let (own, other) = (PEER.bls().public_key(), STRANGER.bls().public_key());
    let wrong = Err(CloseReason::InvalidSignature);
    assert_eq!(check(Some(own), &HELLO), Ok(()));
    assert_eq!(check(Some(other), &HELLO), wrong, "registered with another key");
    // A signature by another key is good enough for who is no validator.
    let foreign = with(|hello| {
        let signature = sign(&STRANGER, "203.0.113.7:9651", NOW - 10).bls_signature;
        hello.ip_bls_sig = Bytes::copy_from_slice(&signature);
    });
    assert_eq!(check(None, &foreign), Ok(()));
    assert_eq!(check(Some(own), &foreign), wrong);
    // A signature as a message instead of as a proof of possession.
    let message = with(|hello| {
        let ip = sign(&PEER, "203.0.113.7:9651", NOW - 10).ip;
        hello.ip_bls_sig = PEER.bls().sign(&ip.to_bytes()).to_bytes().to_vec().into();
    });
    assert_eq!(check(Some(own), &message), wrong);
    // The point at infinity decodes, but proves nothing.
    let infinity = with(|hello| {
        let mut bytes = vec![0; 96];
        bytes[0] = 0xc0;
        hello.ip_bls_sig = bytes.into();
    });
    assert_eq!(check(None, &infinity), Ok(()));
    assert_eq!(check(Some(own), &infinity), wrong);
}

#[test]
fn an_address_counts_for_the_node_that_signed_it_and_not_from_the_future() {
    let check = |certificate, addr: &str, timestamp| {
        let ip = sign(&PEER, addr, timestamp);
        let hello = make_hello(&config(), NOW, &ip, &BTreeSet::new(), false, None);
        check_hello(&config(), NOW, certificate, None, &hello).map(|(info, _)| info.ip.ip.addr)
    };
    let own = PEER.certificate();
    let addr = |text: &str| Ok(text.parse::<SocketAddr>().expect("an address"));
    let wrong = Err(CloseReason::InvalidSignature);
    assert_eq!(check(own, "1.2.3.4:1", 0), addr("1.2.3.4:1"), "however old");
    assert_eq!(check(own, "1.2.3.4:1", NOW + 60), addr("1.2.3.4:1"));
    assert_eq!(check(own, "1.2.3.4:1", NOW + 61), wrong);
    assert_eq!(check(own, "1.2.3.4:1", u64::MAX), wrong);
    assert_eq!(check(STRANGER.certificate(), "1.2.3.4:1", NOW), wrong);
    assert_eq!(check(own, "[2001:db8::1]:9", NOW), addr("[2001:db8::1]:9"));
    assert_eq!(check(own, "[::1]:1", NOW), addr("[::1]:1"));
    assert_eq!(check(own, "[::ffff:1.2.3.4]:1", NOW), addr("1.2.3.4:1"), "IPv4 is IPv4");
}

#[test]
fn an_upgrade_or_a_registration_can_end_a_connection_later() {
    let mut config = config();
    config.compatibility.upgrade_unix = NOW + 100;
    let old = with(|hello| hello.client.as_mut().expect("a client").minor = 13);
    let (info, _) = check_hello(&config, NOW, PEER.certificate(), None, &old).expect("not yet");
    assert_eq!(info.recheck(&config, NOW + 99, Some(PEER.bls().public_key())), Ok(()));
    let found = info.recheck(&config, NOW + 99, Some(STRANGER.bls().public_key()));
    assert_eq!(found, Err(CloseReason::InvalidSignature));
    let found = info.recheck(&config, NOW + 100, None);
    assert_eq!(found, Err(CloseReason::IncompatibleVersion));
}

#[test]
fn a_node_tracks_no_more_subnets_than_peers_accept() {
    let tracked = (0..40).map(|n| Id::new([n; 32])).collect();
    let ip = sign(&PEER, "1.2.3.4:1", NOW);
    let hello = make_hello(&config(), NOW, &ip, &tracked, false, None);
    assert_eq!(hello.tracked_subnets.len(), TRACKED_SUBNETS_MAX);
    assert!(check(&hello).is_ok());
}

proptest! {
    /// A flipped bit anywhere in the message: no panic, and no other node, address or time.
    #[test]
    fn a_changed_message_never_changes_a_signed_address(at in any::<u16>(), bit in 0..8_u8) {
        let mut bytes = HELLO.encode_to_vec();
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(hello) = p2p::Handshake::decode(bytes.as_slice())
            && let Ok((info, _)) = check(&hello)
        {
            prop_assert_eq!(info.ip.ip.addr.to_string(), "203.0.113.7:9651");
            prop_assert_eq!(info.ip.ip.timestamp, NOW - 10);
            prop_assert_eq!(info.node_id, PEER.node_id());
        }
    }
}
