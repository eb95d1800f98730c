//! Step tables; `model` has the random histories.

use std::sync::LazyLock;

use super::*;
use crate::identity::{Identity, UnsignedIp};

mod model;

const NOW: u64 = 1_700_000_000;
/// A subnet that this node tracks, and one that it does not.
const TRACKED: Id = Id::new([1; 32]);
const OTHER: Id = Id::new([2; 32]);

/// Nodes in the order of their identifiers.
static NODES: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let mut nodes: Vec<_> = (0..40).map(|_| Identity::generate().expect("an identity")).collect();
    nodes.sort_by_key(Identity::node_id);
    nodes
});

fn id(n: usize) -> NodeId {
    NODES[n].node_id()
}

fn addr(n: usize, timestamp: u64) -> SocketAddr {
    let [.., low] = n.to_be_bytes();
    let [.., time] = timestamp.to_be_bytes();
    SocketAddr::from(([203, 0, low, time], 9_651))
}

fn claim(n: usize, timestamp: u64) -> ClaimedIp {
    let ip = UnsignedIp { addr: addr(n, timestamp), timestamp };
    let signature = NODES[n].sign_tls(&ip.to_bytes()).expect("signed");
    ClaimedIp::new(NODES[n].certificate().clone(), ip, &signature)
}

/// A claim with the signature of another node.
fn forged(n: usize, timestamp: u64) -> ClaimedIp {
    let ip = UnsignedIp { addr: addr(n, timestamp), timestamp };
    let signature = NODES[(n + 1) % NODES.len()].sign_tls(&ip.to_bytes()).expect("signed");
    ClaimedIp::new(NODES[n].certificate().clone(), ip, &signature)
}

fn list(claims: &[ClaimedIp]) -> p2p::PeerList {
    crate::peers::make_peer_list(claims)
}

fn config() -> TrackerConfig {
    TrackerConfig { tracked_subnets: BTreeSet::from([TRACKED]), ..TrackerConfig::new(id(0)) }
}

fn tracker() -> IpTracker {
    IpTracker::new(config(), &[1; 32], Timestamp::ZERO)
}

fn subnets(of: &[Id]) -> BTreeSet<Id> {
    of.iter().copied().collect()
}

fn own_filter(tracker: &IpTracker) -> Filter {
    let known = tracker.known_peers();
    Filter::parse(&known.filter, &known.salt).expect("own bytes")
}

/// Whom a peer that tracks these subnets is told of, if it knows nobody.
fn told(tracker: &IpTracker, requester: usize, tracked: &[Id], all_subnets: bool) -> Vec<NodeId> {
    let request = PeerListRequest {
        requester: id(requester),
        tracked_subnets: &subnets(tracked),
        all_subnets,
        known_peers: None,
    };
    let claims = tracker.peer_list(request, &mut SeedStream::new(&[9; 32]));
    let mut nodes: Vec<_> = claims.iter().map(ClaimedIp::node_id).collect();
    nodes.sort();
    nodes
}

#[test]
fn wanted_are_manual_nodes_and_validators_of_tracked_subnets() {
    let mut tracker = tracker();
    assert!(!tracker.wants(&id(1)));
    assert!(tracker.validator_added(OTHER, id(1)));
    assert!(!tracker.wants(&id(1)), "this node does not track the subnet");
    assert!(tracker.validator_added(TRACKED, id(1)) && tracker.wants(&id(1)));
    tracker.validator_removed(TRACKED, &id(1));
    assert!(!tracker.wants(&id(1)));
    assert!(tracker.validator_added(PRIMARY_NETWORK, id(1)) && tracker.wants(&id(1)));
    assert!(tracker.track_manually(id(1)));
    tracker.validator_removed(PRIMARY_NETWORK, &id(1));
    assert!(tracker.wants(&id(1)), "the operator wants it");
    tracker.untrack_manually(&id(1));
    assert!(!tracker.wants(&id(1)));
    assert_eq!(tracker.len(), 1, "it still validates the other subnet");
    tracker.validator_removed(OTHER, &id(1));
    assert!(tracker.is_empty() && tracker.subnets.is_empty());
    // Nobody wants a connection with itself.
    assert!(tracker.validator_added(PRIMARY_NETWORK, id(0)) && !tracker.wants(&id(0)));
    let config = TrackerConfig { connect_to_all_validators: true, ..config() };
    let mut tracker = IpTracker::new(config, &[1; 32], Timestamp::ZERO);
    assert!(tracker.validator_added(OTHER, id(1)) && tracker.wants(&id(1)));
}

