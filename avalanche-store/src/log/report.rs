//! What opening and checking a log found.

use std::path::PathBuf;

use avalanche_consensus::Height;

/// What opening a log found, and did about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Bytes at the end that a crash left half written, and that were cut. No block that a sync
    /// acknowledged was among them.
    pub cut: Option<CutTail>,
    /// Durable blocks that can no longer be read. The log is open up to there, and takes no block.
    pub damage: Option<LogDamage>,
    /// Index files that were missing or damaged, and were built again.
    pub indexes_rebuilt: u64,
    /// Bytes at the end that were whole, but not known to be on the disk: written again and synced.
    pub rewritten_bytes: u64,
}

/// The end of a log that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutTail {
    /// The segment.
    pub path: PathBuf,
    /// Where it was cut, in bytes.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: &'static str,
    /// Where the first [`torn_bytes_max`](crate::LogConfig::torn_bytes_max) of them are kept;
    /// `None` if there was no room for that.
    pub kept: Option<PathBuf>,
}

/// Durable blocks that can no longer be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The segment.
    pub path: PathBuf,
    /// Where the damage begins, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: &'static str,
    /// The first height that cannot be read.
    pub first_lost: Height,
    /// The last height that was there, as far as what is left shows. Single blocks in between may
    /// be intact.
    pub last_lost: Height,
}

/// What reading a whole log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segments that were read.
    pub segments: u64,
    /// Blocks that are intact, up to the first damage.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first damage.
    pub damage: Option<LogDamage>,
    /// Index files that did not agree with their segments. Such a file is removed: the next opening
    /// builds it again.
    pub indexes_wrong: u64,
}
