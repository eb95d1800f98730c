//! Instances and trees, one picture for each rule. The names of AvalancheGo's tests of the same
//! rules are in the comments.

use super::*;
use crate::{Bag, Error, HashKey, Id};

fn parameters(k: u32, alpha_preference: u32, alpha_confidence: u32, beta: u32) -> Parameters {
    Parameters::new(k, alpha_preference, alpha_confidence, beta).unwrap()
}

/// One vote is enough, `beta` of them decide.
fn single(beta: u32) -> Parameters {
    parameters(1, 1, 1, beta)
}

/// An identifier whose first byte is `low` and whose last bit is `last`.
fn id(low: u8, last: bool) -> Id {
    let mut bytes = [0; 32];
    bytes[0] = low;
    bytes[31] = u8::from(last) << 7;
    Id::new(bytes)
}

fn tree<R: Rule>(parameters: Parameters, choices: &[Id]) -> Tree<R> {
    let (first, rest) = choices.split_first().unwrap();
    let mut tree = Tree::new(parameters, *first, HashKey::from_seed([0; 32]));
    rest.iter().for_each(|choice| tree.add(*choice).unwrap());
    tree
}

/// `TestUnarySnowflake`: the counter goes on and can be reset after a decision; the decision stays.
#[test]
fn a_decided_unary_instance_goes_on_counting() {
    let mut unary = Unary::<Snowflake>::new(single(2));
    unary.record_poll(1);
    assert_eq!((unary.confidence(), unary.finalized()), ([1], false));
    unary.record_unsuccessful_poll();
    unary.record_poll(1);
    unary.record_poll(1);
    assert_eq!((unary.confidence(), unary.finalized()), ([2], true));
    unary.record_poll(1);
    assert_eq!(unary.confidence(), [3]);
    unary.record_poll(0);
    assert_eq!((unary.confidence(), unary.finalized()), ([0], true));
}

/// `TestUnarySnowball`: copies are independent, and a binary instance inherits the state.
#[test]
fn a_binary_instance_inherits_from_a_unary_one() {
    let mut unary = Unary::<Snowball>::new(parameters(2, 2, 2, 3));
    unary.record_poll(2);
    let copy = unary.clone();
    let mut binary = unary.extend(Bit::One);
    unary.record_poll(2);
    assert_eq!((copy.strength(), unary.strength()), (1, 2));
    assert_eq!(
        copy.to_string(),
        "SB(PreferenceStrength = 1, SF(Confidence = [1], Finalized = false))"
    );
    assert_eq!(
        (binary.preference(), binary.strength(), binary.confidence()),
        (Bit::One, [0, 1], [1])
    );
    binary.record_poll(2, Bit::One);
    binary.record_poll(2, Bit::One);
    assert!(binary.finalized());
}

/// `TestBinarySnowball`: a tie keeps the old preference.
#[test]
fn snowball_turns_only_when_strictly_more_polls_say_so() {
    let mut binary = Binary::<Snowball>::new(single(3), Bit::Zero);
    binary.record_poll(1, Bit::Zero);
    binary.record_poll(1, Bit::One);
    assert_eq!(binary.preference(), Bit::Zero);
    binary.record_poll(1, Bit::One);
    assert_eq!((binary.preference(), binary.finalized()), (Bit::One, false));
    binary.record_poll(1, Bit::One);
    assert!(binary.finalized());
}

/// `TestBinarySnowflake`: every successful poll for the other value turns the preference.
#[test]
fn snowflake_turns_with_every_successful_poll() {
    let mut binary = Binary::<Snowflake>::new(single(2), Bit::Zero);
    for choice in [Bit::One, Bit::Zero, Bit::One] {
        binary.record_poll(1, choice);
        assert_eq!(
            (binary.preference(), binary.confidence(), binary.finalized()),
            (choice, [1], false)
        );
    }
    binary.record_poll(1, Bit::One);
    assert!(binary.finalized());
    binary.record_poll(1, Bit::Zero);
    assert_eq!(binary.preference(), Bit::One);
}

/// `TestBinarySnowballRecordPollPreference`.
#[test]
fn votes_between_the_thresholds_move_the_preference_and_clear_confidence() {
    let mut binary = Binary::<Snowball>::new(parameters(4, 3, 4, 3), Bit::Zero);
    binary.record_poll(4, Bit::Zero);
    binary.record_poll(3, Bit::One);
    binary.record_poll(3, Bit::One);
    assert_eq!(
        binary.to_string(),
        "SB(Preference = 1, PreferenceStrength[0] = 1, PreferenceStrength[1] = 2, \
         SF(Confidence = [0], Finalized = false, SL(Preference = 1)))"
    );
}

