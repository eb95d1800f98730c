//! One file of a simulated disk: what a program sees, and what power loss leaves.

use std::collections::BTreeSet;
use std::io;

use super::disk::Persist;

/// What survives or does not, together.
const SECTOR: usize = 512;

/// A file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What is read.
    pub(super) current: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// Sectors that the next sync writes.
    dirty: BTreeSet<usize>,
    /// Whether the next sync sets the length.
    len_dirty: bool,
}

impl Inode {
    /// A file whose content is on the disk.
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self { current: content.clone(), durable: content, ..Self::default() }
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = self.current.get(offset..).and_then(|from| from.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(end) = start.checked_add(bytes.len()).filter(|_| !bytes.is_empty()) else {
            return;
        };
        if end > self.current.len() {
            self.current.resize(end, 0);
            self.len_dirty = true;
        }
        if let Some(to) = self.current.get_mut(start..end) {
            to.copy_from_slice(bytes);
        }
        self.dirty.extend(start / SECTOR..=(end - 1) / SECTOR);
    }

    pub(super) fn set_len(&mut self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let old = self.current.len();
        self.current.resize(bytes, 0);
        self.len_dirty = true;
        if bytes > old {
            self.dirty.extend(old / SECTOR..=(bytes - 1) / SECTOR);
        }
        self.dirty.retain(|sector| sector * SECTOR < bytes);
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector, 0);
        }
        if std::mem::take(&mut self.len_dirty) {
            self.durable.resize(self.current.len(), 0);
        }
    }

    /// Some sectors are written, and all are forgotten: as after a failed write-back on Linux.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.one_in(3) {
                self.persist(sector, 0);
            }
        }
    }

    /// Some sectors reach the disk early.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        for sector in self.dirty.clone() {
            if random.one_in(4) {
                self.persist(sector, 0);
                self.dirty.remove(&sector);
            }
        }
    }

    /// The file is what survives.
    pub(super) fn crash(&mut self, persist: Persist, random: &mut Random) {
        match persist {
            Persist::Everything => self.durable.clone_from(&self.current),
            Persist::Nothing => {}
            Persist::Mixed => {
                let noise = if random.one_in(2) { 0 } else { random.byte() };
                let odds = 1 + random.below(4);
                for sector in std::mem::take(&mut self.dirty) {
                    if !random.one_in(odds + 1) {
                        self.persist(sector, noise);
                    }
                }
                if self.len_dirty {
                    let (old, new) = (self.durable.len(), self.current.len());
                    let between = random.below(old.abs_diff(new) as u64 + 1);
                    let between = old.min(new) + usize::try_from(between).unwrap_or(0);
                    let len = [old, new, between].into_iter().nth(random.index(3)).unwrap_or(new);
                    self.durable.resize(len, noise);
                }
            }
        }
        self.current.clone_from(&self.durable);
        self.dirty.clear();
        self.len_dirty = false;
    }

    /// One sector reaches the disk; what lies below it and did not is `fill`.
    fn persist(&mut self, sector: usize, fill: u8) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.current.len());
        if self.durable.len() < end {
            self.durable.resize(end, fill);
        }
        if let (Some(to), Some(from)) =
            (self.durable.get_mut(start..end), self.current.get(start..end))
        {
            to.copy_from_slice(from);
        }
    }
}

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    pub(super) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(super) const fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