#[test]
fn unwanted_and_old_claims_are_skipped_before_they_are_verified() {
    let mut tracker = tracker();
    tracker.track_manually(id(1));
    tracker.validator_added(OTHER, id(2));
    let mut check = |claims: &[ClaimedIp], expected: Result<Vec<(usize, u64)>, CloseReason>| {
        let expected =
            expected.map(|nodes| nodes.into_iter().map(|(n, t)| (id(n), addr(n, t))).collect());
        assert_eq!(tracker.claimed(NOW, &list(claims)), expected, "{claims:?}");
    };
    let wrong = Err(CloseReason::InvalidSignature);
    check(&[], Ok(vec![]));
    // Nobody knows 3, and 2 is not wanted: whatever they are said to claim is ignored.
    check(&[forged(3, 5), forged(2, 5), forged(2, u64::MAX)], Ok(vec![]));
    check(&[claim(1, 5)], Ok(vec![(1, 5)]));
    check(&[claim(1, 5), claim(1, 4), forged(1, 5), forged(1, 0)], Ok(vec![]));
    check(&[claim(1, 6), claim(1, 8), claim(1, 7)], Ok(vec![(1, 8)]));
    check(&[forged(1, 9)], wrong.clone());
    check(&[claim(1, NOW + 61)], wrong.clone());
    check(&[claim(1, u64::MAX)], wrong.clone());
    // A list with one wrong entry is ignored whole.
    check(&[claim(1, 20), forged(1, 21)], wrong);
    check(&[claim(1, 19)], Ok(vec![(1, 19)]));
    check(&[claim(1, NOW + 60)], Ok(vec![(1, NOW + 60)]));
    assert_eq!(tracker.claim(&id(1)).map(ClaimedIp::timestamp), Some(NOW + 60));
    assert_eq!(tracker.claim(&id(2)), None);
}

#[test]
fn a_malformed_entry_ends_the_connection_wherever_it_stands_and_whoever_it_is() {
    let mut tracker = tracker();
    tracker.track_manually(id(1));
    for at in [0, 1] {
        let mut list = list(&[claim(1, 5), claim(2, 5)]);
        list.claimed_ip_ports[at].ip_port = 0;
        assert_eq!(tracker.claimed(NOW, &list), Err(CloseReason::MalformedPeerList));
    }
    assert_eq!(tracker.claim(&id(1)), None);
}

#[test]
fn entries_over_the_limit_are_not_looked_at() {
    let mut tracker = tracker();
    tracker.track_manually(id(1));
    let mut entries = list(&vec![claim(2, 1); PEER_LIST_ENTRIES_MAX]);
    entries.claimed_ip_ports.push(claim(1, 5).to_wire());
    assert_eq!(tracker.claimed(NOW, &entries), Ok(vec![]));
    entries.claimed_ip_ports.remove(0);
    assert_eq!(tracker.claimed(NOW, &entries), Ok(vec![(id(1), addr(1, 5))]));
}

