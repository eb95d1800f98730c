//! What a block log promises when nothing breaks: rules of appending, reading, pruning.
#![cfg(test)]

#[path = "log_support/folder.rs"]
mod folder;
mod log_support;

use std::io::ErrorKind;
use std::path::Path;
use std::{fs, thread};

use avalanche_consensus::{Height, Id};
use avalanche_store::testing::{SimDisk, prune_below};
use avalanche_store::{
    Block, BlockLog, Disk, DiskFile, Error, LogConfig, OpenMode, OsDisk, Retention,
};
use folder::Folder;
use log_support::{DIR, body, config, id};

fn height(height: u64) -> Height {
    Height::new(height)
}

fn open<D: Disk>(disk: D, dir: impl AsRef<Path>) -> BlockLog<D> {
    let (log, report) = BlockLog::open(disk, dir, config()).expect("opens");
    assert_eq!((&report.damage, &report.cut, report.indexes_rebuilt), (&None, &None, 0));
    log
}

/// Appends blocks and makes them durable.
fn fill<D: Disk>(log: &mut BlockLog<D>, heights: std::ops::Range<u64>) {
    for at in heights {
        log.append(height(at), id(at, 0), &body(at, 100)).expect("appends");
    }
    log.sync().expect("syncs");
}

fn heights(blocks: impl Iterator<Item = Result<Block, Error>>) -> Vec<u64> {
    blocks.map(|block| block.expect("reads").height.get()).collect()
}

#[test]
fn an_empty_log_takes_any_height_and_then_only_the_next() {
    let mut log = open(SimDisk::new(0), DIR);
    assert_eq!((log.first(), log.last(), log.next_height()), (None, None, None));
    assert_eq!(log.sync().expect("syncs"), None);
    log.append(height(70), id(70, 0), b"first").expect("a chain may begin above genesis");
    assert_eq!((log.last(), log.unsynced(), log.next_height()), (None, 1, Some(height(71))));
    for wrong in [0, 69, 70, 72, u64::MAX] {
        let error = log.append(height(wrong), id(wrong, 0), b"").expect_err("is refused");
        let text = format!("block at height {wrong} does not follow in the log: append height 71");
        assert_eq!(error.to_string(), text);
    }
    log.append(height(71), id(71, 0), b"").expect("an empty block is a block");
    assert_eq!(log.sync().expect("syncs"), Some(height(71)));
    assert_eq!((log.first(), log.last(), log.unsynced()), (Some(height(70)), Some(height(71)), 0));
    assert_eq!(log.get(height(71)).expect("reads").map(|block| block.bytes), Some(Vec::new()));
    assert_eq!(log.get(height(69)).expect("reads"), None);
    assert_eq!(log.get(height(72)).expect("reads"), None);
}

#[test]
fn the_greatest_height_cannot_be_appended() {
    let mut log = open(SimDisk::new(0), DIR);
    assert!(matches!(log.append(Height::MAX, id(0, 0), b""), Err(Error::WrongHeight { .. })));
    log.append_synced(height(u64::MAX - 1), id(1, 0), b"last").expect("appends");
    assert!(matches!(log.append(Height::MAX, id(2, 0), b""), Err(Error::WrongHeight { .. })));
    assert_eq!(heights(log.iter()), [u64::MAX - 1]);
}

#[test]
fn a_refused_block_changes_nothing() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..30);
    log.append(height(30), id(30, 0), b"not synced").expect("appends");
    let before = disk.operations();
    // In a closed segment, in the last one, and not durable yet.
    for held in [0, 7, 29, 30] {
        let error = log.append(height(31), id(held, 0), b"").expect_err("is refused");
        assert!(matches!(error, Error::DuplicateBlock { height: h, .. } if h.get() == held));
        assert!(error.to_string().contains(&format!("already, at height {held}")), "{error}");
    }
    let long = vec![0; config().block_bytes_max + 1];
    let error = log.append(height(31), id(31, 0), &long).expect_err("is refused");
    assert!(error.to_string().contains("block of 1048577 bytes exceeds the log's 1048576"));
    assert_eq!(disk.operations(), before);
    log.append(height(31), id(31, 0), &long[1..]).expect("the longest block");
    log.sync().expect("syncs");
    assert_eq!(heights(log.iter()), (0..32).collect::<Vec<_>>());
}

