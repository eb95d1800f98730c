//! Which items of a batch are bad, by few sums.
//!
//! ```text
//! 1,024 |-------------------------------x--------------------------------|  false: halved
//!   512 |===============ok==============|-------------------------------x|  one summed, one left
//!   256                                 |======ok=======|---------------x|
//!    ..
//!    16                                                               |ox|  checked singly
//! ```
//!
//! Only one half of a false part is summed (`=`): what the other comes to is the difference. So
//! one bad item costs a second pass over all items, in ever smaller parts.

use std::ops::Range;

/// Parts of up to so many items are checked singly: a sum over fewer saves too little.
const LEAF: usize = 16;

/// How a back-end checks the items of a batch. Functions by name rather than a trait, because
/// closures may use the instructions that their function may.
pub(super) struct Equations<Add, Without, Holds, Singly> {
    /// Adds up the equations of a range.
    pub(super) sum: Add,
    /// What a range comes to without a part of it.
    pub(super) without: Without,
    /// Whether a sum is what it is if all items are good.
    pub(super) holds: Holds,
    /// Which items of a range are bad, each checked singly; ascending.
    pub(super) singly: Singly,
}

/// A range of items and what it comes to.
type Part<Sum> = (Range<usize>, Sum);

/// The indices below `len` of all bad items, ascending.
///
/// One bad item of 1,024 costs a sum over all, one over each of 512, 256, 128, 64, 32 and 16, and
/// 16 single checks. Whatever is bad, sums have at most `2.5 * len` items together, and no item is
/// checked singly twice: halving ends when another level would cost more than that.
pub(super) fn culprits<Sum, Add, Without, Holds, Singly>(
    len: usize,
    equations: &Equations<Add, Without, Holds, Singly>,
) -> Vec<usize>
where
    Add: Fn(Range<usize>) -> Sum,
    Without: Fn(&Sum, &Sum) -> Sum,
    Holds: Fn(&Sum) -> bool,
    Singly: Fn(Range<usize>) -> Vec<usize>,
{
    let Equations { sum, without, holds, singly } = equations;
    if len == 0 {
        return Vec::new();
    }
    let mut bad = vec![(0..len, sum(0..len))];
    bad.retain(|(_, sum)| !holds(sum));
    let mut budget = len + len / 2;
    loop {
        let large = bad.iter().map(|(range, _)| range.len()).filter(|len| *len > LEAF);
        let cost: usize = large.map(|len| len / 2).sum();
        if cost == 0 || cost > budget {
            break;
        }
        budget -= cost;
        bad = bad.into_iter().flat_map(|part| halves(part, sum, without)).collect();
        bad.retain(|(_, sum)| !holds(sum));
    }
    bad.into_iter().flat_map(|(range, _)| singly(range)).collect()
}

/// The halves of a part, if it is large.
fn halves<Sum>(
    (range, whole): Part<Sum>,
    sum: impl Fn(Range<usize>) -> Sum,
    without: impl Fn(&Sum, &Sum) -> Sum,
) -> Vec<Part<Sum>> {
    if range.len() <= LEAF {
        return vec![(range, whole)];
    }
    let middle = range.start + range.len() / 2;
    let first = sum(range.start..middle);
    let second = without(&whole, &first);
    vec![(range.start..middle, first), (middle..range.end, second)]
}

#[cfg(test)]
mod tests;