#[test]
fn who_looks_after_all_subnets_keeps_claims_of_unwanted_validators_but_does_not_dial_them() {
    let mut tracker = tracker();
    tracker.validator_added(OTHER, id(2));
    assert!(!tracker.looks_after_all_subnets());
    tracker.validator_added(PRIMARY_NETWORK, id(0));
    assert!(tracker.looks_after_all_subnets());
    assert_eq!(tracker.claimed(NOW, &list(&[claim(2, 5)])), Ok(vec![]));
    assert_eq!(tracker.claim(&id(2)), Some(&claim_of(&tracker, 2)));
    assert_eq!(tracker.claimed(NOW, &list(&[forged(2, 6)])), Err(CloseReason::InvalidSignature));
    assert_eq!(tracker.claimed(NOW, &list(&[forged(0, 6)])), Ok(vec![]), "this node itself");
}

fn claim_of(tracker: &IpTracker, n: usize) -> ClaimedIp {
    tracker.claim(&id(n)).expect("a claim").clone()
}

#[test]
fn told_are_connected_validators_of_subnets_that_all_three_track() {
    let mut tracker = tracker();
    let primary = [PRIMARY_NETWORK];
    let both = [PRIMARY_NETWORK, TRACKED];
    tracker.validator_added(PRIMARY_NETWORK, id(1));
    tracker.validator_added(TRACKED, id(2));
    tracker.validator_added(OTHER, id(3));
    assert_eq!(told(&tracker, 9, &both, true), [], "nobody is connected");
    tracker.connected(&claim(1, 5), &subnets(&primary));
    tracker.connected(&claim(2, 5), &subnets(&both));
    tracker.connected(&claim(3, 5), &subnets(&[PRIMARY_NETWORK, OTHER]));
    tracker.connected(&claim(4, 5), &subnets(&both));
    assert_eq!(told(&tracker, 9, &primary, false), [id(1)], "4 validates nothing");
    assert_eq!(told(&tracker, 9, &both, false), [id(1), id(2)]);
    assert_eq!(told(&tracker, 1, &both, false), [id(2)], "not of itself");
    let everything = [PRIMARY_NETWORK, TRACKED, OTHER];
    assert_eq!(told(&tracker, 9, &everything, true), [id(1), id(2)], "this node does not know 3");
    // A validator that does not track the subnet is not told of in it.
    tracker.validator_added(TRACKED, id(1));
    assert_eq!(told(&tracker, 9, &[TRACKED], false), [id(2)]);
    // As a validator this node looks after all subnets.
    tracker.validator_added(PRIMARY_NETWORK, id(0));
    assert_eq!(told(&tracker, 9, &everything, false), [id(1), id(2), id(3)]);
    assert_eq!(told(&tracker, 9, &primary, false), [id(1)]);
    assert_eq!(told(&tracker, 9, &primary, true), [id(1), id(2), id(3)]);
    // 4 becomes a validator while it is connected; 1 leaves; 2 is removed.
    tracker.validator_added(PRIMARY_NETWORK, id(4));
    assert_eq!(tracker.disconnected(&id(1)), Some(addr(1, 5)), "it is dialled again");
    assert_eq!(tracker.disconnected(&id(1)), None);
    tracker.validator_removed(TRACKED, &id(2));
    assert_eq!(told(&tracker, 9, &both, false), [id(4)]);
    assert_eq!(tracker.disconnected(&id(2)), None, "nobody wants it any more");
}

#[test]
fn told_is_the_newest_claim_even_if_the_node_connected_with_an_older_one() {
    let mut tracker = tracker();
    tracker.validator_added(PRIMARY_NETWORK, id(1));
    assert!(tracker.claimed(NOW, &list(&[claim(1, 9)])).is_ok());
    tracker.connected(&claim(1, 5), &subnets(&[PRIMARY_NETWORK]));
    let newest = |tracker: &IpTracker| {
        let request = PeerListRequest {
            requester: id(9),
            tracked_subnets: &subnets(&[PRIMARY_NETWORK]),
            all_subnets: false,
            known_peers: None,
        };
        let claims = tracker.peer_list(request, &mut SeedStream::new(&[0; 32]));
        claims.iter().map(ClaimedIp::timestamp).collect::<Vec<_>>()
    };
    assert_eq!(newest(&tracker), [9]);
    assert!(tracker.claimed(NOW, &list(&[claim(1, 10)])).is_ok());
    assert_eq!(newest(&tracker), [10]);
    // It reconnects and says that it moved.
    tracker.connected(&claim(1, 11), &subnets(&[PRIMARY_NETWORK]));
    assert_eq!(newest(&tracker), [11]);
}

