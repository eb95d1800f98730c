//! A table from hashed addresses to places in an array: 8 bytes a cell, open addressing.

/// A cell: nothing, or 32 bits of hash above a place.
type Cell = u64;

/// No cell holds more than this many halves of what there is room for.
const FULL_THIRDS: usize = 2;

/// The most places: their number plus one has to fit into 32 bits.
pub(super) const PLACES_MAX: usize = (u32::MAX - 1) as usize;

/// Finds places by the hash of what stands there. It knows no addresses: whoever asks compares
/// what stands at the places that it is offered. Nothing is ever removed.
///
/// The cell of a hash follows from the bits that are in the cell, so growing reads cells alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    cells: Vec<Cell>,
    used: usize,
}

impl Index {
    /// Room for `count` places before it grows.
    pub(super) fn with_room(count: usize) -> Self {
        let cells = (count.saturating_mul(3) / FULL_THIRDS).max(1).next_power_of_two();
        Self { cells: vec![0; cells], used: 0 }
    }

    /// The first place with this hash that `is_it` accepts.
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.candidates(hash).find(|place| is_it(*place))
    }

    /// The first place with this hash, which is most probably the right one.
    pub(super) fn guess(&self, hash: u32) -> Option<u32> {
        self.candidates(hash).next()
    }

    /// Adds a place that is not there yet.
    pub(super) fn add(&mut self, hash: u32, place: u32) {
        if self.used >= self.cells.len() * FULL_THIRDS / 3 {
            self.grow();
        }
        self.used += 1;
        set(&mut self.cells, hash, place);
    }

    /// Bytes of the cells.
    pub(super) fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn candidates(&self, hash: u32) -> impl Iterator<Item = u32> {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = usize::try_from(hash).unwrap_or(usize::MAX) & mask;
        std::iter::from_fn(move || {
            loop {
                let cell = self.cells.get(at).copied().filter(|cell| *cell != 0)?;
                at = (at + 1) & mask;
                let (found, place) = split(cell);
                if found == hash {
                    return Some(place);
                }
            }
        })
    }

    fn grow(&mut self) {
        let mut cells = vec![0; (self.cells.len() * 2).max(16)];
        for cell in self.cells.iter().filter(|cell| **cell != 0) {
            let (hash, place) = split(*cell);
            set(&mut cells, hash, place);
        }
        self.cells = cells;
    }
}

/// Puts a place into the first free cell, of which there is one.
fn set(cells: &mut [Cell], hash: u32, place: u32) {
    let mask = cells.len().wrapping_sub(1);
    let mut at = usize::try_from(hash).unwrap_or(usize::MAX) & mask;
    while let Some(cell) = cells.get_mut(at) {
        if *cell == 0 {
            *cell = (u64::from(hash) << 32) | (u64::from(place) + 1);
            return;
        }
        at = (at + 1) & mask;
    }
}

/// Hash and place of a cell that is not empty.
fn split(cell: Cell) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = cell.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]).wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_through_growth_and_equal_hashes() {
        for room in [0, 5, 3_000] {
            let mut index = Index::with_room(room);
            // Hashes in clumps, so that cells are far from where they belong.
            let hash = |place: u32| (place / 3).wrapping_mul(7) | 0xffff_ff00;
            for place in 0..1_000 {
                assert_eq!(index.find(hash(place), |found| found == place), None);
                index.add(hash(place), place);
            }
            for place in 0..1_000 {
                assert_eq!(index.find(hash(place), |found| found == place), Some(place));
                assert!(index.guess(hash(place)).is_some());
            }
            assert_eq!(index.guess(1), None);
            assert!(index.memory_bytes() >= 8 * 1_000);
        }
        assert_eq!(Index::default().guess(1), None);
    }
}