#[test]
fn blocks_are_read_by_height_by_id_and_in_ranges_from_real_files() {
    let folder = Folder::new();
    let mut log = open(OsDisk, folder.0.join("made/on/the/way"));
    let lengths = [0, 1, 100, 1395, 1396, 5000, 65_535, 65_536, 300_000, 10, 20, 262_144, 7];
    for round in 0..2 {
        for (at, bytes) in (20 + round * 13..).zip(lengths) {
            log.append(height(at), id(at, 0), &body(at, bytes)).expect("appends");
        }
        log.sync().expect("syncs");
    }
    for again in 0..2 {
        for (at, bytes) in (20..46).zip(lengths.into_iter().cycle()) {
            let block = Block { height: height(at), id: id(at, 0), bytes: body(at, bytes) };
            assert_eq!(log.get(block.height).expect("reads").as_ref(), Some(&block));
            assert_eq!(log.height_of(&block.id).expect("reads"), Some(block.height));
            assert_eq!(log.by_id(&block.id).expect("reads"), Some(block));
        }
        assert_eq!(log.by_id(&Id::EMPTY).expect("reads"), None);
        assert_eq!(heights(log.iter()), (20..46).collect::<Vec<_>>());
        let read: Vec<_> = log.range(height(24)..=height(40)).map(|b| b.expect("reads")).collect();
        assert_eq!(read.len(), 17);
        assert!(read.iter().all(|b| b.bytes == body(b.height.get(), b.bytes.len())));
        assert_eq!(heights(log.range(..height(22))), [20, 21]);
        assert_eq!(heights(log.range(height(44)..)), [44, 45]);
        assert_eq!(heights(log.range(height(40)..height(40))), [0; 0]);
        assert_eq!(heights(log.range(height(50)..)), [0; 0]);
        let backwards =
            (std::ops::Bound::Excluded(height(30)), std::ops::Bound::Included(height(30)));
        assert_eq!(heights(log.range(backwards)), [0; 0]);
        let verified = log.verify().expect("reads");
        assert_eq!((verified.blocks, verified.damage, verified.indexes_wrong), (26, None, 0));
        assert_eq!(verified.bytes, 2 * lengths.iter().map(|bytes| *bytes as u64).sum::<u64>());
        assert!(verified.segments > 10);
        if again == 0 {
            drop(log);
            log = open(OsDisk, folder.0.join("made/on/the/way"));
        }
    }
}

#[test]
fn a_clean_log_opens_without_a_write_and_a_killed_one_writes_its_tail_again() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..3);
    drop(log);
    let before = (disk.operations(), disk.contents("log/00000000000000000000.log"));
    let (log, report) = BlockLog::open(disk.clone(), DIR, config()).expect("opens");
    assert_eq!(report.rewritten_bytes, 0);
    // The folder is synced, as its names may be those of a process that was killed.
    let after = (before.0 + 1, before.1);
    assert_eq!((disk.operations(), disk.contents("log/00000000000000000000.log")), after);
    drop(log);

    // Without the mark only the last group is in doubt.
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 3..5);
    drop(log);
    let mut bytes = disk.contents("log/00000000000000000000.log").expect("a segment");
    bytes.truncate(bytes.len() - 96);
    disk.replace("log/00000000000000000000.log", Some(bytes));
    let (log, report) = BlockLog::open(disk, DIR, config()).expect("opens");
    assert_eq!(report.rewritten_bytes, 2 * 196);
    assert_eq!(heights(log.iter()), [0, 1, 2, 3, 4]);
}

