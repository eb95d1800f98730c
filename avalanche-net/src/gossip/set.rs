//! What a node has, and the filter that says so.

use std::collections::{BTreeMap, HashMap};

use avalanche_consensus::{HashKey, Id, Timestamp};
use bytes::Bytes;

use super::message::{ITEM_BYTES_MAX, MessageSize};
use super::{FilterConfig, GossipConfig, Gossipable};
use crate::peers::{Bloom, Filter, Parameters, SeedStream};

/// The items that a node has, with a filter of them (AvalancheGo's `gossip.BloomSet`).
///
/// The filter is made anew, with another salt, when so much was added that too many items seem to
/// be in it, and after a while: with another salt, an item that seemed to be there is sent at last.
/// Then it also forgets items that were removed.
///
/// # Limits
///
/// [`GossipConfig::items_max`] items of together [`GossipConfig::bytes_max`] bytes; when full, new
/// items are refused until others are removed. A change is O(log n), and O(n) if the filter is made
/// anew: in as many additions as it was made for, and in each [`FilterConfig::period`].
#[derive(Debug)]
pub struct GossipSet<T> {
    items: BTreeMap<u64, Entry<T>>,
    numbers: HashMap<Id, u64, HashKey>,
    /// Items that were ever added.
    additions: u64,
    /// Where the next answer begins.
    cursor: u64,
    bytes: usize,
    bloom: Bloom,
    /// When the filter was first sent; `None` if it was not yet.
    sent_at: Option<Timestamp>,
    source: SeedStream,
    config: GossipConfig,
}

#[derive(Debug)]
struct Entry<T> {
    id: Id,
    item: T,
    bytes: Bytes,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept.
    New,
    /// It was there.
    Duplicate,
    /// There is no room.
    Full,
    /// It is longer than allowed.
    TooLong,
}

impl<T: Gossipable> GossipSet<T> {
    /// Nothing yet. Seeds and salts of the filters follow from `seed`; whoever knows it can make
    /// items that seem to be known.
    #[must_use]
    pub fn new(config: &GossipConfig, seed: &[u8; 32]) -> Self {
        let mut source = SeedStream::new(seed);
        Self {
            items: BTreeMap::new(),
            numbers: HashMap::with_hasher(HashKey::from_seed(source.bytes())),
            additions: 0,
            cursor: 0,
            bytes: 0,
            bloom: empty_bloom(0, config.filter, &mut source),
            sent_at: None,
            source,
            config: *config,
        }
    }

    /// Adds an item that the caller has verified.
    pub fn add(&mut self, item: T) -> Added {
        let id = item.id();
        if self.numbers.contains_key(&id) {
            return Added::Duplicate;
        }
        let bytes = item.to_bytes();
        if bytes.len() > self.config.item_bytes_max.min(ITEM_BYTES_MAX) {
            return Added::TooLong;
        }
        let sum = self.bytes.saturating_add(bytes.len());
        if self.items.len() >= self.config.items_max || sum > self.config.bytes_max {
            return Added::Full;
        }
        self.additions += 1;
        self.bytes = sum;
        self.numbers.insert(id, self.additions);
        self.items.insert(self.additions, Entry { id, item, bytes });
        self.mark(&id);
        Added::New
    }

    /// Says in the filter that an item is known, so that peers do not send it, although it is not
    /// kept: it is invalid, or was decided. Until the filter is made anew.
    pub fn mark(&mut self, id: &Id) {
        self.bloom.add(id.as_bytes());
        if self.bloom.is_full() {
            self.renew();
        }
    }

    /// Takes an item out. It stays in the filter until that is made anew.
    pub fn remove(&mut self, id: &Id) -> Option<T> {
        let entry = self.items.remove(&self.numbers.remove(id)?)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes.len());
        Some(entry.item)
    }

    /// Items that are not in a peer's filter: until they have more than
    /// [`GossipConfig::target_bytes`], all were looked at, or [`GossipConfig::scan_max`] were. Each
    /// call goes on where the last one ended, so that every item has its turn. `has` hears of each
    /// item that is in the filter.
    pub fn missing_from(&mut self, filter: &Filter, mut has: impl FnMut(&Id)) -> Vec<Bytes> {
        let (mut missing, mut size) = (Vec::new(), MessageSize::default());
        let from_cursor = self.items.range(self.cursor..).chain(self.items.range(..self.cursor));
        let mut next = self.cursor;
        for (number, entry) in from_cursor.take(self.config.scan_max) {
            if filter.contains(entry.id.as_bytes()) {
                has(&entry.id);
            } else if size.add(&entry.bytes, &self.config) {
                missing.push(entry.bytes.clone());
            } else {
                next = *number;
                break;
            }
            next = number + 1;
        }
        self.cursor = next;
        missing
    }

    /// The filter of what this node has and its salt, as they are sent.
    pub fn filter(&mut self, now: Timestamp) -> (Bytes, Bytes) {
        if self.sent_at.is_some_and(|sent_at| now.since(sent_at) >= self.config.filter.period) {
            self.renew();
        }
        self.sent_at.get_or_insert(now);
        (self.bloom.to_bytes(), Bytes::copy_from_slice(self.bloom.salt()))
    }

    /// Whether an item is there.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.numbers.contains_key(id)
    }

    /// An item.
    #[must_use]
    pub fn get(&self, id: &Id) -> Option<&T> {
        self.entry(id).map(|entry| &entry.item)
    }

    /// An item as it is sent.
    #[must_use]
    pub fn encoded(&self, id: &Id) -> Option<&Bytes> {
        self.entry(id).map(|entry| &entry.bytes)
    }

    /// The items, oldest first.
    #[must_use = "iterators are lazy"]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.values().map(|entry| &entry.item)
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of the items.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry(&self, id: &Id) -> Option<&Entry<T>> {
        self.items.get(self.numbers.get(id)?)
    }

    fn renew(&mut self) {
        self.sent_at = None;
        self.bloom = empty_bloom(self.items.len(), self.config.filter, &mut self.source);
        for entry in self.items.values() {
            self.bloom.add(entry.id.as_bytes());
        }
    }
}

fn empty_bloom(items: usize, config: FilterConfig, source: &mut SeedStream) -> Bloom {
    let count = items.saturating_mul(2).max(config.items_min);
    let parameters = Parameters::optimal(count, config.false_positives);
    Bloom::new(parameters, config.false_positives_max, source)
}