/// `TestBinarySnowballAcceptWeirdColor`, `TestBinarySnowballLockColor`.
#[test]
fn a_decision_overrides_and_locks_the_snowball_preference() {
    let mut binary = Binary::<Snowball>::new(single(2), Bit::Zero);
    for _ in 0..2 {
        binary.record_poll(1, Bit::Zero);
        binary.record_unsuccessful_poll();
    }
    binary.record_poll(1, Bit::One);
    assert_eq!(binary.preference(), Bit::Zero);
    binary.record_poll(1, Bit::One);
    assert_eq!(
        (binary.finalized(), binary.preference(), binary.strength()),
        (true, Bit::One, [2, 2])
    );
    binary.record_poll(1, Bit::Zero);
    assert_eq!((binary.preference(), binary.strength()), (Bit::One, [3, 2]));
}

/// The error-driven suites: several conditions, the higher threshold decides sooner.
#[test]
fn several_conditions_count_side_by_side() {
    let condition = |alpha_confidence, beta| TerminationCondition { alpha_confidence, beta };
    let thresholds =
        Thresholds::new(3, [condition(3, 4), condition(4, 3), condition(5, 2)]).unwrap();
    let mut binary = Binary::<Snowflake, 3>::new(thresholds, Bit::Zero);
    binary.record_poll(5, Bit::Zero);
    binary.record_poll(4, Bit::Zero);
    assert_eq!(binary.confidence(), [2, 2, 0]);
    binary.record_poll(5, Bit::One);
    assert_eq!(binary.confidence(), [1, 1, 1]);
    binary.record_poll(5, Bit::One);
    assert_eq!((binary.confidence(), binary.finalized()), ([2, 2, 2], true));
    assert_eq!(
        binary.to_string(),
        "SF(Confidence = [2 2 2], Finalized = true, SL(Preference = 1))"
    );
}

/// A counter that decides leaves the later ones as they are.
#[test]
fn the_first_condition_that_is_reached_decides() {
    let condition = |alpha_confidence, beta| TerminationCondition { alpha_confidence, beta };
    let thresholds = Thresholds::new(1, [condition(1, 1), condition(2, 1)]).unwrap();
    let mut unary = Unary::<Snowflake, 2>::new(thresholds);
    unary.record_poll(2);
    assert_eq!((unary.confidence(), unary.finalized()), ([1, 0], true));
}

#[test]
fn conditions_out_of_order_are_refused() {
    let condition = |alpha_confidence, beta| TerminationCondition { alpha_confidence, beta };
    let refused = Err(Error::TerminationConditions);
    assert_eq!(Thresholds::new(1, []).map(|_| ()), refused.clone());
    assert_eq!(Thresholds::new(1, [condition(1, 0)]).map(|_| ()), refused.clone());
    assert_eq!(Thresholds::new(1, [condition(2, 2), condition(2, 1)]).map(|_| ()), refused.clone());
    assert_eq!(Thresholds::new(1, [condition(1, 1), condition(2, 2)]).map(|_| ()), refused);
    assert!(Thresholds::new(1, [condition(1, 2), condition(2, 2)]).is_ok());
}

/// `TestNarySnowballDifferentSnowflakeColor`, `TestNnarySnowflakeConfidenceReset`.
#[test]
fn an_nnary_instance_keeps_both_preferences() {
    let mut nnary = Nnary::<Snowball, &str>::new(single(2), "red");
    nnary.add(&"blue");
    nnary.record_poll(1, &"blue");
    assert_eq!((*nnary.preference(), nnary.confidence()), ("blue", [1]));
    nnary.record_poll(1, &"red");
    assert_eq!((*nnary.preference(), nnary.confidence()), ("blue", [1]));
    assert_eq!(
        nnary.to_string(),
        "SB(Preference = \"blue\", PreferenceStrength = 1, \
         SF(Confidence = [1], Finalized = false, SL(Preference = \"red\")))"
    );
    nnary.record_poll(1, &"red");
    assert_eq!((*nnary.preference(), nnary.finalized()), ("red", true));
    assert_eq!(nnary.strengths().collect::<Vec<_>>(), [(&"blue", 1), (&"red", 2)]);
}

