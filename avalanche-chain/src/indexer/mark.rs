//! How far an index goes, and of which runs it is.

use std::sync::Arc;

use avalanche_consensus::{Height, Id};

use super::run::Run;

/// Where it is.
pub(super) const MARK: &[u8] = b"m";
const VERSION: u8 = 1;
const RUN_BYTES: usize = 9;

/// The last block of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) height: Height,
    pub(super) block: Id,
    pub(super) transactions: u64,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) mark: Mark,
    pub(super) runs: Vec<Run>,
}

impl Saved {
    /// The bytes of a mark and the runs that belong to it.
    pub(super) fn encode(mark: &Mark, runs: &[Arc<Run>]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(49 + RUN_BYTES * runs.len());
        bytes.push(VERSION);
        bytes.extend(mark.height.get().to_be_bytes());
        bytes.extend(mark.block.as_bytes());
        bytes.extend(mark.transactions.to_be_bytes());
        for run in runs {
            bytes.extend(run.number.to_be_bytes());
            bytes.push(run.level);
        }
        bytes
    }

    /// Reads them, or says why the index cannot be used.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                Self::fields(rest).ok_or_else(|| "its mark is damaged".to_owned())
            }
            Some((found, _)) => Err(format!("it is of version {found}; this is {VERSION}")),
            None => Err("its mark is empty".to_owned()),
        }
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let (height, rest) = bytes.split_first_chunk()?;
        let (block, rest) = rest.split_first_chunk()?;
        let (transactions, rest) = rest.split_first_chunk()?;
        let (runs, rest) = rest.as_chunks::<RUN_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let run = |bytes: &[u8; RUN_BYTES]| {
            let (number, level) = bytes.split_first_chunk()?;
            Some(Run { number: u64::from_be_bytes(*number), level: *level.first()? })
        };
        let mark = Mark {
            height: Height::new(u64::from_be_bytes(*height)),
            block: Id::new(*block),
            transactions: u64::from_be_bytes(*transactions),
        };
        Some(Self { mark, runs: runs.iter().map(run).collect::<Option<_>>()? })
    }
}