#[test]
fn what_was_cut_does_not_come_back() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    for at in 0..3 {
        log.append(height(at), id(at, 0), &body(at, 100)).expect("appends");
    }
    log.sync().expect("syncs");
    drop(log);
    // The second of a group is torn, the third is whole; the mark did not get there.
    let path = "log/00000000000000000000.log";
    let mut bytes = disk.contents(path).expect("a segment");
    bytes.truncate(bytes.len() - 96);
    bytes[64 + 196 + 150] ^= 1;
    disk.replace(path, Some(bytes.clone()));
    let (mut log, report) = BlockLog::open(disk.clone(), DIR, config()).expect("opens");
    let cut = report.cut.expect("a torn tail");
    assert_eq!((cut.offset, cut.bytes), (64 + 196, 2 * 196));
    let kept = disk.contents(cut.kept.expect("is kept")).expect("a file");
    assert_eq!(kept, bytes[64 + 196..]);
    // As long as the torn one, so that the old third one would follow on it.
    log.append_synced(height(1), id(1, 1), &body(7, 100)).expect("appends");
    drop(log);
    let log = open(disk, DIR);
    assert_eq!(heights(log.iter()), [0, 1]);
    assert_eq!(log.by_id(&id(1, 1)).expect("reads").map(|block| block.bytes), Some(body(7, 100)));
}

#[test]
fn only_the_beginning_of_the_newest_torn_tail_is_kept() {
    let disk = SimDisk::new(0);
    let config = LogConfig { torn_bytes_max: 150, ..config() };
    let path = "log/00000000000000000000.log";
    for round in 0..2 {
        let (mut log, _) = BlockLog::open(disk.clone(), DIR, config.clone()).expect("opens");
        let next = log.next_height().map_or(0, Height::get);
        fill(&mut log, next..next + 1);
        fill(&mut log, next + 1..next + 3);
        drop(log);
        let mut bytes = disk.contents(path).expect("a segment");
        bytes.truncate(bytes.len() - 96);
        let tail = bytes.len() - 2 * 196;
        bytes[tail] ^= 1;
        disk.replace(path, Some(bytes.clone()));
        let (_, report) = BlockLog::open(disk.clone(), DIR, config.clone()).expect("opens");
        let cut = report.cut.expect("a torn tail");
        assert_eq!(cut.bytes, 2 * 196, "round {round}");
        let kept = disk.contents(cut.kept.expect("is kept")).expect("a file");
        assert_eq!(kept, bytes[tail..tail + 150]);
        let torn = disk.files().into_iter().filter(|f| f.extension().is_some_and(|e| e == "torn"));
        assert_eq!(torn.count(), 1);
    }
}

#[test]
fn an_index_of_what_was_given_up_is_not_used() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..9);
    let index = "log/00000000000000000000.idx";
    let before = disk.contents(index).expect("an index");
    log.truncate_after(Some(height(3))).expect("gives up");
    assert_eq!(disk.contents(index), None);
    // Blocks of the same lengths under other ids, and the index that tells them apart fails.
    for at in 4..7 {
        log.append_synced(height(at), id(at, 1), &body(at, 100)).expect("appends");
    }
    disk.fail_at(disk.operations() + 2, ErrorKind::Other);
    log.append_synced(height(7), id(7, 1), b"").expect("appends, in the next segment");
    assert_eq!(disk.contents(index), None, "could not be written");
    drop(log);
    let (log, report) = BlockLog::open(disk.clone(), DIR, config()).expect("opens");
    assert_eq!((report.damage, report.indexes_rebuilt), (None, 1));
    assert_eq!(log.height_of(&id(5, 1)).expect("reads"), Some(height(5)));
    assert_eq!(log.height_of(&id(5, 0)).expect("reads"), None);
    let after = disk.contents(index).expect("an index");
    assert!(after.len() == before.len() && after != before, "could be mistaken for the other");
}

