//! Blocks with two children of which one will be accepted (section 5.1 of the specification).

use super::harness::*;
use super::steps::*;
use crate::engine::*;

fn oracle(parent: &Parsed) -> (Parsed, [Parsed; 2]) {
    let oracle = child(parent, "oracle");
    (oracle, [child(&oracle, "yes"), child(&oracle, "no")])
}

fn verified(harness: &Harness) -> Vec<crate::Id> {
    let verified = |call: &Call<()>| match call {
        Call::Verify(block) => Some(block.id()),
        _ => None,
    };
    harness.calls.iter().filter_map(verified).collect()
}

/// Both options are issued with the oracle, the first one first, so that it is preferred.
#[test]
fn options_are_issued_with_their_oracle() {
    let mut harness = committee(1, 1, 1);
    let (block, options) = oracle(&genesis());
    harness.options.insert(block.id(), options);
    let out = harness.offer(1, &block);
    assert_eq!(verified(&harness), [block.id(), options[0].id(), options[1].id()]);
    assert_eq!(
        (harness.engine.num_processing(), harness.engine.preference()),
        (3, options[0].id())
    );
    // One preference, one query for each preferred block.
    assert_eq!(out.iter().filter(|out| matches!(out, Output::SetPreference(_))).count(), 1);
    assert_eq!(pulled(&out), [(block.id(), 1), (options[0].id(), 1)]);
    assert_eq!(harness.engine.waiting(), [0; 3]);
    let out = harness.chits(1, 1, &options[1]);
    let expected =
        [("accept", block.id()), ("accept", options[1].id()), ("reject", options[0].id())];
    assert_eq!(decided(&out), expected);
}

/// An option that is invalid is dropped; the other one can win.
#[test]
fn an_invalid_option_is_dropped() {
    for invalid in 0..2 {
        let mut harness = committee(1, 1, 1);
        let (block, options) = oracle(&genesis());
        harness.options.insert(block.id(), options);
        harness.invalid.insert(options[invalid].id());
        let out = harness.offer(1, &block);
        assert_eq!(harness.engine.preference(), options[1 - invalid].id());
        assert_eq!((harness.engine.num_processing(), faults(&out)), (2, vec![]));
        // Votes for the dropped one count for the oracle.
        let out = harness.chits(1, 1, &options[invalid]);
        assert_eq!(decided(&out), [("accept", block.id())]);
    }
}

/// Blocks that wait for the oracle or for an option are issued after both options.
#[test]
fn what_waits_for_an_oracle_comes_after_its_options() {
    let mut harness = committee(1, 1, 1);
    let (block, options) = oracle(&genesis());
    harness.options.insert(block.id(), options);
    let [above, beyond] = [child(&options[1], "a"), child(&options[0], "b")];
    // A child of each option is here before; one of the options was given too.
    harness.offer(1, &above);
    harness.offer(1, &beyond);
    harness.offer(1, &options[1]);
    assert_eq!(harness.engine.waiting()[1], 3);
    harness.offer(1, &block);
    let order = verified(&harness);
    assert_eq!(order[..3], [block.id(), options[0].id(), options[1].id()]);
    assert!(harness.engine.processing(&beyond.id()));
    assert_eq!(harness.engine.waiting()[1..], [0, 0]);
}

/// Children that do not fit the oracle are no options.
#[test]
fn children_of_others_are_no_options() {
    let mut harness = committee(1, 1, 1);
    let (block, options) = oracle(&genesis());
    let stranger = child(&genesis(), "stranger");
    let mut high = options[0];
    high.block.height = crate::Height::new(9);
    harness.options.insert(block.id(), [stranger, high]);
    harness.offer(1, &block);
    assert_eq!(verified(&harness), [block.id()]);
    assert_eq!((harness.engine.num_processing(), harness.engine.preference()), (1, block.id()));
}

/// If the last accepted block is an oracle, its options are issued at the start.
#[test]
fn options_of_the_last_accepted_block_are_issued_at_the_start() {
    let options = [child(&genesis(), "yes"), child(&genesis(), "no")];
    let (mut engine, call) = started();
    let tip = Tip { id: genesis().id(), height: crate::Height::GENESIS };
    let answer = Answer::LastAccepted { tip, options: Some(options) };
    let now = crate::Timestamp::ZERO;
    engine.handle(now, Input::Answer { call, answer }).expect("nothing fatal");
    let mut seen = Vec::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Call { id: call, call: Call::Verify(block) } = &output {
            seen.push(block.id());
            let answer = Answer::Verdict(Verdict::Valid);
            engine.handle(now, Input::Answer { call: *call, answer }).expect("nothing fatal");
        } else if let Output::SetPreference(id) = output {
            assert_eq!(id, options[0].id());
        }
    }
    assert_eq!(seen, [options[0].id(), options[1].id()]);
    assert_eq!((engine.num_processing(), engine.preference()), (2, options[0].id()));
}

