//! A network of snow instances that ask each other, until all have decided.
//!
//! There are no messages: in each step one undecided node, drawn at random, asks `k` others at random
//! and records what they prefer at that moment. It is the model of AvalancheGo's own tests
//! (`snow/consensus/snowball/network_test.go`) and shows how many polls a contest takes.

use crate::snowball::Consensus;
use crate::{Bag, Error};

/// Nodes that decide between colours. Everything random follows from the seed.
///
/// ```
/// use avalanche_consensus::snowball::{Parameters, Snowball, Tree};
/// use avalanche_consensus::testing::Network;
/// use avalanche_consensus::{HashKey, Id};
///
/// let parameters = Parameters::default();
/// let key = HashKey::from_seed([1; 32]);
/// let colours = vec![Id::hash(b"red"), Id::hash(b"green"), Id::hash(b"blue")];
/// let mut network = Network::new(parameters.k(), 200, colours, 7, |colour| {
///     Tree::<Snowball>::new(parameters, *colour, key)
/// })?;
/// network.run(100_000);
/// assert!(network.agreement().is_some());
/// println!("{} polls for each node", network.polls() / 200);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
///
/// # Limits
///
/// At most [`Network::COLOURS_MAX`] colours. Memory is that of the instances and 9 bytes a node.
#[derive(Clone, Debug)]
pub struct Network<C: Consensus> {
    nodes: Vec<C>,
    colours: Vec<C::Choice>,
    /// The colour that each node prefers, by index: peers are asked far more often than they change.
    preferences: Vec<u8>,
    undecided: Vec<u32>,
    /// The nodes in random order; each poll shuffles the first `k` places anew.
    order: Vec<u32>,
    k: u32,
    random: SplitMix64,
    polls: u64,
    /// Working memory of a poll.
    counts: Vec<u32>,
    votes: Bag<C::Choice>,
}

impl<C: Consensus> Network<C>
where
    C::Choice: Clone,
{
    /// Colours that a network can decide between.
    pub const COLOURS_MAX: usize = 256;

    /// A network of `nodes` instances. Each starts with a random one of `colours`, knows all of them,
    /// and asks `k` nodes in a poll, or all if there are fewer; itself can be among them. Colours
    /// beyond [`Network::COLOURS_MAX`] are left out.
    ///
    /// `start` makes an instance that prefers a colour.
    ///
    /// # Errors
    ///
    /// What [`Consensus::add`] returns.
    pub fn new(
        k: u32,
        nodes: u32,
        mut colours: Vec<C::Choice>,
        seed: u64,
        mut start: impl FnMut(&C::Choice) -> C,
    ) -> Result<Self, Error> {
        colours.truncate(Self::COLOURS_MAX);
        let mut network = Self {
            nodes: Vec::new(),
            preferences: Vec::new(),
            undecided: Vec::new(),
            order: (0..nodes).collect(),
            k: k.min(nodes),
            random: SplitMix64(seed),
            polls: 0,
            counts: vec![0; colours.len()],
            votes: Bag::with_capacity(colours.len()),
            colours,
        };
        let choices = u32::try_from(network.colours.len()).unwrap_or(0);
        for node in 0..nodes {
            let drawn = network.random.below(choices);
            let Some(first) = network.colours.get(drawn as usize) else {
                break;
            };
            let mut instance = start(first);
            for colour in network.colours.iter().filter(|colour| *colour != first) {
                instance.add(colour.clone())?;
            }
            if !instance.finalized() {
                network.undecided.push(node);
            }
            network.nodes.push(instance);
            network.preferences.push(u8::try_from(drawn).unwrap_or(0));
        }
        Ok(network)
    }

    /// Lets one undecided node make a poll. False if there is none.
    pub fn poll(&mut self) -> bool {
        let undecided = u32::try_from(self.undecided.len()).unwrap_or(u32::MAX);
        let place = self.random.below(undecided) as usize;
        let Some(&asking) = self.undecided.get(place) else {
            return false;
        };
        self.ask();
        let asking = asking as usize;
        let (Some(node), Some(preference)) =
            (self.nodes.get_mut(asking), self.preferences.get_mut(asking))
        else {
            return false;
        };
        node.record_poll(&self.votes);
        self.polls += 1;
        let preferred = node.preference();
        if self.colours.get(usize::from(*preference)) != Some(preferred) {
            let found = self.colours.iter().position(|colour| colour == preferred);
            *preference = found.and_then(|index| u8::try_from(index).ok()).unwrap_or(*preference);
        }
        if node.finalized() {
            self.undecided.swap_remove(place);
        }
        true
    }

    /// Polls until all nodes have decided, or `polls_max` polls were made; returns how many were.
    ///
    /// A bound is needed: a [`Flat`](crate::snowball::Flat) network of many colours may never decide.
    pub fn run(&mut self, polls_max: u64) -> u64 {
        for done in 0..polls_max {
            if !self.poll() {
                return done;
            }
        }
        polls_max
    }

    /// Polls that were made since the start.
    #[must_use]
    pub const fn polls(&self) -> u64 {
        self.polls
    }

    /// Number of nodes that have not decided.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.undecided.len()
    }

    /// The instances, in the order in which they were made.
    #[must_use]
    pub fn nodes(&self) -> &[C] {
        &self.nodes
    }

    /// The colour that all nodes decided; `None` as long as one has not, and if they disagree.
    #[must_use]
    pub fn agreement(&self) -> Option<&C::Choice> {
        let decided = self.nodes.first()?.preference();
        let same = self.nodes.iter().all(|node| node.finalized() && node.preference() == decided);
        same.then_some(decided)
    }

    /// Asks `k` different nodes what they prefer.
    fn ask(&mut self) {
        self.counts.fill(0);
        let nodes = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        for place in 0..self.k {
            let drawn = place + self.random.below(nodes - place);
            self.order.swap(place as usize, drawn as usize);
            let peer = self.order.get(place as usize).map_or(0, |peer| *peer as usize);
            let preferred = self.preferences.get(peer).map_or(0, |index| usize::from(*index));
            if let Some(count) = self.counts.get_mut(preferred) {
                *count += 1;
            }
        }
        self.votes.clear();
        for (colour, count) in self.colours.iter().zip(&self.counts) {
            if *count > 0 {
                self.votes.add_count(colour.clone(), *count);
            }
        }
    }
}

