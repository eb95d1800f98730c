//! One tree's polls, and whole networks that decide between colours.

use avalanche_consensus::snowball::{Parameters, Rule, Tree};
use avalanche_consensus::testing::Network;
use avalanche_consensus::{Bag, Error, HashKey, Id};

use crate::id;

/// Sizes of networks that are measured.
pub const SIZES: [u32; 3] = [100, 1_000, 10_000];
/// Numbers of colours that are measured.
pub const COLOURS: [u8; 2] = [2, 10];
/// AvalancheGo's thresholds.
pub const K: u32 = 20;
/// See [`K`].
pub const ALPHA: u32 = 15;
/// See [`K`].
pub const BETA: u32 = 20;

/// The colours of a network.
fn colours(count: u8) -> Vec<Id> {
    (0..count).map(|colour| id("colour", colour.into())).collect()
}

/// A network of trees at its start.
///
/// # Errors
///
/// None: the parameters are valid.
pub fn network<R: Rule>(nodes: u32, count: u8, seed: u64) -> Result<Network<R>, Error> {
    let parameters = Parameters::new(K, ALPHA, ALPHA, BETA)?;
    Ok(Network::new(parameters, nodes, colours(count), seed))
}

/// A tree that is polled for ever: the first colour has 16 votes and the second the rest.
#[derive(Debug)]
pub struct SteadyTree<R: Rule> {
    tree: Tree<R>,
    votes: Bag,
}

impl<R: Rule> SteadyTree<R> {
    /// A tree of `count` colours, at least two, that never decides.
    ///
    /// # Errors
    ///
    /// None: the parameters are valid and the colours fit.
    pub fn new(count: u8) -> Result<Self, Error> {
        let parameters = Parameters::new(K, ALPHA, ALPHA, u32::MAX)?;
        let colours = colours(count.max(2));
        let mut votes = Bag::new();
        let mut tree = Tree::new(parameters, id("colour", 0), HashKey::from_seed([3; 32]));
        for (colour, count) in colours.iter().zip([16, 4].into_iter().chain(std::iter::repeat(0))) {
            tree.add(*colour)?;
            votes.add_count(*colour, count);
        }
        Ok(Self { tree, votes })
    }

    /// Records one poll.
    pub fn poll(&mut self) {
        std::hint::black_box(self.tree.record_poll(&self.votes));
    }
}
