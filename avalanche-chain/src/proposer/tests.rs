//! The same proposers as AvalancheGo, and times that agree with them.

use super::*;

/// AvalancheGo's answers; the file says how they were made.
const VECTORS: &str = include_str!("../../tests/data/proposers.txt");

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    assert_eq!(text.len(), 2 * N, "{text}");
    std::array::from_fn(|at| digit(2 * at))
}

fn proposers(slots: u32, weights: &[u64]) -> Proposers {
    let validator = |(at, &weight): (usize, &u64)| {
        let node_id = NodeId::new([u8::try_from(at + 1).unwrap(); 20]);
        Validator { node_id, weight }
    };
    let set: Vec<_> = weights.iter().enumerate().map(validator).collect();
    let rules = ProposerRules { slot_ms: 100, slots };
    Proposers::new(Id::new([3; 32]), rules, &ValidatorSet::try_from(set).unwrap()).unwrap()
}

#[test]
fn proposers_are_those_of_avalanchego() {
    let mut checked = 0;
    let mut set = Vec::new();
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["validator", node, weight] => {
                let node_id = NodeId::new(bytes(node));
                set.push(Validator { node_id, weight: weight.parse().unwrap() });
            }
            ["expect", chain, height, slot, node] => {
                let validators = ValidatorSet::try_from(set.clone()).unwrap();
                let chain = Id::new(bytes(chain));
                let rules = ProposerRules::default();
                let proposers = Proposers::new(chain, rules, &validators).unwrap();
                let height = Height::new(height.parse().unwrap());
                let expected = proposers.expected(height, slot.parse().unwrap());
                assert_eq!(expected, Some(NodeId::new(bytes(node))), "{line}");
                checked += 1;
            }
            ["end"] => set.clear(),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(checked, 98);
}

#[test]
fn slots_begin_and_end_where_they_should() {
    let proposers = proposers(3, &[1, 1]);
    let parent = Timestamp::from_millis(1_000);
    for (nanos, slot) in [
        (0, Some(0)),
        (1_000_000_000, Some(0)),
        (1_099_999_999, Some(0)),
        (1_100_000_000, Some(1)),
        (1_299_999_999, Some(2)),
        (1_300_000_000, None),
        (u64::MAX, None),
    ] {
        assert_eq!(proposers.slot_at(parent, Timestamp::from_nanos(nanos)), slot, "{nanos}");
    }
}

#[test]
fn the_next_time_is_the_first_that_is_allowed() {
    let proposers = proposers(6, &[1, 2, 3, 1]);
    let parent = Timestamp::from_millis(777);
    let (mut waited, mut at_once, mut last) = (0, 0, 0);
    for height in (1..40).map(Height::new) {
        for node in (1..=4).map(|byte| NodeId::new([byte; 20])) {
            for now in (0..9).map(|step| Timestamp::from_nanos(700_000_001 + step * 90_000_000)) {
                let next = proposers.next_time(node, height, parent, now).unwrap();
                assert!(next >= now && next >= parent);
                assert_eq!(proposers.may_propose(node, height, parent, next), Ok(()));
                let from = now.max(parent);
                let mut before = from.as_nanos();
                while before < next.as_nanos() {
                    let time = Timestamp::from_nanos(before);
                    let slot = proposers.may_propose(node, height, parent, time).unwrap_err();
                    assert!(matches!(slot, MayNotPropose::Slot { .. }));
                    before += 1_000_000;
                }
                at_once += u32::from(next == from);
                waited += u32::from(next > from);
                last += u32::from(next == Timestamp::from_millis(777 + 600));
            }
        }
    }
    assert!(at_once > 100 && waited > 100 && last > 20, "{at_once} {waited} {last}");
}

#[test]
fn nobody_else_has_a_time() {
    let proposers = proposers(6, &[1]);
    let (node, time) = (NodeId::new([8; 20]), Timestamp::from_millis(1));
    assert_eq!(proposers.next_time(node, Height::new(1), time, time), None);
    let never = MayNotPropose::NotValidator { node };
    assert_eq!(proposers.may_propose(node, Height::new(1), time, time), Err(never));
}

#[test]
fn without_slots_any_validator_may_at_any_time() {
    let proposers = proposers(0, &[1, 1, 1]);
    let time = Timestamp::from_nanos(5);
    for node in (1..=3).map(|byte| NodeId::new([byte; 20])) {
        assert_eq!(proposers.next_time(node, Height::new(1), time, time), Some(time));
    }
}

#[test]
fn at_the_end_of_time_there_is_no_next_one() {
    let proposers = proposers(u32::MAX, &[1, u64::MAX - 1]);
    let end = Timestamp::from_nanos(u64::MAX);
    let heights = (1..20).map(Height::new);
    let node = NodeId::new([1; 20]);
    let mut rules = proposers;
    rules.rules.slots = 4;
    for height in heights {
        assert_eq!(rules.next_time(node, height, end, end), None);
    }
}

#[test]
fn the_node_of_zeros_is_never_drawn() {
    let set = vec![
        Validator { node_id: NodeId::EMPTY, weight: 1_000 },
        Validator { node_id: NodeId::new([1; 20]), weight: 1 },
    ];
    let set = ValidatorSet::try_from(set).unwrap();
    let proposers = Proposers::new(Id::EMPTY, ProposerRules::default(), &set).unwrap();
    for slot in 0..50 {
        assert_eq!(proposers.expected(Height::new(1), slot), Some(NodeId::new([1; 20])));
    }
}
