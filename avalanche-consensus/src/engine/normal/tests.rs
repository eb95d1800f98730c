//! What cannot be seen from outside. Names are those of AvalancheGo's tests in
//! `snow/engine/snowman/engine_test.go` where they pin the same.

use super::*;
use crate::engine::{Answer, Call, Engine, EngineConfig, Input, Message, Setup, engine::Stage};
use crate::snowball::Parameters;
use crate::validators::{Validator, ValidatorSet};

type Parsed = ParsedBlock<()>;

fn node(at: u8) -> NodeId {
    NodeId::new([at; 20])
}

fn chain(parent: &Parsed, name: u8, length: usize) -> Vec<Parsed> {
    let mut blocks: Vec<Parsed> = Vec::new();
    for _ in 0..length {
        let parent = blocks.last().unwrap_or(parent);
        let id = Id::hash(&[parent.id().as_bytes(), &[name][..]].concat());
        let height = parent.height().next().expect("not that high");
        let block = Block { id, parent: parent.id(), height };
        blocks.push(ParsedBlock { block, bytes: 10, handle: () });
    }
    blocks
}

fn genesis() -> Parsed {
    let block = Block { id: Id::hash(b"genesis"), parent: Id::EMPTY, height: Height::GENESIS };
    ParsedBlock { block, bytes: 10, handle: () }
}

/// An engine in normal operation whose last accepted block is this one.
fn engine(tip: &Parsed, beta: u32) -> Engine<()> {
    let validators = vec![1, 2].into_iter().map(|at| Validator { node_id: node(at), weight: 1 });
    let setup = Setup {
        own: node(0),
        validators: ValidatorSet::try_from(validators.collect::<Vec<_>>()).expect("a set"),
        tip: Tip { id: tip.id(), height: tip.height() },
        ..Setup::default()
    };
    let parameters = Parameters::new(2, 2, 2, beta).expect("parameters");
    let config = EngineConfig { parameters, bench: None, ..EngineConfig::default() };
    let mut engine = Engine::new(config, setup, Timestamp::ZERO).expect("an engine");
    let Some(Output::Call { id: call, call: Call::EnterPhase(_) }) = engine.poll_output() else {
        panic!("the phase comes first");
    };
    let tip = engine.last_accepted();
    let answer = Answer::LastAccepted { tip, options: None };
    engine.handle(Timestamp::ZERO, Input::Answer { call, answer }).expect("nothing fatal");
    engine
}

fn normal(engine: &mut Engine<()>) -> &mut Normal<()> {
    match &mut engine.stage {
        Stage::Normal(normal) => normal,
        _ => panic!("normal operation"),
    }
}

fn issue(normal: &mut Normal<()>, block: &Parsed) {
    normal.consensus.add(block.block, Timestamp::ZERO).expect("it fits");
    normal.processing.insert(block.id(), *block);
}

#[test]
fn get_processing_ancestor() {
    let blocks = chain(&genesis(), 0, 3);
    let [issued, unissued, above] = [blocks[0], blocks[1], blocks[2]];
    let (decided, unknown) = (genesis(), Id::hash(b"unknown"));
    // What is in the tree, what is in the cache, the vote, and what it counts for.
    type Case<'a> = (&'a str, &'a [Parsed], &'a [Parsed], Id, Option<Id>);
    let cases: [Case<'_>; 9] = [
        ("accepted", &[], &[], decided.id(), None),
        ("cached and accepted", &[], &[decided], decided.id(), None),
        ("processing", &[], &[], issued.id(), Some(issued.id())),
        ("unknown", &[], &[], unknown, None),
        ("through the tree", &[unissued], &[], unissued.id(), Some(issued.id())),
        ("through the cache", &[], &[unissued], unissued.id(), Some(issued.id())),
        ("through both", &[above], &[unissued], above.id(), Some(issued.id())),
        ("through the cache twice", &[], &[unissued, above], above.id(), Some(issued.id())),
        ("not there in between", &[above], &[], above.id(), None),
    ];
    for (name, tree, cache, vote, expected) in cases {
        let mut engine = engine(&genesis(), 1);
        let normal = normal(&mut engine);
        issue(normal, &issued);
        for block in tree {
            normal.unverified_tree.add(block.id(), block.parent()).expect("room");
        }
        for block in cache {
            normal.unverified_cache.put(block.id(), *block, 10);
        }
        assert_eq!(normal.processing_ancestor(vote), expected, "{name}");
    }
}

/// A circle of cached blocks ends.
#[test]
fn a_circle_of_blocks_has_no_processing_ancestor() {
    let mut engine = engine(&genesis(), 1);
    let normal = normal(&mut engine);
    let mut blocks = chain(&genesis(), 0, 3);
    blocks[0].block.parent = blocks[2].id();
    for block in &mut blocks {
        block.block.height = Height::new(9);
        normal.unverified_cache.put(block.id(), *block, 10);
    }
    assert_eq!(normal.processing_ancestor(blocks[1].id()), None);
}

