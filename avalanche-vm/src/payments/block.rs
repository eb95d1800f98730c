//! Blocks of transfers: read in place, transfers as a slice of 193-byte pieces.

use std::time::Duration;

use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::Hash;

use super::transfer::TRANSFER_BYTES;
use super::wire::{Reader, VERSION};
use super::{Refusal, SignedTransfer, TransferRef};

/// The most bytes of a block: 2 MiB, which a message of the network may have, less 64 KiB for what
/// the chain and the network put around it.
pub const BLOCK_BYTES_MAX: usize = (2 << 20) - (64 << 10);

/// Bytes of a block before its transfers.
pub const BLOCK_HEAD_BYTES: usize = 85;

/// The most transfers of a block: 10,526.
pub const TRANSFERS_MAX: usize = (BLOCK_BYTES_MAX - BLOCK_HEAD_BYTES) / TRANSFER_BYTES;

/// How many transfers fit into a block of at most so many bytes.
#[must_use]
pub const fn transfers_in(bytes_max: usize) -> usize {
    let bytes = if bytes_max < BLOCK_BYTES_MAX { bytes_max } else { BLOCK_BYTES_MAX };
    bytes.saturating_sub(BLOCK_HEAD_BYTES) / TRANSFER_BYTES
}

/// How far a block's timestamp may be ahead of the clock of whoever verifies it.
pub const FUTURE_MAX: Duration = Duration::from_secs(10);

/// What stands before the transfers of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The block below; [`Id::EMPTY`] for genesis.
    pub parent: Id,
    /// One more than the parent's.
    pub height: Height,
    /// When its proposer says that it was made: milliseconds since the Unix epoch. Not before the
    /// parent's.
    pub timestamp_ms: u64,
    /// The root of the state that the block is executed on. For genesis, which is executed on
    /// nothing, the SHA-256 of the genesis bytes: so other genesis bytes give another first block.
    pub parent_state_root: Hash,
}

/// What a block's header is checked against: the facts of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its name.
    pub id: Id,
    /// Its height.
    pub height: Height,
    /// Its timestamp, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// The root of the state that it leads to.
    pub state_root: Hash,
}

impl Header {
    /// The timestamp for those who count nanoseconds. It saturates in the year 2554.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp_ms)
    }

    /// The second that expiries are compared with.
    #[must_use]
    pub const fn second(&self) -> u64 {
        self.timestamp_ms / 1_000
    }

    /// Checks what a header alone must keep: it continues `parent`, is not before it, and not more
    /// than [`FUTURE_MAX`] after `now`. Without `now`, as in catching up, the last is left out.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownParent`], [`Refusal::WrongHeight`], [`Refusal::BeforeParent`],
    /// [`Refusal::TooNew`], [`Refusal::WrongStateRoot`]; the first that applies, in this order.
    pub fn check(&self, parent: &Parent, now: Option<Timestamp>) -> Result<(), Refusal> {
        self.check_place(parent.id, parent.height)?;
        let (timestamp, parent_timestamp) = (self.timestamp_ms, parent.timestamp_ms);
        if timestamp < parent_timestamp {
            return Err(Refusal::BeforeParent { timestamp, parent: parent_timestamp });
        }
        if let Some(now) = now {
            let latest = now.after(FUTURE_MAX).as_nanos() / 1_000_000;
            if timestamp > latest {
                return Err(Refusal::TooNew { timestamp, latest });
            }
        }
        self.check_state_root(parent.state_root)
    }

    /// The part of [`check`](Self::check) that needs the parent's root, for those who have it
    /// later than the rest.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongStateRoot`].
    pub fn check_state_root(&self, expected: Hash) -> Result<(), Refusal> {
        let found = self.parent_state_root;
        if found == expected {
            Ok(())
        } else {
            Err(Refusal::WrongStateRoot { found: Id::new(found), expected: Id::new(expected) })
        }
    }

    pub(super) fn check_place(&self, parent: Id, height: Height) -> Result<(), Refusal> {
        if self.parent != parent {
            return Err(Refusal::UnknownParent { found: self.parent, expected: parent });
        }
        // No block follows the greatest height: what it could have as its own is no answer.
        if height.next() != Some(self.height) {
            return Err(Refusal::WrongHeight { found: self.height, parent: height });
        }
        Ok(())
    }

    /// The bytes of a block of this header and these transfers.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyTransfers`].
    pub fn encode(&self, transfers: &[SignedTransfer]) -> Result<Vec<u8>, Refusal> {
        self.encode_all(transfers.iter())
    }

    /// As [`encode`](Self::encode), for transfers that lie apart.
    pub(super) fn encode_all<'a>(
        &self,
        transfers: impl ExactSizeIterator<Item = &'a SignedTransfer>,
    ) -> Result<Vec<u8>, Refusal> {
        let too_many = || Refusal::TooManyTransfers { count: transfers.len(), max: TRANSFERS_MAX };
        let count = u32::try_from(transfers.len()).map_err(|_big| too_many())?;
        if transfers.len() > TRANSFERS_MAX {
            return Err(too_many());
        }
        let mut bytes = Vec::with_capacity(BLOCK_HEAD_BYTES + transfers.len() * TRANSFER_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.parent.as_bytes());
        bytes.extend(self.height.get().to_be_bytes());
        bytes.extend(self.timestamp_ms.to_be_bytes());
        bytes.extend(self.parent_state_root);
        bytes.extend(count.to_be_bytes());
        for transfer in transfers {
            bytes.extend_from_slice(transfer.as_bytes());
        }
        Ok(bytes)
    }
}

