//! A writer is killed, again and again, in one folder: nothing that it acknowledged is lost.
#![cfg(test)]

#[path = "log_support/folder.rs"]
mod folder;
mod log_support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, io};

use avalanche_consensus::Height;
use avalanche_store::{BlockLog, LogConfig, OsDisk};
use folder::Folder;
use log_support::{DIR, Lcg, body, config, id};

/// Names the folder to the process that is killed.
const VARIABLE: &str = "AVALANCHE_STORE_KILLED_IN";
/// Stands before each height that the writer acknowledges.
const ACKNOWLEDGED: &str = "acknowledged ";

fn segments() -> LogConfig {
    LogConfig { segment_bytes: 200_000, identity_seed: None, ..config() }
}

/// Content of the block at a height: up to 100,000 bytes.
fn content(height: u64) -> Vec<u8> {
    let longest = if height.is_multiple_of(7) { 100_000 } else { 3000 };
    body(height, usize::try_from(Lcg::new(height).below(longest)).expect("few"))
}

/// Not a test by itself: what the test below runs as another process, until it is killed.
#[test]
fn a_writer_to_be_killed() {
    let Some(dir) = env::var_os(VARIABLE) else { return };
    let (mut log, report) =
        BlockLog::open(OsDisk, Path::new(&dir).join(DIR), segments()).expect("opens");
    assert_eq!(report.damage, None);
    let next = log.next_height().map_or(0, Height::get);
    for height in next..next + 100_000 {
        log.append(Height::new(height), id(height, 0), &content(height)).expect("appends");
        if Lcg::new(height).below(3) == 0 {
            let last = log.sync().expect("syncs").expect("not empty");
            // At once: what is buffered here would be lost with the process.
            writeln!(io::stdout(), "{ACKNOWLEDGED}{last}").expect("a reader");
        }
    }
}

#[test]
fn two_hundred_kills_lose_nothing_acknowledged() {
    let folder = Folder::new();
    let (mut acknowledged, mut beyond, mut cut) = (None, 0, 0);
    for kill in 0..200_u64 {
        let mut writer = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "a_writer_to_be_killed", "--nocapture"])
            .env(VARIABLE, &folder.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
        let height = |line: io::Result<String>| {
            let line = line.expect("text");
            let at = line.find(ACKNOWLEDGED)?;
            line.get(at + ACKNOWLEDGED.len()..)?.parse::<u64>().ok()
        };
        let wait = 1 + Lcg::new(kill).below(3);
        for last in lines.by_ref().filter_map(height).take(usize::try_from(wait).expect("few")) {
            acknowledged = Some(last);
        }
        writer.kill().expect("is running");
        assert!(!writer.wait().expect("ends").success(), "it ended by itself");
        // What it had said before it died.
        acknowledged = lines.filter_map(height).last().or(acknowledged);

        let (log, report) = BlockLog::open(OsDisk, folder.0.join(DIR), segments()).expect("opens");
        assert_eq!(report.damage, None);
        let last = log.last().map(Height::get);
        assert!(last >= acknowledged, "kill {kill}: {last:?} of {acknowledged:?}");
        beyond += u64::from(last > acknowledged);
        cut += u64::from(report.cut.is_some());
        let from = last.unwrap_or(0).saturating_sub(20);
        for block in log.range(Height::new(from)..) {
            let block = block.expect("reads");
            assert_eq!(block.bytes, content(block.height.get()));
        }
    }
    let (log, _) = BlockLog::open(OsDisk, folder.0.join(DIR), segments()).expect("opens");
    let verified = log.verify().expect("reads");
    assert_eq!(verified.damage, None);
    println!("{verified:?}; beyond what was acknowledged {beyond} times, cut {cut} times");
    assert!(verified.blocks > 400 && verified.segments > 10, "{verified:?}");
}
