//! Step tables of push and pull.

use super::*;

fn fresh(config: GossipConfig) -> Gossip<Tx> {
    Gossip::new(config, &[7; 32])
}

fn unprefixed(message: &Bytes) -> Bytes {
    let (handler, rest) = prefix::split(message).unwrap();
    assert_eq!(handler, 300);
    rest
}

const CONFIG: GossipConfig = GossipConfig {
    handler: 300,
    items_max: 100,
    bytes_max: 1 << 20,
    item_bytes_max: 1_000,
    message_items_max: 5,
    target_bytes: 250,
    scan_max: 100,
    push_max: 4,
    push_peers: 2,
    regossip_peers: 1,
    regossip_until: 3,
    regossip_period: Duration::from_secs(30),
    pulls_per_second: 1,
    pullers_max: 10,
    filter: FilterConfig {
        items_min: 100,
        false_positives: 0.01,
        false_positives_max: 0.05,
        period: Duration::from_mins(1),
    },
};

#[test]
fn own_items_are_pushed_and_again_to_those_that_do_not_have_them() {
    let mut gossip = fresh(CONFIG);
    let peers = peers(&[5, 5, 5, 5, 5]);
    for number in 0..6 {
        assert_eq!(gossip.add_own(tx(number, 100)), Added::New);
    }
    // Four fit into the queue, three into a message: the one that exceeds the target included.
    assert_eq!((gossip.pushing(), gossip.stats().unpushed), (4, 2));
    assert!(gossip.poll(&[], at(0)).is_empty());
    let first = gossip.poll(&peers, at(1));
    assert_eq!(
        first.iter().map(|push| (push.nodes.len(), push.items)).collect::<Vec<_>>(),
        [(2, 3)]
    );
    let second = gossip.poll(&peers, at(2));
    assert_eq!(second.iter().map(|push| push.items).collect::<Vec<_>>(), [1]);
    assert!(gossip.poll(&peers, at(30_000)).is_empty());
    let mut received = fresh(CONFIG);
    let items = received.receive_push(node(9), unprefixed(&first[0].message)).unwrap();
    assert_eq!(items, [tx(0, 100), tx(1, 100), tx(2, 100)]);

    // Of three peers left for the first item one has sent it, one has it in its filter.
    let left: Vec<_> =
        peers.iter().map(|peer| peer.node).filter(|node| !first[0].nodes.contains(node)).collect();
    let mut other = fresh(CONFIG);
    other.add_own(tx(0, 100));
    let push = other.poll(&peers, at(0)).remove(0);
    assert!(gossip.receive_push(left[0], unprefixed(&push.message)).unwrap().is_empty());
    gossip.answer_pull(left[1], unprefixed(&other.pull_request(at(0))), at(0)).unwrap();
    // One is gone, and no more pushed.
    assert_eq!(gossip.remove(&tx(1, 100).id()), Some(tx(1, 100)));
    let again = gossip.poll(&peers, at(30_001));
    let to_last: Vec<_> = again.iter().filter(|push| push.nodes.contains(&left[2])).collect();
    let items: usize = again.iter().map(|push| push.items * push.nodes.len()).sum();
    assert_eq!(items, 2, "the first and the third, to one peer each");
    let mut last = fresh(CONFIG);
    let items = to_last
        .iter()
        .flat_map(|push| last.receive_push(node(9), unprefixed(&push.message)).unwrap());
    assert!(items.collect::<Vec<_>>().contains(&tx(0, 100)));
    // In the end everybody is known to have everything, and nothing is sent.
    for round in 2..12 {
        gossip.poll(&peers, at(30_002 * round));
        gossip.poll(&peers, at(30_002 * round + 1));
    }
    assert!(gossip.poll(&peers, at(10_000_000)).is_empty());
    assert_eq!(gossip.pushing(), 3);
    assert_eq!(gossip.stats().pushed, 4 * 5 - 3 - 2, "nobody twice");
}

#[test]
fn what_a_peer_sends_is_bounded_checked_and_counted() {
    let mut gossip = fresh(CONFIG);
    let message =
        |items: &[Tx]| Bytes::from(message::push(items.iter().map(Gossipable::to_bytes).collect()));
    let invalid = Tx(Bytes::from_static(&[0]));
    let (a, b) = (tx(1, 10), tx(2, 10));
    let sent = message(&[a.clone(), a.clone(), invalid, tx(3, 1_001), b.clone()]);
    let new = gossip.receive_push(node(1), sent.clone()).unwrap();
    assert_eq!(new, [a.clone(), b.clone()]);
    assert_eq!(gossip.add(a.clone()), Added::New);
    assert_eq!(gossip.add(a.clone()), Added::Duplicate);
    // The second was found to be invalid by the caller, and is not asked for again.
    gossip.reject(&b.id());
    let new = gossip.receive_pull(node(2), sent).unwrap();
    assert_eq!(new, [b]);
    let over = message(&(0..6).map(|number| tx(number, 8)).collect::<Vec<_>>());
    assert_eq!(gossip.receive_pull(node(2), over), Err(GossipFault::TooManyItems));
    let junk = Bytes::from_static(&[0xff]);
    assert_eq!(gossip.receive_push(node(2), junk.clone()), Err(GossipFault::Protobuf));
    assert_eq!(gossip.answer_pull(node(2), junk, at(0)), Err(GossipFault::Protobuf));
    let expected = GossipStats {
        received: 10,
        duplicates: 4,
        invalid: 4,
        added: 1,
        faults: 3,
        ..Default::default()
    };
    assert_eq!(gossip.stats(), expected);
    assert_eq!(gossip.pushing(), 0, "items of others are not pushed");
}