#[test]
fn manual_gossip_survives_the_removal_of_the_validator() {
    let mut tracker = tracker();
    assert!(tracker.gossip_manually(TRACKED, id(1)) && tracker.gossip_manually(OTHER, id(2)));
    assert!(tracker.wants(&id(1)) && !tracker.wants(&id(2)));
    tracker.connected(&claim(1, 5), &subnets(&[PRIMARY_NETWORK, TRACKED]));
    tracker.validator_added(TRACKED, id(1));
    tracker.validator_removed(TRACKED, &id(1));
    assert_eq!(told(&tracker, 9, &[TRACKED], false), [id(1)]);
    assert!(tracker.wants(&id(1)));
}

#[test]
fn validators_are_replaced_as_a_whole() {
    let mut tracker = tracker();
    let set = |nodes: &[usize]| nodes.iter().map(|n| id(*n)).collect::<BTreeSet<_>>();
    assert!(tracker.set_validators(TRACKED, &set(&[1, 2, 3])));
    assert!(tracker.set_validators(TRACKED, &set(&[3, 4])));
    let wanted: Vec<_> = (0..6).filter(|n| tracker.wants(&id(*n))).collect();
    assert_eq!((wanted, tracker.len()), (vec![3, 4], 2));
    assert!(tracker.set_validators(TRACKED, &BTreeSet::new()) && tracker.is_empty());
}

#[test]
fn a_list_has_fifteen_random_nodes_that_the_filter_does_not_contain() {
    let mut tracker = tracker();
    for n in 1..40 {
        tracker.validator_added(PRIMARY_NETWORK, id(n));
        tracker.connected(&claim(n, 5), &subnets(&[PRIMARY_NETWORK]));
    }
    let mut source = SeedStream::new(&[3; 32]);
    let mut draw = |known: Option<&Filter>| {
        let request = PeerListRequest {
            requester: id(7),
            tracked_subnets: &subnets(&[PRIMARY_NETWORK]),
            all_subnets: false,
            known_peers: known,
        };
        let claims = tracker.peer_list(request, &mut source);
        claims.iter().map(ClaimedIp::node_id).collect::<BTreeSet<_>>()
    };
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let nodes = draw(None);
        assert_eq!(nodes.len(), PEER_LIST_MAX);
        assert!(!nodes.contains(&id(7)));
        seen.extend(nodes);
    }
    assert_eq!(seen.len(), 38, "every other node is drawn some time");
    // A peer that asks with what it learned knows everybody in the end.
    let mut bloom = Bloom::new(Parameters::optimal(128, 1e-9), 0.5, &mut SeedStream::new(&[4; 32]));
    for expected in [15, 15, 8, 0] {
        let salt = Bytes::copy_from_slice(bloom.salt());
        let filter = Filter::parse(&bloom.to_bytes(), &salt).expect("own bytes");
        let nodes = draw(Some(&filter));
        assert_eq!(nodes.len(), expected);
        for node in nodes {
            bloom.add(&tracker.claim(&node).expect("known").gossip_id());
        }
    }
}

