//! Both frontier polls: the rules that they share, and what each makes of the answers.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::{FrontierPoll, Majority, Minority, Opinion, Requests};
use crate::sampler::Mt19937x64;
use crate::validators::{Validator, ValidatorSet};
use crate::{Error, Id, NodeId};

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 20])
}

fn id(byte: u8) -> Id {
    Id::new([byte; 32])
}

fn at_most(max: u32) -> NonZeroU32 {
    NonZeroU32::new(max).expect("not zero")
}

/// Nodes 1, 2, ... with these weights.
fn majority(weights: &[u64]) -> Majority {
    let nodes = (1..).map(node).zip(weights);
    Majority::new(nodes.map(|(node_id, weight)| Validator { node_id, weight: *weight }))
        .expect("small")
}

/// Both polls of nodes 1 to `count`, each of which weighs one.
fn both(count: u8, outstanding_max: u32) -> [Box<dyn FrontierPoll>; 2] {
    let minority = Minority::new((1..=count).map(node).collect()).expect("small");
    let majority = majority(&vec![1; count.into()]);
    let max = at_most(outstanding_max);
    [Box::new(minority.with_outstanding_max(max)), Box::new(majority.with_outstanding_max(max))]
}

/// Asks everybody at once, then reports each answer: nodes 1, 2, ... and what they name.
fn answered(poll: &mut dyn FrontierPoll, answers: &[&[u8]]) -> Result<(), Error> {
    let all: Vec<NodeId> = poll.requests().unasked().iter().copied().collect();
    poll.ask(&all)?;
    for (peer, named) in (1..).map(node).zip(answers) {
        let named: Vec<Id> = named.iter().copied().map(id).collect();
        assert_eq!(poll.record_opinion(&peer, &named)?, Opinion::Counted);
    }
    Ok(())
}

fn result(poll: &dyn FrontierPoll) -> Option<Vec<Id>> {
    poll.result().map(|ids| ids.iter().copied().collect())
}

/// AvalancheGo's `TestMajorityGetPeers` and `TestMinorityGetPeers`.
#[test]
fn nodes_are_asked_up_to_the_bound_and_answers_make_room() {
    for mut poll in both(5, 2) {
        let (mut source, mut asked) = (Mt19937x64::new(1), BTreeSet::new());
        let mut rounds = Vec::new();
        while poll.result().is_none() {
            let chosen = poll.requests().choose(&mut source);
            assert_eq!(chosen.len(), poll.requests().wanted());
            poll.ask(&chosen).expect("its own choice");
            assert_eq!(
                (poll.requests().wanted(), poll.requests().choose(&mut source)),
                (0, vec![])
            );
            assert!(chosen.iter().all(|peer| asked.insert(*peer)), "asked twice");
            rounds.push(chosen.len());
            let heard = *poll.requests().outstanding().first().expect("somebody is");
            assert_eq!(poll.record_opinion(&heard, &[]), Ok(Opinion::Counted));
        }
        assert_eq!((rounds, asked.len()), (vec![2, 1, 1, 1, 0], 5));
    }
    // The default bound.
    let requests = Requests::new((1..=60).map(node).collect()).expect("small");
    for poll in [majority(&[1; 60]).requests(), &requests] {
        assert_eq!((poll.wanted(), Requests::OUTSTANDING_MAX.get()), (50, 50));
    }
}

#[test]
fn every_choice_is_possible() {
    let [poll, _] = both(4, 2);
    let mut source = Mt19937x64::new(2);
    let choices: BTreeSet<_> = (0..200).map(|_| poll.requests().choose(&mut source)).collect();
    assert_eq!(choices.len(), 12, "ordered pairs of four");
}

#[test]
fn asking_the_wrong_nodes_changes_nothing() {
    for mut poll in both(4, 3) {
        poll.ask(&[node(1)]).expect("room");
        for (asked, wrong) in [([2, 1], 1), ([2, 9], 9), ([2, 2], 2)] {
            let refused = poll.ask(&asked.map(node));
            assert_eq!(refused, Err(Error::UnexpectedPeer { node: node(wrong) }));
        }
        assert_eq!(poll.ask(&[2, 3, 4].map(node)), Err(Error::RequestsFull { max: 3 }));
        assert_eq!(poll.requests().unasked(), &BTreeSet::from([2, 3, 4].map(node)));
        assert_eq!(poll.requests().outstanding(), &BTreeSet::from([node(1)]));
    }
}

/// AvalancheGo's `RecordOpinion` tests of a node that is not expected.
#[test]
fn only_nodes_that_were_asked_are_heard_and_only_once() {
    for mut poll in both(2, 1) {
        poll.ask(&[node(1)]).expect("room");
        for stranger in [2, 9] {
            assert_eq!(poll.record_opinion(&node(stranger), &[id(1)]), Ok(Opinion::Unexpected));
        }
        assert_eq!(poll.record_opinion(&node(1), &[id(2)]), Ok(Opinion::Counted));
        assert_eq!(poll.record_opinion(&node(1), &[id(3)]), Ok(Opinion::Unexpected));
        assert_eq!((poll.result(), poll.requests().is_finished()), (None, false));
        poll.ask(&[node(2)]).expect("room again");
        assert_eq!(poll.result(), None);
        assert_eq!(poll.record_opinion(&node(2), &[id(2), id(2)]), Ok(Opinion::Counted));
        assert_eq!(result(&*poll), Some(vec![id(2)]));
        assert_eq!(poll.record_opinion(&node(2), &[id(4)]), Ok(Opinion::Unexpected));
        assert_eq!(result(&*poll), Some(vec![id(2)]));
    }
}

