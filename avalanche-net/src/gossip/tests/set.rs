//! The set of items, its bounds and its filter.

use super::*;
use crate::peers::Filter;

fn set(config: GossipConfig) -> GossipSet<Tx> {
    GossipSet::new(&config, &[1; 32])
}

fn filter_of(set: &mut GossipSet<Tx>) -> Filter {
    let (bytes, salt) = set.filter(at(0));
    Filter::parse(&bytes, &salt).unwrap()
}

/// The filter of a peer that has nothing.
fn empty() -> Filter {
    Filter::parse(&Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), &Bytes::new()).unwrap()
}

#[test]
fn bounds_in_items_and_bytes_hold_and_removal_makes_room() {
    let config =
        GossipConfig { items_max: 3, bytes_max: 100, item_bytes_max: 60, ..Default::default() };
    let mut set = set(config);
    let steps = [
        (tx(0, 61), Added::TooLong, 0),
        (tx(1, 60), Added::New, 60),
        (tx(1, 60), Added::Duplicate, 60),
        (tx(2, 41), Added::Full, 60),
        (tx(3, 20), Added::New, 80),
        (tx(4, 20), Added::New, 100),
    ];
    for (item, added, bytes) in steps {
        assert_eq!((set.add(item.clone()), set.bytes()), (added, bytes), "{item:?}");
    }
    assert_eq!(set.remove(&tx(1, 60).id()), Some(tx(1, 60)));
    assert_eq!(set.remove(&tx(1, 60).id()), None);
    assert_eq!(set.add(tx(5, 41)), Added::New);
    assert_eq!(set.add(tx(6, 8)), Added::Full, "three items");
    assert_eq!(set.iter().cloned().collect::<Vec<_>>(), [tx(3, 20), tx(4, 20), tx(5, 41)]);
    assert_eq!((set.len(), set.bytes()), (3, 81));
}

/// A flood of new items does not keep old ones from a peer: each answer goes on where the last one
/// ended.
#[test]
fn answers_give_every_item_its_turn_within_their_bytes() {
    let config = GossipConfig { target_bytes: 1_000, scan_max: 50, ..Default::default() };
    let mut set = set(config);
    for number in 0..100 {
        set.add(tx(number, 100));
    }
    let mut seen = BTreeSet::new();
    for call in 1..=10 {
        let items = set.missing_from(&empty(), |_| panic!("empty"));
        assert_eq!(items.len(), 10);
        seen.extend(items);
        assert_eq!(seen.len(), 10 * call);
        // Ten more come each time.
        for number in 0..10 {
            set.add(tx(1_000 * call as u64 + number, 100));
        }
    }
    assert!((0..100).all(|number| seen.contains(&tx(number, 100).0)));
    // A scan is bounded, the next goes on, and all goes around once.
    let known = filter_of(&mut set);
    let mut scanned = BTreeSet::new();
    for call in 1..=5 {
        assert!(set.missing_from(&known, |id| assert!(scanned.insert(*id) || call > 4)).is_empty());
        assert_eq!(scanned.len(), 200.min(50 * call));
    }
}

/// Long items, many items and small targets: every answer can be sent and is taken by a node like
/// this one.
#[test]
fn answers_fit_into_a_message_and_into_what_peers_take() {
    let config = GossipConfig {
        item_bytes_max: usize::MAX,
        target_bytes: usize::MAX,
        message_items_max: 100,
        ..Default::default()
    };
    let mut set = set(config);
    assert_eq!(set.add(tx(0, 2 << 20)), Added::TooLong);
    for number in 1..4 {
        assert_eq!(set.add(tx(number, 900 << 10)), Added::New);
    }
    assert_eq!(set.add(tx(4, (2 << 20) - (64 << 10))), Added::New);
    for number in 5..505 {
        assert_eq!(set.add(tx(number, 8)), Added::New);
    }
    let mut lengths = Vec::new();
    for _ in 0..9 {
        let items = set.missing_from(&empty(), |_| ());
        lengths.push(items.len());
        let message = message::pull_response(items);
        assert!(message.len() < crate::wire::MAX_MESSAGE_BYTES - 1_024, "{}", message.len());
    }
    assert_eq!(lengths, [2, 1, 1, 100, 100, 100, 100, 100, 2]);
}