#[test]
fn a_pull_gets_what_is_missing_and_a_peer_that_asks_too_often_an_error() {
    let (mut server, mut client) = (fresh(CONFIG), fresh(CONFIG));
    for number in 0..10 {
        server.add_own(tx(number, 50));
    }
    for number in 0..5 {
        client.add(tx(number, 50));
    }
    let request = unprefixed(&client.pull_request(at(0)));
    let response = server.answer_pull(node(1), request.clone(), at(0)).unwrap();
    let new = client.receive_pull(node(2), response).unwrap();
    assert_eq!(new, (5..10).map(|number| tx(number, 50)).collect::<Vec<_>>());
    for item in new {
        assert_eq!(client.add(item), Added::New);
    }
    let response =
        server.answer_pull(node(1), unprefixed(&client.pull_request(at(0))), at(0)).unwrap();
    assert!(response.is_empty());
    let answers: Vec<_> =
        (0..8).map(|_| server.answer_pull(node(1), request.clone(), at(0)).err()).collect();
    assert_eq!(answers.iter().flatten().count(), 2);
    assert_eq!(answers[7], Some(GossipFault::Throttled));
    assert_eq!(GossipFault::Throttled.app_error_code(), -4);
    assert_eq!(GossipFault::Salt.app_error_code(), -1);
    assert!(server.answer_pull(node(2), request, at(0)).is_ok());
    assert_eq!(client.stats().copies_per_item(), 1.0);
}

/// A push may have been lost, so only what peers say themselves counts; and only of validators,
/// because anybody can make a filter of ones.
#[test]
fn an_item_that_validators_say_they_have_is_not_pushed_again() {
    let config = GossipConfig { push_peers: 1, regossip_until: 2, ..CONFIG };
    let sends = |weights: &[u64], sayers: &[u8]| {
        let mut gossip = fresh(config);
        gossip.add_own(tx(0, 100));
        let peers = peers(weights);
        assert_eq!(gossip.poll(&peers, at(0)).len(), 1);
        let mut other = fresh(config);
        other.add(tx(0, 100));
        for sayer in sayers {
            let request = unprefixed(&other.pull_request(at(0)));
            gossip.answer_pull(node(*sayer), request, at(0)).unwrap();
        }
        gossip.poll(&peers, at(30_000)).len()
    };
    // Weights of the peers from the first on, who says so, messages.
    let table: [(&[u64], &[u8], usize); 5] = [
        (&[1, 1, 1, 1, 0, 0], &[], 1),
        (&[1, 1, 1, 1, 0, 0], &[1], 1),
        (&[1, 1, 1, 1, 0, 0], &[1, 2], 0),
        (&[1, 1, 1, 1, 0, 0], &[1, 5, 6], 1),
        (&[0, 0, 0, 0, 0, 0], &[5, 6], 0),
    ];
    for (weights, sayers, messages) in table {
        assert_eq!(sends(weights, sayers), messages, "{weights:?} {sayers:?}");
    }
}

/// Items come, are pushed, decided and perhaps come again: nothing is left behind, and what is
/// there is pushed.
#[test]
fn churn_leaves_no_entries_and_repeats_no_pushes() {
    let config = GossipConfig { push_max: 10, ..CONFIG };
    let mut gossip = fresh(config);
    let peers = peers(&[1, 1, 1]);
    let mut pushed = 0;
    for round in 0..1_000_u64 {
        // One stays, so that no entry behind it is at the front.
        for number in [round + 10, round % 7 + 2_000] {
            if round > 0 {
                gossip.remove(&tx(number, 100).id());
            }
            gossip.add_own(tx(number, 100));
        }
        pushed += gossip.poll(&peers, at(round)).iter().map(|push| push.items).sum::<usize>();
        if round > 0 {
            gossip.remove(&tx(round + 10, 100).id());
        }
        assert!(gossip.pushing() <= 10);
        assert!(gossip.push.queued() <= 22, "{}", gossip.push.queued());
    }
    assert_eq!((pushed, gossip.stats().unpushed), (2_000, 0));
}
