//! Adding a choice: the tree grows where the choice first differs from those below.

use super::super::bit::Pair;
use super::super::{Bit, Rule};
use super::Ids;
use super::forest::{BinaryNode, Forest, Node, NodeRef, UnaryNode};
use crate::Id;

/// Where the reference to a node is kept.
#[derive(Clone, Copy)]
enum Link {
    Root,
    Unary(NodeRef),
    Binary(NodeRef, Bit),
}

impl<R: Rule> Forest<R> {
    /// Adds a choice to a tree, and returns its root. Preferences do not change.
    ///
    /// Nothing happens if the choice is known, contradicts decided bits, or the tree is decided.
    pub(crate) fn add(&mut self, root: NodeRef, choice: u32, ids: &impl Ids) -> NodeRef {
        let id = ids.id(choice);
        let preferred = ids.id(self.node_preference(root));
        if !id.equal_subset(0..self.decided_prefix(root), preferred) {
            return root;
        }
        let (mut link, mut at) = (Link::Root, root);
        while !at.is_none() {
            match *self.node(at) {
                Node::Unary(node) => {
                    if node.state.finalized() {
                        return root;
                    }
                    let range = node.decided.into()..node.common.into();
                    if let Some(bit) = id.first_difference(range, ids.id(node.preference)) {
                        let top = self.split(at, node, bit, choice, id);
                        return self.relink(root, link, top);
                    }
                    (link, at) = (Link::Unary(at), node.child);
                }
                Node::Binary(node) => {
                    let bit = Bit::from(id.bit(node.bit.into()));
                    (link, at) = (Link::Binary(at, bit), *node.children.get(bit));
                }
                Node::Free(_) => return root,
            }
        }
        root
    }

    /// Puts `to` into a link, and returns the root.
    fn relink(&mut self, root: NodeRef, link: Link, to: NodeRef) -> NodeRef {
        match link {
            Link::Root => return to,
            Link::Unary(parent) => {
                if let Node::Unary(node) = self.node_mut(parent) {
                    node.child = to;
                }
            }
            Link::Binary(parent, bit) => {
                if let Node::Binary(node) = self.node_mut(parent) {
                    *node.children.get_mut(bit) = to;
                }
            }
        }
        root
    }

    /// Splits the unary node `at` where `choice` differs from it, and returns the topmost piece.
    ///
    /// The new binary node inherits the confidence, the pieces above and below keep theirs, and the
    /// new branch starts from nothing. There is no branch below bit 255.
    fn split(
        &mut self,
        at: NodeRef,
        node: UnaryNode<R>,
        bit: usize,
        choice: u32,
        id: &Id,
    ) -> NodeRef {
        let index = u16::try_from(bit).unwrap_or(u16::MAX);
        let new = Bit::from(id.bit(bit));
        let old = new.other();
        let (first, last) = (index == node.decided, index + 1 == node.common);
        let below = if last {
            node.child
        } else {
            // The piece below the bit keeps the slot, and with it whatever points to it from below.
            *self.node_mut(at) = Node::Unary(UnaryNode { decided: index + 1, ..node });
            at
        };
        let branch =
            if index == 255 { NodeRef::NONE } else { self.insert(Node::leaf(choice, index + 1)) };
        let binary = Node::Binary(BinaryNode {
            state: node.state.extend(old),
            preferences: Pair::new(old, node.preference, choice),
            children: Pair::new(old, below, branch),
            bit: index,
            should_reset: Pair::new(old, node.should_reset, node.should_reset),
        });
        if first && last {
            *self.node_mut(at) = binary;
            return at;
        }
        let binary = self.insert(binary);
        if first {
            return binary;
        }
        let above = UnaryNode { common: index, child: binary, ..node };
        if last {
            *self.node_mut(at) = Node::Unary(above);
            at
        } else {
            self.insert(Node::Unary(UnaryNode { should_reset: false, ..above }))
        }
    }
}
