//! Blocks and polls, one picture for each rule. The names of AvalancheGo's tests of the same rules
//! are in the comments.

use std::time::Duration;

use super::*;
use crate::snowball::{Parameters, ParametersConfig, Snowball, Snowflake};
use crate::{Bag, Error, HashKey, Height, Id, Timestamp};

/// A block named by its first byte.
fn id(name: u8) -> Id {
    let mut bytes = [0; 32];
    bytes[0] = name;
    Id::new(bytes)
}

const GENESIS: u8 = 200;

fn snowman(k: u32, alpha: u32, beta: u32) -> Topological {
    let parameters = Parameters::new(k, alpha, alpha, beta).unwrap();
    let key = HashKey::from_seed([7; 32]);
    Topological::<Snowflake>::new(parameters, id(GENESIS), Height::GENESIS, key)
}

/// Adds blocks given as (name, parent, height).
fn add(snowman: &mut Topological, blocks: &[(u8, u8, u64)]) {
    for (name, parent, height) in blocks {
        let block = Block { id: id(*name), parent: id(*parent), height: Height::new(*height) };
        snowman.add(block, Timestamp::ZERO).unwrap();
    }
}

/// Records a poll and returns its outcome with the decisions as `+name` and `-name`.
fn poll(snowman: &mut Topological, votes: &[(u8, u32)]) -> (PollOutcome, String) {
    let votes: Bag = votes.iter().map(|(name, count)| (id(*name), *count)).collect();
    let mut decisions = Decisions::new();
    let outcome = snowman.record_poll(&votes, &mut decisions).unwrap();
    let show = |decision| match decision {
        Decision::Accept { id, .. } => format!("+{}", id.as_bytes()[0]),
        Decision::Reject { id, .. } => format!("-{}", id.as_bytes()[0]),
    };
    (outcome, decisions.drain().map(show).collect::<Vec<_>>().join(" "))
}

fn preferred(snowman: &Topological) -> Vec<u8> {
    snowman.preferred().map(|(_, id)| id.as_bytes()[0]).collect()
}

use PollOutcome::{Failed, Idle, Successful};

/// `InitializeTest`, `RecordPollWhenFinalizedTest`.
#[test]
fn a_new_instance_prefers_what_was_accepted_last() {
    let mut snowman = snowman(1, 1, 1);
    assert_eq!(snowman.preference(), id(GENESIS));
    assert_eq!((snowman.num_processing(), snowman.parent(&id(GENESIS))), (0, None));
    assert_eq!(poll(&mut snowman, &[(GENESIS, 1)]), (Idle, String::new()));
    assert_eq!(poll(&mut snowman, &[]), (Idle, String::new()));
    assert_eq!(snowman.last_accepted(), (id(GENESIS), Height::GENESIS));
}

/// `AddToTailTest`, `AddToNonTailTest`, `StatusOrProcessing...Test`.
#[test]
fn the_preferred_branch_grows_at_its_tip_only() {
    let mut snowman = snowman(1, 1, 3);
    add(&mut snowman, &[(1, GENESIS, 1), (2, 1, 2), (3, GENESIS, 1), (4, 3, 2)]);
    assert_eq!(preferred(&snowman), [1, 2]);
    assert_eq!(snowman.preference(), id(2));
    let at = |height| snowman.preference_at_height(Height::new(height));
    assert_eq!([at(0), at(1), at(2), at(3)], [Some(id(GENESIS)), Some(id(1)), Some(id(2)), None]);
    assert!(snowman.is_preferred(&id(GENESIS)) && snowman.is_preferred(&id(1)));
    assert!(!snowman.is_preferred(&id(3)) && snowman.processing(&id(3)));
    assert!(!snowman.processing(&id(GENESIS)) && !snowman.processing(&id(9)));
    assert_eq!(snowman.parent(&id(4)), Some(id(3)));
}