/// The options of the start are verified once, whoever else gives them meanwhile.
#[test]
fn options_of_the_start_are_verified_once() {
    let options = [child(&genesis(), "yes"), child(&genesis(), "no")];
    let (mut engine, call) = started();
    let tip = Tip { id: genesis().id(), height: crate::Height::GENESIS };
    let answer = Answer::LastAccepted { tip, options: Some(options) };
    let now = crate::Timestamp::ZERO;
    engine.handle(now, Input::Answer { call, answer }).expect("nothing fatal");
    for block in options {
        let input = Input::Message { from: node(1), message: push(0, &block) };
        engine.handle(now, input).expect("nothing fatal");
    }
    let mut open = Vec::new();
    let mut seen = Vec::new();
    loop {
        while let Some(output) = engine.poll_output() {
            if let Output::Call { id, call: Call::Verify(block) } = output {
                open.push(id);
                seen.push(block.id());
            }
        }
        let Some(call) = open.pop() else { break };
        let answer = Answer::Verdict(Verdict::Valid);
        engine.handle(now, Input::Answer { call, answer }).expect("nothing fatal");
    }
    seen.sort_unstable();
    let mut expected = options.map(|option| option.id());
    expected.sort_unstable();
    assert_eq!((seen, engine.num_processing()), (expected.to_vec(), 2));
}

/// An engine that has asked what is last accepted, and its call.
fn started() -> (Engine<()>, CallId) {
    let set = vec![crate::validators::Validator { node_id: node(1), weight: 1 }];
    let setup = Setup {
        own: node(0),
        validators: crate::validators::ValidatorSet::try_from(set).expect("a set"),
        beacons: None,
        tip: Tip { id: genesis().id(), height: crate::Height::GENESIS },
        phase: Phase::NormalOperation,
        stored: Vec::new(),
        seed: [7; 32],
    };
    let config = config(small(1, 1, 1));
    let mut engine = Engine::new(config, setup, crate::Timestamp::ZERO).expect("an engine");
    match engine.poll_output() {
        Some(Output::Call { id, call: Call::EnterPhase(Phase::NormalOperation) }) => (engine, id),
        other => panic!("{other:?}"),
    }
}

/// While one option is verified, the other one comes from a peer: it is verified once.
#[test]
fn an_option_that_a_peer_gives_meanwhile_is_verified_once() {
    let mut harness = committee(1, 1, 1);
    harness.prompt = false;
    let (block, options) = oracle(&genesis());
    harness.options.insert(block.id(), options);
    harness.offer(1, &block);
    // The walk looks for the parent of nothing: the first call is the verification.
    assert_eq!(harness.open.len(), 1);
    harness.answer_next();
    for option in options {
        harness.offer(1, &option);
    }
    while !harness.open.is_empty() {
        harness.answer_next();
    }
    let mut order = verified(&harness);
    assert_eq!(order.len(), 3, "each once");
    order.dedup();
    assert_eq!(order, [block.id(), options[0].id(), options[1].id()]);
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (3, [0; 3]));
}

/// The oracle is rejected while its option is verified: the option is rejected too.
#[test]
fn options_of_a_rejected_oracle_are_rejected() {
    let mut harness = committee(1, 1, 1);
    let rival = child(&genesis(), "rival");
    harness.offer(1, &rival);
    harness.prompt = false;
    let (block, options) = oracle(&genesis());
    harness.options.insert(block.id(), options);
    harness.offer(1, &block);
    harness.answer_next();
    let out = harness.chits(1, 1, &rival);
    assert_eq!(decided(&out), [("accept", rival.id()), ("reject", block.id())]);
    let out = harness.answer_next();
    assert_eq!(decided(&out), [("reject", options[0].id())]);
    harness.finds_nothing_else();
    assert_eq!(verified(&harness).len(), 3, "the other option is not verified at all");
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (0, [0; 3]));
}

/// Whoever gives the oracle again, or names it, while its options are verified changes nothing for
/// the blocks that wait for it.
#[test]
fn an_oracle_that_is_given_again_keeps_what_waits_for_it() {
    let mut harness = committee(1, 1, 1);
    let (block, options) = oracle(&genesis());
    harness.options.insert(block.id(), options);
    // As in AvalancheGo, what waits for an option that was given too would be given up with it.
    let above = child(&options[1], "a");
    harness.offer(1, &above);
    harness.offer(1, &options[0]);
    harness.prompt = false;
    harness.offer(1, &block);
    harness.answer_next();
    assert_eq!(harness.jobs(), 2);
    harness.offer(1, &block);
    harness.message(1, pull(0, block.id(), 1));
    assert_eq!((harness.jobs(), harness.engine.num_processing()), (2, 1));
    while !harness.open.is_empty() {
        harness.answer_next();
    }
    assert_eq!(verified(&harness).len(), 4, "each once");
    assert_eq!((harness.engine.num_processing(), harness.engine.waiting()), (4, [0; 3]));
}
