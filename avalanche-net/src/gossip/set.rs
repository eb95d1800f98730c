//! What a node has, and the filter that says so.

use std::collections::{HashMap, VecDeque, hash_map};

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
/// items are refused until others are removed. A change is O(1) but for now and then: the places of
/// removed items are closed up when they are more than half, and the filter is made anew, in O(n),
/// in as many additions as it was made for, and in each [`FilterConfig::period`].
#[derive(Debug)]
pub struct GossipSet<T> {
    /// In the order in which they came; the first is there.
    items: VecDeque<Option<Entry<T>>>,
    /// The number of each: that of the first, and how many places it is behind it.
    numbers: HashMap<Id, u64, HashKey>,
    /// The number of the first.
    first: u64,
    /// Where the next answer begins.
    cursor: u64,
    /// Items from this number on are not in the filter yet: most are gone before it is asked for.
    unmarked: u64,
    bytes: usize,
    bloom: Bloom,
    /// When the filter was first sent; `None` if it was not yet.
    sent_at: Option<Timestamp>,
    source: SeedStream,
    config: GossipConfig,
}

/// Places of removed items that are kept, beside as many as there are items.
const GONE_MAX: usize = 1_024;

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
            items: VecDeque::new(),
            numbers: HashMap::with_hasher(HashKey::from_seed(source.bytes())),
            first: 0,
            cursor: 0,
            unmarked: 0,
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
        let (count, number) = (self.numbers.len(), self.end());
        let hash_map::Entry::Vacant(place) = self.numbers.entry(id) else {
            return Added::Duplicate;
        };
        let bytes = item.to_bytes();
        if bytes.len() > self.config.item_bytes_max.min(ITEM_BYTES_MAX) {
            return Added::TooLong;
        }
        let sum = self.bytes.saturating_add(bytes.len());
        if count >= self.config.items_max || sum > self.config.bytes_max {
            return Added::Full;
        }
        self.bytes = sum;
        place.insert(number);
        self.items.push_back(Some(Entry { id, item, bytes }));
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

    /// Takes an item out. If it was in the filter, it stays there until that is made anew.
    pub fn remove(&mut self, id: &Id) -> Option<T> {
        let number = self.numbers.remove(id)?;
        let entry = self.items.get_mut(self.place(number)?)?.take()?;
        self.bytes = self.bytes.saturating_sub(entry.bytes.len());
        while let Some(None) = self.items.front() {
            self.items.pop_front();
            self.first += 1;
        }
        if self.items.len() > 2 * self.numbers.len() + GONE_MAX {
            self.close_up();
        }
        Some(entry.item)
    }

    /// Items that are not in a peer's filter: until they have more than
    /// [`GossipConfig::target_bytes`], all were looked at, or [`GossipConfig::scan_max`] were. Each
    /// call goes on where the last one ended, so that every item has its turn. `has` hears of each
    /// item that is in the filter.
    pub fn missing_from(&mut self, filter: &Filter, mut has: impl FnMut(&Id)) -> Vec<Bytes> {
        let (mut missing, mut size) = (Vec::new(), MessageSize::default());
        let cursor = self.place(self.cursor).unwrap_or_default();
        let from_cursor = (cursor..self.items.len()).chain(0..cursor);
        let there = from_cursor.filter_map(|at| Some((at, self.items.get(at)?.as_ref()?)));
        let mut next = cursor;
        for (at, entry) in there.take(self.config.scan_max) {
            if filter.contains(entry.id.as_bytes()) {
                has(&entry.id);
            } else if size.add(&entry.bytes, &self.config) {
                missing.push(entry.bytes.clone());
            } else {
                next = at;
                break;
            }
            next = at + 1;
        }
        self.cursor = self.first + next as u64;
        missing
    }

    /// The filter of what this node has and its salt, as they are sent.
    pub fn filter(&mut self, now: Timestamp) -> (Bytes, Bytes) {
        if self.sent_at.is_some_and(|sent_at| now.since(sent_at) >= self.config.filter.period) {
            self.renew();
        }
        self.mark_new();
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
        self.items.iter().flatten().map(|entry| &entry.item)
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Places in memory, those of removed items included.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.items.len()
    }

    /// Bytes of the items.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry(&self, id: &Id) -> Option<&Entry<T>> {
        self.items.get(self.place(*self.numbers.get(id)?)?)?.as_ref()
    }

    /// Where the item of a number is, if it may be there.
    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// The number of the next item.
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Gives numbers without gaps to what is there.
    fn close_up(&mut self) {
        let there_before = |number| {
            let before = self.items.iter().take(self.place(number).unwrap_or_default());
            self.first + before.flatten().count() as u64
        };
        (self.cursor, self.unmarked) = (there_before(self.cursor), there_before(self.unmarked));
        self.items.retain(Option::is_some);
        for (number, entry) in (self.first..).zip(self.items.iter().flatten()) {
            self.numbers.insert(entry.id, number);
        }
    }

    /// Puts new items that are still there into the filter.
    fn mark_new(&mut self) {
        let from = self.place(self.unmarked).unwrap_or_default();
        self.unmarked = self.end();
        for at in from..self.items.len() {
            let Some(Some(entry)) = self.items.get(at) else { continue };
            self.bloom.add(entry.id.as_bytes());
            if self.bloom.is_full() {
                // It has all of them then.
                self.renew();
                return;
            }
        }
    }

    fn renew(&mut self) {
        self.sent_at = None;
        self.bloom = empty_bloom(self.numbers.len(), self.config.filter, &mut self.source);
        for entry in self.items.iter().flatten() {
            self.bloom.add(entry.id.as_bytes());
        }
        self.unmarked = self.end();
    }
}

fn empty_bloom(items: usize, config: FilterConfig, source: &mut SeedStream) -> Bloom {
    let count = items.saturating_mul(2).max(config.items_min);
    let parameters = Parameters::optimal(count, config.false_positives);
    Bloom::new(parameters, config.false_positives_max, source)
}
