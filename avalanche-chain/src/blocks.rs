//! The log of a chain as its VM reads it: without the chain's headers.

use std::sync::{Arc, Mutex, PoisonError};

use avalanche_consensus::{Height, Id};
use avalanche_store::LogReader;
use avalanche_vm::{BlockReader, Error};
use bytes::Bytes;

use crate::{ChainBlock, IndexReader};

/// The VM's own blocks in the log of its chain.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    log: LogReader,
    index: IndexReader,
    indexed: Arc<Indexed>,
}

/// How far the index is.
#[derive(Debug)]
pub(crate) struct Indexed(Mutex<Option<Height>>);

impl Indexed {
    pub(crate) const fn new(height: Option<Height>) -> Self {
        Self(Mutex::new(height))
    }

    pub(crate) fn get(&self) -> Option<Height> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, height: Height) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(height);
    }
}

impl Blocks {
    pub(crate) const fn new(log: LogReader, index: IndexReader, indexed: Arc<Indexed>) -> Self {
        Self { log, index, indexed }
    }
}

impl BlockReader for Blocks {
    fn last_height(&self) -> Option<Height> {
        self.log.last()
    }

    fn at(&self, height: Height) -> Result<Option<Vec<u8>>, Error> {
        let Some(block) = self.log.get(height)? else { return Ok(None) };
        let block = ChainBlock::decode(Bytes::from(block.bytes)).map_err(|error| {
            Error::fatal(format!("the logged block {height} cannot be decoded: {error}"))
        })?;
        Ok(Some(block.payload().to_vec()))
    }

    /// By the index, and block by block for the newest ones, which may not be in it yet.
    fn by_id(&self, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        if let Some(height) = self.index.vm_block(id).map_err(unreadable)? {
            return self.at(height);
        }
        let indexed = self.indexed.get();
        let mut height = self.last_height();
        while let Some(at) = height.filter(|at| indexed.is_none_or(|indexed| *at > indexed)) {
            if let Some(bytes) = self.at(at)?.filter(|bytes| Id::hash(bytes) == *id) {
                return Ok(Some(bytes));
            }
            height = at.previous();
        }
        Ok(None)
    }
}

fn unreadable(error: crate::Error) -> Error {
    Error::Fatal { reason: "the index cannot be read".to_owned(), source: Some(Box::new(error)) }
}