#[test]
fn a_segment_has_a_bounded_number_of_blocks() {
    let config = LogConfig { segment_bytes: u64::MAX, ..config() };
    let (mut log, _) = BlockLog::open(SimDisk::new(0), DIR, config).expect("opens");
    let most = LogConfig::SEGMENT_BLOCKS_MAX as u64;
    for at in 0..=most {
        log.append(height(at), id(at, 0), b"").expect("appends");
    }
    log.sync().expect("syncs");
    let verified = log.verify().expect("reads");
    assert_eq!((verified.segments, verified.blocks), (2, most + 1));
    assert_eq!(log.height_of(&id(77_777, 0)).expect("reads"), Some(height(77_777)));
}

#[test]
fn a_group_of_blocks_costs_few_writes_and_one_sync() {
    let disk = SimDisk::new(0);
    let config = LogConfig { segment_bytes: 1 << 30, ..config() };
    let (mut log, _) = BlockLog::open(disk.clone(), DIR, config).expect("opens");
    log.append_synced(height(0), id(0, 0), b"makes the segment").expect("appends");
    let before = disk.operations();
    for at in 1..=1000 {
        log.append(height(at), id(at, 0), &[7; 1024]).expect("appends");
    }
    log.sync().expect("syncs");
    // 1.1 MB through a buffer of 256 KiB, a sync, a mark.
    assert_eq!(disk.operations() - before, 5 + 1 + 1);
}

#[test]
fn readers_on_other_threads_see_durable_blocks_while_the_log_grows() {
    let folder = Folder::new();
    let mut log = open(OsDisk, &folder.0);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = log.reader().clone();
            thread::spawn(move || {
                let (mut seen, mut waits) = (0, 0_u64);
                while seen < 300 {
                    for block in reader.range(height(seen)..) {
                        let block = block.expect("reads");
                        assert_eq!((block.height, block.id), (height(seen), id(seen, 0)));
                        assert_eq!(block.bytes, body(seen, 100));
                        assert_eq!(reader.height_of(&block.id).expect("reads"), Some(block.height));
                        seen += 1;
                    }
                    waits += 1;
                    thread::yield_now();
                }
                waits
            })
        })
        .collect();
    for group in 0..30 {
        fill(&mut log, group * 10..(group + 1) * 10);
        assert_eq!(log.reader().last(), Some(height(group * 10 + 9)));
    }
    for reader in readers {
        assert!(reader.join().expect("a reader") > 0);
    }
    let reader = log.reader().clone();
    drop(log);
    assert_eq!(reader.last(), Some(height(299)), "the writer is gone, its blocks are not");
}

#[test]
fn pruning_needs_leave_and_keeps_what_is_above() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..50);
    let segments = |disk: &SimDisk| disk.files().len();
    let before = segments(&disk);
    let error = log.prune_below(height(31), prune_below(height(30))).expect_err("is refused");
    assert!(error.to_string().contains("blocks below 31 are needed above the checkpoint"));
    assert_eq!(heights(log.iter()).len(), 50);

    let reader = log.reader().clone();
    let mut reading = reader.range(height(2)..height(9));
    assert_eq!(reading.next().expect("a block").expect("reads").height, height(2));
    let pruned = log.prune_below(height(30), prune_below(height(30))).expect("prunes");
    let first = log.first().expect("not empty").get();
    assert_eq!(pruned, first);
    assert!(first > 20 && first <= 30, "whole segments below 30, not {first}");
    assert!(segments(&disk) < before);
    assert_eq!(heights(log.iter()), (first..50).collect::<Vec<_>>());
    assert_eq!((reader.get(height(3)).expect("reads"), reader.first()), (None, log.first()));
    assert_eq!(log.height_of(&id(3, 0)).expect("reads"), None);
    // A reader in the middle of what goes reads to the end of its segment, and then says so.
    let rest: Vec<_> = reading.collect();
    assert!(rest.len() < 8 && matches!(rest.last(), Some(Err(Error::NotInLog { .. }))), "{rest:?}");
    assert_eq!(log.prune_below(height(30), prune_below(height(49))).expect("prunes"), 0);
    drop(log);

    let mut log = open(disk.clone(), DIR);
    assert_eq!(heights(log.iter()), (first..50).collect::<Vec<_>>());
    log.prune_below(height(49), prune_below(height(49))).expect("prunes");
    assert!(log.first() <= log.last() && log.last() == Some(height(49)), "the last segment stays");
    drop(log);
    let archive = LogConfig { retention: Retention::Archive, ..config() };
    let (mut log, _) = BlockLog::open(disk, DIR, archive).expect("opens");
    let error = log.prune_below(height(1), prune_below(height(49))).expect_err("is refused");
    assert!(error.to_string().contains("is an archive and keeps every block"), "{error}");
}

