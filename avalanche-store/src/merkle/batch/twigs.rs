//! Other values in twigs.

use super::super::change::Change;
use super::super::hash::{EMPTY, Hash, LANES, inner_hashes, leaf_hashes};
use super::super::node::{Positions, TWIG_MAX, above, ones};
use super::super::path::nibble;
use super::super::row::{Rows, Spot};
use super::super::scratch::{Values, What};
use super::super::seen::Seen;
use super::super::work::Work;
use super::low;

/// The twigs of a batch that have the keys that they had, and other values.
#[derive(Debug, Default)]
pub(in super::super) struct Twigs {
    values: Vec<[Hash; TWIG_MAX]>,
    /// Leaves that do not change, whose hashes are needed: lines, and where the hashes go.
    leaves: Vec<(u32, Spot)>,
    /// By level of a twig, the topmost first: lines to be hashed, and where the hashes go.
    inner: [Vec<(u32, Spot)>; 4],
}

impl Twigs {
    /// Says what becomes of the twig in a slot, whose leaves the nibble at `depth` parts and whose
    /// hash goes to `result`, by changes of these keys. `false`, and nothing done, if one comes or
    /// goes.
    pub(super) fn change(
        &mut self,
        (seen, slot, depth): (Seen<'_>, usize, usize),
        changes: &[Change],
        (rows, result): (&mut Rows, Spot),
        what: &mut What,
        work: &mut Work,
    ) -> bool {
        let (pairs, patched) = seen.leaves(slot);
        let (mut values, mut slots) = ([EMPTY; TWIG_MAX], [0; TWIG_MAX]);
        let mut hashes = [None; TWIG_MAX];
        let mut rest = changes;
        let mut changed = 0_u8;
        let places = values.iter_mut().zip(&mut slots).zip(&mut hashes);
        for (number, ([key, old], ((value, slot), hash))) in pairs.iter().zip(places).enumerate() {
            *slot = low(nibble(key, depth));
            *value = *patched.and_then(|values| values.get(number)).unwrap_or(old);
            if let Some((change, after)) = rest.split_first()
                && change.key() == key
            {
                let Some(new) = change.value() else { return false };
                changed |= u8::from(new != value) << number;
                (*value, *hash, rest) = (*new, Some(change.hash()), after);
            }
        }
        if !rest.is_empty() {
            return false;
        }
        if changed == 0 {
            return true;
        }
        let positions = Positions::of(slots.get(..pairs.len()).unwrap_or(&slots));
        let row = rows.add(positions.inner);
        ones(positions.empty).for_each(|position| rows.set(row.spot(position), &EMPTY));
        let mut dirty = 0;
        let leaves = pairs.iter().zip(&values).zip(&hashes).zip(&positions.leaves);
        for (number, ((([key, _], value), hash), position)) in leaves.enumerate() {
            let position = usize::from(*position);
            if let Some(hash) = hash {
                rows.set(row.spot(position), hash);
            } else {
                self.leaves.push((rows.add_pair(key, value), row.spot(position)));
            }
            if changed >> number & 1 == 1 {
                work.hashes += 1;
                dirty |= above(position);
            }
        }
        for position in ones(positions.inner) {
            work.hashes += u64::from(dirty >> position & 1);
            let spot = if position == 1 { result } else { row.spot(position) };
            if let Some(list) = self.inner.get_mut(position.ilog2() as usize) {
                list.push((row.line(position), spot));
            }
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(values);
        *what = What::Twig(Values { number, leaves: low(pairs.len()) });
        true
    }

    /// Makes the hashes of all of them.
    pub(super) fn hash(&mut self, rows: &mut Rows) {
        for some in self.leaves.chunks(LANES) {
            let mut hashes = [EMPTY; LANES];
            leaf_hashes(some.len(), |lane| rows.pair(some.get::<usize>(lane)?.0), &mut hashes);
            some.iter().zip(&hashes).for_each(|((_, spot), hash)| rows.set(*spot, hash));
        }
        self.inner.iter().rev().for_each(|list| hash_lines(rows, list));
    }

    /// The value hashes of one, in the order of its keys.
    pub(super) fn values(&self, Values { number, leaves }: Values) -> &[Hash] {
        let all = self.values.get(number as usize);
        all.and_then(|all| all.get(..usize::from(leaves))).unwrap_or_default()
    }

    /// Forgets all.
    pub(in super::super) fn clear(&mut self) {
        self.values.clear();
        self.leaves.clear();
        self.inner.iter_mut().for_each(Vec::clear);
    }

    /// Bytes that they hold.
    pub(in super::super) fn bytes(&self) -> usize {
        let lists = self.inner.iter().chain([&self.leaves]).map(Vec::capacity).sum::<usize>();
        self.values.capacity() * size_of::<[Hash; TWIG_MAX]>() + lists * size_of::<(u32, Spot)>()
    }
}

/// Makes the hashes of lines, none of which needs another's.
pub(super) fn hash_lines(rows: &mut Rows, lines: &[(u32, Spot)]) {
    for some in lines.chunks(LANES) {
        let mut hashes = [EMPTY; LANES];
        inner_hashes(some.len(), |lane| rows.pair(some.get::<usize>(lane)?.0), &mut hashes);
        some.iter().zip(&hashes).for_each(|((_, spot), hash)| rows.set(*spot, hash));
    }
}
