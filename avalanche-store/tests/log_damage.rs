//! Damaged files of a block log: every bit and every length, and what other programs may do.
#![cfg(test)]
#![expect(clippy::cast_possible_truncation, reason = "offsets in small files")]

mod log_support;

use std::path::{Path, PathBuf};

use avalanche_consensus::Height;
use avalanche_store::testing::SimDisk;
use avalanche_store::{Block, BlockLog, Error, LogDamage, OpenReport};
use log_support::{DIR, Lcg, body, config, id};

type Log = BlockLog<SimDisk>;

/// The files of a log, and what it holds.
struct Sample {
    files: Vec<(PathBuf, Vec<u8>)>,
    blocks: Vec<Block>,
    /// Where each block is: file, offset, end. The last segment's mark follows on its last block.
    places: Vec<(PathBuf, u64, u64)>,
}

const HEAD: u64 = 64;
const RECORD: u64 = 96;

/// Three segments; in the last one groups of two, one and two blocks, and a mark.
fn sample() -> Sample {
    let disk = SimDisk::new(0);
    let (mut log, _) = open(&disk);
    for height in 10..28 {
        let content = body(height, 40 + 37 * (height as usize % 5));
        log.append(Height::new(height), id(height, 0), &content).expect("appends");
        if height % 3 != 1 {
            log.sync().expect("syncs");
        }
    }
    log.sync().expect("syncs");
    let blocks: Vec<_> = log.iter().collect::<Result<_, _>>().expect("reads");
    drop(log);
    let files: Vec<_> =
        disk.files().into_iter().map(|f| (f.clone(), disk.contents(f).unwrap())).collect();
    let segments: Vec<_> = files.iter().filter(|(f, _)| is(f, "log")).collect();
    assert_eq!((segments.len(), files.len()), (3, 5), "three segments, two indexes");
    let (mut places, mut segment, mut at) = (Vec::new(), 0, HEAD);
    for block in &blocks {
        if at == segments[segment].1.len() as u64 {
            (segment, at) = (segment + 1, HEAD);
        }
        let end = at + RECORD + block.bytes.len() as u64;
        places.push((segments[segment].0.clone(), at, end));
        at = end;
    }
    assert_eq!(segments[2].1.len() as u64, at + RECORD, "a mark ends the last segment");
    let in_last = places.iter().filter(|place| place.0 == segments[2].0).count();
    assert!(in_last >= 3, "{in_last} blocks in the last segment");
    Sample { files, blocks, places }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

fn open(disk: &SimDisk) -> (Log, OpenReport) {
    BlockLog::open(disk.clone(), DIR, config()).expect("opens")
}

impl Sample {
    /// A disk with the files, one of them changed or gone, and perhaps without indexes.
    fn disk(&self, changed: &Path, contents: Option<Vec<u8>>, indexes: bool) -> SimDisk {
        let disk = SimDisk::new(1);
        for (path, bytes) in self.files.iter().filter(|(path, _)| indexes || is(path, "log")) {
            disk.replace(path, Some(bytes.clone()));
        }
        disk.replace(changed, contents);
        disk
    }

    fn segments(&self) -> impl Iterator<Item = &(PathBuf, Vec<u8>)> {
        self.files.iter().filter(|(path, _)| is(path, "log"))
    }

    /// How many blocks precede a byte of a segment.
    fn blocks_before(&self, path: &Path, offset: u64) -> usize {
        let before = self
            .places
            .iter()
            .take_while(|(file, _, end)| file.as_path() < path || (file == path && *end <= offset));
        before.count()
    }

    /// What can be read is what was written, without gaps from the first block on. Returns how
    /// many blocks that is.
    fn prefix(&self, log: &Log) -> usize {
        let mut whole = 0;
        for (read, block) in log.iter().zip(&self.blocks) {
            match read {
                Ok(read) => assert_eq!(read, *block),
                Err(Error::Corrupt { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            whole += 1;
        }
        for block in &self.blocks {
            match log.get(block.height) {
                Ok(Some(read)) => assert_eq!(read, *block),
                Ok(None) | Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            match log.height_of(&block.id) {
                Ok(Some(height)) => assert_eq!(height, block.height),
                Ok(None) => assert!(log.last().is_none_or(|last| last < block.height)),
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        whole
    }

    /// The log is read-only up to the damage; after giving up the rest, it goes on.
    fn goes_on_without_the_rest(&self, disk: &SimDisk, mut log: Log, whole: usize) {
        let before = disk.files();
        let next = Height::new(self.blocks[0].height.get() + whole as u64);
        for _ in 0..2 {
            let refused = log.append(next, id(1, 1), b"more").expect_err("is refused");
            assert!(matches!(refused, Error::LogDamaged { .. }), "{refused}");
            assert!(refused.to_string().contains("truncate_after"), "{refused}");
        }
        assert!(log.sync().is_err());
        let total = |disk: &SimDisk| {
            let files = disk.files().into_iter().filter(|f| is(f, "log") || is(f, "aside"));
            files.map(|file| disk.contents(file).unwrap().len()).sum::<usize>()
        };
        let bytes = total(disk);
        assert_eq!(disk.files(), before, "nothing changes until the caller decides");
        let report = log.truncate_after(log.last()).expect("gives up the rest");
        assert_eq!((report.damage, log.damage()), (None, None));
        assert!(total(disk) >= bytes, "nothing is deleted");
        assert_eq!(self.prefix(&log), whole);
        log.append_synced(next, id(1, 1), b"more").expect("goes on");
        assert_eq!(log.iter().count(), whole + 1);
        drop(log);
        disk.crash();
        let (log, report) = open(disk);
        assert_eq!(report.damage, None);
        assert_eq!(log.iter().count(), whole + 1);
    }
}

#[test]
fn a_flipped_bit_in_durable_blocks_is_reported_and_not_cut() {
    let sample = sample();
    let last_height = sample.blocks.last().unwrap().height;
    let (mut in_heads, mut in_blocks, mut in_marks, mut at_open) = (0, 0, 0, 0);
    for (path, bytes) in sample.segments() {
        let closed = sample.segments().last().unwrap().0 != *path;
        for at in 0..bytes.len() as u64 {
            let mut flipped = bytes.clone();
            flipped[at as usize] ^= 1 << (at % 8);
            let whole = sample.blocks_before(path, at);
            let in_head = at < HEAD;
            let place = sample.places.get(whole).filter(|place| place.0 == *path && !in_head);
            for indexes in [true, false] {
                let disk = sample.disk(path, Some(flipped.clone()), indexes);
                let (log, report) = open(&disk);
                let Some(offset) = place.map(|place| place.1).or(in_head.then_some(0)) else {
                    // The mark: nothing was lost with it.
                    in_marks += 1;
                    assert_eq!(report.damage, None);
                    assert_eq!(sample.prefix(&log), sample.blocks.len());
                    continue;
                };
                let whole = if in_head { sample.blocks_before(path, 0) } else { whole };
                let first_lost = Height::new(sample.blocks[0].height.get() + whole as u64);
                assert_eq!(sample.prefix(&log), whole, "{path:?} {at}");
                in_heads += u64::from(in_head);
                in_blocks += u64::from(!in_head);
                // Without the head of the last segment, nothing says how far it reached.
                let last_height = if in_head && !closed { first_lost } else { last_height };
                let check = |damage: Option<LogDamage>| {
                    let damage = damage.expect("is reported");
                    assert_eq!((&damage.path, damage.offset), (path, offset));
                    assert_eq!((damage.first_lost, damage.last_lost), (first_lost, last_height));
                };
                assert_eq!(report.cut, None, "{path:?} {at}");
                if closed && indexes && !in_head {
                    // A closed segment is read when it is needed.
                    assert_eq!(report.damage, None);
                    check(log.verify().expect("reads").damage);
                    let error = log.get(first_lost).expect_err("is damaged").to_string();
                    let named = path.display().to_string();
                    assert!(error.contains(&named), "{error}");
                    assert!(error.contains(&format!("byte {offset}")), "{error}");
                } else {
                    at_open += 1;
                    check(report.damage);
                    if at % 16 == 0 {
                        sample.goes_on_without_the_rest(&disk, log, whole);
                    }
                }
            }
        }
    }
    assert!(in_heads > 300 && in_blocks > 3000 && in_marks > 100 && at_open > 2000);
}

#[test]
fn without_a_mark_the_last_group_is_a_torn_tail_and_what_precedes_it_is_not() {
    let sample = sample();
    let (path, bytes) = sample.segments().last().unwrap();
    let unmarked = &bytes[..bytes.len() - RECORD as usize];
    let (mut cut, mut damaged) = (0, 0);
    for at in HEAD..unmarked.len() as u64 {
        let mut flipped = unmarked.to_vec();
        flipped[at as usize] ^= 1 << (at % 8);
        let whole = sample.blocks_before(path, at);
        let disk = sample.disk(path, Some(flipped), true);
        let (log, report) = open(&disk);
        assert_eq!(sample.prefix(&log), whole);
        let offset = sample.places[whole].1;
        match (&report.damage, &report.cut) {
            (Some(damage), None) => {
                assert_eq!(damage.offset, offset);
                damaged += 1;
            }
            (None, Some(tail)) => {
                assert_eq!((tail.offset, tail.bytes), (offset, unmarked.len() as u64 - offset));
                let kept = disk.contents(tail.kept.as_ref().expect("is kept")).unwrap();
                assert_eq!(kept.len() as u64, tail.bytes);
                cut += 1;
            }
            other => panic!("{at}: {other:?}"),
        }
    }
    assert!(cut > 100 && damaged > 100, "{cut} cut, {damaged} damaged");
}

#[test]
fn a_file_that_was_cut_short_loses_only_what_was_cut() {
    let sample = sample();
    let (mut torn, mut damaged, mut at_boundary) = (0, 0, 0);
    for (path, bytes) in sample.segments() {
        let closed = sample.segments().last().unwrap().0 != *path;
        for len in 0..bytes.len() as u64 {
            let whole = sample.blocks_before(path, len);
            let disk = sample.disk(path, Some(bytes[..len as usize].to_vec()), len % 2 == 0);
            let (log, report) = open(&disk);
            assert_eq!(sample.prefix(&log), whole, "{path:?} {len}");
            let boundary = sample.places.iter().any(|p| p.0 == *path && p.2 == len) || len == HEAD;
            if closed {
                let damage = report.damage.expect("is reported");
                assert_eq!(damage.first_lost, sample.blocks[whole].height);
                assert_eq!(damage.last_lost, sample.blocks.last().unwrap().height);
                damaged += 1;
                if len % 16 == 0 {
                    sample.goes_on_without_the_rest(&disk, log, whole);
                }
            } else {
                assert_eq!(report.damage, None);
                assert_eq!(report.cut.is_none(), boundary, "{len}: {report:?}");
                at_boundary += u64::from(boundary);
                torn += u64::from(!boundary);
            }
        }
    }
    assert!(torn > 500 && damaged > 1000 && at_boundary > 2, "{torn} {damaged} {at_boundary}");
}

#[test]
fn an_index_is_never_trusted_blindly() {
    let sample = sample();
    let (mut rebuilt, mut wrong) = (0, 0);
    for (path, bytes) in sample.files.iter().filter(|(path, _)| is(path, "idx")) {
        for at in 0..=bytes.len() {
            let mut contents = bytes.clone();
            match contents.get_mut(at) {
                Some(byte) => *byte ^= 1 << (at % 8),
                None => contents.truncate(at / 2),
            }
            let disk = sample.disk(path, Some(contents), true);
            let (log, report) = open(&disk);
            assert_eq!((&report.damage, &report.cut), (&None, &None));
            rebuilt += report.indexes_rebuilt;
            if at % 2 == 0 {
                // Before anything else has read, and so repaired, it.
                let verified = log.verify().expect("reads");
                assert_eq!(
                    (verified.damage, verified.blocks as usize),
                    (None, sample.blocks.len())
                );
                assert_eq!(report.indexes_rebuilt + verified.indexes_wrong, 1, "byte {at}");
                wrong += verified.indexes_wrong;
            }
            assert_eq!(sample.prefix(&log), sample.blocks.len());
            assert_eq!(disk.contents(path).as_ref(), Some(bytes), "as it was");
        }
    }
    assert!(rebuilt > 100 && wrong > 100, "{rebuilt} {wrong}");
}

#[test]
fn a_missing_segment_is_reported_and_the_blocks_before_it_can_be_read() {
    let sample = sample();
    let segments: Vec<_> = sample.segments().map(|(path, _)| path.clone()).collect();
    let (log, report) = open(&sample.disk(&segments[1], None, true));
    let damage = report.damage.expect("is reported");
    let whole = sample.blocks_before(&segments[1], 0);
    assert_eq!(damage.first_lost, sample.blocks[whole].height);
    assert_eq!(damage.last_lost, sample.blocks.last().unwrap().height);
    assert!(damage.what.contains("missing"), "{damage:?}");
    assert_eq!(sample.prefix(&log), whole);

    // The last one is not known to have been there; the state's height tells.
    let (log, report) = open(&sample.disk(&segments[2], None, true));
    assert_eq!(report.damage, None);
    assert_eq!(sample.prefix(&log), sample.blocks_before(&segments[2], 0));
}

#[test]
fn damage_to_old_blocks_stops_neither_appending_nor_giving_up_later_ones() {
    let sample = sample();
    let (path, bytes) = sample.segments().next().unwrap();
    let mut flipped = bytes.clone();
    flipped[sample.places[2].1 as usize + 100] ^= 1;
    let disk = sample.disk(path, Some(flipped), true);
    let (mut log, _) = open(&disk);
    // The index goes while the log is open: the segment cannot be searched any more.
    disk.replace(path.with_extension("idx"), None);
    let (held, damaged) = (&sample.blocks[1], &sample.blocks[2]);
    assert!(matches!(log.height_of(&held.id), Err(Error::Corrupt { .. })));
    let next = log.next_height().unwrap();
    log.append_synced(next, held.id, b"not known to be there").expect("goes on");
    let error = log.truncate_after(Some(damaged.height)).expect_err("is damaged itself");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    let report = log.truncate_after(Some(next)).expect("nothing was poisoned");
    assert_eq!(report.damage.map(|damage| damage.first_lost), Some(damaged.height));
    assert_eq!(log.last(), damaged.height.previous());
}

#[test]
fn whatever_is_written_over_a_file_no_wrong_byte_is_read() {
    let sample = sample();
    let (mut damaged, mut cut, mut intact, mut found_later) = (0, 0, 0, 0);
    for seed in 0..4000 {
        let mut random = Lcg::new(seed);
        let (path, bytes) = &sample.files[random.below(sample.files.len() as u64) as usize];
        let (_, other) = &sample.files[random.below(sample.files.len() as u64) as usize];
        let mut contents = bytes.clone();
        let (kind, many) = (random.below(5), 1 + random.below(300) as usize);
        let at = random.below(bytes.len() as u64) as usize;
        let end = (at + many).min(contents.len());
        match kind {
            0 => contents[at..end].fill(0),
            1 => contents[at..end].copy_from_slice(&body(seed, end - at)),
            // Bytes of the log itself, elsewhere, or of another file.
            2 => {
                let from = random.below(other.len() as u64) as usize;
                let from = &other[from..(from + end - at).min(other.len())];
                contents[at..at + from.len()].copy_from_slice(from);
            }
            3 => _ = contents.drain(at..end),
            _ => contents = other.clone(),
        }
        let disk = sample.disk(path, Some(contents), random.below(2) == 0);
        let (log, report) = open(&disk);
        let whole = sample.prefix(&log);
        let verified = log.verify().expect("reads");
        match (&report.damage, &report.cut, &verified.damage) {
            (Some(_), None, _) => damaged += 1,
            (None, Some(_), _) => cut += 1,
            (None, None, Some(_)) => found_later += 1,
            (None, None, None) => {
                assert_eq!(whole, sample.blocks.len(), "seed {seed}");
                intact += 1;
            }
            (Some(_), Some(_), _) => panic!("cut in spite of damage"),
        }
    }
    let counts = (damaged, cut, found_later, intact);
    assert!(damaged > 300 && cut > 20 && found_later > 100 && intact > 100, "{counts:?}");
}
