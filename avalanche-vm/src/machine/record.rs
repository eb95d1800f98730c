//! The accepted state in the store: a head that says what it is, and the encoding in pieces.
//!
//! ```text
//! key                     value
//! "head"                  offset  bytes
//!                              0      1   version, 1
//!                              1     32   genesis block
//!                             33     32   block
//!                             65      8   its height
//!                             73      8   its timestamp, milliseconds since the Unix epoch
//!                             81      4   number of pieces
//!                             85     32   SHA-256 of all before, then the encoded state
//! "state" number (4)      a piece of the encoded state, 16,384 bytes but for the last
//! ```

use avalanche_consensus::engine::Tip;
use avalanche_consensus::{Height, Id, Timestamp};
use avalanche_store::{Batch, KeyRange, KeyValue, Limits, Order};

use sha2::{Digest, Sha256};

use super::format::{millis, take};
use crate::Error;

const HEAD: &[u8] = b"head";
const PIECE: &[u8] = b"state";
const PIECE_BYTES: usize = Limits::COMMON.value_bytes_max;
/// Bytes of a head before its hash.
const HASHED_BYTES: usize = 85;
const VERSION: u8 = 1;

/// A state and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) genesis: Id,
    pub(super) tip: Tip,
    pub(super) timestamp: Timestamp,
    pub(super) state: Vec<u8>,
}

impl Record {
    /// Writes it in one batch over one of so many pieces, and says how many it has.
    pub(super) fn save(&self, store: &dyn KeyValue, old_pieces: u32) -> Result<u32, Error> {
        let mut batch = Batch::new();
        let mut pieces = 0;
        for piece in self.state.chunks(PIECE_BYTES) {
            batch.put(key(pieces), piece);
            pieces += 1;
        }
        for old in pieces..old_pieces {
            batch.delete(key(old));
        }
        let mut head = [
            &[VERSION][..],
            self.genesis.as_bytes(),
            self.tip.id.as_bytes(),
            &self.tip.height.get().to_be_bytes(),
            &millis(self.timestamp).to_be_bytes(),
            &pieces.to_be_bytes(),
        ]
        .concat();
        head.extend(hash(&head, &self.state).as_bytes());
        batch.put(HEAD, head);
        store.commit(batch)?;
        Ok(pieces)
    }

    /// Reads it, with its number of pieces. `None` if nothing was ever written.
    pub(super) fn load(store: &dyn KeyValue) -> Result<Option<(Self, u32)>, Error> {
        let Some(head) = store.get(HEAD)? else {
            let mut pieces = store.range(KeyRange::prefix(PIECE), Order::Ascending);
            return match pieces.next().transpose()? {
                None => Ok(None),
                Some(_) => Err(damaged("its head is missing, and pieces are there")),
            };
        };
        let cut = |_| damaged(format!("its head has {} bytes", head.len()));
        let mut rest = head.as_slice();
        let version: [u8; 1] = take(&mut rest).map_err(cut)?;
        if version != [VERSION] {
            return Err(damaged(format!("its head has version {}, not {VERSION}", version[0])));
        }
        let genesis = Id::new(take(&mut rest).map_err(cut)?);
        let id = Id::new(take(&mut rest).map_err(cut)?);
        let height = Height::new(u64::from_be_bytes(take(&mut rest).map_err(cut)?));
        let timestamp = Timestamp::from_millis(u64::from_be_bytes(take(&mut rest).map_err(cut)?));
        let pieces = u32::from_be_bytes(take(&mut rest).map_err(cut)?);
        let named = Id::new(take(&mut rest).map_err(cut)?);
        if !rest.is_empty() {
            return Err(damaged(format!("its head has {} bytes", head.len())));
        }
        let mut state = Vec::new();
        for piece in 0..pieces {
            let missing = || damaged(format!("piece {piece} of {pieces} is missing"));
            state.extend(store.get(&key(piece))?.ok_or_else(missing)?);
        }
        let found = hash(head.get(..HASHED_BYTES).unwrap_or_default(), &state);
        if found != named {
            let len = state.len();
            return Err(damaged(format!(
                "head and {len} bytes have the hash {found}, not {named}"
            )));
        }
        Ok(Some((Self { genesis, tip: Tip { id, height }, timestamp, state }, pieces)))
    }
}

fn hash(head: &[u8], state: &[u8]) -> Id {
    Id::new(Sha256::new().chain_update(head).chain_update(state).finalize().into())
}

fn key(piece: u32) -> Vec<u8> {
    [PIECE, &piece.to_be_bytes()].concat()
}

/// What is wrong with what was stored.
pub(super) fn damaged(found: impl std::fmt::Display) -> Error {
    Error::fatal(format!(
        "the stored state is damaged: {found}; remove the VM's store to build it again from the \
         blocks"
    ))
}
