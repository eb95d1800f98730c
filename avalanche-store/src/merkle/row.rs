//! The hashes of nodes while they are made.

use super::hash::{EMPTY, Hash};

/// Two hashes that are hashed together: a line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u8; 64]);

/// Which lines are those of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    first: u32,
    /// Four bits for each position below 16: how many before it have a line.
    before: u64,
}

/// A place for one hash: twice its line, and one more for the second half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot(u32);

impl Spot {
    /// Where the hash of the topmost node goes.
    pub(super) const TOP: Self = Self(1);
}

impl Row {
    /// The row of the lines from `first` on, for the halves of some positions.
    fn new(first: u32, parents: u32) -> Self {
        // To each bit its own four; the product adds up all that are below.
        let mut bits = u64::from(parents & 0xfffe);
        bits = (bits | bits << 24) & 0x0000_00ff_0000_00ff;
        bits = (bits | bits << 12) & 0x000f_000f_000f_000f;
        bits = (bits | bits << 6) & 0x0303_0303_0303_0303;
        bits = (bits | bits << 3) & 0x1111_1111_1111_1111;
        Self { first, before: bits.wrapping_mul(0x1111_1111_1111_1110) }
    }

    /// The line of the halves of a position, which has one.
    pub(super) fn line(self, parent: usize) -> u32 {
        let [before, ..] = (self.before >> (4 * parent)).to_le_bytes();
        self.first + u32::from(before & 15)
    }

    /// Where the hash of a position is, whose parent has a line.
    pub(super) fn spot(self, position: usize) -> Spot {
        Spot(2 * self.line(position / 2) + if position % 2 == 1 { 1 } else { 0 })
    }
}

/// The hashes of some nodes: of each only those that are needed, so that all of them stay in the
/// processor's cache.
#[derive(Debug)]
pub(super) struct Rows {
    lines: Vec<Line>,
    /// How many are in use.
    used: usize,
}

impl Default for Rows {
    fn default() -> Self {
        // The first line has the hash of the top.
        Self { lines: Vec::new(), used: 1 }
    }
}

impl Rows {
    /// Forgets all rows.
    pub(super) const fn clear(&mut self) {
        self.used = 1;
    }

    /// Bytes that they hold.
    pub(super) const fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// Lines for the halves of some positions, with anything in them.
    pub(super) fn add(&mut self, parents: u32) -> Row {
        let row = Row::new(self.take(0), parents);
        self.take((row.line(15) - row.first + (parents >> 15 & 1)) as usize);
        row
    }

    /// Takes so many more lines; gives the first.
    fn take(&mut self, lines: usize) -> u32 {
        let first = u32::try_from(self.used).unwrap_or(u32::MAX);
        self.used += lines;
        if self.lines.len() < self.used {
            self.lines.resize(self.used, Line([0; 64]));
        }
        first
    }

    pub(super) fn get(&self, Spot(spot): Spot) -> Hash {
        let halves = self.lines.get(spot as usize / 2).map(|line| line.0.as_chunks::<32>().0);
        halves.and_then(|halves| halves.get(spot as usize % 2)).copied().unwrap_or(EMPTY)
    }

    pub(super) fn set(&mut self, Spot(spot): Spot, hash: &Hash) {
        if let Some(line) = self.lines.get_mut(spot as usize / 2)
            && let Some(half) = line.0.as_chunks_mut::<32>().0.get_mut(spot as usize % 2)
        {
            *half = *hash;
        }
    }

    /// A line of its own for what is hashed together.
    pub(super) fn add_pair(&mut self, left: &Hash, right: &Hash) -> u32 {
        let line = self.take(1);
        self.set(Spot(2 * line), left);
        self.set(Spot(2 * line + 1), right);
        line
    }

    /// What is hashed together.
    pub(super) fn pair(&self, line: u32) -> Option<&[u8; 64]> {
        self.lines.get(line as usize).map(|line| &line.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_do_not_touch_and_their_lines_are_used_again() {
        let mut rows = Rows::default();
        let masks = [0b10, 0b1_0000_0010_0110, 0xfffe];
        let added = masks.map(|parents| rows.add(parents));
        let spots = |row: Row, parents: u32| {
            (2..32).filter(move |p| parents >> (p / 2) & 1 == 1).map(move |p| row.spot(p))
        };
        let all: Vec<_> =
            added.iter().zip(masks).flat_map(|(row, parents)| spots(*row, parents)).collect();
        assert_eq!(all.len(), 2 * (1 + 4 + 15));
        for (n, spot) in (0_u8..).zip(&all) {
            rows.set(*spot, &[n; 32]);
        }
        rows.set(Spot::TOP, &[99; 32]);
        for (n, spot) in (0_u8..).zip(&all) {
            assert_eq!(rows.get(*spot), [n; 32]);
        }
        assert_eq!(rows.get(Spot::TOP), [99; 32]);
        let [.., last] = added;
        let halves = rows.pair(last.line(15)).unwrap();
        assert_eq!(halves[..32], rows.get(last.spot(30)));
        assert_eq!(halves[32..], rows.get(last.spot(31)));
        let lines = rows.lines.len();
        for _ in 0..3 {
            rows.clear();
            masks.iter().for_each(|parents| _ = rows.add(*parents));
        }
        assert_eq!(rows.lines.len(), lines);
    }
}
