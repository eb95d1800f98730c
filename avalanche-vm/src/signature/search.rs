//! Which items of a batch are bad, by few equations.
//!
//! ```text
//! 1,024 |-------------------------------x--------------------------------|  false: split in 8
//!   128 |--ok--|--ok--|--ok--|---x--|--ok--|--ok--|--ok--|--ok--|           one false: in 8 again
//!    16                      |o|o|o|x|o|o|o|o|                              check 16 singly
//! ```
//!
//! Wide parts instead of halves: with halves each of seven levels has all items of its false parts
//! in equations once more, with eighths each of two.

use std::ops::Range;

/// Into how many parts a false one is split.
const PARTS: usize = 8;
/// Parts of up to so many items are checked singly: an equation over fewer saves too little.
const LEAF: usize = 16;

/// The indices below `len` of all bad items, ascending.
///
/// `holds` is the equation of a range: true if all items in it are good. `good` checks one item.
///
/// One bad item of 1,024 costs one equation over all, eight over 128, eight over 16 and at most
/// 16 single checks. Whatever is bad, equations have at most `2.5 * len` items together, and no
/// item is checked singly twice: a level of splitting that is not worth it, because more than half
/// of all items are in false parts, is not begun after the first.
pub(super) fn culprits(
    len: usize,
    holds: impl Fn(Range<usize>) -> bool,
    good: impl Fn(usize) -> bool,
) -> Vec<usize> {
    if len == 0 || holds(0..len) {
        return Vec::new();
    }
    let all = 0..len;
    let mut bad = vec![all];
    let mut budget = len + len / 2;
    loop {
        let large = bad.iter().map(Range::len).filter(|len| *len > LEAF);
        let cost: usize = large.sum();
        if cost == 0 || cost > budget {
            break;
        }
        budget -= cost;
        bad = bad.into_iter().flat_map(|range| split(range, &holds)).collect();
    }
    bad.into_iter().flat_map(|range| singly(range, &good)).collect()
}

/// The parts of a range that hold bad items, if the range does.
fn split(range: Range<usize>, holds: impl Fn(Range<usize>) -> bool) -> Vec<Range<usize>> {
    if range.len() <= LEAF {
        return vec![range];
    }
    let length = range.len().div_ceil(PARTS).max(LEAF);
    let mut bad = Vec::new();
    for start in range.clone().step_by(length) {
        let part = start..range.end.min(start + length);
        // Somewhere it must be: if nowhere before, then in the last part, untested.
        let last_hope = part.end == range.end && bad.is_empty();
        if last_hope || !holds(part.clone()) {
            bad.push(part);
        }
    }
    bad
}

/// The bad items of a range that holds some.
fn singly(range: Range<usize>, good: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut bad = Vec::new();
    for at in range.clone() {
        let last_hope = at + 1 == range.end && bad.is_empty();
        if last_hope || !good(at) {
            bad.push(at);
        }
    }
    bad
}

#[cfg(test)]
mod tests;
