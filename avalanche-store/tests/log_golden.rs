//! The formats on disk, pinned by checked-in files. `AVALANCHE_STORE_GOLDEN=write` writes them
//! anew, which is a change of the format.
#![cfg(test)]

#[path = "log_support/folder.rs"]
mod folder;
mod log_support;

use std::path::{Path, PathBuf};
use std::{env, fs};

use avalanche_consensus::{Height, Id};
use avalanche_store::testing::SimDisk;
use avalanche_store::{Block, BlockLog, Disk, LogConfig, OpenReport, OsDisk};
use folder::Folder;
use log_support::{DIR, body, config, id};

/// What the files hold.
fn blocks() -> Vec<Block> {
    let block = |at: u8| Block {
        height: Height::new(at.into()),
        id: Id::new([at; 32]),
        bytes: body(at.into(), 10 + 20 * usize::from(at)),
    };
    (7..11).map(block).collect()
}

/// Where the pinned files are, and a folder with the same content written anew.
fn golden() -> (PathBuf, Folder) {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/log-v1");
    let folder = Folder::new();
    let config = LogConfig { segment_bytes: 700, identity_seed: Some([9; 32]), ..config() };
    let (mut log, _) = BlockLog::open(OsDisk, &folder.0, config).expect("opens");
    for block in blocks() {
        log.append(block.height, block.id, &block.bytes).expect("appends");
        if block.height.get() != 9 {
            log.sync().expect("syncs");
        }
    }
    let export = fs::File::create(folder.0.join("export")).expect("a file");
    log.export(.., export).expect("exports");
    drop(log);
    fs::remove_file(folder.0.join("lock")).expect("a lock file");
    if env::var_os("AVALANCHE_STORE_GOLDEN").is_some_and(|what| what == "write") {
        fs::create_dir_all(&pinned).expect("a folder");
        copy(&folder.0, &pinned);
    }
    (pinned, folder)
}

fn names(dir: &Path) -> Vec<String> {
    OsDisk.list(dir).expect("lists")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("copies");
    }
}

#[test]
fn the_formats_are_those_of_version_1() {
    let (pinned, written) = golden();
    assert_eq!(names(&pinned).len(), 4, "two segments, an index, an export");
    assert_eq!(names(&pinned), names(&written.0));
    for name in names(&pinned) {
        let read = |dir: &Path| fs::read(dir.join(&name)).expect("reads");
        assert_eq!(read(&pinned), read(&written.0), "{name} is no longer written as it was");
    }
}

#[test]
fn files_of_version_1_are_opened() {
    let (pinned, _written) = golden();
    let folder = Folder::new();
    copy(&pinned, &folder.0);
    let (mut log, report) = BlockLog::open(OsDisk, &folder.0, config()).expect("opens");
    assert_eq!(report, OpenReport::default());
    let expected = blocks();
    assert_eq!(log.iter().collect::<Result<Vec<_>, _>>().expect("reads"), expected);
    assert_eq!(log.height_of(&expected[0].id).expect("reads"), Some(Height::new(7)));
    log.append_synced(Height::new(11), id(11, 0), b"more").expect("goes on");

    let mut imported = BlockLog::open(SimDisk::new(0), DIR, config()).expect("opens").0;
    let export = fs::File::open(folder.0.join("export")).expect("a file");
    let report = imported.import(export).expect("imports");
    assert!(report.stopped.is_none() && report.imported == 4);
    assert_eq!(imported.iter().collect::<Result<Vec<_>, _>>().expect("reads"), expected);
}
