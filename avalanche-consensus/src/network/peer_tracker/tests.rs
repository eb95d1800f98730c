//! Choices number by number, and a model that looks at every peer each time.

use super::*;
use crate::sampler::Mt19937x64;
use proptest::prelude::*;
use std::cell::Cell;

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

/// Replays numbers, and fails when more are taken than the test expects.
struct Fixed(Vec<u64>);

impl Source for Fixed {
    fn next_u64(&mut self) -> u64 {
        self.0.remove(0)
    }
}

/// The number that [`fraction`] makes `part` of.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts are in [0, 1), and the rest of a step does not matter"
)]
fn share(part: f64) -> u64 {
    ((part * (1_u64 << 53) as f64) as u64) << 11
}

/// Peers 1 to `connected`; the first `answered` of them delivered their own name in KB in a second.
fn tracker(connected: u8, answered: u8) -> PeerTracker {
    let mut tracker = PeerTracker::new(node(0));
    for byte in 1..=connected {
        tracker.connect(node(byte)).expect("room");
    }
    for byte in 1..=answered {
        tracker.register_request(&node(byte));
        let bytes = u64::from(byte) * 1_000;
        tracker.register_response(&node(byte), bytes, Duration::from_secs(1), Timestamp::ZERO);
    }
    tracker
}

fn select(tracker: &PeerTracker, numbers: &[u64]) -> Option<NodeId> {
    let mut source = Fixed(numbers.to_vec());
    let node = tracker.select(&mut source);
    assert!(source.0.is_empty(), "every number is needed");
    node
}

#[test]
fn choices_follow_their_chances() {
    // Nobody at all: the number for the fastest is taken all the same.
    assert_eq!(select(&tracker(0, 0), &[0]), None);
    // Fewer than 20 responsive: any of the untracked, here the first of 2 of them.
    assert_eq!(tracker(21, 19).untracked(), 2);
    assert!(matches!(select(&tracker(21, 19), &[0]), Some(peer) if peer >= node(20)));
    // With 20: new ones with a chance of exp(-2) = 0.1353..
    let busy = tracker(21, 20);
    assert_eq!(select(&busy, &[share(0.135), 0]), Some(node(21)));
    assert_eq!(select(&busy, &[share(0.136), share(0.799)]), Some(node(20)));
    // Nobody is new: no chance is drawn for it. Below 0.8 the fastest, else any responsive one.
    let known = tracker(20, 20);
    assert_eq!(select(&known, &[share(0.799)]), Some(node(20)));
    // Twenty is no power of two: the number is taken modulo.
    assert_eq!(select(&known, &[share(0.801), 2]), Some(node(3)));
}

#[test]
fn those_who_are_asked_or_fail_step_back() {
    let mut known = tracker(3, 3);
    known.register_request(&node(3));
    assert_eq!(select(&known, &[0]), Some(node(2)), "the fastest that is idle");
    known.register_failure(&node(3), Timestamp::ZERO);
    assert!(!known.is_responsive(&node(3)));
    // 3000 and 0 bytes a second at one moment, and the epsilon in the latency.
    let bandwidth = known.bandwidth(&node(3)).expect("known");
    assert!((bandwidth - 1_500.0).abs() < 0.01, "{bandwidth}");
    assert_eq!(select(&known, &[share(0.9), 1]), Some(node(2)), "any responsive one");
    // All are asked, and nobody is responsive: any tracked one.
    for byte in 1..=3 {
        known.register_failure(&node(byte), Timestamp::ZERO);
        known.register_request(&node(byte));
    }
    assert_eq!((known.responsive(), known.len()), (0, 3));
    assert!(select(&known, &[0, 0]).is_some());
    assert!(select(&known, &[share(0.9), 0]).is_some());
}

#[test]
fn oneself_and_strangers_are_ignored_and_the_bound_holds() {
    let mut tracker = PeerTracker::new(node(0)).with_peers_max(1);
    tracker.connect(node(0)).expect("ignored");
    assert!(tracker.is_empty());
    tracker.connect(node(1)).expect("room");
    tracker.connect(node(1)).expect("known already");
    assert_eq!(tracker.connect(node(2)), Err(Error::ConnectionsFull { max: 1 }));
    tracker.register_request(&node(2));
    tracker.register_failure(&node(2), Timestamp::ZERO);
    // Never asked: an answer that nobody wanted.
    tracker.register_response(&node(1), 9, Duration::ZERO, Timestamp::ZERO);
    assert_eq!((tracker.responsive(), tracker.untracked(), tracker.len()), (0, 1, 1));
    assert_eq!(tracker.bandwidth(&node(1)), None);
    tracker.register_request(&node(1));
    tracker.register_response(&node(1), 9, Duration::ZERO, Timestamp::ZERO);
    assert_eq!(tracker.responsive(), 1);
    tracker.disconnect(&node(1));
    assert!(!tracker.is_connected(&node(1)) && !tracker.is_responsive(&node(1)));
    assert_eq!(select(&tracker, &[0]), None);
    tracker.connect(node(2)).expect("room again");
}