/// AvalancheGo's `Result` tests.
#[test]
fn a_poll_of_nobody_is_final_at_once() {
    for poll in both(0, 1) {
        assert_eq!((result(&*poll), poll.requests().wanted()), (Some(vec![]), 0));
    }
}

#[test]
fn a_minority_is_the_union_of_the_answers() {
    let [mut poll, _] = both(3, 9);
    answered(&mut *poll, &[&[7], &[], &[5, 7]]).expect("no weights");
    assert_eq!(result(&*poll), Some(vec![id(5), id(7)]));
}

#[test]
fn a_majority_is_more_than_half_of_all_weight() {
    type Answers<'a> = &'a [&'a [u8]];
    let table: [(&[u64], Answers<'_>, &[u8]); 7] = [
        (&[1, 1, 1], &[&[7], &[], &[5, 7]], &[7]),
        // Half is not enough; silence weighs on the total.
        (&[2, 2], &[&[7], &[]], &[]),
        (&[2, 2], &[&[7], &[7]], &[7]),
        (&[3, 2], &[&[7], &[8]], &[7]),
        // A block named twice in an answer counts once; weights of zero decide nothing.
        (&[2, 3], &[&[7, 7], &[8]], &[8]),
        (&[0, 0], &[&[7], &[7]], &[]),
        // The greatest total.
        (&[u64::MAX / 2, u64::MAX / 2 + 1], &[&[7], &[8]], &[8]),
    ];
    for (weights, answers, expected) in table {
        let mut poll = majority(weights);
        answered(&mut poll, answers).expect("it fits");
        let expected: Vec<Id> = expected.iter().copied().map(id).collect();
        assert_eq!(result(&poll), Some(expected), "{weights:?} {answers:?}");
    }
}

/// AvalancheGo's `TestMajorityRecordOpinion`: overflow of one block's weight, and of the total.
#[test]
fn weights_that_do_not_fit_are_an_error_and_change_nothing() {
    // At the second answer for one block, although a third is missing.
    let mut poll = majority(&[u64::MAX, 1, 1]);
    answered(&mut poll, &[&[7]]).expect("it fits");
    for _ in 0..2 {
        assert_eq!(poll.record_opinion(&node(2), &[id(6), id(7)]), Err(Error::WeightOverflow));
        assert_eq!(poll.requests().outstanding(), &BTreeSet::from([2, 3].map(node)));
    }
    // At the last answer, if no block has the weight of two.
    let mut poll = majority(&[u64::MAX, 1, 1]);
    answered(&mut poll, &[&[7], &[8]]).expect("it is not added up yet");
    assert_eq!(poll.record_opinion(&node(3), &[]), Err(Error::WeightOverflow));
    assert_eq!((poll.result(), poll.requests().outstanding().len()), (None, 1));
}

#[test]
fn an_answer_beyond_the_bound_is_heard_as_an_empty_one() {
    let minority = Minority::new((1..=2).map(node).collect()).expect("small").with_ids_max(2);
    let polls: [Box<dyn FrontierPoll>; 2] =
        [Box::new(minority), Box::new(majority(&[1, 1]).with_ids_max(2))];
    for mut poll in polls {
        poll.ask(&[1, 2].map(node)).expect("room");
        // Twice the same is one.
        let named = [3, 4, 3, 4].map(id);
        assert_eq!(poll.record_opinion(&node(1), &named), Ok(Opinion::Counted));
        assert_eq!(poll.record_opinion(&node(2), &[3, 4, 5].map(id)), Ok(Opinion::TooLong));
        let named = result(&*poll).expect("everybody was heard");
        assert!(!named.contains(&id(5)));
    }
    let mut poll = majority(&[1]);
    poll.ask(&[node(1)]).expect("room");
    let named: Vec<Id> = (0..=128).map(id).collect();
    assert_eq!((named.len(), Requests::IDS_MAX), (129, 128));
    assert_eq!(poll.record_opinion(&node(1), &named), Ok(Opinion::TooLong));
    assert_eq!(result(&poll), Some(vec![]));
}

#[test]
fn a_poll_is_of_distinct_nodes_and_of_so_many() {
    let twice = [1, 2].map(|weight| Validator { node_id: node(1), weight });
    let error = Majority::new(twice).err();
    assert_eq!(error, Some(Error::DuplicateValidator { node: node(1) }));
    let numbered = |number: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        NodeId::new(bytes)
    };
    let max = ValidatorSet::VALIDATORS_MAX;
    let most = u32::try_from(max).expect("small");
    let error = Minority::new((0..=most).map(numbered).collect()).err();
    assert_eq!(error, Some(Error::ValidatorsFull { max }));
}
