//! Logs as streams: whole, cut short, damaged, and of another chain.
#![cfg(test)]

mod log_support;

use std::io::{self, ErrorKind};
use std::path::Path;

use avalanche_consensus::Height;
use avalanche_store::testing::SimDisk;
use avalanche_store::{Block, BlockLog, Disk, Error, LogConfig, StreamFault};
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
fn an_export_is_imported_as_far_as_it_is_intact() {
    let mut log = open(SimDisk::new(0), DIR);
    fill(&mut log, 5..25);
    let mut stream = Vec::new();
    assert_eq!(log.export(height(7)..height(17), &mut stream).expect("exports"), 10);
    let mut other = open(SimDisk::new(1), DIR);
    let report = other.import(&stream[..]).expect("imports");
    assert!(report.stopped.is_none(), "{:?}", report.stopped);
    assert_eq!((report.imported, report.skipped), (10, 0));
    assert!(other.iter().zip(log.range(height(7)..)).all(|(a, b)| a.unwrap() == b.unwrap()));
    assert_eq!(heights(other.iter()), (7..17).collect::<Vec<_>>());

    let block_bytes = 4 + 32 + 32 + 100;
    let (mut cut, mut damaged) = (0, 0);
    for len in 0..stream.len() {
        let mut partial = open(SimDisk::new(2), DIR);
        let report = partial.import(&stream[..len]).expect("imports");
        let whole = len.saturating_sub(56) / block_bytes;
        assert_eq!(partial.iter().count(), whole.min(10));
        match report.stopped.expect("says so") {
            StreamFault::NotAnExport => assert!(len < 24),
            StreamFault::CutShort { height } => {
                assert_eq!(height.get(), 7 + whole as u64);
                cut += 1;
            }
            other => panic!("{other}"),
        }
        if len % 97 == 0 {
            let report = partial.import(&stream[..]).expect("imports the rest");
            assert_eq!((report.skipped, report.imported), (whole as u64, 10 - whole as u64));
            assert!(report.stopped.is_none());
        }
    }
    for at in 0..stream.len() {
        let mut flipped = stream.clone();
        flipped[at] ^= 1 << (at % 8);
        let mut partial = open(SimDisk::new(2), DIR);
        let report = partial.import(&flipped[..]).expect("imports");
        assert!(report.stopped.is_some(), "byte {at}");
        let whole = at.saturating_sub(56) / block_bytes;
        assert_eq!(partial.iter().count(), whole.min(10), "byte {at}");
        assert!(partial.iter().zip(log.range(height(7)..)).all(|(a, b)| a.unwrap() == b.unwrap()));
        damaged += u64::from(matches!(report.stopped, Some(StreamFault::Damaged { .. })));
    }
    assert!(cut > 1000 && damaged > 1000, "{cut} {damaged}");
}

#[test]
fn an_import_that_does_not_fit_says_why() {
    let mut log = open(SimDisk::new(0), DIR);
    fill(&mut log, 5..10);
    let mut stream = Vec::new();
    log.export(height(7).., &mut stream).expect("exports");
    let stopped = |log: &mut BlockLog<SimDisk>, stream: &[u8]| {
        log.import(stream).expect("the log is well").stopped.expect("stops").to_string()
    };
    let mut gap = open(SimDisk::new(1), DIR);
    fill(&mut gap, 0..6);
    let text = stopped(&mut gap, &stream);
    assert!(text.contains("height 7 does not follow in the log: append height 6"), "{text}");
    let mut fork = open(SimDisk::new(1), DIR);
    fork.append_synced(height(7), id(7, 1), b"another").expect("appends");
    let text = stopped(&mut fork, &stream);
    assert!(text.contains("height 7") && text.contains("of different chains"), "{text}");
    let mut later = stream.clone();
    later[8] = 2;
    let text = stopped(&mut fork, &later);
    assert!(text.contains("format version 2, and this release reads up to 1"), "{text}");
    let small = LogConfig { block_bytes_max: 50, ..config() };
    let (mut small, _) = BlockLog::open(SimDisk::new(1), DIR, small).expect("opens");
    let text = stopped(&mut small, &stream);
    assert!(text.contains("block of 100 bytes exceeds the log's 50"), "{text}");
    let text = stopped(&mut fork, b"some other file that is long enough");
    assert!(text.contains("does not begin as an exported log does"), "{text}");
    assert_eq!(heights(fork.iter()), [7]);
    let full = SimDisk::new(1);
    let mut empty = Vec::new();
    assert_eq!(open(full.clone(), DIR).export(.., &mut empty).expect("exports"), 0);
    assert!(open(full, DIR).import(&empty[..]).expect("imports").stopped.is_none());
    struct Refuses;
    impl io::Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(log.export(.., Refuses), Err(Error::Io { .. })));
}
