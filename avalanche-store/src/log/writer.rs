//! Writing: the segment that grows.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use avalanche_consensus::{Height, Id};

use super::config::LogConfig;
use super::format::{
    Identity, Keys, RECORD_HEAD, RecordHead, SEGMENT_HEAD, encode_mark, encode_segment_head,
};
use super::index::Index;
use super::segment::Segment;
use super::view::{Active, Shared};
use crate::{Disk, DiskFile, Error, OpenMode};

/// Short blocks are gathered up to this many bytes before they are handed to the system.
const BUFFER_BYTES: usize = 256 << 10;
/// A block that is as long goes to the system without a copy.
const DIRECT_BYTES: usize = 64 << 10;

/// The segment that grows, with what is appended and not durable yet.
#[derive(Debug)]
pub(super) struct Writer<F> {
    segment: Arc<Segment<F>>,
    /// Blocks in the segment, the pending ones included.
    blocks: usize,
    /// Up to where the file was written, marks aside.
    written: u64,
    /// What follows there.
    buffer: Vec<u8>,
    /// Up to where the file was synced.
    synced: u64,
    /// Whether there may be a mark at `synced`.
    mark: bool,
    /// Records that are not durable yet: id and offset.
    pending: Vec<(Id, u64)>,
    pending_ids: HashMap<Id, u64>,
}

impl<F: DiskFile> Writer<F> {
    /// Goes on behind the durable records of a segment.
    pub(super) fn resume(segment: Arc<Segment<F>>, blocks: usize, end: u64, mark: bool) -> Self {
        Self {
            segment,
            blocks,
            written: end,
            buffer: Vec::new(),
            synced: end,
            mark,
            pending: Vec::new(),
            pending_ids: HashMap::new(),
        }
    }

    /// Makes the file of the next segment durable, then readers know it.
    pub(super) fn create<D: Disk<File = F>>(
        shared: &Shared<D>,
        first: u64,
        identity: Identity,
    ) -> Result<Self, Error> {
        let path = shared.segment_path(first);
        let file =
            shared.disk.open(&path, OpenMode::CreateNew).map_err(Error::io("make", &path))?;
        let head = encode_segment_head(first, &identity);
        file.write_at(&head, 0).map_err(Error::io("write to", &path))?;
        file.sync_data().map_err(Error::io("sync", &path))?;
        shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
        let keys = Keys::new(first, &identity);
        let segment = Arc::new(Segment { path, first, identity, keys, file });
        let active = Active {
            segment: Arc::clone(&segment),
            offsets: Vec::new(),
            ids: HashMap::new(),
            end: SEGMENT_HEAD,
        };
        shared.view_mut().active = Some(active);
        Ok(Self::resume(segment, 0, SEGMENT_HEAD, false))
    }

    /// Whether the next block belongs into the next segment.
    pub(super) fn is_full(&self, block_bytes: usize, config: &LogConfig) -> bool {
        let end = self.end().saturating_add(RECORD_HEAD).saturating_add(block_bytes as u64);
        self.blocks > 0
            && (end > config.segment_bytes || self.blocks >= LogConfig::SEGMENT_BLOCKS_MAX)
    }

    /// Adds a record.
    pub(super) fn append(&mut self, id: Id, bytes: &[u8]) -> Result<(), Error> {
        let (offset, height) = (self.end(), self.next());
        // Blocks are shorter than 2^32 bytes.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let head = RecordHead { bytes: len, height, id, durable_before: self.synced };
        let head = head.encode(&self.segment.keys, offset, bytes);
        if self.buffer.len() + head.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(&head);
        if bytes.len() < DIRECT_BYTES {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.flush()?;
            self.write(bytes)?;
        }
        self.blocks += 1;
        self.pending.push((id, offset));
        self.pending_ids.insert(id, height);
        Ok(())
    }

