//! Room for bytes: who gets it, and who waits.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

const CONFIG: PoolConfig = PoolConfig { at_large: 600, node_at_large_max: 200, validators: 1_000 };

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn granted(acquired: Acquired) -> Ticket {
    match acquired {
        Acquired::Granted(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn waiting(acquired: Acquired) -> Ticket {
    match acquired {
        Acquired::Waiting(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_without_stake_waits_at_its_cap_and_others_do_not() {
    let mut throttle = ByteThrottle::new(CONFIG);
    let first = granted(throttle.acquire(node(1), 150, Stake::NONE));
    let second = waiting(throttle.acquire(node(1), 100, Stake::NONE));
    assert_eq!(throttle.acquire(node(1), 1, Stake::NONE), Acquired::AlreadyWaiting);
    let other = granted(throttle.acquire(node(2), 200, Stake::NONE));
    // The waiting message keeps the 50 bytes that it got.
    assert_eq!(throttle.left(), (200, 1_000));
    assert_eq!(throttle.release(first), [node(1)]);
    assert_eq!(throttle.left(), (300, 1_000));
    assert!(throttle.release(second).is_empty());
    assert!(throttle.release(other).is_empty());
    assert_eq!((throttle.left(), throttle.waiting(), throttle.waits()), ((600, 1_000), 0, 1));
}

#[test]
fn stake_gives_room_that_others_cannot_take() {
    let mut throttle = ByteThrottle::new(CONFIG);
    let mut held = Vec::new();
    for name in 1..=3 {
        held.push(granted(throttle.acquire(node(name), 200, Stake::NONE)));
    }
    let (poor, rich) = (Stake::NONE, Stake::new(1, 5));
    let late = waiting(throttle.acquire(node(4), 10, poor));
    let first = granted(throttle.acquire(node(5), 150, rich));
    // 50 of its 200 are left, so this one misses 100.
    let second = waiting(throttle.acquire(node(5), 150, rich));
    assert_eq!(throttle.left(), (0, 800));
    // What a validator releases goes to itself, though another waits longer.
    assert_eq!(throttle.release(first), [node(5)]);
    // The pool for all goes to the one that waits longest.
    assert_eq!(throttle.release(held.remove(0)), [node(4)]);
    for ticket in held.into_iter().chain([late, second]) {
        assert!(throttle.release(ticket).is_empty());
    }
    assert_eq!(throttle.left(), (600, 1_000));
}

#[test]
fn those_that_wait_are_served_oldest_first_and_giving_up_wakes_the_next() {
    let mut throttle = ByteThrottle::new(CONFIG);
    let held: Vec<_> =
        (1..=3).map(|name| granted(throttle.acquire(node(name), 200, Stake::NONE))).collect();
    let mut queue: Vec<_> =
        (4..=6).map(|name| waiting(throttle.acquire(node(name), 150, Stake::NONE))).collect();
    let mut held = held.into_iter();
    // 200 bytes: all for the first, 50 for the second.
    assert_eq!(throttle.release(held.next().unwrap()), [node(4)]);
    // The second gives up: its 50 bytes go to the third.
    assert!(throttle.release(queue.remove(1)).is_empty());
    assert_eq!(throttle.left(), (0, 1_000));
    assert_eq!(throttle.release(held.next().unwrap()), [node(6)]);
    assert_eq!(throttle.left(), (100, 1_000));
    for ticket in held.chain(queue) {
        assert!(throttle.release(ticket).is_empty());
    }
    assert_eq!(throttle.left(), (600, 1_000));
}

#[test]
fn a_message_that_is_too_long_for_any_buffer_gets_its_turn() {
    let mut throttle = ByteThrottle::default();
    let ticket = granted(throttle.acquire(node(1), (2 << 20) + 4, Stake::NONE));
    assert_eq!(throttle.left(), (4 << 20, 32 << 20));
    let empty = granted(throttle.acquire(node(1), 0, Stake::NONE));
    assert!(throttle.release(ticket).is_empty());
    assert!(throttle.release(empty).is_empty());
    assert_eq!(throttle.left(), (6 << 20, 32 << 20));
}

/// Any order of acquiring, releasing and giving up: the pools add up, limits hold, whoever waits is
/// woken in the end.
#[test]
fn bytes_are_neither_lost_nor_made_and_everybody_gets_a_turn() {
    let counts = [Cell::new(0_u32), Cell::new(0), Cell::new(0), Cell::new(0)];
    let bump = |at: usize| counts[at].set(counts[at].get() + 1);
    let steps = prop::collection::vec((0_u8..10, 0_u8..6, 0_u64..260, any::<usize>()), 1..100);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&steps, |steps| {
            let mut throttle = ByteThrottle::new(CONFIG);
            let mut held: Vec<(u8, Ticket)> = Vec::new();
            let mut waits: BTreeMap<u8, Ticket> = BTreeMap::new();
            let stake = |name: u8| Stake::new(u64::from(name % 3), 6);
            for (kind, name, bytes, pick) in steps {
                let mut woken = Vec::new();
                if kind < 6 {
                    match throttle.acquire(node(name), bytes, stake(name)) {
                        Acquired::Granted(ticket) => held.push((name, ticket)),
                        Acquired::Waiting(ticket) => {
                            bump(0);
                            prop_assert!(waits.insert(name, ticket).is_none());
                        }
                        Acquired::AlreadyWaiting => prop_assert!(waits.contains_key(&name)),
                    }
                } else if kind == 6 && waits.contains_key(&name) {
                    bump(1);
                    woken = throttle.release(waits.remove(&name).unwrap());
                } else if !held.is_empty() {
                    bump(2);
                    let (_, ticket) = held.swap_remove(pick % held.len());
                    woken = throttle.release(ticket);
                }
                for node in woken {
                    bump(3);
                    let name = node.as_bytes()[0];
                    held.push((name, waits.remove(&name).unwrap()));
                }
                let missing: u64 = throttle.waiting.values().map(|waiting| waiting.missing).sum();
                let all = held.iter().map(|(_, ticket)| ticket).chain(waits.values());
                let used = all.map(|ticket| ticket.bytes).sum::<u64>() - missing;
                let (at_large, validators) = throttle.left();
                prop_assert_eq!(used, 1_600 - at_large - validators);
                prop_assert_eq!(throttle.waiting(), waits.len());
            }
            while let Some((_, ticket)) = held.pop() {
                for node in throttle.release(ticket) {
                    let name = node.as_bytes()[0];
                    held.push((name, waits.remove(&name).unwrap()));
                }
            }
            prop_assert!(waits.is_empty(), "{:?}", waits);
            prop_assert_eq!(throttle.left(), (600, 1_000));
            prop_assert_eq!(throttle.pools.nodes(), 0);
            Ok(())
        })
        .expect("the pools add up");
    assert!(counts.iter().all(|count| count.get() > 100), "{counts:?}");
}
