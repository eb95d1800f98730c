//! The entries of an index: fixed, sorted, newest first.

use avalanche_consensus::{Height, Id};

use crate::Cursor;

/// Bytes of an [`Entry`].
pub(super) const ENTRY_BYTES: usize = 29;
/// Bytes of a name or address that an entry has.
const NAME_BYTES: usize = 16;

/// Where something is:
///
/// | Bytes | What |
/// |---|---|
/// | 1 | what it is: `a` touched an address, `t` a transaction, `v` a VM's block |
/// | 16 | the beginning of the address or name |
/// | 8 | complement of the height |
/// | 4 | complement of the place in the block; of 0 for `v` |
///
/// Numbers are big-endian, so that of one name the newest comes first.
pub(super) type Entry = [u8; ENTRY_BYTES];

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Transaction,
    VmBlock,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Address => b'a',
            Self::Transaction => b't',
            Self::VmBlock => b'v',
        }
    }

    /// The entry of a name at a place.
    pub(super) fn entry(self, name: &[u8; 32], at: Cursor) -> Entry {
        self.raw(name, !at.height.get(), !at.index)
    }

    /// Before all entries of a name.
    pub(super) fn first(self, name: &[u8; 32]) -> Entry {
        self.raw(name, 0, 0)
    }

    fn raw(self, name: &[u8; 32], height: u64, index: u32) -> Entry {
        let mut entry = [0; ENTRY_BYTES];
        let parts: [&[u8]; 4] = [
            &[self.byte()],
            name.get(..NAME_BYTES).unwrap_or_default(),
            &height.to_be_bytes(),
            &index.to_be_bytes(),
        ];
        for (to, from) in entry.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        entry
    }
}

/// Whether two entries are about the same name.
pub(super) fn same_name(one: &Entry, other: &Entry) -> bool {
    one.get(..=NAME_BYTES) == other.get(..=NAME_BYTES)
}

/// Where what an entry is about is.
pub(super) fn place(entry: &Entry) -> Cursor {
    let number = |from: usize, len: usize| {
        let bytes = entry.get(from..from + len).unwrap_or_default();
        bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(!byte))
    };
    let index = u32::try_from(number(25, 4)).unwrap_or(u32::MAX);
    Cursor { height: Height::new(number(17, 8)), index }
}

/// The entries of a block, sorted.
pub(super) fn of_block(
    height: Height,
    names: &[Id],
    touched: &[([u8; 32], u32)],
    vm_block: &Id,
) -> Vec<Entry> {
    let at = |index| Cursor { height, index };
    let mut entries = Vec::with_capacity(names.len() + touched.len() + 1);
    entries.push(Kind::VmBlock.entry(vm_block.as_bytes(), at(0)));
    let named = names.iter().zip(0..);
    entries.extend(named.map(|(name, index)| Kind::Transaction.entry(name.as_bytes(), at(index))));
    let touched = touched.iter();
    entries.extend(touched.map(|(address, index)| Kind::Address.entry(address, at(*index))));
    entries.sort_unstable();
    entries.dedup();
    entries
}
