//! What opening does: finds the durable blocks, tells damage from a torn tail, repairs the tail.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avalanche_consensus::Height;

use super::format::{RECORD_HEAD_BYTES, encode_segment_head, parse_segment_name};
use super::index::{Index, Sealed};
use super::report::{CutTail, LogDamage, OpenReport};
use super::scan::{Scan, scan};
use super::segment::{Opened, Segment};
use super::view::{Active, Shared, View};
use super::writer::Writer;
use crate::{Disk, DiskFile, Error, OpenMode};

/// A log as it was found, and repaired.
pub(super) struct Recovered<F> {
    pub(super) view: View<F>,
    /// `None` if the log is empty, or damaged.
    pub(super) writer: Option<Writer<F>>,
    pub(super) report: OpenReport,
}

/// Finds out what the folder holds. Nothing is changed if there is damage.
pub(super) fn recover<D: Disk>(shared: &Shared<D>) -> Result<Recovered<D::File>, Error> {
    let names = list(shared)?;
    let mut survey = Survey::new(shared, &names)?;
    let mut report = OpenReport::default();
    if let Some(damage) = survey.run()? {
        tracing::error!(
            path = %damage.path.display(), offset = damage.offset, what = damage.what,
            first_lost = damage.first_lost.get(), last_lost = damage.last_lost.get(),
            "durable blocks are damaged"
        );
        report.damage = Some(damage);
        return Ok(Recovered { view: survey.view, writer: None, report });
    }
    remove_leftovers(shared, &names, &survey.view)?;
    for (sealed, index) in &survey.rebuilt {
        tracing::warn!(segment = sealed.first, "index of a segment built again");
        report.indexes_rebuilt += 1;
        if let Err(error) = index.write(sealed, &shared.disk, &shared.index_path(sealed.first)) {
            tracing::warn!(%error, "index of a segment not written");
        }
    }
    report.cut = survey.headless.map(|(path, bytes)| CutTail {
        path,
        offset: 0,
        bytes,
        reason: "a crash interrupted the making of the segment",
        kept: None,
    });
    if let Some(cut) = &report.cut {
        shared.disk.remove(&cut.path).map_err(Error::io("remove", &cut.path))?;
        // Its name says that all before it was durable: gone before anything is written there.
        shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
    }
    let mut view = survey.view;
    let writer = match survey.last {
        Some((len, scan)) => repair(shared, &mut view, len, &scan, &mut report)?,
        None => None,
    };
    // The last segment may have been made by a process that ended before it synced the folder.
    shared.disk.sync_dir(&shared.dir).map_err(Error::io("sync the folder", &shared.dir))?;
    if let Some(cut) = &report.cut {
        tracing::warn!(
            path = %cut.path.display(), offset = cut.offset, bytes = cut.bytes,
            reason = cut.reason, "cut what a crash left half written"
        );
    }
    Ok(Recovered { view, writer, report })
}

pub(super) fn list<D: Disk>(shared: &Shared<D>) -> Result<Vec<String>, Error> {
    shared.disk.list(&shared.dir).map_err(Error::io("list", &shared.dir))
}

/// A segment and the length of its file, or what is wrong with it.
type Found<F> = Result<(Segment<F>, u64), LogDamage>;

/// A walk over the segments that changes nothing.
struct Survey<'a, D: Disk> {
    shared: &'a Shared<D>,
    /// First heights of the segments, by their names.
    firsts: Vec<u64>,
    /// A last segment that was being made: path and length. All before it was durable.
    headless: Option<(PathBuf, u64)>,
    /// The height that segments before a headless one reach up to.
    reached: Option<u64>,
    view: View<D::File>,
    rebuilt: Vec<(Arc<Sealed>, Index)>,
    /// The last segment: length of its file and what it holds.
    last: Option<(u64, Scan)>,
}

impl<'a, D: Disk> Survey<'a, D> {
    fn new(shared: &'a Shared<D>, names: &[String]) -> Result<Self, Error> {
        let mut firsts: Vec<_> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
        let (mut headless, mut reached) = (None, None);
        if let Some(last) = firsts.last().copied() {
            let path = shared.segment_path(last);
            let opened = Segment::open(&shared.disk, &path, last, OpenMode::Read)?;
            if let Opened::Headless { len } = opened {
                firsts.pop();
                headless = Some((path, len));
                reached = Some(last);
            }
        }
        let (view, rebuilt) = (View::EMPTY, Vec::new());
        Ok(Self { shared, firsts, headless, reached, view, rebuilt, last: None })
    }

    fn run(&mut self) -> Result<Option<LogDamage>, Error> {
        let mut expected = self.firsts.first().copied();
        for (at, first) in self.firsts.clone().into_iter().enumerate() {
            if let Some(expected) = expected.filter(|expected| *expected != first) {
                let what = "blocks before those of this segment are missing";
                return self.damage(first, 0, what, expected, None).map(Some);
            }
            let following = self.firsts.get(at + 1).copied();
            let damage = match following {
                Some(following) => self.closed(first, following)?,
                None => self.last(first)?,
            };
            if damage.is_some() {
                return Ok(damage);
            }
            expected = following;
        }
        Ok(None)
    }

