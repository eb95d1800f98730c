//! A process appends blocks and dies in the middle of its work; the next one misses nothing.
//!
//! Run it with `cargo run --release --example durable_log`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::Path;
use std::process::{Command, Stdio};

use avalanche_consensus::{Height, Id};
use avalanche_store::{BlockLog, LogConfig, OsDisk};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Appends blocks, says which are durable, and ends as a killed process does.
fn write(dir: &Path) -> Result {
    let (mut log, _) = BlockLog::open(OsDisk, dir, LogConfig::default())?;
    for height in 0..500 {
        let block = format!("block {height}").repeat(100);
        log.append(Height::new(height), Id::hash(block.as_bytes()), block.as_bytes())?;
        // One sync for ten blocks. Once it has returned, they survive anything.
        if height % 10 == 9 {
            log.sync()?;
            println!("{height}");
        }
        if height == 437 {
            std::process::abort();
        }
    }
    Ok(())
}

fn main() -> Result {
    let mut arguments = std::env::args_os().skip(1);
    if let Some(dir) = arguments.next() {
        return write(Path::new(&dir));
    }
    let dir = std::env::temp_dir().join(format!("durable-log-{}", std::process::id()));
    let writer =
        Command::new(std::env::current_exe()?).arg(&dir).stdout(Stdio::piped()).output()?;
    let acknowledged = String::from_utf8(writer.stdout)?.lines().last().unwrap_or("0").parse()?;
    println!("the writer died ({}) after it had acknowledged {acknowledged}", writer.status);

    let (mut log, report) = BlockLog::open(OsDisk, &dir, LogConfig::default())?;
    let intact = log.range(..=Height::new(acknowledged)).filter(|block| block.is_ok()).count();
    println!("cut: {:?}; written again: {} bytes", report.cut, report.rewritten_bytes);
    println!("blocks 0 to {acknowledged} are there: {}", intact as u64 == acknowledged + 1);
    let next = log.next_height().ok_or("an empty log")?;
    log.append_synced(next, Id::hash(b"goes on"), b"goes on")?;
    println!("the log goes on at height {next}");
    drop(log);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
