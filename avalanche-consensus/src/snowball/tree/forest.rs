//! The nodes of trees, kept together: a chain has one tree for each block with children, and polls
//! walk all of them, so nodes live side by side and are used again without asking the allocator.

use super::super::binary::BinaryState;
use super::super::bit::Pair;
use super::super::unary::UnaryState;
use super::super::{Bit, Rule};

/// A node of a [`Forest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeRef(u32);

impl NodeRef {
    /// No node.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }
}

impl Default for NodeRef {
    fn default() -> Self {
        Self::NONE
    }
}

/// The root of one tree, and the mark that all of it is to be reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) node: NodeRef,
    pub(crate) should_reset: bool,
}

/// Decides the bits `[decided, common)`, on which all known choices below agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnaryNode<R: Rule> {
    pub(super) state: UnaryState<R, 1>,
    /// The preferred choice below.
    pub(super) preference: u32,
    /// The binary node at `common`; none exactly when `common` is 256.
    pub(super) child: NodeRef,
    pub(super) decided: u16,
    pub(super) common: u16,
    /// The child has not been told of an earlier failure.
    pub(super) should_reset: bool,
}

/// Decides one bit, on which known choices differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct BinaryNode<R: Rule> {
    pub(super) state: BinaryState<R, 1>,
    /// The preferred choice in each branch.
    pub(super) preferences: Pair<u32>,
    /// What decides the bits above; none exactly when `bit` is 255.
    pub(super) children: Pair<NodeRef>,
    pub(super) bit: u16,
    /// The child in each branch has not been told of an earlier failure.
    pub(super) should_reset: Pair<bool>,
}

/// A slot for a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<R: Rule> {
    /// Unused; the next unused slot.
    Free(NodeRef),
    Unary(UnaryNode<R>),
    Binary(BinaryNode<R>),
}

/// The nodes of any number of trees.
///
/// A tree with `c` choices has at most `2 c - 1` nodes.
#[derive(Clone, Debug)]
pub(crate) struct Forest<R: Rule> {
    nodes: Vec<Node<R>>,
    free: NodeRef,
}

impl<R: Rule> Forest<R> {
    /// No trees.
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NodeRef::NONE }
    }

    /// Begins a tree with its first choice.
    pub(crate) fn plant(&mut self, choice: u32) -> NodeRef {
        self.insert(Node::leaf(choice, 0))
    }

    /// Copies a tree of another forest, parents first and the preferred branch before its rival:
    /// polls that follow the preference then read memory in order.
    #[cfg(feature = "testing")]
    pub(crate) fn graft(&mut self, from: &Self, root: NodeRef) -> NodeRef {
        if root.is_none() {
            return root;
        }
        let at = self.insert(*from.node(root));
        match *from.node(root) {
            Node::Unary(node) => {
                let child = self.graft(from, node.child);
                if let Node::Unary(copy) = self.node_mut(at) {
                    copy.child = child;
                }
            }
            Node::Binary(node) => {
                let bit = node.state.preference();
                let child = self.graft(from, *node.children.get(bit));
                let rival = self.graft(from, *node.children.get(bit.other()));
                if let Node::Binary(copy) = self.node_mut(at) {
                    copy.children = Pair::new(bit, child, rival);
                }
            }
            Node::Free(_) => {}
        }
        at
    }

    /// Ends a tree.
    pub(crate) fn fell(&mut self, root: NodeRef) {
        self.release_all(root);
    }

    /// Whether the preference of a tree is decided.
    pub(crate) fn finalized(&self, root: Root) -> bool {
        match self.node(root.node) {
            Node::Unary(node) => node.state.finalized(),
            Node::Binary(node) => node.state.finalized(),
            Node::Free(_) => false,
        }
    }

    /// The preferred choice of a tree, or of the part of it below a node.
    pub(crate) fn node_preference(&self, at: NodeRef) -> u32 {
        match self.node(at) {
            Node::Unary(node) => node.preference,
            Node::Binary(node) => *node.preferences.get(node.state.preference()),
            Node::Free(_) => u32::MAX,
        }
    }

    /// The first bit that a node decides: what is below is decided already.
    pub(super) fn decided_prefix(&self, at: NodeRef) -> usize {
        match self.node(at) {
            Node::Unary(node) => node.decided.into(),
            Node::Binary(node) => node.bit.into(),
            Node::Free(_) => 0,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by `insert` and never outlives"
    )]
    pub(super) fn node(&self, at: NodeRef) -> &Node<R> {
        &self.nodes[at.0 as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by `insert` and never outlives"
    )]
    pub(super) fn node_mut(&mut self, at: NodeRef) -> &mut Node<R> {
        &mut self.nodes[at.0 as usize]
    }

    pub(super) fn insert(&mut self, node: Node<R>) -> NodeRef {
        let at = self.free;
        if at.is_none() {
            let at = NodeRef(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
            self.nodes.push(node);
            return at;
        }
        if let Node::Free(next) = *self.node(at) {
            self.free = next;
        }
        *self.node_mut(at) = node;
        at
    }

    pub(super) fn release(&mut self, at: NodeRef) {
        *self.node_mut(at) = Node::Free(self.free);
        self.free = at;
    }

    /// Releases a node and everything below it. The depth is at most 256 nodes of each kind.
    pub(super) fn release_all(&mut self, at: NodeRef) {
        if at.is_none() {
            return;
        }
        let children = match self.node(at) {
            Node::Unary(node) => [node.child, NodeRef::NONE],
            Node::Binary(node) => [*node.children.get(Bit::Zero), *node.children.get(Bit::One)],
            Node::Free(_) => return,
        };
        self.release(at);
        children.into_iter().for_each(|child| self.release_all(child));
    }
}

impl<R: Rule> Node<R> {
    /// A fresh branch with one choice, from bit `decided` on.
    pub(super) const fn leaf(choice: u32, decided: u16) -> Self {
        Self::Unary(UnaryNode {
            state: UnaryState::NEW,
            preference: choice,
            child: NodeRef::NONE,
            decided,
            common: 256,
            should_reset: false,
        })
    }
}