/// Of the tree below, 0 is last accepted, 1 is processing, 5 and 9 wait; the rest is not known.
///
/// ```text
///   genesis -- 0 -- 1 -- 2 -- 3
///         |    +--- 4 -- 5 -- 6
///         +--- 7 -- 8 -- 9 -- 10
///                   +--- 11
/// ```
#[test]
fn should_issue_block() {
    let (upper, lower) = (chain(&genesis(), 0, 4), chain(&genesis(), 1, 4));
    let middle = chain(&upper[0], 2, 3);
    let last = chain(&lower[1], 3, 1);
    let mut engine = engine(&upper[0], 1);
    let normal = normal(&mut engine);
    issue(normal, &upper[1]);
    for block in [middle[1], lower[2]] {
        normal.pending.insert(block, node(1), false, Timestamp::ZERO);
    }
    let cases = [
        ("genesis", genesis(), false),
        ("last accepted", upper[0], false),
        ("processing", upper[1], false),
        ("on a processing block", upper[2], true),
        ("on an unknown block", upper[3], true),
        ("on the last accepted block", middle[0], true),
        ("waiting", middle[1], false),
        ("on a waiting block", middle[2], true),
        ("rejected", lower[0], false),
        ("on a rejected block", lower[1], false),
        ("rejected, but known only as waiting", lower[2], false),
        ("on that", lower[3], true),
        ("on a rejected block, which is not known", last[0], true),
    ];
    for (name, block, expected) in cases {
        assert_eq!(normal.should_issue(&block.block), expected, "{name}");
    }
    for (block, expected) in [(middle[1], true), (upper[1], false), (middle[0], false)] {
        assert_eq!(normal.can_depend_on(&block.id()), expected);
    }
    normal.block_requests.insert(middle[0].id(), 7, node(1), false);
    assert!(normal.can_depend_on(&middle[0].id()));
}

#[test]
fn accepted_height() {
    let blocks = chain(&genesis(), 0, 2);
    let mut engine = engine(&genesis(), 3);
    for at in [1, 2, 9] {
        let input = Input::Connected(node(at));
        engine.handle(Timestamp::ZERO, input).expect("nothing fatal");
    }
    let ask = Message::PushQuery {
        request_id: 0,
        block: Some(blocks[0]),
        requested_height: Height::new(1),
    };
    let input = Input::Message { from: node(9), message: ask };
    engine.handle(Timestamp::ZERO, input).expect("nothing fatal");
    let mut asked = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Call { id: call, call: Call::Verify(_) } => {
                let answer = Answer::Verdict(crate::engine::Verdict::Valid);
                let input = Input::Answer { call, answer };
                engine.handle(Timestamp::ZERO, input).expect("nothing fatal");
            }
            Output::Send { to, message: Message::PullQuery { request_id, .. } } => {
                asked.push((to, request_id));
            }
            _ => {}
        }
    }
    assert!(asked.len() >= 2);
    for (to, request_id) in &asked[..2] {
        let accepted = if *to == node(1) { blocks[0] } else { blocks[1] };
        let message = Message::Chits {
            request_id: *request_id,
            preferred: blocks[0].id(),
            preferred_at_height: blocks[0].id(),
            accepted: accepted.id(),
            accepted_height: accepted.height(),
        };
        let input = Input::Message { from: *to, message };
        engine.handle(Timestamp::ZERO, input).expect("nothing fatal");
    }
    let frontiers = &normal(&mut engine).accepted_frontiers;
    for (at, block) in [(1, blocks[0]), (2, blocks[1])] {
        let tip = Tip { id: block.id(), height: block.height() };
        assert_eq!(frontiers.get(&node(at)), Some(&tip));
    }
    assert_eq!(engine.holdings().frontiers, 2);
}

/// A request counts against its peer until it ends, whether its block is still wanted or not.
#[test]
fn requests_for_blocks_count_until_they_end() {
    let mut engine = engine(&genesis(), 1);
    let requests = &mut normal(&mut engine).block_requests;
    let limits = Limits { pending_max: 8, pending_per_node_max: 2, ..Limits::default() };
    let ids = [1, 2, 3].map(|at| Id::hash(&[at]));
    requests.insert(ids[0], 1, node(1), false);
    requests.insert(ids[1], 2, node(1), false);
    assert!(!requests.has_room(&limits, &node(1), false));
    assert!(requests.has_room(&limits, &node(2), false));
    requests.remove_block(&ids[0]);
    assert_eq!((requests.len(), requests.open(), requests.contains(&ids[0])), (1, 2, false));
    assert!(!requests.has_room(&limits, &node(1), false), "the first has not ended");
    // The block can be asked for again, of somebody else.
    requests.insert(ids[0], 3, node(2), false);
    assert_eq!(requests.asked(&ids[0]), Some(node(2)));
    assert_eq!((requests.block_of(1, &node(1)), requests.end(1, &node(1))), (None, None));
    assert_eq!(requests.asked(&ids[0]), Some(node(2)));
    assert!(requests.has_room(&limits, &node(1), false));
    // Only who was asked can end it.
    assert_eq!((requests.end(2, &node(2)), requests.open()), (None, 2));
    assert_eq!((requests.end(2, &node(1)), requests.open()), (Some(ids[1]), 1));
}
