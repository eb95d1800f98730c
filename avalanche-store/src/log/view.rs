//! What readers see: the durable blocks, shared between the writer and any number of readers.

use std::collections::HashMap;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use avalanche_consensus::{Height, Id};

use super::blocks::Blocks;
use super::config::LogConfig;
use super::format::{index_name, segment_name};
use super::index::{Index, Sealed, fingerprint};
use super::scan::scan;
use super::segment::{Block, Opened, Segment};
use crate::{Disk, Error, OpenMode, OsDisk};

/// Reads a log, from any thread, while it is written.
///
/// It sees a block once the sync that made it durable has returned, and never one that power loss
/// could take back. It goes on reading when the writer is poisoned or gone; after the folder was
/// opened again, take a new one.
#[derive(Debug)]
pub struct LogReader<D: Disk = OsDisk> {
    pub(super) shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Disk> LogReader<D> {
    /// The lowest height in the log; `None` if it is empty.
    #[must_use]
    pub fn first(&self) -> Option<Height> {
        self.shared.view().heights().map(|heights| Height::new(*heights.start()))
    }

    /// The last durable block's height; `None` if the log is empty.
    #[must_use]
    pub fn last(&self) -> Option<Height> {
        self.shared.view().heights().map(|heights| Height::new(*heights.end()))
    }

    /// The block at a height; `None` if the log does not hold it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if its bytes are no longer what was written; [`Error::Io`].
    pub fn get(&self, height: Height) -> Result<Option<Block>, Error> {
        match self.shared.locate(height.get())? {
            Some(place) => place.segment.read(place.offset, place.limit, height.get()).map(Some),
            None => Ok(None),
        }
    }

    /// The height of a block; `None` if the log does not hold it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if a record that has to be looked at is no longer what was written;
    /// [`Error::Io`].
    pub fn height_of(&self, id: &Id) -> Result<Option<Height>, Error> {
        self.shared.height_of(id).map(|found| found.map(Height::new))
    }

    /// The block with an id; `None` if the log does not hold it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`height_of`](Self::height_of).
    pub fn by_id(&self, id: &Id) -> Result<Option<Block>, Error> {
        match self.height_of(id)? {
            Some(height) => self.get(height),
            None => Ok(None),
        }
    }

    /// The blocks of a range that the log holds now, in order. After an error it ends.
    #[must_use]
    pub fn range(&self, range: impl RangeBounds<Height>) -> Blocks<D> {
        let (first, last) = match self.shared.view().heights() {
            Some(heights) => heights.into_inner(),
            None => return Blocks::new(self.clone(), None),
        };
        let start = match range.start_bound() {
            Bound::Included(start) => Some(start.get()),
            Bound::Excluded(start) => start.get().checked_add(1),
            Bound::Unbounded => Some(first),
        };
        let end = match range.end_bound() {
            Bound::Included(end) => Some(end.get()),
            Bound::Excluded(end) => end.get().checked_sub(1),
            Bound::Unbounded => Some(last),
        };
        let heights = start.zip(end).map(|(start, end)| start.max(first)..=end.min(last));
        Blocks::new(self.clone(), heights)
    }

    /// Every block that the log holds now, in order.
    #[must_use]
    pub fn iter(&self) -> Blocks<D> {
        self.range(..)
    }
}

/// What the writer and all readers hold.
#[derive(Debug)]
pub(super) struct Shared<D: Disk> {
    pub(super) disk: D,
    pub(super) dir: PathBuf,
    pub(super) config: LogConfig,
    view: RwLock<View<D::File>>,
    /// Closed segments that are open for reads, the last one used last.
    opened: Mutex<Vec<Arc<Indexed<D::File>>>>,
}

/// The durable part of a log.
#[derive(Debug)]
pub(super) struct View<F> {
    /// Closed segments, by height.
    pub(super) sealed: Vec<Arc<Sealed>>,
    /// The one after them.
    pub(super) active: Option<Active<F>>,
}

/// The durable part of the last segment: about 60 bytes a block.
#[derive(Debug)]
pub(super) struct Active<F> {
    pub(super) segment: Arc<Segment<F>>,
    pub(super) offsets: Vec<u64>,
    pub(super) ids: HashMap<Id, u64>,
    /// Where the last durable record ends.
    pub(super) end: u64,
}

/// A closed segment with its index.
#[derive(Debug)]
struct Indexed<F> {
    segment: Arc<Segment<F>>,
    index: Index,
}

/// Where a record is.
#[derive(Debug)]
pub(super) struct Place<F> {
    pub(super) segment: Arc<Segment<F>>,
    pub(super) offset: u64,
    /// Where the durable records of the segment end.
    pub(super) limit: u64,
    /// The last height in the segment.
    pub(super) last: u64,
}

impl<F> View<F> {
    pub(super) const EMPTY: Self = Self { sealed: Vec::new(), active: None };