/// `AddOnUnknownParentTest`, `ErrorOnAddDecidedBlockTest`, and what AvalancheGo leaves to its
/// caller.
#[test]
fn a_refused_block_changes_nothing() {
    let mut snowman = snowman(1, 1, 1).with_processing_max(2);
    add(&mut snowman, &[(1, GENESIS, 1), (2, GENESIS, 1)]);
    let before = snowman.inspect();
    let mut refused = |name, parent, height: u64, error: Error| {
        let block = Block { id: id(name), parent: id(parent), height: Height::new(height) };
        assert_eq!(snowman.add(block, Timestamp::ZERO), Err(error.clone()));
        assert_eq!(snowman.inspect(), before);
        assert!(!error.to_string().is_empty());
    };
    let height = Height::new;
    refused(1, GENESIS, 1, Error::Duplicate { block: id(1) });
    refused(3, 9, 1, Error::UnknownParent { block: id(3), parent: id(9) });
    refused(GENESIS, 9, 0, Error::UnknownParent { block: id(GENESIS), parent: id(9) });
    refused(GENESIS, 1, 2, Error::Duplicate { block: id(GENESIS) });
    let expected = Some(height(2));
    refused(3, 1, 3, Error::WrongHeight { block: id(3), height: height(3), expected });
    refused(3, 1, 2, Error::ProcessingFull { max: 2 });
}

#[test]
fn no_block_has_a_height_above_the_last() {
    let parameters = Parameters::new(1, 1, 1, 1).unwrap();
    let key = HashKey::from_seed([0; 32]);
    let mut snowman = Topological::<Snowball>::new(parameters, id(GENESIS), Height::MAX, key);
    let block = Block { id: id(1), parent: id(GENESIS), height: Height::GENESIS };
    let error = snowman.add(block, Timestamp::ZERO).unwrap_err();
    assert!(error.to_string().contains("last height"), "{error}");
}

/// `RecordPollAcceptSingleBlockTest`, `RecordPollAcceptAndRejectTest`.
#[test]
fn beta_polls_accept_a_block_and_reject_its_siblings() {
    let mut snowman = snowman(1, 1, 2);
    add(&mut snowman, &[(1, GENESIS, 1), (2, GENESIS, 1), (4, GENESIS, 1)]);
    assert_eq!(poll(&mut snowman, &[(1, 1)]), (Successful, String::new()));
    assert_eq!(poll(&mut snowman, &[(1, 1)]), (Successful, "+1 -2 -4".to_owned()));
    assert_eq!(snowman.last_accepted(), (id(1), Height::new(1)));
    assert_eq!((snowman.num_processing(), snowman.parent(&id(1))), (0, Some(id(GENESIS))));
    assert_eq!(snowman.preference_at_height(Height::GENESIS), None);
    let stats = snowman.stats();
    assert_eq!((stats.accepted, stats.rejected, stats.polls_successful), (1, 2, 2));
    assert_eq!((stats.accepted_polls, stats.rejected_polls), (2, 4));
}

/// `RecordPollRejectTransitivelyTest`: siblings first, then descendants, each after its parent.
#[test]
fn descendants_of_a_rejected_block_are_rejected_after_it() {
    let mut snowman = snowman(1, 1, 1);
    add(
        &mut snowman,
        &[(0, GENESIS, 1), (1, GENESIS, 1), (2, 1, 2), (3, 1, 2), (5, 2, 3), (7, GENESIS, 1)],
    );
    assert_eq!(poll(&mut snowman, &[(0, 1)]), (Successful, "+0 -1 -7 -2 -3 -5".to_owned()));
    assert_eq!(snowman.num_processing(), 0);
    // The slots are used again.
    add(&mut snowman, &[(5, 0, 2), (7, 5, 3)]);
    assert_eq!(preferred(&snowman), [5, 7]);
}

/// `RecordPollSplitVoteNoChangeTest`: shared bits make a split poll successful until they are
/// decided.
#[test]
fn a_split_poll_decides_what_the_sides_share() {
    let mut snowman = snowman(2, 2, 1);
    // 0b0100 and 0b1000 share bits 0 and 1.
    add(&mut snowman, &[(0b0100, GENESIS, 1), (0b1000, GENESIS, 1)]);
    assert_eq!(poll(&mut snowman, &[(0b0100, 1), (0b1000, 1)]).0, Successful);
    assert_eq!(poll(&mut snowman, &[(0b0100, 1), (0b1000, 1)]).0, Failed);
    assert_eq!(snowman.num_processing(), 2);
}

