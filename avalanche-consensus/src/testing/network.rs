//! A network of prefix trees that ask each other, until all have decided.
//!
//! There are no messages: in each step one undecided node, drawn at random, asks `k` others at
//! random and records what they prefer at that moment. It is the model of AvalancheGo's own tests
//! (`snow/consensus/snowball/network_test.go`) and shows how many polls a contest takes.

use crate::Id;
use crate::snowball::{Ballot, Forest, Parameters, Root, Rule, Streak, Thresholds};

/// Nodes that decide between colours by their bits. Everything random follows from the seed.
///
/// Each node decides as a [`Tree`](crate::snowball::Tree) does, by the same code; but all trees
/// stand in one place and know the colours by number, so that ten thousand of them fit a
/// processor's cache. And a poll that repeats the one before, with all votes for one colour, is
/// only counted until something else happens to the node, as in
/// [`Topological`](crate::snowman::Topological).
///
/// ```
/// use avalanche_consensus::Id;
/// use avalanche_consensus::snowball::{Parameters, Snowball};
/// use avalanche_consensus::testing::Network;
///
/// let colours = vec![Id::hash(b"red"), Id::hash(b"green"), Id::hash(b"blue")];
/// let mut network = Network::<Snowball>::new(Parameters::default(), 200, colours, 7);
/// network.run(100_000);
/// assert!(network.agreement().is_some());
/// println!("{} polls for each node", network.polls() / 200);
/// ```
///
/// # Limits
///
/// At most [`Network::COLOURS_MAX`] colours. A node takes at most two tree nodes a colour and 32
/// bytes.
#[derive(Clone, Debug)]
pub struct Network<R: Rule> {
    forest: Forest<R>,
    /// The tree of each node.
    roots: Vec<Root>,
    streaks: Vec<Streak>,
    colours: Vec<Id>,
    /// The colour that each node prefers, by number: what its peers see.
    preferences: Vec<u8>,
    undecided: Vec<u32>,
    /// The nodes in random order; each poll shuffles the first `k` places anew.
    order: Vec<u32>,
    k: u32,
    parameters: Parameters,
    thresholds: Thresholds,
    random: SplitMix64,
    polls: u64,
    /// Working memory of a poll: votes by colour.
    counts: Vec<u32>,
    ballots: Vec<Ballot>,
}

impl<R: Rule> Network<R> {
    /// Colours that a network can decide between.
    pub const COLOURS_MAX: usize = 256;

    /// A network of `nodes` nodes. Each starts with a random one of `colours`, knows all of them,
    /// and asks `k` nodes in a poll, or all if there are fewer; itself can be among them.
    ///
    /// Equal colours are one, and those beyond [`Network::COLOURS_MAX`] are left out. Without any
    /// colour there is no node.
    #[must_use]
    pub fn new(parameters: Parameters, nodes: u32, mut colours: Vec<Id>, seed: u64) -> Self {
        colours.sort_unstable();
        colours.dedup();
        colours.truncate(Self::COLOURS_MAX);
        let nodes = if colours.is_empty() { 0 } else { nodes };
        let choices = u32::try_from(colours.len()).unwrap_or(0);
        let mut random = SplitMix64(seed);
        let (mut forest, mut roots) = (Forest::new(), Vec::new());
        let mut preferences = Vec::new();
        for _ in 0..nodes {
            let first = random.below(choices);
            let mut tree = Forest::new();
            let mut node = tree.plant(first);
            for choice in (0..choices).filter(|choice| *choice != first) {
                node = tree.add(node, choice, &colours);
            }
            roots.push(Root { node: forest.graft(&tree, node), should_reset: false });
            preferences.push(u8::try_from(first).unwrap_or(0));
        }
        Self {
            forest,
            streaks: vec![Streak::NONE; roots.len()],
            roots,
            preferences,
            undecided: (0..nodes).collect(),
            order: (0..nodes).collect(),
            k: parameters.k().min(nodes),
            parameters,
            thresholds: parameters.into(),
            random,
            polls: 0,
            counts: vec![0; colours.len()],
            ballots: Vec::with_capacity(colours.len()),
            colours,
        }
    }

    /// Lets one undecided node make a poll. False if there is none.
    pub fn poll(&mut self) -> bool {
        let undecided = u32::try_from(self.undecided.len()).unwrap_or(u32::MAX);
        let place = self.random.below(undecided) as usize;
        let Some(&asking) = self.undecided.get(place) else { return false };
        self.ask();
        if self.record(asking as usize) {
            self.undecided.swap_remove(place);
        }
        self.polls += 1;
        true
    }

    /// Polls until all nodes have decided, or `polls_max` polls were made; returns how many were.
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
    pub const fn undecided(&self) -> usize {
        self.undecided.len()
    }

    /// The colour that each node prefers.
    #[must_use]
    pub fn preferences(&self) -> impl ExactSizeIterator<Item = Id> {
        let colour = |number: &u8| self.colours.get(usize::from(*number)).copied();
        self.preferences.iter().map(move |number| colour(number).unwrap_or_default())
    }

    /// The colour that all nodes decided; `None` as long as one has not, and if they disagree.
    #[must_use]
    pub fn agreement(&self) -> Option<Id> {
        let first = self.preferences().next()?;
        let same = self.preferences().all(|preferred| preferred == first);
        (self.undecided.is_empty() && same).then_some(first)
    }

