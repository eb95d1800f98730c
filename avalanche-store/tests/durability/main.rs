//! Real processes, real files, real faults: a writer is killed, loses power, its disk refuses to
//! sync or is full, and everything that it had acknowledged has to be there.
//!
//! The writer is this test program once more (see `writer`). Power loss, full and read-only disks
//! need root and loop devices, errors of system calls need strace; where they are missing a line
//! says so. `DURABILITY=slow` runs the long form.
#![cfg(test)]
#![cfg(target_os = "linux")]

mod child;
mod kill;
mod mount;
mod power_loss;
mod refused;
mod syscalls;
mod targets;

use std::io::Write as _;

/// How often something is done: in each run of the tests, and in the slow profile.
fn times(usual: u32, slow: u32) -> u32 {
    if std::env::var("DURABILITY").is_ok_and(|profile| profile == "slow") { slow } else { usual }
}

/// A line on the real standard error: the test harness holds back what `eprintln!` prints.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says that a test did not run, and why.
fn skip(test: &str, reason: &str) {
    say(&format!("SKIPPED {test}: {reason}"));
}

/// The writer's side of this program: does nothing unless a test started it for that.
#[test]
fn writer_process() {
    child::main();
}
