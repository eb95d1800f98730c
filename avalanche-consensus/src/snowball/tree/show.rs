//! The printed form of a tree, as traces have it.

use std::fmt;

use super::super::{Bit, Rule};
use super::forest::{Forest, Node, NodeRef};

/// Prints a tree: parents before children, branch 0 before branch 1, four spaces a level.
pub(crate) struct Show<'a, R: Rule> {
    forest: &'a Forest<R>,
    root: NodeRef,
}

impl<R: Rule> Forest<R> {
    /// The printed form of a tree.
    pub(crate) const fn show(&self, root: NodeRef) -> Show<'_, R> {
        Show { forest: self, root }
    }
}

impl<R: Rule> Show<'_, R> {
    fn node(&self, at: NodeRef, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if at.is_none() {
            return Ok(());
        }
        if depth > 0 {
            write!(f, "\n{:1$}", "", depth * 4)?;
        }
        match self.forest.node(at) {
            Node::Unary(node) => {
                write!(f, "{} Bits = [{}, {})", node.state, node.decided, node.common)?;
                self.node(node.child, depth + 1, f)
            }
            Node::Binary(node) => {
                write!(f, "{} Bit = {}", node.state, node.bit)?;
                self.node(*node.children.get(Bit::Zero), depth + 1, f)?;
                self.node(*node.children.get(Bit::One), depth + 1, f)
            }
            Node::Free(_) => Ok(()),
        }
    }
}

impl<R: Rule> fmt::Display for Show<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node(self.root, 0, f)
    }
}