/// `TestFlat`, and the empty poll: it resets an undecided instance only.
#[test]
fn a_flat_instance_follows_the_most_frequent_vote() {
    let mut flat = Flat::<Snowflake, u8>::new(parameters(4, 3, 3, 2), 0);
    assert!(flat.record_poll(&Bag::from([1, 1, 1, 0])));
    assert!(!flat.record_poll(&Bag::from([1, 1, 0, 0])));
    assert!(flat.record_poll(&Bag::from([1, 1, 1])));
    assert!(!flat.record_poll(&Bag::new()));
    assert_eq!(flat.instance().confidence(), [0]);
    assert!(flat.record_poll(&Bag::from([1, 1, 1])));
    assert!(flat.record_poll(&Bag::from([1, 1, 1])));
    assert!(!flat.record_poll(&Bag::new()));
    assert_eq!(
        (flat.instance().confidence(), flat.finalized(), *flat.preference()),
        ([2], true, 1)
    );
}

/// `TestSnowballSingleton`, `TestSnowballRecordUnsuccessfulPoll`.
#[test]
fn a_tree_with_one_choice_decides_it() {
    let red = id(1, false);
    let mut tree = tree::<Snowball>(single(2), &[red]);
    assert!(tree.record_poll(&Bag::from([red])));
    assert!(!tree.record_poll(&Bag::new()));
    assert!(tree.record_poll(&Bag::from([red])));
    tree.record_unsuccessful_poll();
    assert!(tree.record_poll(&Bag::from([red])) && !tree.finalized());
    assert!(tree.record_poll(&Bag::from([red])) && tree.finalized());
    // Too late for another one.
    tree.add(id(2, false)).unwrap();
    tree.record_poll(&Bag::from([id(2, false)]));
    assert_eq!(*tree.preference(), red);
}

/// `TestSnowballLastBinary`: nothing is below bit 255, and a decided binary root stays.
#[test]
fn choices_can_differ_in_the_last_bit_alone() {
    let (zero, one) = (id(0, false), id(0, true));
    let mut tree = tree::<Snowball>(single(2), &[zero, one, one]);
    assert_eq!(
        tree.to_string(),
        "SB(PreferenceStrength = 0, SF(Confidence = [0], Finalized = false)) Bits = [0, 255)\n    \
         SB(Preference = 0, PreferenceStrength[0] = 0, PreferenceStrength[1] = 0, \
         SF(Confidence = [0], Finalized = false, SL(Preference = 0))) Bit = 255"
    );
    assert!(tree.record_poll(&Bag::from([one])));
    assert_eq!(*tree.preference(), one);
    assert!(tree.record_poll(&Bag::from([one])) && tree.finalized());
    assert_eq!(
        tree.to_string(),
        "SB(Preference = 1, PreferenceStrength[0] = 0, PreferenceStrength[1] = 2, \
         SF(Confidence = [2], Finalized = true, SL(Preference = 1))) Bit = 255"
    );
}

/// `TestSnowballFirstBinary`, `TestSnowballAddDecidedFirstBit`: a decided bit is dropped with its
/// loser, and excludes later choices.
#[test]
fn a_decided_bit_excludes_what_contradicts_it() {
    let (zero, one) = (id(0, false), id(1, false));
    let mut tree = tree::<Snowball>(single(2), &[zero, one]);
    assert!(tree.record_poll(&Bag::from([one])));
    assert!(tree.record_poll(&Bag::from([one])) && tree.finalized());
    assert_eq!(
        tree.to_string(),
        "SB(PreferenceStrength = 2, SF(Confidence = [2], Finalized = true)) Bits = [1, 256)"
    );

    let third = id(3, false);
    let mut tree = self::tree::<Snowball>(single(2), &[zero, one, third]);
    assert!(tree.record_poll(&Bag::from([one])));
    assert!(tree.record_poll(&Bag::from([third])) && !tree.finalized());
    // Bit 0 is decided for 1; a choice with 0 there is ignored, and so are votes for it.
    tree.add(id(4, false)).unwrap();
    let before = tree.to_string();
    assert!(!tree.record_poll(&Bag::from([id(4, false)])));
    assert_ne!(tree.to_string(), before, "the failed poll resets");
    assert!(!tree.record_poll(&Bag::from([zero])));
    assert_eq!(*tree.preference(), one);
}