/// `RecordPollTransitivelyResetConfidenceTest`: a failed poll is handed up the voted branch.
#[test]
fn confidence_is_lost_along_the_whole_branch() {
    let mut snowman = snowman(1, 1, 2);
    add(&mut snowman, &[(0, GENESIS, 1), (1, GENESIS, 1), (2, 1, 2), (3, 2, 3)]);
    assert_eq!(poll(&mut snowman, &[(3, 1)]).0, Successful);
    assert_eq!(poll(&mut snowman, &[]), (Failed, String::new()));
    // The trees below the reset ones are reset as well: one poll is not enough for any of them.
    assert_eq!(poll(&mut snowman, &[(3, 1)]), (Successful, String::new()));
    assert_eq!(poll(&mut snowman, &[(3, 1)]), (Successful, "+1 -0 +2 +3".to_owned()));
}

/// `RecordPollInvalidVoteTest`.
#[test]
fn votes_for_unknown_and_decided_blocks_count_for_nothing() {
    let mut snowman = snowman(1, 1, 2);
    add(&mut snowman, &[(1, GENESIS, 1)]);
    assert_eq!(poll(&mut snowman, &[(1, 1)]).0, Successful);
    assert_eq!(poll(&mut snowman, &[(9, 1)]).0, Failed);
    assert_eq!(poll(&mut snowman, &[(1, 1)]), (Successful, String::new()));
    assert_eq!(poll(&mut snowman, &[(GENESIS, 1)]).0, Failed);
    assert_eq!(poll(&mut snowman, &[(1, 1)]), (Successful, String::new()));
    assert_eq!(poll(&mut snowman, &[(1, 1)]), (Successful, "+1".to_owned()));
}

/// `RecordPollTransitiveVotingTest`, `RecordPollRegressionCalculateInDegreeIndegreeCalculation`.
#[test]
fn votes_at_different_depths_add_up() {
    //  genesis - 0 - 2 - 4
    //             \ 1 - 3
    let mut snowman = snowman(3, 3, 1);
    add(&mut snowman, &[(0, GENESIS, 1), (2, 0, 2), (4, 2, 3), (1, 0, 2), (3, 1, 3)]);
    assert_eq!(poll(&mut snowman, &[(0, 1), (2, 1), (4, 1)]), (Successful, "+0".to_owned()));
    assert_eq!(poll(&mut snowman, &[(2, 1), (4, 2)]), (Successful, "+2 -1 -3".to_owned()));
    assert_eq!(poll(&mut snowman, &[(4, 3)]), (Successful, "+4".to_owned()));
}

/// `RecordPollDivergedVotingWithNoConflictingBitTest`: a block against decided bits stays
/// processing and is never preferred, although its own children are polled.
#[test]
fn a_block_added_against_decided_bits_is_a_dead_branch() {
    let mut snowman = snowman(1, 1, 2);
    add(&mut snowman, &[(0b10, GENESIS, 1), (0b00, GENESIS, 1)]);
    // Both have 0 in bit 0: two polls for either decide it. One for each leaves bit 1 open.
    assert_eq!(poll(&mut snowman, &[(0b10, 1)]).0, Successful);
    assert_eq!(poll(&mut snowman, &[(0b00, 1)]).0, Successful);
    add(&mut snowman, &[(0b01, GENESIS, 1), (0b11, 0b01, 2)]);
    for _ in 0..3 {
        assert_eq!(poll(&mut snowman, &[(0b11, 1)]), (Successful, String::new()));
    }
    assert_eq!((snowman.num_processing(), preferred(&snowman)), (4, vec![0b00]));
    assert_eq!(poll(&mut snowman, &[(0b00, 1)]).0, Successful);
    assert_eq!(poll(&mut snowman, &[(0b00, 1)]), (Successful, "+0 -2 -1 -3".to_owned()));
}

/// `RecordPollChangePreferredChainTest`.
#[test]
fn the_preferred_branch_changes_both_ways() {
    let mut snowman = snowman(1, 1, 10);
    add(
        &mut snowman,
        &[(1, GENESIS, 1), (2, GENESIS, 1), (3, 1, 2), (4, 2, 2), (5, 4, 3), (6, 4, 3)],
    );
    assert_eq!(preferred(&snowman), [1, 3]);
    let _ = poll(&mut snowman, &[(2, 1)]);
    assert_eq!(preferred(&snowman), [2, 4, 5], "down from the voted block by the trees");
    let _ = poll(&mut snowman, &[(6, 1)]);
    assert_eq!(preferred(&snowman), [2, 4, 6], "what both branches share is kept");
    let _ = poll(&mut snowman, &[(1, 1)]);
    assert_eq!(preferred(&snowman), [1, 3]);
    assert!(!snowman.is_preferred(&id(2)) && snowman.is_preferred(&id(3)));
}

