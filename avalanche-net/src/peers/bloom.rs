//! What a peer knows already, said in few bytes.

use std::fmt;

use avalanche_consensus::NodeId;
use avalanche_consensus::sampler::Source;
use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// Most hash functions of a filter (AvalancheGo `utils/bloom/filter.go`, `maxHashes`).
pub const HASHES_MAX: usize = 16;
/// Longest salt that is accepted, in bytes (AvalancheGo `network/peer/peer.go`,
/// `maxBloomSaltLen`).
pub const SALT_BYTES_MAX: usize = 32;

/// A filter as a peer sent it, with its salt (AvalancheGo `utils/bloom/read_filter.go`).
///
/// ```text
/// hashes: u8, 1 to 16 | seeds: hashes * u64, big-endian | entries: one byte at least
///
/// h     = the first 8 bytes of SHA-256(key | salt), big-endian
/// h     = rotate_left(h, 17) ^ seed          for each seed in turn
/// bit   = h mod (8 * entries), the least significant bit of the first byte being bit 0
/// ```
///
/// It is a view of the message that it came in, and lives as long as the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    seeds: Vec<u64>,
    entries: Bytes,
    salt: Bytes,
}

/// Why a filter cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloomError {
    /// There are no bytes at all, not even the number of hashes.
    Empty,
    /// The number of hashes is not in 1 to 16.
    Hashes {
        /// The number of hashes.
        hashes: u8,
    },
    /// The seeds are cut off, or no entries follow them.
    Entries {
        /// Bytes that there are.
        bytes: usize,
    },
    /// The salt is longer than 32 bytes.
    Salt {
        /// Its length.
        bytes: usize,
    },
}

impl fmt::Display for BloomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the filter is empty; it must have 10 bytes at least"),
            Self::Hashes { hashes } => {
                write!(f, "the filter has {hashes} hashes; 1 to {HASHES_MAX} are allowed")
            }
            Self::Entries { bytes } => {
                write!(f, "the filter has {bytes} bytes; its seeds and one entry need more")
            }
            Self::Salt { bytes } => {
                write!(f, "the salt has {bytes} bytes; at most {SALT_BYTES_MAX} are allowed")
            }
        }
    }
}

impl std::error::Error for BloomError {}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// [`BloomError`] says which rule the bytes break. The salt is looked at last, as in
    /// AvalancheGo.
    pub fn parse(bytes: &Bytes, salt: &Bytes) -> Result<Self, BloomError> {
        let (&hashes, rest) = bytes.split_first().ok_or(BloomError::Empty)?;
        let count = usize::from(hashes);
        if !(1..=HASHES_MAX).contains(&count) {
            return Err(BloomError::Hashes { hashes });
        }
        let cut = BloomError::Entries { bytes: bytes.len() };
        let (seeds, entries) = rest.split_at_checked(count * 8).ok_or(cut)?;
        if entries.is_empty() {
            return Err(cut);
        }
        if salt.len() > SALT_BYTES_MAX {
            return Err(BloomError::Salt { bytes: salt.len() });
        }
        let (seeds, _) = seeds.as_chunks::<8>();
        Ok(Self {
            seeds: seeds.iter().map(|seed| u64::from_be_bytes(*seed)).collect(),
            entries: bytes.slice(1 + count * 8..),
            salt: salt.clone(),
        })
    }

    /// Whether the key may have been added: always if it was, and rarely if it was not.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let bits = 8 * self.entries.len() as u64;
        places(&self.seeds, bits, hash(key, &self.salt))
            .all(|(byte, mask)| self.entries.get(byte).is_some_and(|entry| entry & mask != 0))
    }
}

/// A filter of this node's own, to which keys are added (AvalancheGo `utils/bloom/filter.go`).
///
/// # Limits
///
/// [`Parameters::entries`] bytes and sixteen seeds at most, whatever is added.
#[derive(Clone, Debug)]
pub struct Bloom {
    seeds: Vec<u64>,
    entries: Vec<u8>,
    salt: [u8; SALT_BYTES_MAX],
    count: usize,
    count_max: usize,
}

impl Bloom {
    /// An empty filter with seeds and a salt from `source`. It is full, so that it should be made
    /// anew, once `false_positives_max` is the probability that a key seems to be in it.
    pub fn new<S: Source + ?Sized>(
        parameters: Parameters,
        false_positives_max: f64,
        source: &mut S,
    ) -> Self {
        let mut salt = [0; SALT_BYTES_MAX];
        for chunk in salt.as_chunks_mut::<8>().0 {
            *chunk = source.next_u64().to_le_bytes();
        }
        let seeds = (0..parameters.hashes()).map(|_| source.next_u64()).collect();
        Self::from_parts(parameters, false_positives_max, seeds, salt)
    }

    fn from_parts(
        parameters: Parameters,
        false_positives_max: f64,
        seeds: Vec<u64>,
        salt: [u8; SALT_BYTES_MAX],
    ) -> Self {
        Self {
            seeds,
            entries: vec![0; parameters.entries()],
            salt,
            count: 0,
            count_max: parameters.estimate_count(false_positives_max),
        }
    }