#[test]
fn what_is_given_up_is_moved_aside_and_the_log_goes_on() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..30);
    let reader = log.reader().clone();
    let error = log.truncate_after(Some(height(30))).expect_err("is refused");
    assert_eq!(error.to_string(), "the log in log does not hold height 30");
    log.append(height(30), id(30, 0), b"dropped").expect("appends");
    for last in [29, 20, 9] {
        let report = log.truncate_after(Some(height(last))).expect("gives up");
        assert_eq!((report.damage, report.cut), (None, None));
        assert_eq!(
            (reader.last(), log.next_height()),
            (Some(height(last)), Some(height(last + 1)))
        );
        assert_eq!(log.height_of(&id(last + 1, 0)).expect("reads"), None);
        assert_eq!(heights(log.iter()), (0..=last).collect::<Vec<_>>());
    }
    let aside = disk.files().into_iter().filter(|f| f.extension().is_some_and(|e| e == "aside"));
    assert!(aside.count() >= 3);
    // Another branch, whose segments may get the names of those moved aside.
    for at in 10..30 {
        log.append_synced(height(at), id(at, 1), &body(at + 500, 90)).expect("appends");
    }
    drop(log);
    let mut log = open(disk.clone(), DIR);
    assert_eq!(log.by_id(&id(25, 1)).expect("reads").map(|b| b.bytes), Some(body(525, 90)));
    assert_eq!(log.by_id(&id(25, 0)).expect("reads"), None);
    log.truncate_after(Some(height(12))).expect("gives up");
    log.truncate_after(None).expect("gives up everything");
    assert_eq!((log.first(), log.next_height()), (None, None));
    log.append_synced(height(1000), id(1000, 0), b"anew").expect("appends");
    assert_eq!(heights(log.iter()), [1000]);
}

#[test]
fn a_folder_has_one_writer_at_a_time() {
    let folder = Folder::new();
    let mut log = open(OsDisk, &folder.0);
    fill(&mut log, 0..2);
    let error = BlockLog::open(OsDisk, &folder.0, config()).expect_err("is in use");
    assert!(matches!(&error, Error::InUse { path } if *path == folder.0), "{error}");
    assert!(error.to_string().contains("in use by another process: stop it"), "{error}");
    drop(log);
    assert_eq!(heights(open(OsDisk, &folder.0).iter()), [0, 1]);
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let disk = SimDisk::new(0);
    let mut log = open(disk.clone(), DIR);
    fill(&mut log, 0..2);
    drop(log);
    let path = "log/00000000000000000000.log";
    let mut bytes = disk.contents(path).expect("a segment");
    bytes[8] = 9;
    let head = blake3::derive_key("avalanche/store/log-segment-head/v1", &bytes[..56]);
    bytes[56..64].copy_from_slice(&head[..8]);
    disk.replace(path, Some(bytes.clone()));
    let error = BlockLog::open(disk.clone(), DIR, config()).expect_err("is refused");
    assert!(matches!(error, Error::Version { found: 9, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains(path), "{error}");
    assert_eq!(disk.contents(path), Some(bytes));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join("a-file");
    fs::write(&file, b"in the way").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let error = BlockLog::open(OsDisk, &path, config()).expect_err("is a file").to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
        assert!(error.contains("check the path"), "{error}");
    }
    for (kind, advice) in [
        (ErrorKind::PermissionDenied, "give this user permission"),
        (ErrorKind::ReadOnlyFilesystem, "mount it writable"),
        (ErrorKind::StorageFull, "free space on that disk"),
    ] {
        let disk = SimDisk::new(0);
        let mut log = open(disk.clone(), DIR);
        disk.fail_at(disk.operations(), kind);
        let error = log.append(height(0), id(0, 0), b"").expect_err("fails").to_string();
        assert!(error.contains("log/00000000000000000000.log"), "{error}");
        assert!(error.contains(advice), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).expect("a folder");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o555)).expect("read-only");
    match BlockLog::open(OsDisk, &folder.0, config()) {
        // The superuser may write everywhere: there is nothing to refuse.
        Ok(_) => {}
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&folder.0.display().to_string()), "{text}");
            assert!(text.contains("permission"), "{text}");
        }
    }
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).expect("writable");
}

