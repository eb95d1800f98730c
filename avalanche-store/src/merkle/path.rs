//! Where a subtree begins: the bits that its key hashes share.

use super::Hash;

/// Bits of a key hash.
pub(crate) const BITS: usize = 256;
/// Nibbles of a key hash: how deep nodes of four levels can lie.
pub(crate) const NIBBLES: usize = 64;

/// The place of a node of four levels: the first nibbles of all key hashes below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    /// The nibbles, then zeros.
    prefix: Hash,
    /// How many nibbles there are; at most 63.
    depth: u8,
}

impl Path {
    /// The first `depth` nibbles of `key`.
    pub(crate) fn of(key: &Hash, depth: usize) -> Self {
        let mut prefix = [0; 32];
        // Two words: byte by byte, copying the path would wait for each.
        let words = prefix.as_chunks_mut::<16>().0.iter_mut().zip(key.as_chunks::<16>().0);
        for (at, (to, from)) in words.enumerate() {
            let bits = (4 * depth).saturating_sub(128 * at).min(128);
            let bits = u32::try_from(bits).unwrap_or(128);
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            *to = (u128::from_be_bytes(*from) & mask).to_be_bytes();
        }
        Self { prefix, depth: u8::try_from(depth).unwrap_or(u8::MAX) }
    }

    /// The path one nibble longer.
    pub(crate) fn child(&self, slot: usize) -> Self {
        let mut path = *self;
        let depth = self.depth();
        let nibble = u8::try_from(slot % 16).unwrap_or(0);
        if let Some(byte) = path.prefix.get_mut(depth / 2) {
            *byte |= if depth.is_multiple_of(2) { nibble << 4 } else { nibble };
        }
        path.depth += 1;
        path
    }

    /// The nibbles, then zeros.
    pub(crate) const fn prefix(&self) -> &Hash {
        &self.prefix
    }

    /// How many nibbles there are.
    pub(crate) fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// Appends the depth, then the bytes that hold a nibble.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.push(self.depth);
        to.extend(self.prefix.iter().take(self.depth().div_ceil(2)));
    }

    /// Reads what [`encode`](Self::encode) wrote, and what follows it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (depth, rest) = bytes.split_first()?;
        let depth = usize::from(*depth);
        let (nibbles, rest) = rest.split_at_checked(depth.div_ceil(2))?;
        let mut prefix = [0; 32];
        prefix.get_mut(..nibbles.len())?.copy_from_slice(nibbles);
        let path = Self::of(&prefix, depth);
        (depth < NIBBLES && path.prefix == prefix).then_some((path, rest))
    }
}

/// The nibble of `key` at `depth`, which is below 64.
pub(crate) fn nibble(key: &Hash, depth: usize) -> usize {
    let byte = key.get(depth / 2).copied().unwrap_or(0);
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// The bit of `key` at `depth`, which is below 256; the most significant comes first.
pub(crate) fn bit(key: &Hash, depth: usize) -> bool {
    key.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

/// How many bits two key hashes share before they differ.
pub(crate) fn shared_bits(a: &Hash, b: &Hash) -> usize {
    let mut bits = 0;
    for (a, b) in a.iter().zip(b) {
        let same = (a ^ b).leading_zeros() as usize;
        bits += same;
        if same < 8 {
            break;
        }
    }
    bits
}

/// The next key hash in order; `None` after the last.
pub(crate) fn successor(key: &Hash) -> Option<Hash> {
    let mut next = *key;
    for byte in next.iter_mut().rev() {
        let (sum, carried) = byte.overflowing_add(1);
        *byte = sum;
        if !carried {
            return Some(next);
        }
    }
    None
}
