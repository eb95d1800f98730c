//! Bytes that the core holds for what a node has many of.
//!
//! Only a program whose allocator is [`Counting`](crate::allocations::Counting) can tell. A figure
//! is the growth from one size to a larger one, divided by the number of things added, so what an
//! instance holds in any case is not in it; the sizes are not powers of two, as the sizes of a node
//! are not.

use avalanche_consensus::sampler::{SeededSampler, WeightedWithoutReplacement};
use avalanche_consensus::snowball::{Parameters, Snowball, Tree};
use avalanche_consensus::snowman::{Block, Decisions, Topological};
use avalanche_consensus::{Bag, Error, HashKey, Height, Id, Timestamp};

use crate::allocations::counted;
use crate::engine::Committee;
use crate::measure::as_f64;
use crate::sampler::weights;
use crate::{engine, id, poll};

/// A figure of the memory table.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What takes the memory.
    pub name: &'static str,
    /// How many there are.
    pub count: u64,
    /// Bytes for each.
    pub bytes: f64,
}

/// Measures all figures.
///
/// # Errors
///
/// None that a correct core returns.
pub fn figures() -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    for count in [256, 3_000, 50_000] {
        let (snowman, bytes) = held(|| chain(count, false))?;
        figures.push(figure("processing block, a chain", count, bytes));
        drop(snowman);
        let (snowman, bytes) = held(|| chain(count / 2, true))?;
        figures.push(figure("processing block, two at each height", count, bytes));
        drop(snowman);
    }
    for colours in [1, 2, 10] {
        let (tree, bytes) = held(|| tree(colours))?;
        figures.push(figure("Tree on its own, by choices", colours, bytes * colours));
        drop(tree);
    }
    for count in [1_500, 100_000] {
        let all = weights(usize::try_from(count).unwrap_or(0));
        let (sampler, bytes) = held(|| SeededSampler::new(&all, [1; 32]))?;
        figures.push(figure("validator, SeededSampler", count, bytes));
        drop(sampler);
        let (sampler, bytes) = held(|| WeightedWithoutReplacement::new(&all))?;
        figures.push(figure("validator, WeightedWithoutReplacement", count, bytes));
        drop(sampler);
    }
    let (polls, bytes) = held(|| open_polls(1_000))?;
    figures.push(figure("open poll of 20 validators, 10 votes in", 1_000, bytes));
    drop(polls);
    for count in [1, 256, 4_096] {
        let committee = Committee { validators: 20, k: 20, concurrent: 4 };
        let (engine, bytes) = held(|| engine::endless(committee, count))?;
        figures.push(Figure {
            name: "whole engine, by processing blocks",
            count,
            bytes: as_f64(bytes),
        });
        drop(engine);
    }
    Ok(figures)
}

/// What `make` makes, and the bytes that it holds.
fn held<T>(make: impl FnOnce() -> Result<T, Error>) -> Result<(T, u64), Error> {
    let (made, allocations) = counted(make);
    Ok((made?, u64::try_from(allocations.bytes).unwrap_or(0)))
}

fn figure(name: &'static str, count: u64, bytes: u64) -> Figure {
    Figure { name, count, bytes: as_f64(bytes) / as_f64(count) }
}

/// A chain of processing blocks that was polled, so that working memory is counted; with `rivals`
/// every block has a sibling.
fn chain(heights: u64, rivals: bool) -> Result<Topological, Error> {
    let parameters = Parameters::default();
    let key = HashKey::from_seed([5; 32]);
    let mut snowman = Topological::new(parameters, Id::EMPTY, Height::GENESIS, key);
    let mut parent = Id::EMPTY;
    for height in 1..=heights {
        let block = Block { id: id("memory", height), parent, height: Height::new(height) };
        snowman.add(block, Timestamp::ZERO)?;
        if rivals {
            snowman.add(Block { id: id("rival", height), ..block }, Timestamp::ZERO)?;
        }
        parent = block.id;
    }
    let polled = snowman.record_poll(&Bag::from(vec![(parent, 20)]), &mut Decisions::new());
    debug_assert!(polled.is_ok());
    Ok(snowman)
}

fn tree(colours: u64) -> Result<Tree<Snowball>, Error> {
    let key = HashKey::from_seed([5; 32]);
    let mut tree = Tree::new(Parameters::default(), id("colour", 0), key);
    for colour in 1..colours {
        tree.add(id("colour", colour))?;
    }
    Ok(tree)
}

fn open_polls(count: u64) -> Result<poll::Polling, Error> {
    let mut polling = poll::Polling::new(4)?;
    for _ in 0..count {
        polling.open();
        (0..10).for_each(|index| {
            polling.vote(index);
        });
    }
    Ok(polling)
}