#[test]
fn the_filter_has_what_the_node_has_also_when_it_was_made_anew() {
    let mut set = set(GossipConfig::default());
    let mut salts = BTreeSet::new();
    for number in 0..10_000 {
        set.add(tx(number, 8));
        salts.insert(set.filter(at(0)).1);
        if number % 500 == 0 {
            let filter = filter_of(&mut set);
            assert!(set.iter().all(|item| filter.contains(item.id().as_bytes())));
            let wrong = (20_000..21_000).filter(|n| filter.contains(tx(*n, 8).id().as_bytes()));
            assert!(wrong.count() < 80, "at most one in twenty, and some");
        }
    }
    assert!((3..8).contains(&salts.len()), "{} filters", salts.len());
    let rejected = tx(30_000, 8).id();
    set.mark(&rejected);
    assert!(filter_of(&mut set).contains(rejected.as_bytes()) && !set.contains(&rejected));
}

/// An item that seems to be there is never sent under one salt, so the salt must not stay.
#[test]
fn the_filter_is_made_anew_after_its_period() {
    let mut set = set(GossipConfig::default());
    set.add(tx(1, 8));
    let mut salts = BTreeSet::new();
    for (millis, filters) in [(5_000, 1), (64_999, 1), (65_000, 2), (124_999, 2), (125_000, 3)] {
        let (bytes, salt) = set.filter(at(millis));
        let filter = Filter::parse(&bytes, &salt).unwrap();
        assert!(filter.contains(tx(1, 8).id().as_bytes()));
        salts.insert(salt);
        assert_eq!(salts.len(), filters, "at {millis}");
    }
}

/// Items come and go in any order; what is there, its order, and whose turn it is stay as in a
/// plain list.
#[test]
fn what_is_there_is_as_in_a_list_whatever_came_and_went() {
    let config = GossipConfig { target_bytes: 300, scan_max: 40, ..Default::default() };
    let (mut set, mut list) = (set(config), Vec::<u64>::new());
    let (mut random, mut asked, mut closed) = (SeedStream::new(&[9; 32]), 0, 0);
    for number in 0..20_000_u64 {
        assert_eq!(set.add(tx(number, 20)), Added::New);
        list.push(number);
        // The first few stay for ever, so that the places behind them have to be closed up.
        while list.len() > 500 || (list.len() > 10 && random.next_u64() % 8 < 3) {
            let at = 3 + usize::try_from(random.next_u64()).unwrap() % (list.len() - 3);
            let gone = list.remove(at);
            assert_eq!(set.remove(&tx(gone, 20).id()), Some(tx(gone, 20)));
            closed += 1;
        }
        if number % 97 == 0 {
            assert!(set.iter().cloned().eq(list.iter().map(|number| tx(*number, 20))));
            assert_eq!((set.len(), set.bytes()), (list.len(), 20 * list.len()));
            let filter = filter_of(&mut set);
            assert!(list.iter().all(|number| filter.contains(tx(*number, 20).id().as_bytes())));
            // In so many answers everything has its turn, whatever is closed up between them.
            let mut seen = BTreeSet::new();
            for _ in 0..list.len() {
                seen.extend(set.missing_from(&empty(), |_| panic!("empty")));
                asked += 1;
            }
            assert_eq!(seen.len(), list.len(), "{number}");
        }
    }
    assert!(asked > 1_000 && closed > 10_000, "{asked} {closed}");
    assert!(set.places() <= 2 * list.len() + 1_024 + 1, "{}", set.places());
}

/// What is gone before anybody asked for the filter does not fill it.
#[test]
fn the_filter_has_what_is_there_when_it_is_asked_for() {
    let mut set = set(GossipConfig::default());
    for number in 0..1_000 {
        set.add(tx(number, 8));
        set.remove(&tx(number, 8).id());
    }
    set.add(tx(5_000, 8));
    let filter = filter_of(&mut set);
    assert!(filter.contains(tx(5_000, 8).id().as_bytes()));
    let seem = (0..1_000).filter(|number| filter.contains(tx(*number, 8).id().as_bytes()));
    assert!(seem.count() < 50);
    set.remove(&tx(5_000, 8).id());
    assert!(filter_of(&mut set).contains(tx(5_000, 8).id().as_bytes()), "it was there");
}
