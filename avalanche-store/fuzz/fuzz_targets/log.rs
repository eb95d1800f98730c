//! Whatever the files of a block log hold, opening it panics never, and what can be read is a
//! prefix of what was written.
//!
//! The first byte chooses: mutations of a valid log; records whose checks are right and whose
//! fields are anything; or plain bytes as the last segment.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use avalanche_consensus::{Height, Id};
use avalanche_store::testing::{Persist, SimDisk};
use avalanche_store::{Block, BlockLog, Error, LogConfig};
use libfuzzer_sys::fuzz_target;

const DIR: &str = "log";
const LAST: &str = "log/00000000000000000107.log";

fn config() -> LogConfig {
    let identity_seed = Some([3; 32]);
    LogConfig { segment_bytes: 1000, identity_seed, torn_bytes_max: 4096, ..LogConfig::default() }
}

type Files = Vec<(PathBuf, Vec<u8>)>;

/// A valid log: its files and its blocks.
static VALID: LazyLock<(Files, Vec<Block>)> = LazyLock::new(|| {
    let disk = SimDisk::new(0);
    let (mut log, _) = BlockLog::open(disk.clone(), DIR, config()).expect("opens");
    for at in 100..112_u8 {
        let bytes = vec![at; usize::from(at - 100) * 9];
        log.append(Height::new(at.into()), Id::new([at; 32]), &bytes).expect("appends");
        if at % 3 > 0 {
            log.sync().expect("syncs");
        }
    }
    log.sync().expect("syncs");
    let blocks = log.iter().collect::<Result<_, _>>().expect("reads");
    let files = disk.files().into_iter().map(|f| (f.clone(), disk.contents(f).expect("a file")));
    (files.collect(), blocks)
});

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let (valid, blocks) = &*VALID;
    let disk = SimDisk::new(1);
    for (path, contents) in valid {
        disk.replace(path, Some(contents.clone()));
    }
    match mode % 3 {
        0 => {
            rest.chunks(6).for_each(|mutation| mutate(&disk, mutation));
            check(&disk, Some(blocks));
        }
        1 => {
            disk.replace(LAST, Some(forge(rest)));
            check(&disk, None);
        }
        _ => {
            disk.replace(LAST, Some(rest.to_vec()));
            check(&disk, Some(blocks));
        }
    }
});

/// Six bytes: which file, what, where (two), what with (two).
fn mutate(disk: &SimDisk, mutation: &[u8]) {
    let &[file, kind, at, at_more, with, with_more] = mutation else { return };
    let files = disk.files();
    let Some(path) = files.get(usize::from(file) % files.len().max(1)) else { return };
    let Some(mut bytes) = disk.contents(path) else { return };
    let at = usize::from(u16::from_le_bytes([at, at_more])) % (bytes.len() + 1);
    let end = (at + usize::from(with_more)).min(bytes.len());
    match kind % 7 {
        0 => bytes.truncate(at),
        1 => {
            bytes.drain(at..end);
        }
        2 => bytes[at..end].fill(with),
        3 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= with),
        4 => bytes.extend_from_within(at..end),
        5 => {
            let to = usize::from(with) % (bytes.len() - (end - at) + 1);
            bytes.copy_within(at..end, to);
        }
        _ => return disk.replace(path, None),
    }
    disk.replace(path, Some(bytes));
}

