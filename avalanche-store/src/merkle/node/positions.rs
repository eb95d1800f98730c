//! Positions of a node as bits: bit p for position p, from 1 to 31.

use super::TWIG_MAX;

/// The positions above one.
pub(crate) const fn above(position: usize) -> u32 {
    // There are four at most, and bit 0 stands for those that there are not.
    (1 << (position >> 1) | 1 << (position >> 2) | 1 << (position >> 3) | 1 << (position >> 4)) & !1
}

/// For some positions: those that are hashed together with them or with one above them; and those
/// above them.
pub(crate) const fn beside(positions: u32) -> (u32, u32) {
    let (mut all, mut parents) = (positions, 0);
    let mut level = 4;
    while level > 0 {
        let first = 1 << level;
        let up = halved((all >> first) & ((1 << first) - 1)) << (first / 2);
        (all, parents) = (all | up, parents | up);
        level -= 1;
    }
    // The other half of each; the topmost has none.
    (((all & 0x5555_5555) << 1 | (all & 0xaaaa_aaaa) >> 1) & !3, parents)
}

/// Bit i is set if bit 2i or 2i + 1 was, for up to 16 bits.
const fn halved(bits: u32) -> u32 {
    let mut bits = (bits | bits >> 1) & 0x5555;
    bits = (bits | bits >> 1) & 0x3333;
    bits = (bits | bits >> 2) & 0x0f0f;
    (bits | bits >> 4) & 0x00ff
}

/// The two halves of each of some positions below 16.
pub(crate) const fn halves(parents: u32) -> u32 {
    let mut bits = (parents | parents << 8) & 0x00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333;
    bits = (bits | bits << 1) & 0x5555_5555;
    bits | bits << 1
}

/// Where things stand in a node of a few leaves and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// Those of the leaves, in order.
    pub(crate) leaves: [u8; TWIG_MAX],
    /// Those of two leaves or more.
    pub(crate) inner: u32,
    /// The halves of those that have no leaf.
    pub(crate) empty: u32,
}

impl Positions {
    /// Of leaves in slots, which ascend.
    pub(crate) fn of(slots: &[u8]) -> Self {
        let (mut leaves, mut inner, mut any) = ([0; TWIG_MAX], 0, 0);
        let mut before = 0;
        for (number, place) in leaves.iter_mut().enumerate().take(slots.len()) {
            let next = slots.get(number..number + 2);
            // Levels that it shares with the leaf before or after it; it stands below them.
            let after = next.map_or(0, |two| two.iter().fold(0, |xor, slot| xor ^ slot));
            let after = if after == 0 { 0 } else { after.leading_zeros().saturating_sub(4) };
            let level = 1 + before.max(after).min(3);
            before = after;
            *place = (16 + slots.get(number).unwrap_or(&0)) >> (4 - level);
            let up = above(usize::from(*place));
            inner |= up;
            any |= 1 << *place | up;
        }
        Self { leaves, inner, empty: halves(inner) & !any }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is above, beside and below, and where leaves stand, for all sets of up to four slots.
    #[test]
    fn positions_are_those_of_the_trie() {
        for position in 1..32_usize {
            let up = std::iter::successors(Some(position / 2), |p| Some(p / 2));
            let bits = up.take_while(|p| *p > 0).fold(0, |bits, p| bits | 1 << p);
            assert_eq!(above(position), bits);
            assert_eq!(halves(1 << (position / 2)), 3 << (2 * (position / 2)));
        }
        let mut sets = 0;
        for set in (1..=u16::MAX).filter(|set| (2..=4).contains(&set.count_ones())) {
            let slots: Vec<u8> = (0..16).filter(|slot| set >> slot & 1 == 1).collect();
            let below = |position: usize| {
                let levels = 4 - position.ilog2();
                slots.iter().filter(|slot| (16 + usize::from(**slot)) >> levels == position).count()
            };
            let of = Positions::of(&slots);
            let inner = (1..16).filter(|p| below(*p) > 1).fold(0, |bits, p| bits | 1 << p);
            assert_eq!(of.inner, inner, "{set:b}");
            let half = |p: &usize| inner >> (p / 2) & 1 == 1;
            let empty = (2..32).filter(half).filter(|p| below(*p) == 0);
            assert_eq!(of.empty, empty.fold(0, |bits, p| bits | 1 << p), "{set:b}");
            let alone: Vec<_> = (2..32).filter(half).filter(|p| below(*p) == 1).collect();
            let mut leaves: Vec<_> =
                of.leaves.iter().take(slots.len()).map(|p| usize::from(*p)).collect();
            for (slot, position) in slots.iter().zip(&leaves) {
                assert_eq!((16 + usize::from(*slot)) >> (4 - position.ilog2()), *position);
            }
            leaves.sort_unstable();
            assert_eq!(leaves, alone, "{set:b}");
            sets += 1;
        }
        assert_eq!(sets, 120 + 560 + 1820);
    }
}