    /// Makes everything durable, and readable.
    pub(super) fn sync<D: Disk<File = F>>(&mut self, shared: &Shared<D>) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.flush()?;
        self.sync_file()?;
        self.publish(shared);
        self.write_mark();
        Ok(())
    }

    /// Makes the segment durable as it stays, and gives it its index.
    pub(super) fn finish<D: Disk<File = F>>(&mut self, shared: &Shared<D>) -> Result<(), Error> {
        self.flush()?;
        if self.mark {
            let cut = self.segment.file.set_len(self.written);
            cut.map_err(Error::io("cut", &self.segment.path))?;
        }
        self.sync_file()?;
        self.publish(shared);
        let mut view = shared.view_mut();
        let Some(active) = view.active.take() else { return Ok(()) };
        let mut ids = vec![Id::EMPTY; active.offsets.len()];
        for (id, height) in &active.ids {
            let position = usize::try_from(height - self.segment.first).ok();
            if let Some(at) = position.and_then(|position| ids.get_mut(position)) {
                *at = *id;
            }
        }
        let (first, identity) = (self.segment.first, self.segment.identity);
        let (sealed, index) = Index::build(first, identity, active.end, active.offsets, &ids);
        let sealed = Arc::new(sealed);
        view.sealed.push(Arc::clone(&sealed));
        drop(view);
        if let Err(error) = index.write(&sealed, &shared.disk, &shared.index_path(first)) {
            // It is built from the segment when it is needed.
            tracing::warn!(%error, "index of a segment not written");
        }
        Ok(())
    }

    /// Writes, without a sync, that everything before is durable. A failure costs nothing but the
    /// time that the next opening needs.
    pub(super) fn write_mark(&mut self) {
        let mark = encode_mark(&self.segment.keys, self.synced, self.next());
        self.mark = true;
        if let Err(error) = self.segment.file.write_at(&mark, self.synced) {
            tracing::debug!(path = %self.segment.path.display(), %error, "mark not written");
        }
    }

    /// The height that follows.
    pub(super) fn next(&self) -> u64 {
        self.segment.first.saturating_add(self.blocks as u64)
    }

    /// How many blocks are not durable.
    pub(super) const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The height of a block that is not durable.
    pub(super) fn pending_height(&self, id: &Id) -> Option<Height> {
        self.pending_ids.get(id).map(|height| Height::new(*height))
    }

    const fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = mem::take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.segment.file.write_at(bytes, self.written);
        written.map_err(Error::io("write to", &self.segment.path))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn sync_file(&mut self) -> Result<(), Error> {
        self.segment.file.sync_data().map_err(Error::io("sync", &self.segment.path))?;
        self.synced = self.written;
        Ok(())
    }

    /// Shows readers what has become durable.
    fn publish<D: Disk<File = F>>(&mut self, shared: &Shared<D>) {
        if let Some(active) = &mut shared.view_mut().active {
            active.offsets.extend(self.pending.iter().map(|(_, offset)| *offset));
            active.ids.extend(self.pending_ids.drain());
            active.end = self.synced;
        }
        self.pending.clear();
    }
}

/// Where identities of segments come from.
#[derive(Debug)]
pub(super) struct Identities {
    seed: [u8; 32],
    drawn: u64,
}

impl Identities {
    /// From a seed, or else from the operating system.
    pub(super) fn new(seed: Option<[u8; 32]>) -> Self {
        Self { seed: seed.unwrap_or_else(from_system), drawn: 0 }
    }

    /// The identity of the segment that begins at `first`.
    pub(super) fn draw(&mut self, first: u64) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key("avalanche/store/log-identity/v1");
        hasher.update(&self.seed).update(&first.to_le_bytes()).update(&self.drawn.to_le_bytes());
        self.drawn += 1;
        hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

/// Bytes that no other process draws: std has its hash keys from the operating system.
fn from_system() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("avalanche/store/log-identity-seed/v1");
    for _ in 0..4 {
        hasher.update(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hasher.update(&now.as_nanos().to_le_bytes()).update(&std::process::id().to_le_bytes());
    *hasher.finalize().as_bytes()
}