/// Asked, responsive, idle and bandwidth of a peer.
#[derive(Clone, Copy, Default)]
struct Peer {
    tracked: bool,
    responsive: bool,
    idle: bool,
    bandwidth: Option<ContinuousAverager>,
}

#[test]
fn any_choice_is_one_that_the_rules_allow() {
    let [new, fastest, responsive, fallback, nobody] = [0; 5].map(Cell::new);
    let steps = prop::collection::vec((0_u8..40, 0_u8..40, 0_u64..5_000), 1..300);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&(steps, 1_u8..40, any::<u64>()), |(steps, peers, seed)| {
            let (mut tracker, mut source) = (PeerTracker::new(node(0)), Mt19937x64::new(seed));
            let (mut model, mut now) = (BTreeMap::<NodeId, Peer>::new(), Timestamp::ZERO);
            for (kind, byte, amount) in steps {
                let peer = node(1 + byte % peers);
                now = now.after(Duration::from_millis(amount));
                match kind {
                    0 => {
                        tracker.disconnect(&peer);
                        model.remove(&peer);
                    }
                    1..8 => {
                        tracker.connect(peer).expect("room");
                        model.entry(peer).or_default();
                    }
                    8..20 => {
                        tracker.register_request(&peer);
                        model.entry(peer).and_modify(|peer| {
                            (peer.tracked, peer.idle) = (true, false);
                        });
                        if !tracker.is_connected(&peer) {
                            model.remove(&peer);
                        }
                    }
                    _ => {
                        let answered = kind > 20;
                        let bandwidth = if answered { amount as f64 / 1.000_001 } else { 0.0 };
                        if answered {
                            let second = Duration::from_secs(1);
                            tracker.register_response(&peer, amount, second, now);
                        } else {
                            tracker.register_failure(&peer, now);
                        }
                        if let Some(peer) = model.get_mut(&peer).filter(|peer| peer.tracked) {
                            (peer.idle, peer.responsive) = (true, answered);
                            match &mut peer.bandwidth {
                                Some(average) => average.observe(bandwidth, now),
                                None => {
                                    let first = ContinuousAverager::new(bandwidth, HALF_LIFE, now);
                                    peer.bandwidth = Some(first);
                                }
                            }
                        }
                    }
                }
                let count = |of: fn(&Peer) -> bool| model.values().filter(|peer| of(peer)).count();
                prop_assert_eq!(tracker.untracked(), count(|peer| !peer.tracked));
                prop_assert_eq!(tracker.responsive(), count(|peer| peer.responsive));
                prop_assert_eq!(tracker.len(), model.len());

                let Some(chosen) = tracker.select(&mut source) else {
                    prop_assert!(model.is_empty());
                    nobody.set(nobody.get() + 1);
                    continue;
                };
                let one = model[&chosen];
                let read = |peer: &Peer| peer.bandwidth.map(|average| average.read());
                let idle = model.iter().filter(|(_, peer)| peer.idle);
                let best = idle
                    .map(|(node, peer)| (read(peer).unwrap_or(0.0), *node))
                    .max_by(|a, b| a.partial_cmp(b).expect("numbers"));
                let few = count(|peer| peer.responsive) < RESPONSIVE_MIN;
                let any_new = count(|peer| !peer.tracked) > 0;
                let reason = if !one.tracked {
                    &new
                } else if best.is_some_and(|(_, node)| node == chosen) {
                    &fastest
                } else if one.responsive {
                    &responsive
                } else {
                    prop_assert!(best.is_none() || count(|peer| peer.responsive) == 0);
                    &fallback
                };
                prop_assert!(!one.tracked || !few || !any_new, "a new one has to be tried");
                reason.set(reason.get() + 1);
            }
            Ok(())
        })
        .expect("every choice is allowed");
    for count in [&new, &fastest, &responsive, &fallback, &nobody] {
        assert!(count.get() > 20, "{new:?} {fastest:?} {responsive:?} {fallback:?} {nobody:?}");
    }
}