/// `RecordPollWithDefaultParameters`.
#[test]
fn the_default_parameters_need_twenty_polls() {
    let key = HashKey::from_seed([0; 32]);
    let mut snowman: Topological =
        Topological::new(Parameters::default(), id(GENESIS), Height::GENESIS, key);
    add(&mut snowman, &[(1, GENESIS, 1), (2, GENESIS, 1)]);
    for _ in 0..19 {
        assert_eq!(poll(&mut snowman, &[(2, 15), (1, 5)]), (Successful, String::new()));
    }
    assert_eq!(poll(&mut snowman, &[(2, 15), (1, 5)]), (Successful, "+2 -1".to_owned()));
}

/// Runs of equal polls are told to the trees late; nothing that can be seen may differ.
#[test]
fn a_run_of_equal_polls_shows_at_once() {
    let mut snowman = snowman(4, 3, 9);
    add(&mut snowman, &[(1, GENESIS, 1), (2, GENESIS, 1), (3, 2, 2), (4, 3, 3)]);
    for polls in 1..6 {
        let _ = poll(&mut snowman, &[(4, 3), (1, 1)]);
        let genesis = snowman.inspect().into_iter().find(|block| block.id == id(GENESIS)).unwrap();
        let tree = genesis.tree.unwrap();
        let binary =
            format!("SF(Confidence = [{polls}], Finalized = false, SL(Preference = 0)) Bit = 0");
        assert!(tree.starts_with(&binary), "{tree}");
    }
    // A new sibling splits the tree of the run: both parts have counted all five polls.
    add(&mut snowman, &[(6, GENESIS, 1)]);
    let genesis = snowman.inspect().into_iter().find(|block| block.id == id(GENESIS)).unwrap();
    assert_eq!(genesis.tree.unwrap().matches("Confidence = [5]").count(), 4);
}

/// The tree of a dead branch can be decided without being accepted. It counts no more, so no run of
/// equal polls may begin on it.
#[test]
fn a_decided_tree_has_no_run() {
    let mut snowman = snowman(1, 1, 3);
    add(&mut snowman, &[(0b10, GENESIS, 1), (0b00, GENESIS, 1)]);
    // Bit 0 is decided for 0, bit 1 is left open; then a block with 1 in bit 0 comes.
    for name in [0b10, 0b00, 0b10] {
        assert_eq!(poll(&mut snowman, &[(name, 1)]), (Successful, String::new()));
    }
    add(&mut snowman, &[(0b01, GENESIS, 1), (50, 0b01, 2)]);
    let mut twin = *id(50).as_bytes();
    twin[31] = 1 << 7;
    let twin = Block { id: Id::new(twin), parent: id(0b01), height: Height::new(2) };
    snowman.add(twin, Timestamp::ZERO).unwrap();
    let dead = |snowman: &Topological| {
        let block = snowman.inspect().into_iter().find(|block| block.id == id(0b01)).unwrap();
        block.tree.unwrap()
    };
    let decided = |confidence| {
        format!("SF(Confidence = [{confidence}], Finalized = true, SL(Preference = 0)) Bit = 255")
    };
    for _ in 0..3 {
        let _ = poll(&mut snowman, &[(50, 1)]);
    }
    assert_eq!(dead(&snowman), decided(3));
    let _ = poll(&mut snowman, &[]);
    for _ in 0..3 {
        let _ = poll(&mut snowman, &[(50, 1)]);
        assert_eq!(dead(&snowman), decided(0));
    }
}

#[test]
fn more_votes_than_samples_are_refused() {
    let mut snowman = snowman(2, 2, 1);
    add(&mut snowman, &[(1, GENESIS, 1)]);
    let before = snowman.inspect();
    let votes = Bag::from(vec![(id(1), 3)]);
    let error = snowman.record_poll(&votes, &mut Decisions::new()).unwrap_err();
    assert_eq!(error, RecordPollError::Refused(Error::TooManyVotes { votes: 3, k: 2 }));
    assert_eq!((snowman.inspect(), snowman.stats().polls), (before, 0));
}