/// `TestSnowballTransitiveReset`: a failed poll reaches one level further down with each later
/// poll.
#[test]
fn resets_are_handed_down_lazily() {
    // Bit 0: {0, 2, 8} against none; bit 1: 2 against {0, 8}; bit 3: 0 against 8.
    let (zero, two, eight) = (id(0, false), id(2, false), id(8, false));
    let mut tree = tree::<Snowball>(parameters(2, 2, 2, 2), &[zero, two, eight]);
    assert!(tree.record_poll(&Bag::from([zero, zero])));
    let lines = |tree: &Tree<Snowball>| -> Vec<String> {
        let confidence = |line: &str| line.split_once("Confidence = [").unwrap().1[..1].to_owned();
        tree.to_string().lines().map(confidence).collect()
    };
    // Unary [0, 1), bit 1, unary [2, 3), bit 3, its two leaves, the leaf of 2.
    assert_eq!(lines(&tree), ["1", "1", "1", "1", "1", "0", "0"]);
    assert!(!tree.record_poll(&Bag::new()));
    assert_eq!(lines(&tree), ["0", "1", "1", "1", "1", "0", "0"]);
    // The first bit counts again, and bit 1, which is split, is told of both failures.
    assert!(tree.record_poll(&Bag::from([zero, two])));
    assert_eq!(lines(&tree), ["1", "0", "1", "1", "1", "0", "0"]);
    assert!(tree.record_poll(&Bag::from([zero, zero])));
    assert!(!tree.finalized());
    assert_eq!(lines(&tree), ["1", "1", "1", "1", "0", "0"]);
}

/// `TestSnowballTrinary`: bits are decided one by one, so votes for one can make another preferred.
#[test]
fn votes_for_one_choice_can_make_a_third_preferred() {
    // Preferred: 00. Votes for 10 turn bit 0, below which 11 came first.
    let (green, blue, red) = (id(0b00, false), id(0b11, false), id(0b01, false));
    let mut tree = tree::<Snowball>(parameters(2, 2, 2, 2), &[green, blue, red]);
    assert!(tree.record_poll(&Bag::from([blue, red])));
    assert_eq!(*tree.preference(), blue);
    // Bit 0 is decided now; votes for green count no more.
    assert!(tree.record_poll(&Bag::from([blue, red])));
    assert!(!tree.record_poll(&Bag::from([green, green])));
    assert_eq!(*tree.preference(), blue);
}

/// Two levels that are decided in one poll are both dropped.
#[test]
fn a_poll_can_drop_several_levels() {
    let choices = [id(0b000, false), id(0b001, false), id(0b010, false), id(0b100, false)];
    let mut tree = tree::<Snowflake>(single(3), &choices);
    for _ in 0..2 {
        assert!(tree.record_poll(&Bag::from([choices[0]])));
    }
    assert_eq!(tree.to_string().lines().count(), 7);
    assert!(tree.record_poll(&Bag::from([choices[0]])));
    assert_eq!(tree.to_string().lines().count(), 1);
    assert!(tree.finalized());
}

#[test]
fn unknown_choices_do_not_count() {
    let red = id(1, false);
    let mut tree = tree::<Snowflake>(parameters(4, 3, 3, 1), &[red]);
    let votes = Bag::from(vec![(red, 2), (id(1, true), 2)]);
    assert!(!tree.record_poll(&votes));
    assert!(!tree.finalized());
}

#[test]
fn a_tree_is_bounded() {
    let mut tree = tree::<Snowflake>(single(1), &[id(0, false)]).with_choices_max(2);
    tree.add(id(1, false)).unwrap();
    tree.add(id(1, false)).unwrap();
    let before = tree.to_string();
    assert_eq!(tree.add(id(2, false)), Err(Error::ChoicesFull { max: 2 }));
    assert_eq!(tree.to_string(), before);
}

/// A tree and a flat instance are two forms of one decision.
#[test]
fn trees_and_flat_instances_share_an_interface() {
    fn decide(instance: &mut dyn Consensus<Choice = Id>, choice: Id) -> u32 {
        instance.add(choice).unwrap();
        let mut polls = 0;
        while !instance.finalized() {
            assert!(instance.record_poll(&Bag::from([choice])));
            polls += 1;
            if polls == 2 {
                instance.record_unsuccessful_poll();
            }
        }
        assert_eq!(*instance.preference(), choice);
        polls
    }
    let (first, choice) = (id(0, false), id(1, false));
    assert_eq!(decide(&mut tree::<Snowflake>(single(3), &[first]), choice), 5);
    assert_eq!(decide(&mut Flat::<Snowflake>::new(single(3), first), choice), 5);
}

/// Counts beyond any `k` mean nothing, and break nothing.
#[test]
fn a_bag_of_absurd_size_does_no_harm() {
    let (zero, one) = (id(0, false), id(1, false));
    let votes = Bag::from(vec![(zero, u32::MAX), (one, u32::MAX)]);
    let mut tree = tree::<Snowball>(single(2), &[zero, one]);
    assert!(tree.record_poll(&votes));
    let mut flat = Flat::<Snowball>::new(single(2), zero);
    assert!(flat.record_poll(&votes));
}