    /// First and last height.
    pub(super) fn heights(&self) -> Option<RangeInclusive<u64>> {
        let active = self.active.as_ref().and_then(Active::heights);
        let last = active.as_ref().map(|active| *active.end());
        let last = last.or_else(|| self.sealed.last().map(|sealed| sealed.last()))?;
        let first = self.sealed.first().map(|sealed| sealed.first);
        let first = first.or_else(|| active.map(|active| *active.start()))?;
        Some(first..=last)
    }
}

impl<F> Active<F> {
    fn heights(&self) -> Option<RangeInclusive<u64>> {
        let more = (self.offsets.len() as u64).checked_sub(1)?;
        Some(self.segment.first..=self.segment.first.saturating_add(more))
    }
}

impl<D: Disk> Shared<D> {
    pub(super) const fn new(disk: D, dir: PathBuf, config: LogConfig) -> Self {
        let opened = Mutex::new(Vec::new());
        Self { disk, dir, config, view: RwLock::new(View::EMPTY), opened }
    }

    pub(super) fn view(&self) -> RwLockReadGuard<'_, View<D::File>> {
        // Nothing that holds the lock panics halfway through a change.
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view_mut(&self) -> RwLockWriteGuard<'_, View<D::File>> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Arc<Indexed<D::File>>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes files of segments, because the segments go.
    pub(super) fn close(&self, gone: impl Fn(u64) -> bool) {
        self.opened().retain(|opened| !gone(opened.segment.first));
    }

    pub(super) fn segment_path(&self, first: u64) -> PathBuf {
        self.dir.join(segment_name(first))
    }

    pub(super) fn index_path(&self, first: u64) -> PathBuf {
        self.dir.join(index_name(first))
    }

    /// Where the block at a height is.
    pub(super) fn locate(&self, height: u64) -> Result<Option<Place<D::File>>, Error> {
        let sealed = {
            let view = self.view();
            if let Some(active) = view.active.as_ref().filter(|a| a.segment.first <= height) {
                let (position, segment) = (height - active.segment.first, &active.segment);
                let offset = usize::try_from(position).ok().and_then(|at| active.offsets.get(at));
                let last = segment.first.saturating_add(active.offsets.len() as u64);
                return Ok(offset.map(|offset| Place {
                    segment: Arc::clone(segment),
                    offset: *offset,
                    limit: active.end,
                    last: last.saturating_sub(1),
                }));
            }
            let at = view.sealed.partition_point(|sealed| sealed.last() < height);
            match view.sealed.get(at) {
                Some(sealed) if sealed.first <= height => Arc::clone(sealed),
                _ => return Ok(None),
            }
        };
        let indexed = self.indexed(&sealed)?;
        let offset = indexed.index.offset(height - sealed.first);
        Ok(offset.map(|offset| Place {
            segment: Arc::clone(&indexed.segment),
            offset,
            limit: sealed.end,
            last: sealed.last(),
        }))
    }