    /// A segment that another one follows on: all of it was durable.
    fn closed(&mut self, first: u64, following: u64) -> Result<Option<LogDamage>, Error> {
        let (segment, len) = match self.open(first, OpenMode::Read)? {
            Ok(opened) => opened,
            Err(damage) => return Ok(Some(damage)),
        };
        if let Some(sealed) = Sealed::read(&self.shared.disk, &self.shared.index_path(first)) {
            let blocks = following.checked_sub(first);
            let same = sealed.first == first && sealed.identity == segment.identity;
            if same && sealed.end == len && blocks == Some(u64::from(sealed.blocks)) {
                self.view.sealed.push(Arc::new(sealed));
                return Ok(None);
            }
        }
        let scan = scan(&segment, len).map_err(Error::io("read", &segment.path))?;
        if let Some(damage) = self.incomplete(&segment, &scan, following)? {
            self.show(segment, &scan);
            return Ok(Some(damage));
        }
        let (identity, ids) = (segment.identity, &scan.ids);
        let (sealed, index) = Index::build(first, identity, scan.end, scan.offsets, ids);
        let sealed = Arc::new(sealed);
        self.view.sealed.push(Arc::clone(&sealed));
        self.rebuilt.push((sealed, index));
        Ok(None)
    }

    /// The last segment: its tail may be torn.
    fn last(&mut self, first: u64) -> Result<Option<LogDamage>, Error> {
        let (segment, len) = match self.open(first, OpenMode::Write)? {
            Ok(opened) => opened,
            Err(damage) => return Ok(Some(damage)),
        };
        let scan = scan(&segment, len).map_err(Error::io("read", &segment.path))?;
        let damage = match (self.reached, scan.stop) {
            (Some(reached), _) => self.incomplete(&segment, &scan, reached)?,
            (None, Some(stop)) if stop.durable => {
                let height = first.saturating_add(scan.offsets.len() as u64);
                Some(self.damage(first, scan.end, stop.what, height, stop.last_seen)?)
            }
            (None, _) => None,
        };
        self.show(segment, &scan);
        if damage.is_none() {
            self.last = Some((len, scan));
        }
        Ok(damage)
    }

    /// The damage of a segment that was durable up to the height `reached`, without it.
    fn incomplete(
        &self,
        segment: &Segment<D::File>,
        scan: &Scan,
        reached: u64,
    ) -> Result<Option<LogDamage>, Error> {
        let height = segment.first.saturating_add(scan.offsets.len() as u64);
        match scan.stop {
            // A mark may stand at the end of a segment whose successor was only being made.
            None if height == reached => Ok(None),
            None => {
                let what = "the blocks that follow, up to the next segment, are missing";
                let least = Some(reached.saturating_sub(1));
                self.damage(segment.first, scan.end, what, height, least).map(Some)
            }
            Some(stop) => {
                self.damage(segment.first, scan.end, stop.what, height, stop.last_seen).map(Some)
            }
        }
    }

    fn open(&self, first: u64, mode: OpenMode) -> Result<Found<D::File>, Error> {
        let path = self.shared.segment_path(first);
        let what = match Segment::open(&self.shared.disk, &path, first, mode)? {
            Opened::Segment { segment, len } => return Ok(Ok((segment, len))),
            Opened::Headless { .. } => "the head of the segment is cut short or damaged",
            Opened::Damaged { what } => what,
        };
        Ok(Err(self.damage(first, 0, what, first, None)?))
    }

    /// Lets readers see what a segment holds.
    fn show(&mut self, segment: Segment<D::File>, scan: &Scan) {
        let heights = segment.first..;
        self.view.active = Some(Active {
            segment: Arc::new(segment),
            offsets: scan.offsets.clone(),
            ids: scan.ids.iter().copied().zip(heights).collect::<HashMap<_, _>>(),
            end: scan.end,
        });
    }

    /// The report of damage at a place; the last height that was there is what later records and
    /// the names and records of later segments say.
    fn damage(
        &self,
        first: u64,
        offset: u64,
        what: &'static str,
        first_lost: u64,
        last_seen: Option<u64>,
    ) -> Result<LogDamage, Error> {
        let mut last_lost = first_lost.max(last_seen.unwrap_or(0));
        if let Some(reached) = self.reached {
            last_lost = last_lost.max(reached.saturating_sub(1));
        }
        if let Some(last) = self.firsts.last().copied().filter(|last| *last > first || offset == 0)
        {
            last_lost = last_lost.max(last.saturating_sub(1));
            let path = self.shared.segment_path(last);
            let opened = Segment::open(&self.shared.disk, &path, last, OpenMode::Read)?;
            if let Opened::Segment { segment, len } = opened {
                let scan = scan(&segment, len).map_err(Error::io("read", &path))?;
                let whole = last.saturating_add(scan.offsets.len() as u64).saturating_sub(1);
                last_lost = last_lost.max(whole);
                last_lost = last_lost.max(scan.stop.and_then(|stop| stop.last_seen).unwrap_or(0));
            }
        }
        let (path, first_lost) = (self.shared.segment_path(first), Height::new(first_lost));
        Ok(LogDamage { path, offset, what, first_lost, last_lost: Height::new(last_lost) })
    }
}