/// A segment of records that pass their checks, with fields from `bytes`.
fn forge(mut bytes: &[u8]) -> Vec<u8> {
    let (first, identity) = (107_u64, [8; 16]);
    let mut file = Vec::new();
    file.extend(b"avlogseg");
    file.extend(1_u64.to_le_bytes());
    file.extend(first.to_le_bytes());
    file.extend(identity);
    file.extend([0; 16]);
    let check = blake3::derive_key("avalanche/store/log-segment-head/v1", &file);
    file.extend(&check[..8]);

    let material = [&identity[..], &first.to_le_bytes()].concat();
    let check_key = blake3::derive_key("avalanche/store/log-record-check/v1", &material);
    let sum_key = blake3::derive_key("avalanche/store/log-record-checksum/v1", &material);
    let mut height = first;
    while let Some((&[kind, len, durable, jump], rest)) = bytes.split_first_chunk::<4>() {
        let content = &rest[..usize::from(len).min(rest.len())];
        bytes = &rest[content.len()..];
        let offset = file.len() as u64;
        // Mostly plausible; each bit of the kind makes one field anything.
        let odd = |bit: u8, value: u64, usual: u64| if kind & bit != 0 { value } else { usual };
        let mark = kind & 0x40 != 0;
        let stated = odd(1, u64::from(jump) << 24, content.len() as u64);
        let stated_height = odd(2, u64::MAX - u64::from(jump), height);
        let before = odd(4, u64::from(durable) << (jump % 64), offset - offset % 128);
        let mut head = vec![0xb1, 0x0c, 0xca, if mark { 0x5e } else { 0xfe }];
        head.extend((stated as u32).to_le_bytes());
        head.extend(stated_height.to_le_bytes());
        head.extend([len; 32]);
        head.extend(before.to_le_bytes());
        let material = [&head[..], &offset.to_le_bytes()].concat();
        head.extend(&blake3::keyed_hash(&check_key, &material).as_bytes()[..8]);
        let body = if mark { &[] } else { content };
        let material = [&offset.to_le_bytes(), &head[..], body].concat();
        let mut sum = *blake3::keyed_hash(&sum_key, &material).as_bytes();
        sum[0] ^= u8::from(kind & 8 != 0);
        file.extend(head);
        file.extend(sum);
        file.extend(body);
        file.extend(content.iter().take(usize::from(kind & 16)));
        height = height.saturating_add(1);
    }
    file
}

/// Opens, reads, verifies, goes on, and opens again.
fn check(disk: &SimDisk, blocks: Option<&Vec<Block>>) {
    let (mut log, report) = match BlockLog::open(disk.clone(), DIR, config()) {
        Ok(opened) => opened,
        Err(error) => panic!("{error}"),
    };
    assert!(report.damage.is_none() || report.cut.is_none(), "cut in spite of damage");
    let mut read = Vec::new();
    for block in log.iter() {
        match block {
            Ok(block) => read.push(block),
            Err(Error::Corrupt { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let first = read.first().map_or(0, |block| block.height.get());
    assert!((first..).zip(&read).all(|(height, block)| block.height.get() == height), "a gap");
    if let Some(blocks) = blocks {
        // The first segments may be gone; then the log begins later.
        let skip = blocks.iter().take_while(|block| block.height.get() < first).count();
        let expected = blocks.get(skip..skip + read.len()).expect("no more than was written");
        assert!(read.is_empty() || read == expected, "other blocks than those written");
    }
    let verified = log.verify().expect("reads");
    assert!(verified.damage.is_some() || verified.blocks >= read.len() as u64);
    for block in &read {
        let found = log.height_of(&block.id);
        assert!(matches!(found, Ok(Some(_)) | Err(Error::Corrupt { .. })), "{found:?}");
    }

    if log.damage().is_some() || verified.damage.is_some() {
        let last = read.last().map(|block| block.height);
        let report = log.truncate_after(last).expect("gives up the rest");
        assert_eq!(report.damage, None);
    } else {
        read = log.iter().collect::<Result<_, _>>().expect("reads");
    }
    let next = log.next_height().map_or(100, Height::get);
    let id = Id::new([0xee; 32]);
    let more = Block { height: Height::new(next), id, bytes: b"more".to_vec() };
    match log.append_synced(more.height, more.id, &more.bytes) {
        Ok(()) => read.push(more),
        Err(Error::WrongHeight { .. } | Error::DuplicateBlock { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    drop(log);
    disk.set_persist(Persist::Nothing);
    disk.crash();
    let (log, report) = BlockLog::open(disk.clone(), DIR, config()).expect("opens");
    assert_eq!(report.damage, None);
    assert_eq!(log.iter().collect::<Result<Vec<_>, _>>().expect("reads"), read);
}
