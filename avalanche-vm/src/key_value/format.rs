//! Fixed layouts of transactions and blocks. All numbers are big-endian.
//!
//! ```text
//! transaction   offset  bytes
//!                    0      1   0 put, 1 delete
//!                    1     16   salt: the sender's choice, so that equal changes have other names
//!                   17      2   length of the key, 1 to 256
//!                   19      2   length of the value, 0 to 4,096; 0 for a deletion
//!                   21          key, then value
//!
//! block         offset  bytes
//!                    0      1   version, 1
//!                    1     32   parent
//!                   33      8   height
//!                   41      8   timestamp, nanoseconds since the Unix epoch
//!                   49     32   root of the parent's state
//!                   81      2   number of transactions, 0 to 1,024
//!                   83          transactions, one after the other, to the end
//! ```

use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::Hash;

use crate::{Block, Error, InvalidKind, Place};

/// The longest key, in bytes. The shortest is 1.
pub const KEY_BYTES_MAX: usize = 256;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 4096;
/// The most transactions of a block.
pub const TRANSACTIONS_MAX: usize = 1024;
/// The longest block, in bytes.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Bytes of a block without transactions.
pub(super) const HEADER_BYTES: usize = 83;
const VERSION: u8 = 1;

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Makes its name differ from that of an equal change.
    pub salt: [u8; 16],
    /// The key: 1 to [`KEY_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has this value, of up to [`VALUE_BYTES_MAX`] bytes.
    Put(Vec<u8>),
    /// It has none; one that has none is no error.
    Delete,
}

impl Transaction {
    /// The bytes. What exceeds a limit is not refused here, but wherever they are read.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, value) = match &self.change {
            Change::Put(value) => (0, value.as_slice()),
            Change::Delete => (1, [].as_slice()),
        };
        let len = |part: &[u8]| u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[kind][..], &self.salt, &len(&self.key), &len(value), &self.key, value].concat()
    }

    /// Reads all of the bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`]: `malformed`, `key_length`, `value_length`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let transaction = Self::read(&mut rest)?;
        if rest.is_empty() { Ok(transaction) } else { Err(malformed("bytes follow it")) }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::hash(&self.encode())
    }

    fn read(rest: &mut &[u8]) -> Result<Self, Error> {
        let [kind] = take(rest)?;
        let salt = take(rest)?;
        let key_len = usize::from(u16::from_be_bytes(take(rest)?));
        let value_len = usize::from(u16::from_be_bytes(take(rest)?));
        if key_len == 0 || key_len > KEY_BYTES_MAX {
            let reason = format!("a key has 1 to {KEY_BYTES_MAX} bytes, not {key_len}");
            return Err(Error::invalid(InvalidKind::Malformed, "key_length", reason));
        }
        if value_len > VALUE_BYTES_MAX {
            let reason = format!("a value has up to {VALUE_BYTES_MAX} bytes, not {value_len}");
            return Err(Error::invalid(InvalidKind::TooLarge, "value_length", reason));
        }
        let (key, value) = (take_slice(rest, key_len)?, take_slice(rest, value_len)?);
        let change = match kind {
            0 => Change::Put(value.to_vec()),
            1 if value.is_empty() => Change::Delete,
            1 => return Err(malformed("a deletion has no value")),
            _ => return Err(malformed("its kind is not 0 or 1")),
        };
        Ok(Self { salt, key: key.to_vec(), change })
    }
}

/// What a block says, beside its place.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) parent_root: Hash,
    /// With their names.
    pub(super) transactions: Vec<(Id, Transaction)>,
}

/// The block with these transactions, given as bytes.
pub(super) fn block(place: Place, parent_root: Hash, transactions: &[u8]) -> Result<Block, Error> {
    let (mut rest, mut read) = (transactions, Vec::new());
    while !rest.is_empty() {
        let transaction = Transaction::read(&mut rest)?;
        read.push((transaction.id(), transaction));
    }
    let count = u16::try_from(read.len()).ok().filter(|_| read.len() <= TRANSACTIONS_MAX);
    let count = count.ok_or_else(|| malformed("it has too many transactions"))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + transactions.len());
    bytes.push(VERSION);
    bytes.extend(place.parent.as_bytes());
    bytes.extend(place.height.get().to_be_bytes());
    bytes.extend(place.timestamp.as_nanos().to_be_bytes());
    bytes.extend(parent_root);
    bytes.extend(count.to_be_bytes());
    bytes.extend(transactions);
    Ok(Block::new(place, bytes, Body { parent_root, transactions: read }))
}

/// Reads a block.
pub(super) fn parse(bytes: &[u8]) -> Result<Block, Error> {
    if bytes.len() > BLOCK_BYTES_MAX {
        let reason = format!("a block has up to {BLOCK_BYTES_MAX} bytes, not {}", bytes.len());
        return Err(Error::invalid(InvalidKind::TooLarge, "block_length", reason));
    }
    let mut rest = bytes;
    if take(&mut rest)? != [VERSION] {
        return Err(malformed("its version is not 1"));
    }
    let parent = Id::new(take(&mut rest)?);
    let height = Height::new(u64::from_be_bytes(take(&mut rest)?));
    let timestamp = Timestamp::from_nanos(u64::from_be_bytes(take(&mut rest)?));
    let parent_root = take(&mut rest)?;
    let _: [u8; 2] = take(&mut rest)?;
    let block = block(Place { parent, height, timestamp }, parent_root, rest)?;
    // There is one form of each block: this one, or these bytes are none.
    if block.bytes() == bytes { Ok(block) } else { Err(malformed("it counts wrong")) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (part, after) = rest.split_first_chunk().ok_or_else(|| malformed("it is cut"))?;
    *rest = after;
    Ok(*part)
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Error> {
    let (part, after) = rest.split_at_checked(len).ok_or_else(|| malformed("it is cut"))?;
    *rest = after;
    Ok(part)
}

fn malformed(reason: &str) -> Error {
    Error::invalid(InvalidKind::Malformed, "malformed", reason)
}
