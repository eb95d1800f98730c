//! Snowman with nothing saved: totals of every subtree, one eager tree a block, resets at once.

use std::collections::BTreeMap;

use super::{Added, EagerTree, Factory};
use crate::snowball::Parameters;
use crate::snowman::Block;
use crate::{Bag, Error, Height, Id};

/// The reference for [`Topological`](crate::snowman::Topological): decides from the definition.
///
/// The votes of a block are its own and those of its descendants. A poll walks from the last
/// accepted block to the child whose children got enough votes, records the children's votes in
/// each block's [`EagerTree`] on the way, and resets every tree that the walk does not reach. The
/// preferred branch is looked up again whenever it is asked for.
#[derive(Clone, Debug)]
pub struct EagerSnowman {
    factory: Factory,
    parameters: Parameters,
    last_accepted: Id,
    height: Height,
    blocks: BTreeMap<Id, Node>,
}

impl EagerSnowman {
    /// An instance that has accepted one block.
    #[must_use]
    pub fn new(
        factory: Factory,
        parameters: Parameters,
        last_accepted: Id,
        height: Height,
    ) -> Self {
        let root = Node { parent: None, height, children: Vec::new(), tree: None };
        let blocks = BTreeMap::from([(last_accepted, root)]);
        Self { factory, parameters, last_accepted, height, blocks }
    }

    /// Adds a block below a processing block or the last accepted one. Says what it meant for the
    /// tree of its parent.
    ///
    /// # Errors
    ///
    /// Those of [`Topological::add`](crate::snowman::Topological::add) except for bounds, which a
    /// model does not have.
    pub fn add(&mut self, block: Block) -> Result<Option<Added>, Error> {
        if self.processing(&block.id) {
            return Err(Error::Duplicate { block: block.id });
        }
        let (factory, parameters) = (self.factory, self.parameters);
        let Some(parent) = self.blocks.get_mut(&block.parent) else {
            return Err(Error::UnknownParent { block: block.id, parent: block.parent });
        };
        let expected = parent.height.next();
        if expected != Some(block.height) {
            return Err(Error::WrongHeight { block: block.id, height: block.height, expected });
        }
        let added = match &mut parent.tree {
            Some(tree) => Some(tree.add(block.id)),
            none => {
                *none = Some(EagerTree::new(factory, parameters, block.id));
                None
            }
        };
        parent.children.push(block.id);
        let (parent, height) = (Some(block.parent), block.height);
        self.blocks.insert(block.id, Node { parent, height, children: Vec::new(), tree: None });
        Ok(added)
    }

    /// Counts one poll of at most `k` votes.
    pub fn record_poll(&mut self, votes: &Bag) -> SnowmanPoll {
        let totals = self.totals(votes);
        let total = |id: &Id| totals.get(id).copied().unwrap_or(0);
        let mut report = SnowmanPoll { idle: self.num_processing() == 0, ..SnowmanPoll::default() };
        let mut next = Some(self.last_accepted);
        while let Some(at) = next {
            // A block that this very poll rejected is gone, and with it everything below.
            let Some(node) = self.blocks.get(&at) else {
                break;
            };
            let children = node.children.clone();
            let bag: Bag = children.iter().map(|child| (*child, total(child))).collect();
            if bag.len() < self.parameters.alpha_preference() {
                report.falters += self.reset_from(at);
                break;
            }
            next = children.iter().copied().find(|child| {
                let below = self.children(child).iter().map(total).sum::<u32>();
                below >= self.parameters.alpha_preference()
            });
            let Some(tree) = self.blocks.get_mut(&at).and_then(|node| node.tree.as_mut()) else {
                break;
            };
            report.unspecified |= tree.finalized();
            let poll = tree.record_poll(&bag);
            report.success |= poll.success == Some(true);
            report.resets += poll.resets;
            report.levels_most = report.levels_most.max(poll.levels);
            report.contrary += poll.contrary;
            report.depth += 1;
            if tree.finalized() {
                let preference = tree.preference();
                if at == self.last_accepted {
                    report.acceptances.push(self.accept(at, preference));
                } else {
                    report.unaccepted += 1;
                }
            }
            for child in children.iter().filter(|child| next.as_ref() != Some(child)) {
                report.falters += self.reset_from(*child);
            }
        }
        report
    }

    /// Last accepted block and its height.
    #[must_use]
    pub const fn last_accepted(&self) -> (Id, Height) {
        (self.last_accepted, self.height)
    }

    /// Number of undecided blocks.
    #[must_use]
    pub fn num_processing(&self) -> usize {
        self.blocks.len() - 1
    }

    /// Whether a block is undecided.
    #[must_use]
    pub fn processing(&self, id: &Id) -> bool {
        *id != self.last_accepted && self.blocks.contains_key(id)
    }

