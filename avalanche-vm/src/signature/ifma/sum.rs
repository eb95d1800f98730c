//! The sum of many points times their scalars.
//!
//! Scalars have digits of eight bits; each digit is a window. Eight windows are worked off at
//! once, one a lane: every point goes into one bucket of each lane, the one of that lane's digit.
//! What the buckets hold, times their sizes, is the window's share.
//!
//! ```text
//! windows of key    0..8   8..16  16..24  24..32     a group of eight each
//! windows of R      0..8   8..16                     coefficients have 128 bits
//! ```
//!
//! So a signature takes six additions to eight buckets, and each group 256 more for what is in
//! them. Fewer signatures than [`WIDE_FROM`] have digits of four bits: twelve additions, and 16.

use super::buckets::Buckets;
use super::digits::{Digits, NARROW, NARROW_MAX, WIDE, WIDE_MAX};
use super::point::{Affine, Entry, Point};

/// Fewer terms than this are summed with narrow digits.
const WIDE_FROM: usize = 150;

/// A part of a sum: `zR + (zk)A`.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) key: Entry,
    pub(super) r: Entry,
    pub(super) zk: Digits<32>,
    pub(super) z: Digits<16>,
}

impl Term {
    /// Points whose scalars are not known yet.
    pub(super) const fn new(key: Entry, r: Entry) -> Self {
        Self { key, r, zk: Digits::ZERO, z: Digits::ZERO }
    }
}

/// The sum of all terms and of a point times a scalar.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn sum<'a>(
    terms: &(impl ExactSizeIterator<Item = &'a Term> + Clone),
    point: &Entry,
    scalar: &Digits<32>,
) -> Point {
    let wide = terms.len() >= WIDE_FROM;
    let (bits, groups, groups_of_r) = if wide { (WIDE, 4, 2) } else { (NARROW, 8, 4) };
    let mut buckets = Buckets::new(if wide { WIDE_MAX } else { NARROW_MAX });
    let mut sum = Point::identity();
    for group in (0..groups).rev() {
        buckets.clear();
        for term in terms.clone() {
            let digits = if wide { term.zk.wide(group) } else { term.zk.narrow(group) };
            buckets.add(&Affine::all(&term.key), digits);
            if group < groups_of_r {
                let digits = if wide { term.z.wide(group) } else { term.z.narrow(group) };
                buckets.add(&Affine::all(&term.r), digits);
            }
        }
        let digits = if wide { scalar.wide(group) } else { scalar.narrow(group) };
        buckets.add(&Affine::all(point), digits);
        sum = sum.doubled_times(8 * bits).plus(&buckets.total());
    }
    across(sum, bits)
}

/// The sum of all lanes, in all lanes, where each lane counts `2^bits` times the one before.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn across(sum: Point, bits: u32) -> Point {
    let sum = sum.permuted([4, 5, 6, 7, 4, 5, 6, 7]).doubled_times(4 * bits).plus(&sum);
    let sum = sum.permuted([2, 3, 2, 3, 2, 3, 2, 3]).doubled_times(2 * bits).plus(&sum);
    let sum = sum.permuted([1; 8]).doubled_times(bits).plus(&sum);
    sum.permuted([0; 8])
}

#[cfg(test)]
mod tests;
