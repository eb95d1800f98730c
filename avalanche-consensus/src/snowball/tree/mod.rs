//! Any number of identifiers, decided bit by bit.
//!
//! ```text
//!  choices 000.. 010.. 110..          poll: 16 votes for 010.., 4 for 110..
//!
//!          bit 0                      bit 0 is a binary instance: 16 votes for 0, 4 for 1
//!         /     \
//!      bit 1    [1, 256) = 110..      bit 1 is one as well: 0 votes for 0, 16 for 1
//!      /    \
//!  [2, 256)  [2, 256)                 what all choices below share is one unary instance
//!   000..     010..
//! ```
//!
//! Each undecided bit is a binary instance and each run of bits on which all known choices agree is
//! one unary instance: a path-compressed binary trie. A decided root is dropped, and with it the
//! branch that it decided against. Votes for different choices count together for the bits that
//! they share, which is why a contest of many settles in few polls.

mod add;
mod forest;
mod poll;
mod show;
mod streak;

use std::fmt;

pub(crate) use forest::{Forest, NodeRef, Root};
pub(crate) use poll::Ballot;
pub(crate) use streak::Streak;

use super::{Consensus, Parameters, Rule, Thresholds};
use crate::vocabulary::IdMap;
use crate::{Bag, Error, HashKey, Id};

/// Decides between identifiers by their bits, so that rivals share what they have in common.
///
/// Resets are lazy, as in AvalancheGo (`snow/consensus/snowball/tree.go`): a failed poll marks the
/// branches that it did not visit, and the mark is carried out by the next poll that reaches them.
/// The printed form shows the confidence that is stored, so it can be stale where a mark is
/// pending.
///
/// Values of your own type take part by their hash: see [`Id::hash`].
///
/// ```
/// use avalanche_consensus::snowball::{Parameters, Snowball, Tree};
/// use avalanche_consensus::{Bag, HashKey, Id};
///
/// let (red, blue) = (Id::hash(b"red"), Id::hash(b"blue"));
/// let (parameters, key) = (Parameters::new(5, 4, 4, 3)?, HashKey::from_seed([0; 32]));
/// let mut tree = Tree::<Snowball>::new(parameters, red, key);
/// tree.add(blue)?;
/// let votes = Bag::from(vec![(blue, 4), (red, 1)]);
/// while !tree.finalized() {
///     assert!(tree.record_poll(&votes));
/// }
/// assert_eq!(*tree.preference(), blue);
/// # Ok::<(), avalanche_consensus::Error>(())
/// ```
///
/// # Limits
///
/// At most [`Tree::CHOICES_MAX`] choices unless told otherwise; each adds at most two nodes.
#[derive(Clone, Debug)]
pub struct Tree<R: Rule> {
    parameters: Parameters,
    thresholds: Thresholds,
    choices_max: u32,
    /// Every choice that was ever added, also those that are decided against.
    choices: Vec<Id>,
    index: IdMap<Id, u32>,
    forest: Forest<R>,
    root: Root,
    /// The votes of one poll; empty between calls.
    ballots: Vec<Ballot>,
}

impl<R: Rule> Tree<R> {
    /// Choices that a tree holds unless told otherwise.
    pub const CHOICES_MAX: u32 = 1 << 16;
    /// The highest bound that can be set.
    const CHOICES_LIMIT: u32 = 1 << 30;

    /// A tree that prefers its only choice.
    ///
    /// `key` keeps lookups safe from chosen identifiers; it does not influence any decision.
    #[must_use]
    pub fn new(parameters: Parameters, choice: Id, key: HashKey) -> Self {
        let mut forest = Forest::new();
        let root = Root { node: forest.plant(0), should_reset: false };
        let mut index = IdMap::new(key);
        index.insert(choice, 0);
        let thresholds = parameters.into();
        let choices = vec![choice];
        Self {
            parameters,
            thresholds,
            choices_max: Self::CHOICES_MAX,
            choices,
            index,
            forest,
            root,
            ballots: Vec::new(),
        }
    }

    /// Changes how many choices the tree may hold, up to 2^30. Choices that were decided against
    /// count.
    #[must_use]
    pub fn with_choices_max(self, max: u32) -> Self {
        Self { choices_max: max.min(Self::CHOICES_LIMIT), ..self }
    }

    /// Offers another choice. Nothing happens if it is known, or contradicts decided bits.
    ///
    /// # Errors
    ///
    /// [`Error::ChoicesFull`] if the tree holds as many choices as it may; nothing changes then.
    pub fn add(&mut self, choice: Id) -> Result<(), Error> {
        let handle = match self.index.get(&choice) {
            Some(handle) => *handle,
            None => {
                let handle = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
                if handle >= self.choices_max {
                    return Err(Error::ChoicesFull { max: self.choices_max });
                }
                self.choices.push(choice);
                self.index.insert(choice, handle);
                handle
            }
        };
        self.root.node = self.forest.add(self.root.node, handle, &self.choices);
        Ok(())
    }

    /// Counts a poll, and returns whether the first undecided bits reached the preference
    /// threshold.
    ///
    /// Votes for choices that were never added are dropped. The result is unspecified once
    /// finalized. A bag of more than `k` votes is not meaningful: both sides of a bit could reach
    /// the threshold.
    pub fn record_poll(&mut self, votes: &Bag) -> bool {
        self.ballots.clear();
        let mut known = 0;
        for (choice, count) in votes.iter() {
            if let Some(choice) = self.index.get(choice) {
                self.ballots.push(Ballot { choice: *choice, count });
                known += count;
            }
        }
        let Self { forest, root, ballots, thresholds, choices, .. } = self;
        forest.poll(root, ballots, known, thresholds, choices).successful
    }

    /// Counts a poll that failed: all confidence is lost, by a mark on the root.
    pub const fn record_unsuccessful_poll(&mut self) {
        self.root.should_reset = true;
    }

    /// The choice that is preferred, or decided.
    #[must_use]
    pub fn preference(&self) -> &Id {
        self.choices.id(self.forest.node_preference(self.root.node))
    }

    /// Whether the preference is decided.
    #[must_use]
    pub fn finalized(&self) -> bool {
        self.forest.finalized(self.root)
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl<R: Rule> Consensus for Tree<R> {
    type Choice = Id;

    fn add(&mut self, choice: Id) -> Result<(), Error> {
        self.add(choice)
    }

    fn record_poll(&mut self, votes: &Bag) -> bool {
        self.record_poll(votes)
    }

    fn record_unsuccessful_poll(&mut self) {
        self.record_unsuccessful_poll();
    }

    fn preference(&self) -> &Id {
        self.preference()
    }

    fn finalized(&self) -> bool {
        self.finalized()
    }
}

impl<R: Rule> fmt::Display for Tree<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.forest.show(self.root.node).fmt(f)
    }
}

/// Where the identifiers of choices are kept, by handle.
pub(crate) trait Ids {
    /// The identifier of a choice.
    fn id(&self, choice: u32) -> &Id;
}

impl Ids for Vec<Id> {
    fn id(&self, choice: u32) -> &Id {
        debug_assert!((choice as usize) < self.len(), "a choice of another tree");
        self.get(choice as usize).unwrap_or(&Id::EMPTY)
    }
}
