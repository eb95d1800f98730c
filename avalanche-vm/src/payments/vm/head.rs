//! The block that a state belongs to, kept in the state itself.

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id};

use crate::Error;

/// Where the state has its [`Head`]: no address is that long.
pub const HEAD_KEY: [u8; 34] = *b"avalanche/payments/state/v1/latest";

/// Length of a head.
pub const HEAD_BYTES: usize = 81;

const VERSION: u8 = 1;

/// What a state says of itself, under [`HEAD_KEY`]: which block led to it, and which genesis it
/// comes from. Being in the state it is covered by the root, and is written in the same batch as
/// the accounts.
///
/// | Bytes | Holds |
/// |---|---|
/// | 1 | version, 1 |
/// | 8 | height of the block |
/// | 32 | name of the block |
/// | 8 | its timestamp: milliseconds since the Unix epoch |
/// | 32 | SHA-256 of the genesis bytes |
///
/// Numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The block.
    pub block: Tip,
    /// Its timestamp: milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// The SHA-256 of the genesis bytes.
    pub genesis: Id,
}

impl Head {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.block.height.get().to_be_bytes());
        bytes.extend(self.block.id.as_bytes());
        bytes.extend(self.timestamp_ms.to_be_bytes());
        bytes.extend(self.genesis.as_bytes());
        bytes
    }

    /// Reads a head, which has to be all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Fatal`]: a state that does not say what it is cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let found = bytes.first().copied();
        if found.is_some_and(|version| version != VERSION) {
            return Err(Error::fatal(format!(
                "the state's head has version {found:?}, and this release reads {VERSION}; use the \
                 release that wrote it"
            )));
        }
        Self::fields(bytes).ok_or_else(|| {
            Error::fatal(format!(
                "the state's head is malformed: {} bytes instead of {HEAD_BYTES}; remove the VM's \
                 store to build it again from the block log",
                bytes.len()
            ))
        })
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let (_version, rest) = bytes.split_first()?;
        let (height, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (genesis, rest) = rest.split_first_chunk()?;
        let height = Height::new(u64::from_be_bytes(*height));
        rest.is_empty().then(|| Self {
            block: Tip { id: Id::new(*id), height },
            timestamp_ms: u64::from_be_bytes(*timestamp),
            genesis: Id::new(*genesis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_not_otherwise() {
        let head = Head {
            block: Tip { id: Id::new([3; 32]), height: Height::new(258) },
            timestamp_ms: 1_700_000_000_000,
            genesis: Id::new([5; 32]),
        };
        let bytes = head.encode();
        assert_eq!(bytes.len(), HEAD_BYTES);
        assert_eq!(bytes[..9], [1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(Head::decode(&bytes).unwrap(), head);
        for wrong in [&[][..], &bytes[..80], &[bytes.clone(), vec![0]].concat()] {
            assert!(Head::decode(wrong).unwrap_err().to_string().contains("instead of 81"));
        }
        let later = [vec![2], bytes[1..].to_vec()].concat();
        assert!(Head::decode(&later).unwrap_err().to_string().contains("version Some(2)"));
    }
}
