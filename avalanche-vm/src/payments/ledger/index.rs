//! A table from hashed addresses to places in an array: 8 bytes a cell, open addressing.

/// A cell: nothing, or 32 bits of hash above a place and one.
type Cell = u64;

/// Cells of a bucket.
const WIDTH: usize = 8;

/// The most places: their number plus one has to fit into 32 bits.
pub(super) const PLACES_MAX: usize = (u32::MAX - 1) as usize;

/// Finds places by the hash of what stands there. It knows no addresses: whoever asks compares
/// what stands at the places that it is offered. Nothing is ever removed.
///
/// A hash has one bucket, a line of the cache, which is searched without a branch; so a processor
/// can have many searches under way. What finds its bucket full goes to the next. The bucket of a
/// hash follows from the bits that are in the cell, so growing reads cells alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    used: usize,
}

/// Cells, filled from the front.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([Cell; WIDTH]);

impl Index {
    /// Room for `count` places before it grows.
    pub(super) fn with_room(count: usize) -> Self {
        Self { buckets: vec![Bucket::default(); buckets_for(count)], used: 0 }
    }

    /// Forgets everything, and has room for `count` places.
    pub(super) fn clear(&mut self, count: usize) {
        if self.buckets.len() < buckets_for(count) {
            *self = Self::with_room(count);
        } else {
            self.buckets.fill(Bucket::default());
            self.used = 0;
        }
    }

    /// The first place with this hash that `is_it` accepts.
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let bucket = self.buckets.get(at)?;
            let hit = bucket.search(hash);
            if hit == 0 && !bucket.is_full() {
                return None;
            }
            if hit != 0 && is_it(place(hit)) {
                return Some(place(hit));
            }
            // Others in this bucket may have the same hash.
            let cells = bucket.0.iter().filter(|cell| **cell != 0 && hash_of(**cell) == hash);
            if let Some(cell) = cells.copied().find(|cell| is_it(place(*cell))) {
                return Some(place(cell));
            }
            if !bucket.is_full() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// A place with this hash, which is most probably the right one.
    pub(super) fn guess(&self, hash: u32) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let bucket = self.buckets.get(at)?;
            let hit = bucket.search(hash);
            if hit != 0 {
                return Some(place(hit));
            }
            if !bucket.is_full() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Adds a place that is not there yet.
    pub(super) fn add(&mut self, hash: u32, place: u32) {
        if self.used >= self.buckets.len() * (WIDTH / 4 * 3) {
            self.grow();
        }
        self.used += 1;
        self.set((u64::from(hash) << 32) | (u64::from(place) + 1));
    }

    /// Bytes of the cells.
    pub(super) fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// The bucket of a hash.
    fn home(&self, hash: u32) -> usize {
        usize::try_from(hash).unwrap_or(usize::MAX) & self.buckets.len().wrapping_sub(1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.buckets.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let count = (self.buckets.len() * 2).max(2);
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::default(); count]);
        for cell in old.iter().flat_map(|bucket| bucket.0).filter(|cell| *cell != 0) {
            self.set(cell);
        }
    }

    /// Puts a cell into the first bucket with room, of which there is one.
    fn set(&mut self, cell: Cell) {
        let mut at = self.home(hash_of(cell));
        while let Some(bucket) = self.buckets.get_mut(at) {
            let used = bucket.0.iter().map(|cell| usize::from(*cell != 0)).sum::<usize>();
            if let Some(free) = bucket.0.get_mut(used) {
                *free = cell;
                return;
            }
            at = self.after(at);
        }
    }
}

fn buckets_for(count: usize) -> usize {
    let cells = count.saturating_mul(3) / 2;
    (cells / WIDTH).max(1).next_power_of_two()
}

impl Bucket {
    /// A cell with this hash; 0 if there is none.
    fn search(&self, hash: u32) -> Cell {
        let same = |cell: Cell| if hash_of(cell) == hash { cell } else { 0 };
        self.0.iter().fold(0, |hit, cell| hit.max(same(*cell)))
    }

    fn is_full(&self) -> bool {
        let [.., last] = self.0;
        last != 0
    }
}

/// The hash of a cell that is not empty.
const fn hash_of(cell: Cell) -> u32 {
    let [a, b, c, d, ..] = cell.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The place of a cell that is not empty.
const fn place(cell: Cell) -> u32 {
    let [.., a, b, c, d] = cell.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]).wrapping_sub(1)
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
