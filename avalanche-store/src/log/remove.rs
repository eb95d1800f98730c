//! Giving blocks up: the oldest below a checkpoint, the newest on an operator's word.

use std::path::PathBuf;
use std::sync::Arc;

use avalanche_consensus::Height;

use super::BlockLog;
use super::config::Retention;
use super::format::{RECORD_HEAD, parse_segment_name};
use super::recover::{copy, list};
use super::report::OpenReport;
use super::segment::Segment;
use super::view::{Place, Shared};
use crate::{Disk, DiskFile, Error, OpenMode, VerifiedCheckpoint};

/// Shows that a durable, verified checkpoint of the state stands at a height, so that blocks below
/// it can go: made from a [`VerifiedCheckpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneBelow {
    checkpoint: Height,
}

impl PruneBelow {
    /// For what has just verified a durable checkpoint of the state at this height.
    pub(crate) const fn checkpoint(checkpoint: Height) -> Self {
        Self { checkpoint }
    }

    /// The height of the checkpoint.
    #[must_use]
    pub const fn height(self) -> Height {
        self.checkpoint
    }
}

impl From<&VerifiedCheckpoint> for PruneBelow {
    fn from(checkpoint: &VerifiedCheckpoint) -> Self {
        Self::checkpoint(Height::new(checkpoint.height()))
    }
}

/// A segment that is cut, and where.
type Cut<F> = (Arc<Segment<F>>, u64);

impl<D: Disk> BlockLog<D> {
    /// Removes blocks below a height, as far as they fill whole segments; the last segment stays.
    /// Returns how many blocks went.
    ///
    /// # Errors
    ///
    /// [`Error::ArchiveKeepsAll`], [`Error::PruneAboveCheckpoint`]: nothing was changed.
    /// [`Error::LogDamaged`], [`Error::Poisoned`]. Otherwise the log is poisoned.
    pub fn prune_below(
        &mut self,
        height: Height,
        proof: impl Into<PruneBelow>,
    ) -> Result<u64, Error> {
        let proof = proof.into();
        self.check_open()?;
        if self.reader.shared.config.retention == Retention::Archive {
            return Err(Error::ArchiveKeepsAll { path: self.dir().into() });
        }
        if height > proof.checkpoint {
            let checkpoint = proof.checkpoint;
            return Err(Error::PruneAboveCheckpoint { below: height, checkpoint });
        }
        let pruned = prune(&self.reader.shared, height.get());
        self.poison_on_error(pruned)
    }

    /// Gives up every block above `height`, or every block if it is `None`, and so the damage that
    /// [`damage`](Self::damage) reports, if it lies there. Nothing is deleted: what goes is moved
    /// into files whose names end in `.aside`, in the same folder.
    ///
    /// An accepted block is never given up in normal work: this is for an operator who restores a
    /// folder, and for recovery. Appended blocks that were not synced are dropped. Readers see the
    /// change.
    ///
    /// # Errors
    ///
    /// [`Error::NotInLog`] if the log does not hold `height`, [`Error::Corrupt`] if that block
    /// itself is damaged: nothing was changed.
    /// [`Error::Poisoned`]. Otherwise the log is poisoned, and holds the old blocks, or fewer.
    pub fn truncate_after(&mut self, height: Option<Height>) -> Result<OpenReport, Error> {
        if self.poisoned {
            return Err(Error::Poisoned { path: self.dir().into() });
        }
        let cut = match height {
            Some(height) => Some(self.end_of(height)?),
            None => None,
        };
        // What was not synced is not in the way.
        self.writer = None;
        let moved = self.move_aside(cut).and_then(|()| self.recover());
        self.poison_on_error(moved)
    }

    /// The segment of a block, and where its record ends there.
    fn end_of(&self, height: Height) -> Result<Cut<D::File>, Error> {
        let path = self.dir().into();
        let place = self.reader.shared.locate(height.get())?;
        let Place { segment, offset, limit, .. } = place.ok_or(Error::NotInLog { path, height })?;
        let block = segment.read(offset, limit, height.get())?;
        Ok((segment, offset + RECORD_HEAD + block.bytes.len() as u64))
    }

    /// Latest segments first, each durably, so that a crash leaves a log without gaps. The index of
    /// the one that becomes the last stays until the log is recovered, before anything is appended.
    fn move_aside(&self, cut: Option<Cut<D::File>>) -> Result<(), Error> {
        let shared = &self.reader.shared;
        let names = list(shared)?;
        let kept = cut.as_ref().map(|(segment, _)| segment.first);
        let firsts = names.iter().rev().filter_map(|name| parse_segment_name(name));
        for first in firsts.take_while(|first| kept.is_none_or(|kept| *first > kept)) {
            let path = shared.segment_path(first);
            let aside = self.aside(&names, &format!("{first:020}-0"));
            shared.disk.rename(&path, &aside).map_err(Error::io("rename", &path))?;
            shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
            tracing::warn!(path = %path.display(), aside = %aside.display(), "segment moved aside");
        }
        let Some((segment, end)) = cut else { return Ok(()) };
        let path = &segment.path;
        // Readers open closed segments to read only.
        let file = shared.disk.open(path, OpenMode::Write).map_err(Error::io("open", path))?;
        let len = file.len().map_err(Error::io("read the length of", path))?;
        if len > end {
            let aside = self.aside(&names, &format!("{:020}-{end}", segment.first));
            let copied = shared.disk.open(&aside, OpenMode::CreateNew).and_then(|to| {
                copy(&file, end, len - end, &to)?;
                to.sync_data()
            });
            copied.map_err(Error::io("write", &aside))?;
            shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
            file.set_len(end).map_err(Error::io("cut", path))?;
            file.sync_data().map_err(Error::io("sync", path))?;
        }
        Ok(())
    }

    /// A name for what is moved aside that no file has.
    fn aside(&self, names: &[String], stem: &str) -> PathBuf {
        let mut name = format!("{stem}.aside");
        let mut number = 1_u64;
        while names.contains(&name) {
            number += 1;
            name = format!("{stem}-{number}.aside");
        }
        self.path_of(&name)
    }
}

/// Oldest segments first, each durably, so that a crash leaves a log without gaps.
fn prune<D: Disk>(shared: &Shared<D>, below: u64) -> Result<u64, Error> {
    let mut pruned = 0;
    loop {
        let first = {
            let mut view = shared.view_mut();
            match view.sealed.first() {
                // The last segment is never closed, so that it stays.
                Some(oldest) if oldest.last() < below => {
                    pruned += u64::from(oldest.blocks);
                    view.sealed.remove(0).first
                }
                _ => break,
            }
        };
        shared.close(|gone| gone == first);
        let path = shared.segment_path(first);
        shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        // Derived: if it stays, the next opening removes it.
        _ = shared.disk.remove(&shared.index_path(first));
        shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
    }
    Ok(pruned)
}
