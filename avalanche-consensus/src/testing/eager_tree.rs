//! The prefix tree with nothing saved: one instance for each bit of each choice, resets at once.

use std::fmt::Write;

use crate::snowball::Parameters;
use crate::{Bag, Id};

/// Which rule the instances of a model follow.
///
/// The library chooses the rule by type ([`Rule`](crate::snowball::Rule)); a model is one type, so
/// that a generated script can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factory {
    /// The newest successful poll decides the preference.
    Snowflake,
    /// The greatest number of successful polls decides the preference.
    Snowball,
}

/// The reference for [`Tree`](crate::snowball::Tree): an uncompressed trie that resets eagerly.
///
/// The node at depth `i` decides bit `i`. It is unary while only one value of its bit was added
/// below its prefix, binary afterwards. Where the library leaves a note to reset a branch later,
/// this model resets the whole branch at once. Preference, finalisation and success are the same;
/// so is the printed form, except for confidence in branches that the library was told to reset but
/// has not visited since.
#[derive(Clone, Debug)]
pub struct EagerTree {
    factory: Factory,
    parameters: Parameters,
    root: Node,
}

impl EagerTree {
    /// A tree with one choice.
    #[must_use]
    pub fn new(factory: Factory, parameters: Parameters, choice: Id) -> Self {
        let mut root = Node::new(choice.bit(0));
        root.insert(choice, 0);
        Self { factory, parameters, root }
    }

    /// Adds a choice and says what that meant for the compressed tree.
    pub fn add(&mut self, choice: Id) -> Added {
        // `from` is the first bit of the run of unary nodes that the walk is in.
        let (mut node, mut from) = (&self.root, 0);
        for depth in 0..Id::BITS {
            let bit = choice.bit(depth);
            if node.finalized && node.flake != bit {
                return Added::Ignored;
            }
            let Some(below) = pick(&node.below, bit) else {
                let case = SplitCase::of(from, depth, depth + node.unary_run());
                self.root.insert(choice, 0);
                return Added::Split { case, last_bit: depth == Id::BITS - 1 };
            };
            if node.finalized || node.is_binary() {
                from = depth + 1;
            }
            node = below;
        }
        Added::Known
    }

    /// Counts one poll.
    ///
    /// Every id in `votes` must have been added before, as the library's tree also demands.
    pub fn record_poll(&mut self, votes: &Bag) -> TreePoll {
        let mut report = TreePoll::default();
        let mut votes: Vec<(Id, u32)> = votes.iter().map(|(id, count)| (*id, count)).collect();
        let rules = (self.factory, self.parameters);
        let (mut node, mut started, mut peeling) = (&mut self.root, false, Peel::Leading);
        for depth in 0..Id::BITS {
            let ones = count(&votes, depth, true);
            let (bit, support) = if node.finalized {
                (node.flake, 0)
            } else if node.is_binary() && ones >= self.parameters.alpha_preference() {
                (true, ones)
            } else if node.is_binary() {
                (false, count(&votes, depth, false))
            } else {
                (node.flake, count(&votes, depth, node.flake))
            };
            if !node.finalized {
                if support < self.parameters.alpha_preference() {
                    report.resets += node.reset();
                    report.success.get_or_insert(false);
                    return report;
                }
                report.success.get_or_insert(true);
                started = true;
                node.update(rules, bit, support);
                report.note(node, &mut peeling);
                if let Some(other) = pick_mut(&mut node.below, !bit) {
                    report.resets += other.reset();
                }
            }
            debug_assert!(!started || support >= self.parameters.alpha_preference());
            votes.retain(|(id, _)| id.bit(depth) == bit);
            let Some(below) = pick_mut(&mut node.below, bit) else {
                break;
            };
            node = below;
        }
        report
    }

    /// Sets every confidence to zero and returns how many were not.
    pub fn record_unsuccessful_poll(&mut self) -> u32 {
        self.root.reset()
    }

    /// The choice that the preferred bits lead to.
    #[must_use]
    pub fn preference(&self) -> Id {
        let mut bytes = [0; 32];
        for (depth, (node, bit)) in self.preferred_path().enumerate() {
            debug_assert!(pick(&node.below, bit).is_some());
            if let Some(byte) = bytes.get_mut(depth / 8) {
                *byte |= u8::from(bit) << (depth % 8);
            }
        }
        Id::new(bytes)
    }

    /// Whether every bit is decided.
    #[must_use]
    pub fn finalized(&self) -> bool {
        self.preferred_path().all(|(node, _)| node.finalized)
    }

    /// The printed form of the compressed tree, with confidence as it is after every pending reset.
    /// `None` once finalised: the counters of a finalised instance mean nothing.
    #[must_use]
    pub fn render(&self) -> Option<String> {
        let undecided = self.preferred_path().position(|(node, _)| !node.finalized)?;
        let mut node = &self.root;
        for _ in 0..undecided {
            node = pick(&node.below, node.flake).as_deref()?;
        }
        let mut lines = Vec::new();
        node.render(self.factory, undecided, 0, &mut lines);
        Some(lines.join("\n"))
    }

