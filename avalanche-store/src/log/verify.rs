//! Reading a whole log to see whether it is intact.

use avalanche_consensus::Height;

use super::format::RECORD_HEAD;
use super::index::{Index, Sealed};
use super::report::{LogDamage, VerifyReport};
use super::scan::{Scan, scan};
use super::segment::{Opened, Segment};
use super::view::{LogReader, Shared};
use super::{BlockLog, format::SEGMENT_HEAD};
use crate::{Disk, Error, OpenMode};

impl<D: Disk> BlockLog<D> {
    /// [`LogReader::verify`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        self.reader.verify()
    }
}

impl<D: Disk> LogReader<D> {
    /// Reads every durable block, up to the first damage, and every index.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]. Damage is in the report.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        let shared = &self.shared;
        let (sealed, active, last) = {
            let view = shared.view();
            let active = view.active.as_ref().map(|active| {
                let blocks = active.offsets.len() as u64;
                (std::sync::Arc::clone(&active.segment), active.end, blocks)
            });
            (view.sealed.clone(), active, view.heights().map_or(0, |heights| *heights.end()))
        };
        let mut report = VerifyReport::default();
        for sealed in sealed {
            let path = shared.segment_path(sealed.first);
            let damage = |offset, what, first_lost| LogDamage {
                path: path.clone(),
                offset,
                what,
                first_lost: Height::new(first_lost),
                last_lost: Height::new(last),
            };
            let opened = Segment::open(&shared.disk, &path, sealed.first, OpenMode::Read);
            let (segment, len) = match opened? {
                Opened::Segment { segment, len } if segment.identity == sealed.identity => {
                    (segment, len)
                }
                _ => {
                    let what = "the head of the segment is damaged";
                    report.damage = Some(damage(0, what, sealed.first));
                    return Ok(report);
                }
            };
            let scan = scan(&segment, len).map_err(Error::io("read", &path))?;
            count(&mut report, &scan);
            let whole = scan.offsets.len() as u64 == u64::from(sealed.blocks);
            if scan.stop.is_some() || !whole {
                let what = scan.stop.map_or("blocks at the end are missing", |stop| stop.what);
                let lost = sealed.first.saturating_add(scan.offsets.len() as u64);
                report.damage = Some(damage(scan.end, what, lost));
                return Ok(report);
            }
            report.indexes_wrong += u64::from(!index_agrees(shared, &sealed, scan));
        }
        if let Some((segment, end, blocks)) = active {
            let scan = scan(&segment, end).map_err(Error::io("read", &segment.path))?;
            count(&mut report, &scan);
            let found = scan.offsets.len() as u64;
            if found < blocks {
                report.damage = Some(LogDamage {
                    path: segment.path.clone(),
                    offset: scan.end,
                    what: scan.stop.map_or("blocks at the end are missing", |stop| stop.what),
                    first_lost: Height::new(segment.first.saturating_add(found)),
                    last_lost: Height::new(last),
                });
            }
        }
        Ok(report)
    }
}

fn count(report: &mut VerifyReport, scan: &Scan) {
    let blocks = scan.offsets.len() as u64;
    report.segments += 1;
    report.blocks += blocks;
    report.bytes += scan.end.saturating_sub(SEGMENT_HEAD + blocks * RECORD_HEAD);
}

/// Whether the index file of an intact segment agrees with it. One that does not is removed.
fn index_agrees<D: Disk>(shared: &Shared<D>, sealed: &Sealed, scan: Scan) -> bool {
    let path = shared.index_path(sealed.first);
    let ids = &scan.ids;
    let built = Index::build(sealed.first, sealed.identity, scan.end, scan.offsets, ids);
    let read = Sealed::read(&shared.disk, &path);
    let read = read.and_then(|s| Index::read(&s, &shared.disk, &path).map(|index| (s, index)));
    let agrees = read.is_some_and(|read| read == built);
    if !agrees {
        _ = shared.disk.remove(&path);
        shared.close(|first| first == sealed.first);
    }
    agrees
}