/// Fails one call for one block.
struct Failing {
    call: AcceptorCall,
    block: Id,
    log: Vec<(AcceptorCall, Id)>,
}

impl Failing {
    fn call(&mut self, call: AcceptorCall, id: Id) -> Result<(), &'static str> {
        self.log.push((call, id));
        if (call, id) == (self.call, self.block) { Err("disk full") } else { Ok(()) }
    }
}

impl Acceptor for Failing {
    type Error = &'static str;

    fn notify_accepted(&mut self, id: Id, _height: Height) -> Result<(), &'static str> {
        self.call(AcceptorCall::Notify, id)
    }

    fn accept(&mut self, id: Id, _height: Height) -> Result<(), &'static str> {
        self.call(AcceptorCall::Accept, id)
    }

    fn reject(&mut self, id: Id, _height: Height) -> Result<(), &'static str> {
        self.call(AcceptorCall::Reject, id)
    }
}

/// `ErrorOnAcceptTest`, `ErrorOnRejectSiblingTest`, `ErrorOnTransitiveRejectionTest`.
#[test]
fn a_failed_call_stops_the_poll_there_and_poisons() {
    let cases = [
        (AcceptorCall::Notify, 1, 1, GENESIS),
        (AcceptorCall::Accept, 1, 2, GENESIS),
        (AcceptorCall::Reject, 2, 3, 1),
        (AcceptorCall::Reject, 3, 4, 1),
    ];
    for (call, block, calls, last_accepted) in cases {
        let mut snowman = snowman(1, 1, 1);
        add(&mut snowman, &[(1, GENESIS, 1), (2, GENESIS, 1), (3, 2, 2)]);
        let mut acceptor = Failing { call, block: id(block), log: Vec::new() };
        let error = snowman.record_poll(&Bag::from([id(1)]), &mut acceptor).unwrap_err();
        assert_eq!(error, RecordPollError::Acceptor { call, id: id(block), source: "disk full" });
        assert!(error.to_string().contains("disk full"), "{error}");
        assert_eq!(acceptor.log.len(), calls);
        assert_eq!(snowman.last_accepted().0, id(last_accepted));
        // From here on nothing changes.
        assert!(snowman.is_poisoned() && !snowman.health(Timestamp::ZERO).healthy());
        let refused = snowman.record_poll(&Bag::new(), &mut acceptor);
        assert_eq!(refused, Err(RecordPollError::Refused(Error::Poisoned)));
        let block = Block { id: id(9), parent: id(1), height: Height::new(2) };
        assert_eq!(snowman.add(block, Timestamp::ZERO), Err(Error::Poisoned));
        assert_eq!(acceptor.log.len(), calls);
    }
}

/// Section 4.8 of the rules: both limits are exceeded strictly.
#[test]
fn health_follows_the_parameters() {
    let config = ParametersConfig {
        k: 1,
        alpha_preference: 1,
        alpha_confidence: 1,
        beta: 1,
        concurrent_repolls: 1,
        max_outstanding_items: 2,
        max_item_processing_time: Duration::from_secs(5),
        ..ParametersConfig::default()
    };
    let key = HashKey::from_seed([0; 32]);
    let parameters = config.try_into().unwrap();
    let mut snowman: Topological = Topological::new(parameters, id(GENESIS), Height::GENESIS, key);
    let add = |snowman: &mut Topological, name, seconds: u64| {
        let block = Block { id: id(name), parent: id(GENESIS), height: Height::new(1) };
        snowman.add(block, Timestamp::from_millis(seconds * 1_000)).unwrap();
    };
    let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
    add(&mut snowman, 1, 1);
    add(&mut snowman, 2, 3);
    assert!(snowman.health(at(6)).healthy());
    let late = snowman.health(at(7));
    assert!(late.processing_too_long && !late.too_many_processing);
    assert_eq!(late.longest_processing, Duration::from_secs(6));
    add(&mut snowman, 3, 6);
    let full = snowman.health(at(6));
    assert!(full.too_many_processing && !full.processing_too_long && full.processing == 3);
    assert_eq!(poll(&mut snowman, &[(1, 1)]).1, "+1 -2 -3");
    let idle = snowman.health(at(100));
    assert!(idle.healthy() && idle.longest_processing == Duration::ZERO);
    assert_eq!((idle.last_accepted, idle.last_accepted_height), (id(1), Height::new(1)));
}