    /// The undecided blocks in the order of their ids.
    pub fn undecided(&self) -> impl Iterator<Item = Id> {
        self.blocks.keys().copied().filter(|id| *id != self.last_accepted)
    }

    /// The preferred branch above the last accepted block, in ascending height.
    #[must_use]
    pub fn preferred(&self) -> Vec<(Height, Id)> {
        let mut branch = Vec::new();
        let mut at = self.last_accepted;
        while let Some(tree) = self.tree(&at) {
            at = tree.preference();
            branch.extend(self.blocks.get(&at).map(|node| (node.height, at)));
        }
        branch
    }

    /// Tip of the preferred branch.
    #[must_use]
    pub fn preference(&self) -> Id {
        self.preferred().last().map_or(self.last_accepted, |(_, id)| *id)
    }

    /// Parent of a block, if it was added to this instance and was not decided before the last one.
    #[must_use]
    pub fn parent(&self, id: &Id) -> Option<Id> {
        self.blocks.get(id).and_then(|node| node.parent)
    }

    /// Height of the last accepted block or of an undecided one.
    #[must_use]
    pub fn height(&self, id: &Id) -> Option<Height> {
        self.blocks.get(id).map(|node| node.height)
    }

    /// Children of a block in the order in which they were added.
    #[must_use]
    pub fn children(&self, id: &Id) -> &[Id] {
        self.blocks.get(id).map_or(&[], |node| &node.children)
    }

    /// The decision between the children of a block; `None` while it has none.
    #[must_use]
    pub fn tree(&self, id: &Id) -> Option<&EagerTree> {
        self.blocks.get(id).and_then(|node| node.tree.as_ref())
    }

    /// Votes for each undecided block and its descendants.
    fn totals(&self, votes: &Bag) -> BTreeMap<Id, u32> {
        let mut totals = BTreeMap::new();
        for (id, count) in votes.iter() {
            let mut at = *id;
            while self.processing(&at) {
                *totals.entry(at).or_default() += count;
                let Some(parent) = self.parent(&at) else {
                    break;
                };
                at = parent;
            }
        }
        totals
    }

    /// Resets the tree of a block and of all its descendants; says how many trees had confidence.
    fn reset_from(&mut self, id: Id) -> u32 {
        let Some(node) = self.blocks.get_mut(&id) else {
            return 0;
        };
        let own = node.tree.as_mut().is_some_and(|tree| tree.record_unsuccessful_poll() > 0);
        let children = node.children.clone();
        u32::from(own) + children.into_iter().map(|child| self.reset_from(child)).sum::<u32>()
    }

    /// Accepts `id`, a child of the last accepted block `parent`, and rejects what conflicts with
    /// it.
    fn accept(&mut self, parent: Id, id: Id) -> Acceptance {
        let children = self.blocks.remove(&parent).map_or_else(Vec::new, |node| node.children);
        let height = self.height(&id).unwrap_or_default();
        (self.last_accepted, self.height) = (id, height);
        let siblings: Vec<Id> = children.into_iter().filter(|child| *child != id).collect();
        let (mut open, mut descendants) = (siblings.clone(), Vec::new());
        while let Some(rejected) = open.pop() {
            let node = self.blocks.remove(&rejected);
            for child in node.map_or_else(Vec::new, |node| node.children) {
                descendants.push((rejected, child));
                open.push(child);
            }
        }
        Acceptance { id, height, siblings, descendants }
    }
}

/// What [`EagerSnowman::record_poll`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnowmanPoll {
    /// Blocks that became final, in the order of their heights.
    pub acceptances: Vec<Acceptance>,
    /// Whether nothing was undecided before the poll.
    pub idle: bool,
    /// Whether the poll reached the preference threshold in any tree.
    pub success: bool,
    /// Whether a tree was polled that was finalised before; `success` means nothing then.
    pub unspecified: bool,
    /// Trees that were polled.
    pub depth: u32,
    /// Trees off the voted path that lost confidence.
    pub falters: u32,
    /// Instances inside polled trees that lost confidence.
    pub resets: u32,
    /// The most nodes of one compressed tree that became final.
    pub levels_most: u32,
    /// Instances that finalised a bit which their Snowball preference contradicts.
    pub contrary: u32,
    /// Trees that are finalised without their block being the last accepted one.
    pub unaccepted: u32,
}

/// One block that became final, and what lost against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The accepted block.
    pub id: Id,
    /// Its height.
    pub height: Height,
    /// Its siblings, all rejected.
    pub siblings: Vec<Id>,
    /// Their descendants as (parent, block), all rejected, parents first.
    pub descendants: Vec<(Id, Id)>,
}

/// The last accepted block or an undecided one.
#[derive(Clone, Debug)]
struct Node {
    parent: Option<Id>,
    height: Height,
    children: Vec<Id>,
    tree: Option<EagerTree>,
}
