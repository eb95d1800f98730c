//! Step tables, and random histories under a clock.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn node(n: u8) -> NodeId {
    NodeId::new([n; 20])
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn public(n: u8) -> SocketAddr {
    SocketAddr::from(([8, 8, 8, n], 9_651))
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn the_first_dial_is_at_once_and_the_next_after_a_delay() {
    let mut dialer = Dialer::new(DialerConfig::default(), &[1; 32]);
    assert_eq!((dialer.next(at(0)), dialer.next_deadline()), (None, None));
    assert!(dialer.want(node(1), public(1), at(5)));
    assert_eq!(dialer.next_deadline(), Some(at(5)));
    assert_eq!(dialer.next(at(4)), None);
    assert_eq!(dialer.next(at(5)), Some(Dial { node: node(1), addr: public(1) }));
    // Nothing more until the attempt is reported.
    assert_eq!((dialer.next(at(100_000)), dialer.next_deadline()), (None, None));
    let delay = dialer.delay(&node(1)).expect("wanted");
    assert!((SECOND..2 * SECOND).contains(&delay), "{delay:?}");
    dialer.failed(&node(1), at(100_000));
    let due = at(100_000).after(delay);
    assert_eq!(dialer.next_deadline(), Some(due));
    // A second report changes nothing.
    dialer.failed(&node(1), at(100_500));
    assert_eq!(dialer.next_deadline(), Some(due));
    assert!(dialer.next(due).is_some());
    dialer.connected(&node(1));
    assert!(dialer.is_empty());
    dialer.failed(&node(1), at(200_000));
    assert_eq!(dialer.next_deadline(), None);
}

#[test]
fn delays_grow_by_factors_of_one_to_two_up_to_the_longest() {
    let config = DialerConfig::default();
    let mut random = SeedStream::new(&[2; 32]);
    let (mut grown, mut capped) = (0, 0);
    for _ in 0..100 {
        let mut delay = Duration::ZERO;
        for attempt in 0..30 {
            let next = longer(&config, delay, &mut random);
            let from = if attempt == 0 { SECOND } else { delay };
            assert!(next < 60 * SECOND);
            if next >= from && next < 2 * from {
                grown += 1;
            } else {
                assert!(2 * from > 60 * SECOND && next >= 45 * SECOND, "{from:?} {next:?}");
                capped += 1;
            }
            delay = next;
        }
        assert!(delay >= 45 * SECOND, "{delay:?}");
    }
    assert!(grown > 500 && capped > 500, "{grown} {capped}");
}

#[test]
fn extreme_delays_do_not_overflow() {
    let config = DialerConfig {
        initial_delay: Duration::MAX,
        max_delay: Duration::MAX,
        ..DialerConfig::default()
    };
    let mut dialer = Dialer::new(config, &[3; 32]);
    dialer.want(node(1), public(1), at(0));
    for _ in 0..10 {
        let now = dialer.next_deadline().expect("waiting");
        assert!(dialer.next(now).is_some());
        dialer.failed(&node(1), now);
    }
}

#[test]
fn a_new_address_keeps_the_delay() {
    let mut dialer = Dialer::new(DialerConfig::default(), &[4; 32]);
    dialer.want(node(1), public(1), at(0));
    dialer.next(at(0)).expect("due");
    // While dialled, the new address waits for the next attempt.
    dialer.want(node(1), public(2), at(10));
    assert_eq!(dialer.next_deadline(), None);
    dialer.failed(&node(1), at(20));
    let delay = dialer.delay(&node(1)).expect("wanted");
    // While waiting, the delay starts anew; the same address changes nothing.
    dialer.want(node(1), public(3), at(30));
    assert_eq!(dialer.next_deadline(), Some(at(30).after(delay)));
    dialer.want(node(1), public(3), at(40));
    assert_eq!(dialer.next_deadline(), Some(at(30).after(delay)));
    assert_eq!(dialer.next(at(30).after(delay)).map(|dial| dial.addr), Some(public(3)));
}

#[test]
fn who_connects_or_is_unwanted_is_not_dialled() {
    let mut dialer = Dialer::new(DialerConfig::default(), &[5; 32]);
    for n in 1..=3 {
        dialer.want(node(n), public(n), at(0));
    }
    dialer.connecting(&node(1));
    assert!(dialer.forget(&node(2)) && !dialer.forget(&node(2)));
    assert_eq!(dialer.next(at(0)).map(|dial| dial.node), Some(node(3)));
    assert_eq!(dialer.next(at(0)), None);
    // Its own connection failed before any dial, so there is no delay yet.
    dialer.failed(&node(1), at(7));
    assert_eq!(dialer.next(at(7)).map(|dial| dial.node), Some(node(1)));
    assert_eq!(dialer.nodes().collect::<Vec<_>>(), [node(1), node(3)]);
}

#[test]
fn there_is_room_for_as_many_nodes_as_configured() {
    let mut dialer = Dialer::new(DialerConfig { nodes_max: 2, ..Default::default() }, &[6; 32]);
    assert!(dialer.want(node(1), public(1), at(0)) && dialer.want(node(2), public(2), at(0)));
    assert!(!dialer.want(node(3), public(3), at(0)));
    assert!(dialer.want(node(2), public(4), at(0)), "a known node needs no room");
    assert_eq!(dialer.len(), 2);
    dialer.connected(&node(1));
    assert!(dialer.want(node(3), public(3), at(0)));
}

#[test]
fn addresses_of_no_machine_are_never_dialled_and_private_ones_if_allowed() {
    let check = |text: &str, private: bool, open: bool| {
        assert_eq!(is_dialable(addr(text), true), private, "{text} where private ones are allowed");
        assert_eq!(is_dialable(addr(text), false), open, "{text}");
    };
    check("8.8.8.8:9651", true, true);
    check("8.8.8.8:0", false, false);
    check("0.0.0.0:1", false, false);
    check("255.255.255.255:1", false, false);
    check("224.0.0.1:1", false, false);
    check("127.0.0.1:1", true, false);
    check("10.1.2.3:1", true, false);
    check("172.16.0.1:1", true, false);
    check("172.32.0.1:1", true, true);
    check("192.168.0.1:1", true, false);
    check("169.254.0.1:1", true, false);
    check("[::]:1", false, false);
    check("[::1]:1", true, false);
    check("[fe80::1]:1", true, false);
    check("[fd00::1]:1", true, false);
    check("[ff02::1]:1", false, false);
    check("[2001:4860:4860::8888]:1", true, true);
    check("[::ffff:127.0.0.1]:1", true, false);
    check("[::ffff:8.8.8.8]:1", true, true);
}

#[test]
fn a_private_address_waits_like_a_failed_one_and_takes_nothing_from_the_rate() {
    let config = DialerConfig { dials_per_second: 1, ..Default::default() };
    let mut dialer = Dialer::new(config, &[7; 32]);
    dialer.want(node(1), addr("10.0.0.1:1"), at(0));
    dialer.want(node(2), public(2), at(0));
    assert_eq!(dialer.next(at(0)).map(|dial| dial.node), Some(node(2)));
    assert!(dialer.wants(&node(1)) && dialer.delay(&node(1)) >= Some(SECOND));
    // It is dialled once it claims another address.
    dialer.want(node(1), public(1), at(1));
    let due = dialer.next_deadline().expect("waiting");
    assert_eq!(dialer.next(due), Some(Dial { node: node(1), addr: public(1) }));
}

#[test]
fn a_rate_of_zero_dials_nobody() {
    let config = DialerConfig { dials_per_second: 0, ..Default::default() };
    let mut dialer = Dialer::new(config, &[8; 32]);
    dialer.want(node(1), public(1), at(0));
    assert_eq!(dialer.next(at(1_000_000)), None);
}

/// What happens to the dialer in a random history.
#[derive(Clone, Debug)]
enum Step {
    Want(u8, u8),
    Failed(u8),
    Connected(u8),
    Connecting(u8),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..40_u8;
    prop_oneof![
        4 => (node.clone(), 0..4_u8).prop_map(|(node, ip)| Step::Want(node, ip)),
        4 => node.clone().prop_map(Step::Failed),
        1 => node.clone().prop_map(Step::Connected),
        1 => node.prop_map(Step::Connecting),
        3 => (0..3_000_u16).prop_map(Step::Pass),
    ]
}

/// Against a map of what is wanted: only wanted nodes at their last address, not before their time,
/// never more than the rate, and nobody is forgotten.
#[test]
fn random_histories_keep_the_rate_and_the_delays() {
    let (dials, limited) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = DialerConfig { dials_per_second: 5, nodes_max: 30, ..Default::default() };
    let inputs = (any::<[u8; 32]>(), prop::collection::vec(step(), 0..300));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let run = |(seed, steps): ([u8; 32], Vec<Step>)| {
        let mut dialer = Dialer::new(config.clone(), &seed);
        // Node to its address and the time before which it must not be dialled; `None`: never.
        let mut wanted: BTreeMap<NodeId, (SocketAddr, Option<Timestamp>)> = BTreeMap::new();
        let mut history: Vec<Timestamp> = Vec::new();
        let mut now = Timestamp::ZERO;
        for step in steps {
            match step {
                Step::Want(n, ip) => {
                    let known = wanted.get(&node(n)).copied();
                    let taken = dialer.want(node(n), public(ip), now);
                    prop_assert_eq!(taken, known.is_some() || wanted.len() < 30);
                    let delay = dialer.delay(&node(n)).unwrap_or_default();
                    if taken {
                        let due = match known {
                            None => Some(now),
                            Some((addr, due)) if addr == public(ip) => due,
                            Some((_, due)) => due.map(|_| now.after(delay)),
                        };
                        wanted.insert(node(n), (public(ip), due));
                    }
                }
                Step::Failed(n) => {
                    dialer.failed(&node(n), now);
                    if let Some((_, due)) = wanted.get_mut(&node(n)) {
                        due.get_or_insert(now.after(dialer.delay(&node(n)).expect("wanted")));
                    }
                }
                Step::Connected(n) => {
                    dialer.connected(&node(n));
                    wanted.remove(&node(n));
                }
                Step::Connecting(n) => {
                    dialer.connecting(&node(n));
                    wanted.entry(node(n)).and_modify(|(_, due)| *due = None);
                }
                Step::Pass(millis) => now = now.after(Duration::from_millis(millis.into())),
            }
            while let Some(dial) = dialer.next(now) {
                let (addr, due) = wanted.get_mut(&dial.node).expect("only wanted nodes");
                prop_assert_eq!(dial.addr, *addr);
                prop_assert!(due.take().is_some_and(|due| due <= now));
                history.push(now);
                let second = history.iter().filter(|then| now.since(**then) < SECOND).count();
                prop_assert!(second <= 5, "{second} dials in a second");
                dials.set(dials.get() + 1);
            }
            prop_assert_eq!(dialer.len(), wanted.len());
            let earliest = wanted.values().filter_map(|(_, due)| *due).min();
            prop_assert_eq!(dialer.next_deadline().is_some(), earliest.is_some());
            if let (Some(deadline), Some(earliest)) = (dialer.next_deadline(), earliest) {
                prop_assert!(deadline >= earliest && deadline > now);
                limited.set(limited.get() + u32::from(earliest <= now));
            }
        }
        Ok(())
    };
    runner.run(&inputs, run).expect("the model agrees");
    assert!(dials.get() > 1_000 && limited.get() > 100, "{dials:?} {limited:?}");
}
