//! Generated runs, held against a fold of the accepted transactions that knows no machine.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use avalanche_consensus::Id;
use avalanche_vm::testing::{Chain, Stop, run};
use avalanche_vm::{Block, Error, TransactionStatus};
use proptest::prelude::*;

use super::support::{Folded, chain, folded, step, submit};

/// What the generated runs did: accepted, refused at the door, dropped later, duplicates, restarts,
/// blocks of other nodes.
static SEEN: [AtomicU64; 6] = [const { AtomicU64::new(0) }; 6];

fn saw(what: usize, count: usize) {
    SEEN[what].fetch_add(count as u64, Ordering::Relaxed);
}

#[derive(Clone, Debug)]
enum Step {
    Submit(Vec<(u64, u8)>),
    Grow,
    /// Another node builds the next block, of these.
    Foreign(Vec<(u64, u8)>),
    Stop(Stop),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![4 => 0..1003_u64, 2 => 900..1000_u64, 2 => 1..4_u64];
    let some = || proptest::collection::vec((number.clone(), 0..3_u8), 1..6);
    let stop = proptest::sample::select(vec![Stop::Kill, Stop::PowerLoss, Stop::Shutdown]);
    let step = prop_oneof![
        5 => some().prop_map(Step::Submit),
        4 => Just(Step::Grow),
        2 => some().prop_map(Step::Foreign),
        1 => stop.prop_map(Step::Stop),
    ];
    proptest::collection::vec(step, 1..24)
}

fn bytes(of: &[(u64, u8)]) -> Vec<Vec<u8>> {
    let one = |(number, salt): &(u64, u8)| [&number.to_be_bytes()[..], &[*salt]].concat();
    of.iter().map(one).collect()
}

/// The fold that the machine is to come to, from the block's bytes alone.
fn fold(mut state: Folded, block: &[u8]) -> Folded {
    let word = |at: usize| u64::from_be_bytes(block[at..at + 8].try_into().unwrap());
    let mut at = 85;
    while at < block.len() {
        let len = u32::from_be_bytes(block[at..at + 4].try_into().unwrap()) as usize;
        let number = word(at + 4);
        assert!((1..=1000).contains(&number), "{number} is in a block");
        state.value = state.value.wrapping_mul(31).wrapping_add(number);
        state.count += 1;
        state.large += u64::from(number >= 900);
        (state.height, state.nanos) = (word(33), word(41) * 1_000_000);
        at += 4 + len;
    }
    assert!(state.large <= 1, "two large numbers are accepted");
    state
}

async fn follow(chain: &mut Chain, block: &Block) {
    let own = chain.parse(block.bytes()).expect("a block");
    chain.advance(own.timestamp().since(chain.now()));
    chain.verify(&own).await.expect("a valid block");
    chain.accept(&own).await.expect("no failure");
}

/// Ends of what waited, which is gone.
fn ends(chain: &mut Chain, admitted: &mut BTreeSet<Id>) {
    let pool = chain.vm().transactions().expect("transactions");
    let mut left = 0;
    admitted.retain(|id| match pool.status(id) {
        TransactionStatus::Pending => {
            left += 1;
            true
        }
        TransactionStatus::Accepted { .. } => false,
        TransactionStatus::Dropped { code, .. } => {
            assert_eq!(code, "one_large");
            saw(2, 1);
            false
        }
        other => panic!("{id} is {other:?}"),
    });
    assert_eq!(left, pool.pending());
}

async fn agree(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut ours, mut theirs) = (chain().await, chain().await);
    let mut model = Folded { value: 7, ..Folded::default() };
    let mut admitted = BTreeSet::new();
    for it in steps.into_iter().chain([Step::Grow, Step::Grow]) {
        match it {
            Step::Submit(numbers) => {
                let answers = submit(&mut ours, &bytes(&numbers)).await;
                let code = |code: &str| {
                    let of = |it: &&Result<Id, Error>| it.as_ref().is_err_and(|e| e.code() == code);
                    answers.iter().filter(of).count()
                };
                saw(1, code("range") + code("one_large"));
                saw(3, code("waits"));
                admitted.extend(answers.iter().flatten());
            }
            Step::Grow => {
                let waited = ours.vm().transactions().unwrap().pending();
                let block = step(&mut ours).await;
                prop_assert!(block.is_some() || waited == 0 || !admitted.is_empty());
                if let Some(block) = block {
                    model = fold(model, block.bytes());
                    saw(0, ours.vm().transactions().unwrap().in_block(&block).unwrap().len());
                    follow(&mut theirs, &block).await;
                }
            }
            Step::Foreign(numbers) => {
                submit(&mut theirs, &bytes(&numbers)).await;
                if let Some(block) = step(&mut theirs).await {
                    model = fold(model, block.bytes());
                    saw(5, 1);
                    follow(&mut ours, &block).await;
                }
            }
            Step::Stop(stop) => {
                ours = ours.restart(stop).await.expect("it starts");
                admitted.clear();
                saw(4, 1);
            }
        }
        ends(&mut ours, &mut admitted);
        prop_assert_eq!(folded(&mut ours), model);
        prop_assert_eq!(folded(&mut theirs), model);
    }
    prop_assert_eq!(ours.vm().transactions().unwrap().pending(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    fn generated_runs_agree_with_a_fold(steps in steps()) {
        run(agree(steps))?;
    }
}

#[test]
fn the_state_is_the_fold_of_what_was_accepted() {
    generated_runs_agree_with_a_fold();
    let seen = SEEN.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
}