    /// The nodes of the preferred choice from bit 0 on, each with its preferred bit.
    fn preferred_path(&self) -> impl Iterator<Item = (&Node, bool)> {
        let mut next = Some(&self.root);
        (0..Id::BITS).map_while(move |_| {
            let node = next?;
            let bit = node.preference(self.factory);
            next = pick(&node.below, bit).as_deref();
            Some((node, bit))
        })
    }
}

/// What [`EagerTree::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The choice contradicts bits that are decided.
    Ignored,
    /// The choice was there already.
    Known,
    /// The choice splits a unary node of the compressed tree.
    Split {
        /// Which part of that node.
        case: SplitCase,
        /// Whether the split is at bit 255, below which there is nothing.
        last_bit: bool,
    },
}

/// Where a new choice leaves the bits of a unary node of the compressed tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitCase {
    /// The node has one bit.
    Single,
    /// At the first of several bits.
    First,
    /// At the last of several bits.
    Last,
    /// Between two other bits.
    Interior,
}

impl SplitCase {
    /// The case of a split at bit `at` of the unary node over `[from, to)`.
    const fn of(from: usize, at: usize, to: usize) -> Self {
        if from + 1 == to {
            Self::Single
        } else if at == from {
            Self::First
        } else if at + 1 == to {
            Self::Last
        } else {
            Self::Interior
        }
    }
}

/// What [`EagerTree::record_poll`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePoll {
    /// Whether the first undecided bit got enough votes; `None` if no bit was undecided, because
    /// then the library's answer is not specified.
    pub success: Option<bool>,
    /// Confidences that were not zero and were set to zero, counted by bit.
    pub resets: u32,
    /// Nodes of the compressed tree that this poll finalised.
    pub levels: u32,
    /// Instances that finalised a bit which their Snowball preference contradicts.
    pub contrary: u32,
}

impl TreePoll {
    /// Counts the finalisation of `node`, one for each run of unary nodes.
    fn note(&mut self, node: &Node, peeling: &mut Peel) {
        if !node.finalized {
            *peeling = Peel::Done;
            return;
        }
        debug_assert!(*peeling != Peel::Done, "finalised below an undecided node");
        self.contrary += u32::from(node.flake != node.ball);
        if node.is_binary() || *peeling != Peel::Unary {
            self.levels += 1;
        }
        *peeling = if node.is_binary() { Peel::Binary } else { Peel::Unary };
    }
}

/// The kind of node that a poll finalised last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peel {
    Leading,
    Unary,
    Binary,
    Done,
}

/// The instance that decides one bit below one prefix. At depth 256 it is only the mark of a leaf.
#[derive(Clone, Debug)]
struct Node {
    below: [Option<Box<Self>>; 2],
    flake: bool,
    ball: bool,
    strength: [u64; 2],
    confidence: u32,
    finalized: bool,
}

impl Node {
    fn new(bit: bool) -> Self {
        Self {
            below: [None, None],
            flake: bit,
            ball: bit,
            strength: [0; 2],
            confidence: 0,
            finalized: false,
        }
    }

    /// Creates what is missing of the path of `choice`.
    fn insert(&mut self, choice: Id, depth: usize) {
        if depth == Id::BITS {
            return;
        }
        pick_mut(&mut self.below, choice.bit(depth))
            .get_or_insert_with(|| Box::new(Self::new(choice.bit(depth + 1))))
            .insert(choice, depth + 1);
    }

    fn is_binary(&self) -> bool {
        self.below.iter().all(Option::is_some)
    }

    /// Number of nodes from here down to the next binary node or the leaf, for a unary node.
    fn unary_run(&self) -> usize {
        let (mut node, mut length) = (self, 0);
        while let Some(below) = node.only_child() {
            length += 1;
            node = below;
        }
        length
    }

    /// The child of a unary node.
    fn only_child(&self) -> Option<&Self> {
        match &self.below {
            [Some(_), Some(_)] => None,
            [zero, one] => zero.as_deref().or(one.as_deref()),
        }
    }

    /// The transitions of one instance: Snowball first, then Snowflake.
    fn update(&mut self, (factory, parameters): (Factory, Parameters), bit: bool, support: u32) {
        if factory == Factory::Snowball {
            *pick_mut(&mut self.strength, bit) += 1;
            if pick(&self.strength, bit) > pick(&self.strength, !bit) {
                self.ball = bit;
            }
        } else {
            self.ball = bit;
        }
        if bit != self.flake {
            self.confidence = 0;
        }
        self.flake = bit;
        if support < parameters.alpha_confidence() {
            self.confidence = 0;
            return;
        }
        self.confidence += 1;
        self.finalized = self.confidence >= parameters.beta();
    }