/// A block in somebody's bytes. Decoding looks at the head and at one byte of each transfer, and
/// allocates nothing, so whoever has a block's bytes can have this again at any time.
///
/// | Bytes | What |
/// |---|---|
/// | 1 | version: 1 |
/// | 32 | parent |
/// | 8 | height |
/// | 8 | timestamp, milliseconds since the Unix epoch |
/// | 32 | root of the parent's state |
/// | 4 | number of transfers, at most [`TRANSFERS_MAX`] |
/// | 193 each | transfers, as [`SignedTransfer`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef<'a> {
    /// What stands before the transfers.
    pub header: Header,
    /// The transfers.
    pub transfers: Transfers<'a>,
}

impl<'a> BlockRef<'a> {
    /// Reads a block, which has to be all of `bytes`. Says nothing about validity.
    ///
    /// # Errors
    ///
    /// [`Refusal::BlockTooLarge`], [`Refusal::WrongVersion`], [`Refusal::TooManyTransfers`],
    /// [`Refusal::Malformed`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(Refusal::BlockTooLarge { bytes: bytes.len(), max: BLOCK_BYTES_MAX });
        }
        let mut reader = Reader::new("block", bytes);
        reader.version()?;
        let header = Header {
            parent: Id::new(*reader.array()?),
            height: Height::new(reader.u64()?),
            timestamp_ms: reader.u64()?,
            parent_state_root: *reader.array()?,
        };
        let count = reader.count()?;
        if count > TRANSFERS_MAX {
            return Err(Refusal::TooManyTransfers { count, max: TRANSFERS_MAX });
        }
        let pieces: &[[u8; TRANSFER_BYTES]] = reader.pieces(count)?;
        match pieces.iter().map(|piece| piece[0]).find(|version| *version != VERSION) {
            None => Ok(Self { header, transfers: Transfers(pieces) }),
            Some(found) => {
                Err(Refusal::WrongVersion { what: "transfer", found, expected: VERSION })
            }
        }
    }
}

/// The transfers of a block, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Transfers<'a>(&'a [[u8; TRANSFER_BYTES]]);

impl<'a> Transfers<'a> {
    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The transfer at a place, from 0.
    #[must_use]
    pub fn get(self, index: usize) -> Option<TransferRef<'a>> {
        self.0.get(index).map(TransferRef::checked)
    }

    /// All of them, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = TransferRef<'a>> + DoubleEndedIterator {
        self.0.iter().map(TransferRef::checked)
    }
}

impl std::fmt::Debug for Transfers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} transfers", self.len())
    }
}