    /// The height of the durable block with an id.
    pub(super) fn height_of(&self, id: &Id) -> Result<Option<u64>, Error> {
        let (fingerprint, candidates) = {
            let view = self.view();
            if let Some(height) = view.active.as_ref().and_then(|active| active.ids.get(id)) {
                return Ok(Some(*height));
            }
            if view.sealed.is_empty() {
                return Ok(None);
            }
            let fingerprint = fingerprint(id);
            let candidates = view.sealed.iter().rev().filter(|s| s.may_hold(fingerprint));
            (fingerprint, candidates.map(Arc::clone).collect::<Vec<_>>())
        };
        for sealed in candidates {
            let indexed = self.indexed(&sealed)?;
            for position in indexed.index.candidates(fingerprint).map(u64::from) {
                let height = sealed.first.saturating_add(position);
                let Some(offset) = indexed.index.offset(position) else { continue };
                if indexed.segment.read_id(offset, sealed.end, height)? == *id {
                    return Ok(Some(height));
                }
            }
        }
        Ok(None)
    }

    /// A closed segment, opened, with its index from the file, or else from the segment.
    fn indexed(&self, sealed: &Sealed) -> Result<Arc<Indexed<D::File>>, Error> {
        let mut opened = self.opened();
        if let Some(at) = opened.iter().position(|known| known.segment.first == sealed.first) {
            // Used last, so that the others go first.
            let known = opened.remove(at);
            opened.push(Arc::clone(&known));
            return Ok(known);
        }
        let path = self.segment_path(sealed.first);
        let segment = match Segment::open(&self.disk, &path, sealed.first, OpenMode::Read)? {
            Opened::Segment { segment, .. } if segment.identity == sealed.identity => segment,
            _ => {
                let what = "the head of the segment is damaged";
                return Err(Error::Corrupt { path, offset: 0, what });
            }
        };
        let index = match Index::read(sealed, &self.disk, &self.index_path(sealed.first)) {
            Some(index) => index,
            None => self.rebuild(sealed, &segment)?,
        };
        let indexed = Arc::new(Indexed { segment: Arc::new(segment), index });
        while opened.len() >= self.config.open_segments_max.max(1) {
            opened.remove(0);
        }
        opened.push(Arc::clone(&indexed));
        Ok(indexed)
    }

    fn rebuild(&self, sealed: &Sealed, segment: &Segment<D::File>) -> Result<Index, Error> {
        let scan = scan(segment, sealed.end).map_err(Error::io("read", &segment.path))?;
        if let Some(stop) = scan.stop {
            let (path, offset) = (segment.path.clone(), scan.end);
            return Err(Error::Corrupt { path, offset, what: stop.what });
        }
        let (first, identity) = (sealed.first, sealed.identity);
        let (rebuilt, index) = Index::build(first, identity, scan.end, scan.offsets, &scan.ids);
        tracing::warn!(path = %segment.path.display(), "index of a segment built again");
        if let Err(error) = index.write(&rebuilt, &self.disk, &self.index_path(sealed.first)) {
            tracing::warn!(%error, "index of a segment not written");
        }
        Ok(index)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::BlockLog;
    use crate::testing::SimDisk;

    #[test]
    fn closed_segments_are_kept_open_up_to_a_bound() {
        let config = LogConfig { segment_bytes: 200, open_segments_max: 3, ..LogConfig::default() };
        let (mut log, _) = BlockLog::open(SimDisk::new(0), "log", config).expect("opens");
        for height in 0..20 {
            let id = Id::hash(&[height]);
            log.append_synced(Height::new(height.into()), id, &[height; 90]).expect("appends");
        }
        for height in (0..20).rev().chain(0..20) {
            assert!(log.get(Height::new(height)).expect("reads").is_some());
            assert!(log.reader().shared.opened().len() <= 3);
        }
        let opened: Vec<_> =
            log.reader().shared.opened().iter().map(|known| known.segment.first).collect();
        assert_eq!(opened, [16, 17, 18], "those used last");
    }
}