#[test]
fn a_node_adds_two_claims_to_the_filter_between_resets() {
    let mut tracker = tracker();
    tracker.track_manually(id(1));
    let claims: Vec<_> = (1..=4).map(|timestamp| claim(1, timestamp)).collect();
    for claim in &claims {
        assert!(tracker.claimed(NOW, &list(std::slice::from_ref(claim))).is_ok());
    }
    let inside = |tracker: &IpTracker| -> Vec<_> {
        let filter = own_filter(tracker);
        claims.iter().map(|claim| filter.contains(&claim.gossip_id())).collect()
    };
    assert_eq!(inside(&tracker), [true, true, false, false]);
    let (first, reset) = (tracker.known_peers(), tracker.next_deadline());
    assert_eq!(reset, Timestamp::from_millis(60_000));
    tracker.tick(Timestamp::from_millis(59_999));
    assert_eq!(tracker.known_peers(), first);
    tracker.tick(reset);
    assert_eq!(inside(&tracker), [false, false, false, true], "the newest only");
    assert_ne!(tracker.known_peers().salt, first.salt);
    assert_eq!(tracker.next_deadline(), Timestamp::from_millis(120_000));
    assert!(tracker.claimed(NOW, &list(&[claim(1, 5)])).is_ok());
    assert!(own_filter(&tracker).contains(&claim(1, 5).gossip_id()));
}

#[test]
fn an_own_filter_is_never_empty_and_has_the_size_of_avalanchego() {
    let tracker = tracker();
    assert_eq!(tracker.known_peers().filter.len(), 1 + 10 * 8 + 230);
    assert_eq!(tracker.known_peers().salt.len(), 32);
}

#[test]
fn a_full_filter_is_made_anew_at_once_and_larger() {
    let mut tracker = tracker();
    let one = claim(1, 5);
    tracker.track_manually(id(1));
    for n in 0..200_u8 {
        tracker.track_manually(NodeId::new([n; 20]));
    }
    let small = tracker.known_peers().filter.len();
    let mut key = 0_u32;
    while !tracker.bloom.is_full() {
        tracker.bloom.add(&key.to_be_bytes());
        key += 1;
    }
    assert!(tracker.claimed(NOW, &list(std::slice::from_ref(&one))).is_ok());
    assert!(tracker.known_peers().filter.len() > small);
    assert!(own_filter(&tracker).contains(&one.gossip_id()));
    assert_eq!(tracker.bloom.count(), 1);
}

#[test]
fn what_was_kept_is_restored_if_it_is_wanted_and_verifies() {
    let mut tracker = tracker();
    tracker.validator_added(PRIMARY_NETWORK, id(1));
    tracker.validator_added(OTHER, id(2));
    assert_eq!(tracker.restore(NOW, &forged(1, 5)), None);
    assert_eq!(tracker.restore(NOW, &claim(1, 5)), Some(addr(1, 5)));
    assert_eq!(tracker.restore(NOW, &claim(1, 5)), None, "no news");
    assert_eq!(tracker.restore(NOW, &claim(2, 5)), None, "kept, but not dialled");
    assert!(tracker.claim(&id(2)).is_some());
    assert_eq!(tracker.restore(NOW, &claim(3, 5)), None);
    assert!(tracker.claim(&id(3)).is_none());
}

#[test]
fn there_is_room_for_as_many_nodes_as_configured() {
    let config = TrackerConfig { nodes_max: 2, ..config() };
    let mut tracker = IpTracker::new(config, &[1; 32], Timestamp::ZERO);
    assert!(tracker.track_manually(id(1)) && tracker.validator_added(TRACKED, id(2)));
    assert!(!tracker.track_manually(id(3)) && !tracker.validator_added(TRACKED, id(3)));
    assert!(!tracker.gossip_manually(TRACKED, id(3)));
    assert!(tracker.validator_added(TRACKED, id(1)), "a known one needs no room");
    assert_eq!((tracker.len(), tracker.refused()), (2, 3));
    assert!(!tracker.is_member(&TRACKED, &id(3)));
    tracker.validator_removed(TRACKED, &id(2));
    assert!(tracker.validator_added(TRACKED, id(3)));
}
