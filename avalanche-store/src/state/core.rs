//! What a state and its views share: the store, and how rows are read from it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bincode::Decode;

use super::rows::{self, Versioned};
use crate::codec::{self, Malformed};
use crate::merkle::{Hash, Load, NODE_VERSION, Node, NodeMalformed, Path};
use crate::{Error, KeyValue, Order};

/// A store with what is known of it.
#[derive(Debug)]
pub(super) struct Core<K> {
    pub(super) store: K,
    /// What errors call the store.
    pub(super) name: PathBuf,
    /// The oldest height that is kept; rows of older ones may be gone.
    pub(super) oldest: AtomicU64,
    /// How often the state was rolled back. A view from before must not be read.
    pub(super) rolled_back: AtomicU64,
}

impl<K> Core<K> {
    pub(super) fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt { path: self.name.clone(), offset: 0, what }
    }

    pub(super) fn check_version(&self, found: Option<&u8>, supported: u8) -> Result<(), Error> {
        match found {
            Some(found) if *found == supported => Ok(()),
            Some(found) => Err(self.version(*found, supported)),
            None => Err(self.corrupt("a row is empty")),
        }
    }

    fn version(&self, found: u8, supported: u8) -> Error {
        let (found, supported) = (u32::from(found), u32::from(supported));
        Error::Version { path: self.name.clone(), found, supported }
    }

    pub(super) fn record<T: Decode<()>>(&self, bytes: &[u8]) -> Result<T, Error> {
        codec::decode(bytes).map_err(|malformed| match malformed {
            Malformed::Version(found) => self.version(found, 1),
            Malformed::Bytes => self.corrupt("a record of the state is malformed"),
        })
    }

    pub(super) fn check_kept(&self, height: u64) -> Result<(), Error> {
        let oldest = self.oldest.load(Ordering::Acquire);
        if height < oldest { Err(Error::Pruned { height, first: oldest }) } else { Ok(()) }
    }
}

impl<K: KeyValue> Core<K> {
    /// The newest version of a value that was written at `height` or earlier.
    fn version_at(&self, key: &Hash, height: u64) -> Result<Option<Versioned>, Error> {
        let row = self.store.range(rows::values(key, height), Order::Ascending).next();
        // Only now: pruning says what it removes before it does.
        self.check_kept(height)?;
        row.transpose()?.map(|(_, record)| rows::read_value(self, &record)).transpose()
    }

    /// The value of a key at a height.
    pub(super) fn value_at(
        &self,
        key: &[u8],
        hash: &Hash,
        height: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self.version_at(hash, height)? {
            Some((found, _)) if found != key => {
                Err(self.corrupt("a value's row belongs to another key"))
            }
            Some((_, value)) => Ok(value),
            None => Ok(None),
        }
    }

    /// Key and value of a leaf at a height.
    pub(super) fn pair_at(
        &self,
        (key, value): &(Hash, Hash),
        height: u64,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let found = self.version_at(key, height)?;
        let Some((found, Some(bytes))) = found else {
            return Err(self.corrupt("the value of a leaf is missing"));
        };
        if crate::key_hash(&found) != *key || crate::value_hash(&bytes) != *value {
            return Err(self.corrupt("a value is not what its leaf says"));
        }
        Ok((found, bytes))
    }
}

impl<K: KeyValue> Load for Core<K> {
    type Error = Error;

    fn load(&self, born: u64, path: &Path, hash: &Hash) -> Result<Node, Error> {
        let record = self.store.get(&rows::node_key(born, path))?;
        let record = record.ok_or_else(|| self.corrupt("a node is missing"))?;
        Node::decode(&record, path, hash).map_err(|malformed| match malformed {
            NodeMalformed::Version(found) => self.version(found, NODE_VERSION),
            NodeMalformed::Bytes(what) => self.corrupt(what),
        })
    }
}