    /// Sets the confidence of this node and of everything below to zero.
    fn reset(&mut self) -> u32 {
        let own = u32::from(self.confidence != 0);
        self.confidence = 0;
        own + self.below.iter_mut().flatten().map(|below| below.reset()).sum::<u32>()
    }

    fn preference(&self, factory: Factory) -> bool {
        match factory {
            Factory::Snowball if !self.finalized => self.ball,
            Factory::Snowball | Factory::Snowflake => self.flake,
        }
    }

    /// Writes the lines of the compressed tree below this node.
    fn render(&self, factory: Factory, depth: usize, level: usize, lines: &mut Vec<String>) {
        if depth == Id::BITS {
            return;
        }
        let mut line = " ".repeat(4 * level);
        let flake =
            format!("SF(Confidence = [{}], Finalized = {}", self.confidence, self.finalized);
        let (ball, bit) = (u8::from(self.ball), u8::from(self.flake));
        let [zeros, ones] = self.strength;
        if self.is_binary() {
            let slush = format!("{flake}, SL(Preference = {bit}))");
            let written = match factory {
                Factory::Snowflake => write!(line, "{slush} Bit = {depth}"),
                Factory::Snowball => write!(
                    line,
                    "SB(Preference = {ball}, PreferenceStrength[0] = {zeros}, \
                     PreferenceStrength[1] = {ones}, {slush}) Bit = {depth}"
                ),
            };
            debug_assert!(written.is_ok());
            lines.push(line);
            for below in self.below.iter().flatten() {
                below.render(factory, depth + 1, level + 1, lines);
            }
            return;
        }
        let to = depth + self.unary_run();
        let written = match factory {
            Factory::Snowflake => write!(line, "{flake}) Bits = [{depth}, {to})"),
            Factory::Snowball => write!(
                line,
                "SB(PreferenceStrength = {}, {flake})) Bits = [{depth}, {to})",
                zeros + ones
            ),
        };
        debug_assert!(written.is_ok());
        lines.push(line);
        let mut end = self;
        while let Some(below) = end.only_child() {
            end = below;
        }
        end.render(factory, to, level + 1, lines);
    }
}

/// The entry of a pair for a bit.
fn pick<T>(pair: &[T; 2], bit: bool) -> &T {
    let [zero, one] = pair;
    if bit { one } else { zero }
}

/// The entry of a pair for a bit, to be changed.
fn pick_mut<T>(pair: &mut [T; 2], bit: bool) -> &mut T {
    let [zero, one] = pair;
    if bit { one } else { zero }
}

/// Votes for choices whose bit `depth` is `bit`.
fn count(votes: &[(Id, u32)], depth: usize, bit: bool) -> u32 {
    votes.iter().filter(|(id, _)| id.bit(depth) == bit).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(low: u8, last: bool) -> Id {
        let mut bytes = [0; 32];
        bytes[0] = low;
        bytes[31] = u8::from(last) << 7;
        Id::new(bytes)
    }

    #[test]
    fn every_split_case_is_told_apart() {
        let parameters = Parameters::new(1, 1, 1, 2).unwrap();
        let mut tree = EagerTree::new(Factory::Snowflake, parameters, id(0, false));
        let split = |case, last_bit| Added::Split { case, last_bit };
        assert_eq!(tree.add(id(0b1000, false)), split(SplitCase::Interior, false));
        assert_eq!(tree.add(id(0b0001, false)), split(SplitCase::First, false));
        // Bits [1, 3) are left above the binary node at 3.
        assert_eq!(tree.add(id(0b0100, false)), split(SplitCase::Last, false));
        assert_eq!(tree.add(id(0b0010, false)), split(SplitCase::Single, false));
        assert_eq!(tree.add(id(0b0010, true)), split(SplitCase::Last, true));
        assert_eq!(tree.add(id(0b0010, true)), Added::Known);
    }

    /// Two polls decide shared bits and then a conflict, in that order.
    #[test]
    fn decided_bits_turn_later_choices_away() {
        let parameters = Parameters::new(2, 2, 2, 2).unwrap();
        let mut tree = EagerTree::new(Factory::Snowflake, parameters, id(0b00, false));
        tree.add(id(0b10, false));
        let both = Bag::from([id(0b00, false), id(0b10, false)]);
        assert_eq!(tree.record_poll(&both).success, Some(true));
        let poll = tree.record_poll(&both);
        assert_eq!((poll.success, poll.levels), (Some(true), 1));
        assert_eq!(tree.record_poll(&both).success, Some(false));
        assert_eq!(tree.add(id(0b01, false)), Added::Ignored);
        let winner = Bag::from(vec![(id(0b10, false), 2)]);
        assert_eq!(tree.record_poll(&winner).levels, 0);
        // The conflict and everything below it at once.
        assert_eq!(tree.record_poll(&winner).levels, 2);
        assert!(tree.finalized());
        assert_eq!((tree.preference(), tree.render()), (id(0b10, false), None));
        assert_eq!(tree.record_poll(&winner).success, None);
    }
}