    /// Asks `k` different nodes what they prefer, and counts.
    fn ask(&mut self) {
        self.counts.fill(0);
        let nodes = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        for place in 0..self.k {
            let drawn = place + self.random.below(nodes - place);
            self.order.swap(place as usize, drawn as usize);
            let peer = self.order.get(place as usize).map_or(0, |peer| *peer as usize);
            let preferred = self.preferences.get(peer).map_or(0, |number| usize::from(*number));
            if let Some(count) = self.counts.get_mut(preferred) {
                *count += 1;
            }
        }
    }

    /// Records what was asked on the tree of a node, and returns whether it has decided.
    fn record(&mut self, node: usize) -> bool {
        let (Some(root), Some(streak), Some(preference)) =
            (self.roots.get_mut(node), self.streaks.get_mut(node), self.preferences.get_mut(node))
        else {
            return false;
        };
        self.ballots.clear();
        for (choice, count) in (0..).zip(&self.counts) {
            if *count > 0 {
                self.ballots.push(Ballot { choice, count: *count });
            }
        }
        let most = self.ballots.iter().max_by_key(|vote| vote.count);
        let Some(&Ballot { choice, count }) = most else { return false };
        if streak.extend(choice, count, &self.parameters) {
            return false;
        }
        self.forest.settle(root.node, streak, &self.colours);
        let (ballots, k) = (&mut self.ballots, self.k);
        let polled = self.forest.poll(root, ballots, k, &self.thresholds, &self.colours);
        *preference = u8::try_from(polled.preference).unwrap_or(*preference);
        *streak = Streak::begin(choice, count, polled, &self.parameters);
        polled.finalized
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::snowball::{Snowball, Snowflake, Tree};
    use crate::{Bag, HashKey};

    fn colours(count: u8) -> Vec<Id> {
        (0..count).map(|colour| Id::hash(&[colour])).collect()
    }

    fn network<R: Rule>(nodes: u32, count: u8, seed: u64) -> Network<R> {
        Network::new(Parameters::new(20, 15, 15, 20).unwrap(), nodes, colours(count), seed)
    }

    fn decide<R: Rule>(nodes: u32, count: u8, seed: u64) -> (u64, Id) {
        let mut network = network::<R>(nodes, count, seed);
        network.run(u64::from(nodes) * 1_000);
        assert_eq!(network.undecided(), 0, "{nodes} nodes, {count} colours, seed {seed}");
        (network.polls(), network.agreement().expect("all nodes agree"))
    }

    #[test]
    fn all_nodes_decide_the_same_colour() {
        let mut decided = BTreeSet::new();
        for seed in 0..8 {
            for count in [1, 2, 10] {
                let (polls, colour) = decide::<Snowball>(100, count, seed);
                if count == 2 {
                    decided.insert(colour);
                }
                // No node decides before beta polls.
                assert!(polls >= 100 * 20);
                decide::<Snowflake>(100, count, seed);
            }
        }
        // Among ten the one with the commonest bits wins; between two it is the seed that tips.
        assert_eq!(decided.len(), 2, "one of two colours always won");
    }

    /// Drives trees of their own with the votes of a network, and compares after every poll.
    fn check_against_trees<R: Rule>(count: u8, seed: u64) -> u64 {
        let mut network = network::<R>(60, count, seed);
        let key = HashKey::from_seed([2; 32]);
        let parameters = Parameters::new(20, 15, 15, 20).unwrap();
        let tree = |first| {
            let mut tree = Tree::<R>::new(parameters, first, key);
            network.colours.iter().for_each(|colour| tree.add(*colour).unwrap());
            tree
        };
        let mut trees: Vec<Tree<R>> = network.preferences().map(tree).collect();
        let mut changes = 0;
        while let Some(&asking) = network.undecided.first() {
            // The first undecided node asks, so that the test knows which one it is.
            network.ask();
            let counts = network.counts.iter().copied();
            let votes: Bag = network.colours.iter().copied().zip(counts).collect();
            let before: Vec<Id> = network.preferences().collect();
            let decided = network.record(asking as usize);
            network.undecided.rotate_left(1);
            if decided {
                network.undecided.pop();
            }
            let tree = &mut trees[asking as usize];
            tree.record_poll(&votes);
            let after: Vec<Id> = network.preferences().collect();
            assert_eq!((after[asking as usize], decided), (*tree.preference(), tree.finalized()));
            changes += u64::from(before != after);
        }
        assert!(network.agreement().is_some());
        changes
    }

    #[test]
    fn nodes_decide_as_trees_of_their_own_do() {
        let mut changes = 0;
        for seed in 0..6 {
            for count in [1, 2, 3, 10, 40] {
                changes += check_against_trees::<Snowball>(count, seed);
                changes += check_against_trees::<Snowflake>(count, seed);
            }
        }
        assert!(changes > 1_000, "only {changes} polls changed a preference");
    }

    #[test]
    fn equal_seeds_give_equal_runs() {
        assert_eq!(decide::<Snowball>(100, 10, 5), decide::<Snowball>(100, 10, 5));
        let polls: BTreeSet<_> = (0..5).map(|seed| decide::<Snowball>(100, 10, seed).0).collect();
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
        let twice = [colours(1), colours(1)].concat();
        let mut network = Network::<Snowball>::new(parameters, 12, twice, 1);
        assert_eq!(network.run(1_000), 12 * 3);
        assert_eq!(network.agreement(), Some(Id::hash(&[0])));
        assert!(!network.poll());
    }

    #[test]
    fn nobody_and_nothing_to_choose_are_no_network() {
        for (nodes, count) in [(0, 2), (3, 0)] {
            let mut network = network::<Snowball>(nodes, count, 1);
            assert_eq!((network.run(10), network.agreement()), (0, None));
        }
    }
}
