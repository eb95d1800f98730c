//! Fixed layouts of blocks and summaries. All numbers are big-endian.
//!
//! ```text
//! block         offset  bytes
//!                    0      1   version, 1
//!                    1     32   parent; zeros for genesis
//!                   33      8   height
//!                   41      8   timestamp, milliseconds since the Unix epoch
//!                   49     32   SHA-256 of the parent's encoded state; of genesis, of its own
//!                   81      4   number of transactions, 0 to 1,024
//!                   85          to the end, of each transaction its length, 4 bytes, and it
//!
//! summary            0      1   version, 1
//!                    1     32   block
//!                   33      8   its height
//!                   41      8   its timestamp, milliseconds since the Unix epoch
//!                   49     32   SHA-256 of its encoded state
//!                   81          the encoded state, up to 65,536 bytes, to the end
//! ```

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};

use super::{BLOCK_BYTES_MAX, SMALL_STATE_BYTES, TRANSACTION_BYTES_MAX, TRANSACTIONS_MAX};
use crate::{Block, Error, InvalidKind, Place};

/// Bytes of a block without transactions.
pub(super) const HEADER_BYTES: usize = 85;
/// Bytes of a transaction's length.
pub(super) const LENGTH_BYTES: usize = 4;
const VERSION: u8 = 1;
const NANOS: u64 = 1_000_000;

/// What a block says, beside its place.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) parent_state: Id,
    /// With their names.
    pub(super) transactions: Vec<(Id, Vec<u8>)>,
}

/// What a summary says.
#[derive(Clone, Debug)]
pub(super) struct Summary<'a> {
    pub(super) tip: Tip,
    pub(super) timestamp: Timestamp,
    pub(super) state_hash: Id,
    pub(super) state: &'a [u8],
}

/// The time in whole milliseconds, which is what a block can say.
pub(super) const fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(millis(time))
}

pub(super) const fn millis(time: Timestamp) -> u64 {
    time.as_nanos() / NANOS
}

/// The block with these transactions.
pub(super) fn block(place: Place, parent_state: Id, transactions: Vec<(Id, Vec<u8>)>) -> Block {
    let mut bytes = vec![VERSION];
    bytes.extend(place.parent.as_bytes());
    bytes.extend(place.height.get().to_be_bytes());
    bytes.extend(millis(place.timestamp).to_be_bytes());
    bytes.extend(parent_state.as_bytes());
    bytes.extend(length(transactions.len()));
    for (_, transaction) in &transactions {
        bytes.extend(length(transaction.len()));
        bytes.extend(transaction);
    }
    Block::new(place, bytes, Body { parent_state, transactions })
}

/// Reads a block. Each byte is read once and written back as it was, so a block has one form.
pub(super) fn parse(bytes: &[u8]) -> Result<Block, Error> {
    if bytes.len() > BLOCK_BYTES_MAX {
        let reason = format!("a block has up to {BLOCK_BYTES_MAX} bytes, not {}", bytes.len());
        return Err(Error::invalid(InvalidKind::TooLarge, "block_length", reason));
    }
    let mut rest = bytes;
    version(&mut rest)?;
    let parent = Id::new(take(&mut rest)?);
    let height = Height::new(u64::from_be_bytes(take(&mut rest)?));
    let timestamp = time(&mut rest)?;
    let parent_state = Id::new(take(&mut rest)?);
    let count = read_length(&mut rest, TRANSACTIONS_MAX, "it has too many transactions")?;
    let mut transactions = Vec::with_capacity(count);
    for _ in 0..count {
        let len = read_length(&mut rest, TRANSACTION_BYTES_MAX, "a transaction is too long")?;
        let (one, after) = rest.split_at_checked(len).ok_or_else(|| malformed("it is cut"))?;
        transactions.push((Id::hash(one), one.to_vec()));
        rest = after;
    }
    if !rest.is_empty() {
        return Err(malformed("bytes follow it"));
    }
    let place = Place { parent, height, timestamp };
    Ok(Block::new(place, bytes.to_vec(), Body { parent_state, transactions }))
}

impl<'a> Summary<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        [
            &[VERSION][..],
            self.tip.id.as_bytes(),
            &self.tip.height.get().to_be_bytes(),
            &millis(self.timestamp).to_be_bytes(),
            self.state_hash.as_bytes(),
            self.state,
        ]
        .concat()
    }

    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        version(&mut rest)?;
        let id = Id::new(take(&mut rest)?);
        let height = Height::new(u64::from_be_bytes(take(&mut rest)?));
        let timestamp = time(&mut rest)?;
        let state_hash = Id::new(take(&mut rest)?);
        if rest.len() > SMALL_STATE_BYTES {
            let len = rest.len();
            let reason = format!("a summary has a state of up to {SMALL_STATE_BYTES}, not {len}");
            return Err(Error::invalid(InvalidKind::TooLarge, "summary_length", reason));
        }
        if Id::hash(rest) != state_hash {
            return Err(malformed("its state has another hash"));
        }
        Ok(Self { tip: Tip { id, height }, timestamp, state_hash, state: rest })
    }
}

/// Whatever is counted here has a bound far below 4 GiB.
fn length(of: usize) -> [u8; LENGTH_BYTES] {
    u32::try_from(of).unwrap_or(u32::MAX).to_be_bytes()
}

fn read_length(rest: &mut &[u8], max: usize, what: &str) -> Result<usize, Error> {
    let read = u32::from_be_bytes(take(rest)?);
    usize::try_from(read).ok().filter(|len| *len <= max).ok_or_else(|| malformed(what))
}

fn version(rest: &mut &[u8]) -> Result<(), Error> {
    if take(rest)? == [VERSION] { Ok(()) } else { Err(malformed("its version is not 1")) }
}

fn time(rest: &mut &[u8]) -> Result<Timestamp, Error> {
    let read = u64::from_be_bytes(take(rest)?);
    let time = Timestamp::from_millis(read);
    if millis(time) == read { Ok(time) } else { Err(malformed("its time is out of range")) }
}

/// Takes so many bytes.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (part, after) = rest.split_first_chunk().ok_or_else(|| malformed("it is cut"))?;
    *rest = after;
    Ok(*part)
}

fn malformed(reason: &str) -> Error {
    Error::invalid(InvalidKind::Malformed, "malformed", reason)
}