/// A fast generator of good enough numbers (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number below `bound`, or 0 if that is 0. The bias is below `bound / 2^32`.
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (((bits >> 32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snowball::{Flat, Parameters, Rule, Snowball, Snowflake, Tree};
    use crate::{HashKey, Id};

    fn network<R: Rule>(nodes: u32, colours: u8, seed: u64) -> Network<Tree<R>> {
        let parameters = Parameters::new(20, 15, 15, 20).unwrap();
        let colours = (0..colours).map(|colour| Id::hash(&[colour])).collect();
        let start = |colour: &Id| Tree::new(parameters, *colour, HashKey::from_seed([2; 32]));
        Network::new(parameters.k(), nodes, colours, seed, start).unwrap()
    }

    fn decide<R: Rule>(nodes: u32, colours: u8, seed: u64) -> (u64, Id) {
        let mut network = network::<R>(nodes, colours, seed);
        network.run(u64::from(nodes) * 1_000);
        assert_eq!(network.undecided(), 0, "{nodes} nodes, {colours} colours, seed {seed}");
        (network.polls(), *network.agreement().expect("all nodes agree"))
    }

    #[test]
    fn all_nodes_decide_the_same_colour() {
        let mut decided = std::collections::BTreeSet::new();
        for seed in 0..8 {
            for colours in [1, 2, 10] {
                let (polls, colour) = decide::<Snowball>(100, colours, seed);
                if colours == 2 {
                    decided.insert(colour);
                }
                // No node decides before beta polls.
                assert!(polls >= 100 * 20);
                decide::<Snowflake>(100, colours, seed);
            }
        }
        // Among ten the one with the commonest bits wins; between two it is the seed that tips.
        assert_eq!(decided.len(), 2, "one of two colours always won");
    }

    #[test]
    fn equal_seeds_give_equal_runs() {
        assert_eq!(decide::<Snowball>(100, 10, 5), decide::<Snowball>(100, 10, 5));
        let polls: std::collections::BTreeSet<_> =
            (0..5).map(|seed| decide::<Snowball>(100, 10, seed).0).collect();
        assert_eq!(polls.len(), 5);
    }

    #[test]
    fn polls_for_each_node_do_not_grow_with_the_network() {
        let per_node = |nodes: u32| decide::<Snowball>(nodes, 2, 1).0 / u64::from(nodes);
        let (small, large) = (per_node(100), per_node(3_000));
        assert!(large <= small * 3 / 2, "{small} polls a node among 100, {large} among 3,000");
    }

    #[test]
    fn fewer_nodes_than_k_are_all_asked() {
        let parameters = Parameters::new(20, 11, 11, 3).unwrap();
        let start = |colour: &u8| Flat::<Snowball, u8>::new(parameters, *colour);
        let mut network = Network::new(parameters.k(), 12, vec![7], 1, start).unwrap();
        assert_eq!(network.run(1_000), 12 * 3);
        assert_eq!(network.agreement(), Some(&7));
        assert!(!network.poll());
    }

    #[test]
    fn nobody_and_nothing_to_choose_are_no_network() {
        for (nodes, colours) in [(0, 2), (3, 0)] {
            let mut network = network::<Snowball>(nodes, colours, 1);
            assert_eq!((network.run(10), network.agreement()), (0, None));
        }
    }
}
