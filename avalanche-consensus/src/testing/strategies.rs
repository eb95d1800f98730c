//! proptest generators of ids, parameters, votes and whole scripts.
//!
//! They follow the shape that finds most: few ids with long shared prefixes, a target that keeps
//! its votes for several polls so that confidence builds up, and regimes that break it: split
//! polls, votes for grandchildren or unknown ids, empty polls, sizes between the two thresholds.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{
    Ballot, Factory, IdSpace, Parent, PollsOperation, PollsScript, Size, SnowmanOperation,
    SnowmanScript, Spread, TreeOperation, TreeScript, parameters as drawn_parameters,
};
use crate::snowball::Parameters;

/// Both rules.
pub fn factory() -> impl Strategy<Value = Factory> {
    prop_oneof![Just(Factory::Snowflake), Just(Factory::Snowball)]
}

/// Every valid combination with `k` up to 20 and `beta` up to 8; small `beta` is favoured, because
/// more is decided then.
pub fn parameters() -> impl Strategy<Value = Parameters> {
    (any::<[u8; 3]>(), prop_oneof![2 => 0..3_u8, 1 => 0..8_u8]).prop_map(
        |([k, preference, confidence], beta)| drawn_parameters([k, preference, confidence, beta]),
    )
}

/// Mostly tiny spaces, whose ids share prefixes, and some of hashes.
pub fn id_space() -> impl Strategy<Value = IdSpace> {
    prop_oneof![
        4 => (2..=12_u32, any::<bool>()).prop_map(|(bits, last)| IdSpace::Tiny { bits, last }),
        1 => Just(IdSpace::Wide),
    ]
}

/// The size of a poll, full ones most often.
pub fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        8 => Just(Size::Full),
        2 => Just(Size::Confidence),
        2 => Just(Size::Preference),
        1 => Just(Size::Short),
        2 => any::<u8>().prop_map(Size::Any),
    ]
}

/// Who gets the votes of a poll, mostly the target alone.
pub fn spread() -> impl Strategy<Value = Spread> {
    prop_oneof![
        8 => Just(Spread::Target),
        2 => any::<u16>().prop_map(Spread::Rest),
        1 => any::<u16>().prop_map(Spread::Half),
        2 => Just(Spread::Rivals),
        1 => Just(Spread::Grandchildren),
        3 => any::<u16>().prop_map(Spread::Noisy),
    ]
}

/// The votes of one poll.
pub fn ballot() -> impl Strategy<Value = Ballot> {
    (size(), spread()).prop_map(|(size, spread)| Ballot { size, spread })
}

/// Polls for one target: the same votes several times, with interruptions.
fn campaign() -> impl Strategy<Value = Vec<Ballot>> {
    prop_oneof![
        4 => (ballot(), 1..10_usize).prop_map(|(ballot, times)| vec![ballot; times]),
        1 => vec(ballot(), 1..6),
    ]
}

/// Scripts for a tree of about `operations` operations.
pub fn tree_script(operations: usize) -> impl Strategy<Value = TreeScript> {
    let add = prop_oneof![any::<u16>(), 0..16_u16].prop_map(|id| vec![TreeOperation::Add(id)]);
    let polls = (any::<u16>(), campaign()).prop_map(|(aim, ballots)| {
        let polls = ballots.into_iter().map(TreeOperation::Poll);
        std::iter::once(TreeOperation::Aim(aim)).chain(polls).collect()
    });
    let again =
        campaign().prop_map(|ballots| ballots.into_iter().map(TreeOperation::Poll).collect());
    let step = prop_oneof![
        6 => add,
        3 => polls,
        1 => again,
        1 => Just(vec![TreeOperation::Fail]),
    ];
    (factory(), parameters(), id_space(), any::<u16>(), about(step, operations)).prop_map(
        |(factory, parameters, ids, first, operations)| TreeScript {
            factory,
            parameters,
            ids,
            first,
            operations,
        },
    )
}

/// Where a block goes: mostly somewhere that makes it valid.
pub fn parent() -> impl Strategy<Value = Parent> {
    prop_oneof![
        8 => Just(Parent::Tip),
        2 => Just(Parent::LastAccepted),
        4 => any::<u16>().prop_map(Parent::Undecided),
        5 => any::<u16>().prop_map(Parent::OfUndecided),
        1 => any::<u16>().prop_map(Parent::Seen),
        1 => Just(Parent::Unknown),
        1 => Just(Parent::WrongHeight),
    ]
}

/// Scripts for Snowman of about `operations` operations. The acceptor never refuses.
pub fn snowman_script(operations: usize) -> impl Strategy<Value = SnowmanScript> {
    let add =
        (any::<u16>(), parent()).prop_map(|(id, parent)| SnowmanOperation::Add { id, parent });
    let adds = vec(add, 1..6);
    let polls = (any::<u16>(), campaign()).prop_map(|(aim, ballots)| {
        let polls = ballots.into_iter().map(SnowmanOperation::Poll);
        std::iter::once(SnowmanOperation::Aim(aim)).chain(polls).collect()
    });
    let again =
        campaign().prop_map(|ballots| ballots.into_iter().map(SnowmanOperation::Poll).collect());
    let step = prop_oneof![
        10 => adds,
        10 => polls,
        3 => again,
        1 => Just(vec![SnowmanOperation::TooMany]),
    ];
    (factory(), parameters(), id_space(), about(step, operations)).prop_map(
        |(factory, parameters, ids, operations)| SnowmanScript {
            factory,
            parameters,
            ids,
            operations,
            refuse: None,
        },
    )
}

/// Scripts for Snowman in which the acceptor refuses one of its first calls.
pub fn refused_snowman_script(operations: usize) -> impl Strategy<Value = SnowmanScript> {
    (snowman_script(operations), 0..40_u16)
        .prop_map(|(script, call)| SnowmanScript { refuse: Some(call), ..script })
}

/// Scripts for polls of up to `operations` operations.
pub fn polls_script(operations: usize) -> impl Strategy<Value = PollsScript> {
    let operation = prop_oneof![
        4 => any::<(u8, u8)>().prop_map(|(child, parent)| PollsOperation::Link { child, parent }),
        1 => any::<u8>().prop_map(PollsOperation::Cut),
        3 => any::<(u8, u32)>()
            .prop_map(|(request, sample)| PollsOperation::Open { request, sample }),
        16 => any::<(u8, u8, u8)>().prop_map(|(poll, validator, block)| PollsOperation::Vote {
            poll,
            validator,
            block,
        }),
        2 => any::<(u8, u8)>()
            .prop_map(|(poll, validator)| PollsOperation::Drop { poll, validator }),
    ];
    (parameters(), id_space(), vec(operation, 1..=operations))
        .prop_map(|(parameters, ids, operations)| PollsScript { parameters, ids, operations })
}

/// Steps that make up to about three times `operations` operations, and half as many on average.
fn about<T: Clone + std::fmt::Debug>(
    step: impl Strategy<Value = Vec<T>>,
    operations: usize,
) -> impl Strategy<Value = Vec<T>> {
    vec(step, 1..=operations).prop_map(|steps| steps.into_iter().flatten().collect())
}
