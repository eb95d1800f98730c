//! Reading blocks in order.

use std::ops::RangeInclusive;

use super::segment::Block;
use super::view::{LogReader, Place};
use crate::{Disk, DiskFile, Error, OsDisk};

/// Bytes read ahead.
const AHEAD_BYTES: usize = 256 << 10;

/// Blocks of a log, in order of height. Made by [`LogReader::range`].
///
/// Short blocks are read 256 KiB at a time; each block is checked. After an error it ends.
#[derive(Debug)]
pub struct Blocks<D: Disk = OsDisk> {
    reader: LogReader<D>,
    /// What is left.
    heights: Option<RangeInclusive<u64>>,
    place: Option<Place<D::File>>,
    ahead: Vec<u8>,
    ahead_at: u64,
    /// Whether the last block was so long that reading ahead costs more than it saves.
    long: bool,
}

impl<D: Disk> Blocks<D> {
    pub(super) fn new(reader: LogReader<D>, heights: Option<RangeInclusive<u64>>) -> Self {
        let heights = heights.filter(|heights| !heights.is_empty());
        Self { reader, heights, place: None, ahead: Vec::new(), ahead_at: 0, long: false }
    }

    fn read(&mut self, height: u64) -> Result<Block, Error> {
        if self.place.as_ref().is_none_or(|place| height > place.last) {
            let shared = &self.reader.shared;
            let gone = || Error::NotInLog { path: shared.dir.clone(), height: height.into() };
            self.place = Some(shared.locate(height)?.ok_or_else(gone)?);
            self.ahead.clear();
        }
        let Some(place) = &mut self.place else {
            let path = self.reader.shared.dir.clone();
            return Err(Error::NotInLog { path, height: height.into() });
        };
        let Place { segment, offset, limit, .. } = place;
        let skip = offset.checked_sub(self.ahead_at).and_then(|skip| usize::try_from(skip).ok());
        let held = skip.and_then(|skip| self.ahead.get(skip..)).unwrap_or_default();
        let block = match segment.read_from(held, *offset, *limit, height)? {
            Some(block) => block,
            // As the one before was: reading ahead would read all of it twice.
            None if self.long => segment.read(*offset, *limit, height)?,
            None => {
                let left = usize::try_from(limit.saturating_sub(*offset)).unwrap_or(usize::MAX);
                self.ahead.resize(left.min(AHEAD_BYTES), 0);
                self.ahead_at = *offset;
                let read = segment.file.read_at(&mut self.ahead, *offset);
                read.map_err(Error::io("read", &segment.path))?;
                match segment.read_from(&self.ahead, *offset, *limit, height)? {
                    Some(block) => block,
                    // Longer than what is read ahead.
                    None => segment.read(*offset, *limit, height)?,
                }
            }
        };
        self.long = block.bytes.len() > AHEAD_BYTES / 2;
        *offset += super::format::RECORD_HEAD + block.bytes.len() as u64;
        Ok(block)
    }
}

impl<D: Disk> Iterator for Blocks<D> {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let height = self.heights.as_mut()?.next()?;
        let block = self.read(height);
        if block.is_err() {
            self.heights = None;
        }
        Some(block)
    }
}