/// Cuts the torn tail, makes durable what is whole, and hands over to the writer.
fn repair<D: Disk>(
    shared: &Shared<D>,
    view: &mut View<D::File>,
    len: u64,
    scan: &Scan,
    report: &mut OpenReport,
) -> Result<Option<Writer<D::File>>, Error> {
    let Some(active) = &view.active else { return Ok(None) };
    let segment = Arc::clone(&active.segment);
    let path = &segment.path;
    if let Some(stop) = scan.stop {
        let kept = keep_torn(shared, &segment, scan.end, len);
        let (offset, bytes) = (scan.end, len - scan.end);
        report.cut = Some(CutTail { path: path.clone(), offset, bytes, reason: stop.what, kept });
        segment.file.set_len(scan.end).map_err(Error::io("cut", path))?;
    }
    if scan.offsets.is_empty() && view.sealed.is_empty() {
        // Nothing is promised yet, not even the first height.
        view.active = None;
        shared.disk.remove(path).map_err(Error::io("remove", path))?;
        return Ok(None);
    }
    if scan.offsets.is_empty() {
        let head = encode_segment_head(segment.first, &segment.identity);
        segment.file.write_at(&head, 0).map_err(Error::io("write to", path))?;
    }
    report.rewritten_bytes = rewrite(&segment, scan)?;
    let changed = report.rewritten_bytes > 0 || scan.stop.is_some() || scan.offsets.is_empty();
    if changed {
        segment.file.sync_data().map_err(Error::io("sync", path))?;
    }
    let mark = scan.mark && scan.stop.is_none();
    let mut writer = Writer::resume(segment, scan.offsets.len(), scan.end, mark);
    if !mark && !scan.offsets.is_empty() {
        writer.write_mark();
    }
    Ok(Some(writer))
}

/// Writes again the records that are not known to be on the disk: after a failed sync of an
/// earlier process, the system may show bytes that it will never write.
fn rewrite<F: DiskFile>(segment: &Segment<F>, scan: &Scan) -> Result<u64, Error> {
    let from = scan.offsets.partition_point(|offset| *offset < scan.proven);
    let mut rewritten = 0;
    let height = segment.first.saturating_add(from as u64);
    for (height, offset) in (height..).zip(scan.offsets.get(from..).unwrap_or_default()) {
        let mut bytes = vec![0; RECORD_HEAD_BYTES];
        // Checked once more, in memory: what is written is what was found.
        let block = segment.read(*offset, scan.end, height)?;
        segment.file.read_at(&mut bytes, *offset).map_err(Error::io("read", &segment.path))?;
        bytes.extend(block.bytes);
        let written = segment.file.write_at(&bytes, *offset);
        written.map_err(Error::io("write to", &segment.path))?;
        rewritten += bytes.len() as u64;
    }
    Ok(rewritten)
}

/// Keeps the beginning of a torn tail in a file of its own, and only the newest such file. Without
/// room for it the tail is cut all the same: nothing in it was acknowledged.
fn keep_torn<D: Disk>(
    shared: &Shared<D>,
    segment: &Segment<D::File>,
    from: u64,
    len: u64,
) -> Option<PathBuf> {
    let bytes = (len - from).min(shared.config.torn_bytes_max);
    let older = shared.disk.list(&shared.dir).ok()?;
    for name in older.iter().filter(|name| name.ends_with(".torn")) {
        _ = shared.disk.remove(&shared.dir.join(name));
    }
    let path = shared.dir.join(format!("{:020}-{from}.torn", segment.first));
    let kept = shared.disk.open(&path, OpenMode::CreateNew).and_then(|file| {
        copy(&segment.file, from, bytes, &file)?;
        file.sync_data()
    });
    match kept {
        Ok(()) => Some(path),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "torn tail not kept");
            _ = shared.disk.remove(&path);
            None
        }
    }
}

/// Copies bytes from one file to the beginning of another, 1 MiB at a time.
pub(super) fn copy<F: DiskFile>(from: &F, start: u64, bytes: u64, to: &F) -> io::Result<()> {
    let mut done = 0;
    while done < bytes {
        let piece = (bytes - done).min(1 << 20);
        let mut buffer = vec![0; usize::try_from(piece).unwrap_or_default()];
        from.read_at(&mut buffer, start + done)?;
        to.write_at(&buffer, done)?;
        done += piece;
    }
    Ok(())
}

/// Removes index files that belong to no closed segment, and files that were being written.
fn remove_leftovers<D: Disk>(
    shared: &Shared<D>,
    names: &[String],
    view: &View<D::File>,
) -> Result<(), Error> {
    for name in names {
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let segment = parse_segment_name(&format!("{stem}.log"));
        let Some(first) = segment else { continue };
        let closed = || view.sealed.binary_search_by_key(&first, |sealed| sealed.first).is_ok();
        if name.ends_with(".tmp") || (name.ends_with(".idx") && !closed()) {
            let path = shared.dir.join(name);
            shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