    /// Adds a key. Returns whether it was not there before, as far as can be told.
    pub fn add(&mut self, key: &[u8]) -> bool {
        let bits = 8 * self.entries.len() as u64;
        let mut added = false;
        for (byte, mask) in places(&self.seeds, bits, hash(key, &self.salt)) {
            if let Some(entry) = self.entries.get_mut(byte) {
                added |= *entry & mask == 0;
                *entry |= mask;
            }
        }
        self.count += usize::from(added);
        added
    }

    /// Whether the key may have been added.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let bits = 8 * self.entries.len() as u64;
        places(&self.seeds, bits, hash(key, &self.salt))
            .all(|(byte, mask)| self.entries.get(byte).is_some_and(|entry| entry & mask != 0))
    }

    /// Number of keys that were added and seemed new.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether so much was added that the filter should be made anew.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count >= self.count_max
    }

    /// The filter as it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(1 + 8 * self.seeds.len() + self.entries.len());
        bytes.put_u8(u8::try_from(self.seeds.len()).unwrap_or(u8::MAX));
        for seed in &self.seeds {
            bytes.put_u64(*seed);
        }
        bytes.put_slice(&self.entries);
        bytes.freeze()
    }

    /// What is hashed with every key.
    #[must_use]
    pub const fn salt(&self) -> &[u8; SALT_BYTES_MAX] {
        &self.salt
    }
}

/// The size of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    hashes: usize,
    entries: usize,
}

impl Parameters {
    /// Most entries of a filter: 1 MiB, which fits into a message.
    pub const ENTRIES_MAX: usize = 1 << 20;

    /// The size for `count` keys, with a probability of `false_positives` that another key seems to
    /// be among them (AvalancheGo `utils/bloom/optimal.go`). At least one byte and one hash, at
    /// most [`Parameters::ENTRIES_MAX`] bytes and [`HASHES_MAX`] hashes.
    #[must_use]
    pub fn optimal(count: usize, false_positives: f64) -> Self {
        let entries = Self::optimal_entries(count, false_positives);
        let hashes = if count == 0 {
            HASHES_MAX
        } else {
            let hashes = (float(entries) * 8.0 * std::f64::consts::LN_2 / float(count)).ceil();
            whole(hashes, HASHES_MAX).max(1)
        };
        Self { hashes, entries }
    }

    fn optimal_entries(count: usize, false_positives: f64) -> usize {
        if count == 0 || false_positives >= 1.0 {
            return 1;
        }
        // The logarithm of zero, and of less, ends at the bound as well.
        let bits = -float(count) * false_positives.max(0.0).ln() / LN_2_SQUARED;
        whole((bits + 7.0) / 8.0, Self::ENTRIES_MAX).max(1)
    }

    /// Number of hash functions, 1 to 16.
    #[must_use]
    pub const fn hashes(self) -> usize {
        self.hashes
    }

    /// Bytes of bits.
    #[must_use]
    pub const fn entries(self) -> usize {
        self.entries
    }

    /// How many keys may be added until a key that was not added seems to be there with a
    /// probability of `false_positives` (AvalancheGo `utils/bloom/optimal.go`, `EstimateCount`).
    #[must_use]
    pub fn estimate_count(self, false_positives: f64) -> usize {
        if false_positives >= 1.0 {
            return usize::MAX;
        }
        // Zero, less, or no number: no key may be added.
        if false_positives.is_nan() || false_positives <= 0.0 {
            return 0;
        }
        let part = 1.0 / float(self.hashes);
        let clear = 1.0 - false_positives.powf(part);
        whole((-clear.ln() * (float(self.entries) * 8.0) * part).ceil(), usize::MAX)
    }
}

/// What a peer list's entry is called in a filter: SHA-256 over the node, the time at which the
/// address was signed, and twelve zero bytes. AvalancheGo makes room for 40 bytes and fills 28 of
/// them (`utils/ips/claimed_ip_port.go`).
///
/// `timestamp` is in Unix seconds.
#[must_use]
pub fn gossip_id(node: &NodeId, timestamp: u64) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(node.as_bytes());
    hasher.update(timestamp.to_be_bytes());
    hasher.update([0; 12]);
    hasher.finalize().into()
}

/// The square of the natural logarithm of 2.
const LN_2_SQUARED: f64 = std::f64::consts::LN_2 * std::f64::consts::LN_2;

fn hash(key: &[u8], salt: &[u8]) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(key);
    hasher.update(salt);
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The byte and the bit in it for each seed.
fn places(seeds: &[u64], bits: u64, hash: u64) -> impl Iterator<Item = (usize, u8)> + '_ {
    seeds.iter().scan(hash, move |hash, seed| {
        *hash = hash.rotate_left(17) ^ seed;
        let bit = hash.checked_rem(bits)?;
        Some((usize::try_from(bit / 8).ok()?, 1 << (bit % 8)))
    })
}

#[expect(clippy::cast_precision_loss, reason = "sizes of filters are far below 2^53")]
const fn float(value: usize) -> f64 {
    value as f64
}

/// The whole part of a number that is not negative, at most `max`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and no number becomes 0"
)]
fn whole(value: f64, max: usize) -> usize {
    (value as usize).min(max)
}

#[cfg(test)]
mod tests;
