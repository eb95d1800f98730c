//! The votes that the instances of shared identifier prefixes would see.

use std::cmp::Ordering;

use crate::Id;

/// A child of a block with two or more children, and its transitive count.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub(super) parent: usize,
    pub(super) id: Id,
    pub(super) count: u32,
}

impl Sibling {
    /// By parent, and the children of one parent in trie order: by the first bit that differs. All
    /// that share a prefix are then next to each other.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.parent.cmp(&other.parent).then_with(|| {
            let bit = self.id.first_difference(0..Id::BITS, &other.id);
            bit.map_or(Ordering::Equal, |bit| self.id.bit(bit).cmp(&other.id.bit(bit)))
        })
    }
}

/// Whether `holds` is true for every prefix count of `siblings`, which are all children of one
/// block and in trie order.
///
/// Two or more siblings that agree on all bits before the one that divides them meet in an instance
/// for those bits, which sees the sum of their counts. Siblings that differ in bit 0 share no bit,
/// and there is no such instance.
pub(super) fn all_prefix_counts(siblings: &[Sibling], holds: &mut impl FnMut(u32) -> bool) -> bool {
    sum_if_all(siblings, holds).is_some()
}

/// The sum of the counts, or `None` if `holds` is false for a prefix count. It calls itself at most
/// 256 levels deep, since the bit that divides the siblings rises with every level.
fn sum_if_all(siblings: &[Sibling], holds: &mut impl FnMut(u32) -> bool) -> Option<u32> {
    let (first, last) = (siblings.first()?, siblings.last()?);
    let Some(bit) = first.id.first_difference(0..Id::BITS, &last.id) else {
        return Some(first.count);
    };
    let ones = siblings.partition_point(|sibling| !sibling.id.bit(bit));
    let (zeros, ones) = siblings.split_at(ones);
    let sum = sum_if_all(zeros, holds)?.saturating_add(sum_if_all(ones, holds)?);
    (bit == 0 || holds(sum)).then_some(sum)
}