#[test]
fn a_poisoned_log_says_so_on_each_call_and_can_be_read() {
    let disk = SimDisk::new(1);
    let mut log = open(disk.clone(), DIR);
    log.append_synced(height(0), id(0, 0), b"zero").expect("appends");
    log.append(height(1), id(1, 0), b"one").expect("appends");
    disk.fail_at(disk.operations() + 1, ErrorKind::Other);
    let failed = log.sync().expect_err("fails");
    assert!(matches!(failed, Error::Io { action: "sync", .. }), "{failed}");
    for _ in 0..2 {
        let poisoned = |result: Result<(), Error>| {
            let error = result.expect_err("poisoned");
            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        };
        poisoned(log.append(height(2), id(2, 0), b"two"));
        poisoned(log.sync().map(drop));
        poisoned(log.prune_below(height(0), prune_below(height(0))).map(drop));
        poisoned(log.truncate_after(None).map(drop));
        poisoned(log.import(&b""[..]).map(drop));
    }
    assert_eq!(log.last(), Some(height(0)));
    assert_eq!(log.get(height(0)).expect("reads").map(|b| b.bytes), Some(b"zero".to_vec()));
    assert_eq!(log.get(height(1)).expect("reads"), None, "was never acknowledged");
}

#[test]
fn segments_of_different_making_differ() {
    let heads = |seed: Option<[u8; 32]>| {
        let disk = SimDisk::new(0);
        let config = LogConfig { identity_seed: seed, ..config() };
        let (mut log, _) = BlockLog::open(disk.clone(), DIR, config).expect("opens");
        log.append_synced(height(0), id(0, 0), b"").expect("appends");
        log.truncate_after(None).expect("gives up");
        log.append_synced(height(0), id(0, 0), b"").expect("appends");
        let files = disk.files().into_iter().filter(|file| !file.ends_with("lock"));
        files.map(|file| disk.contents(file).unwrap()[24..40].to_vec()).collect::<Vec<_>>()
    };
    let (seeded, drawn, again) = (heads(Some([1; 32])), heads(None), heads(None));
    assert_eq!(seeded, heads(Some([1; 32])));
    let all = [seeded, drawn, again].concat();
    assert_eq!(all.len(), 6);
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), 6, "the same height, each time made anew");
}

#[test]
fn files_of_the_system_are_read_and_written_at_offsets() {
    let folder = Folder::new();
    OsDisk.create_dir_all(&folder.0.join("a/b")).expect("makes both");
    OsDisk.create_dir_all(&folder.0.join("a/b")).expect("is there");
    let path = folder.0.join("a/b/file");
    let file = OsDisk.open(&path, OpenMode::CreateNew).expect("makes");
    file.write_at(b"hello", 3).expect("writes");
    assert_eq!(file.len().expect("a length"), 8);
    let mut four = [1; 4];
    file.read_at(&mut four, 2).expect("reads");
    assert_eq!(&four, b"\0hel");
    let error = file.read_at(&mut four, 5).expect_err("ends there");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let again = OsDisk.open(&path, OpenMode::CreateNew).expect_err("is there");
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert!(OsDisk.open(&path, OpenMode::Read).expect("opens").write_at(b"x", 0).is_err());
    let names = OsDisk.list(&folder.0.join("a")).expect("lists");
    assert_eq!(names, [""; 0], "folders are no files");
}
