//! Five nodes in one program: every transaction reaches all of them, once; and each bound holds.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use avalanche_consensus::{NodeId, Timestamp};
use avalanche_net::gossip::{GossipConfig, GossipFault, GossipPeer};

use super::gossip::Bounds;
use super::*;

const NODES: usize = 5;
/// A transfer of the payments VM.
const TX_BYTES: usize = 193;

fn node(at: usize) -> NodeId {
    NodeId::new([u8::try_from(at + 1).unwrap(); 20])
}

fn tx(number: usize) -> Tx {
    let mut bytes = vec![0; TX_BYTES];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Tx::new(bytes.into())
}

fn millis(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn peers(own: usize) -> Vec<GossipPeer> {
    (0..NODES).filter(|at| *at != own).map(|at| GossipPeer { node: node(at), weight: 4 }).collect()
}

enum Message {
    Gossip(Bytes),
    Request(Bytes),
    Response(Bytes),
}

/// Nodes, and messages that arrive in the next step.
struct Network {
    nodes: Vec<TransactionGossip>,
    flying: VecDeque<(usize, usize, Message)>,
    /// What the VM of a node tries, a step later than it came.
    trying: Vec<Vec<Tx>>,
    now: u64,
    pushes: usize,
    longest: usize,
    bytes: usize,
    /// Of so many pushes one is lost.
    loses: Option<usize>,
}

impl Network {
    fn new(loses: Option<usize>) -> Self {
        let seed = |at: usize| [u8::try_from(at).unwrap() + 9; 32];
        Self {
            nodes: (0..NODES).map(|at| TransactionGossip::new(&seed(at))).collect(),
            flying: VecDeque::new(),
            trying: vec![Vec::new(); NODES],
            now: 0,
            pushes: 0,
            longest: 0,
            bytes: 0,
            loses,
        }
    }

    /// Ten milliseconds.
    fn step(&mut self) {
        self.now += 10;
        let now = millis(self.now);
        for at in 0..NODES {
            for one in std::mem::take(&mut self.trying[at]) {
                self.nodes[at].admitted(one, now);
            }
        }
        for (from, to, message) in std::mem::take(&mut self.flying) {
            let here = &mut self.nodes[to];
            let routed = |message: &Bytes| match AppRoute::of(message) {
                AppRoute::Gossip(rest) => rest,
                other => panic!("{other:?}"),
            };
            let new = match message {
                Message::Gossip(message) => {
                    here.received_push(node(from), routed(&message)).unwrap()
                }
                Message::Request(message) => {
                    let answer = here.received_pull_request(node(from), routed(&message), now);
                    match answer {
                        Ok(answer) => {
                            self.flying.push_back((to, from, Message::Response(answer)));
                        }
                        Err(_) => self.nodes[from].pull_failed(node(to)),
                    }
                    continue;
                }
                Message::Response(message) => {
                    here.received_pull_answer(node(from), message).unwrap()
                }
            };
            self.trying[to].extend(new);
        }
        for at in 0..NODES {
            let peers = peers(at);
            let index = |node: NodeId| usize::from(node.as_bytes()[0]) - 1;
            for push in self.nodes[at].poll(now, &peers) {
                self.longest = self.longest.max(push.message.len());
                for to in push.nodes {
                    self.pushes += 1;
                    self.bytes += push.message.len();
                    if self.loses.is_none_or(|each| !self.pushes.is_multiple_of(each)) {
                        let message = Message::Gossip(push.message.clone());
                        self.flying.push_back((at, index(to), message));
                    }
                }
            }
            if let Some((to, request)) = self.nodes[at].pull(now, &peers) {
                self.flying.push_back((at, index(to), Message::Request(request)));
            }
        }
    }

    fn everybody_has(&self, count: usize) -> bool {
        self.nodes.iter().all(|node| node.len() == count)
    }

    fn copies(&self) -> f64 {
        let stats: Vec<_> = self.nodes.iter().map(TransactionGossip::stats).collect();
        let added: u64 = stats.iter().map(|stats| stats.added).sum();
        let duplicates: u64 = stats.iter().map(|stats| stats.duplicates).sum();
        (added + duplicates) as f64 / added as f64
    }
}

#[test]
fn a_burst_at_one_node_is_everywhere_in_a_few_messages() {
    const BURST: usize = 100_000;
    let mut network = Network::new(None);
    assert_eq!(network.nodes[0].add_own((0..BURST).map(tx), millis(0)), 0);
    let mut steps = 0;
    while !network.everybody_has(BURST) {
        network.step();
        steps += 1;
        assert!(
            steps < 60,
            "{:?}",
            network.nodes.iter().map(TransactionGossip::len).collect::<Vec<_>>()
        );
    }
    assert!(network.copies() <= 1.3, "{}", network.copies());
    assert!(network.longest <= 128 << 10, "{}", network.longest);
    let each = network.pushes / (NODES - 1);
    assert!((150..400).contains(&each), "{each} messages to each peer");
    let bytes = network.bytes / (NODES - 1) / BURST;
    assert!(bytes < TX_BYTES + 8, "{bytes} bytes a transaction and peer");
}

#[test]
fn what_comes_everywhere_all_the_time_reaches_everybody_once() {
    let mut network = Network::new(None);
    let mut count = 0;
    for _ in 0..300 {
        for at in 0..NODES {
            let all = (count..count + 20).map(tx);
            count += 20;
            assert_eq!(network.nodes[at].add_own(all, millis(network.now)), 0);
        }
        network.step();
    }
    (0..10).for_each(|_| network.step());
    assert!(network.everybody_has(count), "{count}");
    assert!(network.copies() <= 1.3, "{}", network.copies());
}

#[test]
fn what_is_lost_on_the_way_is_pulled() {
    let mut network = Network::new(Some(3));
    network.nodes[2].add_own((0..5_000).map(tx), millis(0));
    let mut steps = 0;
    while !network.everybody_has(5_000) {
        network.step();
        steps += 1;
        // The filter has another salt after a minute: what seemed to be there comes then.
        assert!(
            steps < 6_500,
            "{:?}",
            network.nodes.iter().map(TransactionGossip::len).collect::<Vec<_>>()
        );
    }
    assert!(network.copies() <= 1.3, "{}", network.copies());
    let answered: u64 = network.nodes.iter().map(|node| node.stats().answered_items).sum();
    assert!(answered > 1_000, "{answered}");
}

#[test]
fn what_is_decided_or_refused_is_not_sent_any_more() {
    let mut network = Network::new(None);
    network.nodes[0].add_own((0..100).map(tx), millis(0));
    (0..5).for_each(|_| network.step());
    assert!(network.everybody_has(100));
    let ids: Vec<_> = (0..60).map(|number| tx(number).id()).collect();
    for node in &mut network.nodes {
        node.accepted(&ids);
        node.refused(&tx(70).id());
        node.dropped(&tx(71).id());
        assert_eq!(node.len(), 38);
    }
    let added =
        |network: &Network| -> u64 { network.nodes.iter().map(|node| node.stats().added).sum() };
    let before = added(&network);
    (0..500).for_each(|_| network.step());
    assert_eq!(added(&network), before, "nothing came back");
    // Whoever accepts what it never had does not ask for it either.
    let mut late = TransactionGossip::new(&[1; 32]);
    late.accepted(&ids);
    let (_, request) = late.pull(millis(0), &peers(4)).unwrap();
    let AppRoute::Gossip(request) = AppRoute::of(&request) else { panic!("a pull") };
    let mut full = TransactionGossip::new(&[2; 32]);
    full.add_own((0..60).map(tx), millis(0));
    let answer = full.received_pull_request(node(4), request, millis(0)).unwrap();
    late.pull_failed(node(0));
    assert!(late.received_pull_answer(node(0), answer).unwrap().len() < 6, "but for a few");
}

#[test]
fn what_nobody_decides_is_forgotten_in_time() {
    let mut gossip = TransactionGossip::new(&[1; 32]);
    gossip.add_own((0..10).map(tx), millis(0));
    gossip.admitted(tx(10), millis(60_000));
    gossip.poll(millis(599_999), &[]);
    assert_eq!(gossip.len(), 11);
    gossip.poll(millis(600_000), &[]);
    assert_eq!(gossip.len(), 1);
    gossip.poll(millis(660_000), &[]);
    assert!(gossip.is_empty());
}

fn small() -> Bounds {
    let wide = Bounds::default();
    let gossip = GossipConfig { items_max: 10, push_max: 10, ..wide.gossip };
    Bounds { gossip, verifying: 3, ..wide }
}

fn pushed(numbers: std::ops::Range<usize>) -> Bytes {
    let mut other = TransactionGossip::new(&[3; 32]);
    other.add_own(numbers.map(tx), millis(0));
    let push = other.poll(millis(0), &peers(0)).remove(0);
    let AppRoute::Gossip(message) = AppRoute::of(&push.message) else { panic!("gossip") };
    message
}

#[test]
fn beyond_each_bound_happens_what_is_documented() {
    let mut gossip = TransactionGossip::with_bounds(small(), &[1; 32]);
    // With the VM: what comes is forgotten, and comes again when there is room.
    let message = pushed(0..5);
    let first = gossip.received_push(node(1), message.clone()).unwrap();
    assert_eq!((first.len(), gossip.forgotten()), (3, 2));
    assert!(gossip.received_push(node(2), message.clone()).unwrap().is_empty());
    for one in first {
        gossip.admitted(one, millis(0));
    }
    let rest = gossip.received_push(node(1), message.clone()).unwrap();
    assert_eq!(rest.len(), 2);
    gossip.refused(&rest[0].id());
    gossip.admitted(rest[1].clone(), millis(0));
    assert_eq!(gossip.len(), 4);
    // What was refused or admitted makes room.
    let others = gossip.received_push(node(1), pushed(40..43)).unwrap();
    assert_eq!(others.len(), 3);
    others.iter().for_each(|one| gossip.refused(&one.id()));
    // Kept.
    assert_eq!(gossip.add_own((10..20).map(tx), millis(0)), 4);
    assert_eq!(gossip.len(), 10);
    gossip.admitted(tx(30), millis(0));
    assert!(!gossip.contains(&tx(30).id()));
    // Too long.
    let long = Tx::new(vec![7; (64 << 10) + 1].into());
    assert_eq!(gossip.add_own([long], millis(0)), 1);
    // The list of times does not grow with what went through.
    for round in 0..100 {
        let numbers = (round * 5 + 1_000..).take(5);
        let ids: Vec<_> = numbers.clone().map(|number| tx(number).id()).collect();
        gossip.accepted(&[tx(10 + round).id()]);
        gossip.add_own(numbers.map(tx), millis(0));
        gossip.accepted(&ids);
        gossip.poll(millis(0), &[]);
        assert!(gossip.kept_len() <= 20 + 5, "{}", gossip.kept_len());
    }
}

#[test]
fn new_ones_go_to_all_of_twenty_validators() {
    let mut gossip = TransactionGossip::new(&[1; 32]);
    let peer = |at| GossipPeer { node: node(at), weight: 1 };
    let peers: Vec<_> = (0..20).map(peer).collect();
    gossip.add_own([tx(1)], millis(0));
    let pushes = gossip.poll(millis(0), &peers);
    assert_eq!((pushes.len(), pushes[0].nodes.len()), (1, 20));
    assert!(gossip.poll(millis(10), &peers).is_empty());
}

#[test]
fn one_pull_is_open_at_a_time_and_peers_have_their_turn() {
    let mut gossip = TransactionGossip::new(&[1; 32]);
    assert!(gossip.pull(millis(0), &[]).is_none());
    let mut peers = peers(0);
    peers.push(GossipPeer { node: NodeId::new([0; 20]), weight: 0 });
    let mut asked = BTreeMap::new();
    for second in 0..8 {
        let now = millis(second * 1_000);
        let (node, _) = gossip.pull(now, &peers).unwrap();
        *asked.entry(node).or_insert(0) += 1;
        assert!(gossip.pull(now.after(Duration::from_secs(90)), &peers).is_none(), "open");
        gossip.pull_failed(node);
        assert!(gossip.pull(now.after(Duration::from_millis(999)), &peers).is_none(), "early");
    }
    assert_eq!(asked.into_values().collect::<Vec<_>>(), [2; 4], "validators alone");
    // Whoever is gone does not answer.
    let (first, _) = gossip.pull(millis(20_000), &peers).unwrap();
    peers.retain(|peer| peer.node != first);
    assert!(gossip.pull(millis(21_000), &peers).is_some());
}

#[test]
fn messages_of_the_vm_have_a_number_of_their_own() {
    let message = AppRoute::from_vm(b"hello");
    assert_eq!(message[..], [0x80, 2, b'h', b'e', b'l', b'l', b'o']);
    assert_eq!(AppRoute::of(&message), AppRoute::Vm(Bytes::from_static(b"hello")));
    assert_eq!(AppRoute::of(&Bytes::from_static(&[1, 2])), AppRoute::Nobody);
    assert_eq!(AppRoute::of(&Bytes::new()), AppRoute::Nobody);
}

#[test]
fn nonsense_is_a_fault_and_empty_transactions_are_none() {
    let mut gossip = TransactionGossip::new(&[1; 32]);
    let fault = gossip.received_push(node(1), Bytes::from_static(&[1]));
    assert_eq!(fault, Err(GossipFault::Protobuf));
    let empty = gossip.received_push(node(1), Bytes::from_static(&[0x0a, 0]));
    assert_eq!(empty, Ok(Vec::new()));
    assert_eq!(gossip.stats().invalid, 1);
}
