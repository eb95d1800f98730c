//! Workloads of `avalanche-store`, each beside what it is held against.
//!
//! What syncs works in a folder of its own below the folder for temporary files. Where that is in
//! memory, a sync costs nothing and the ratios say little: set `TMPDIR` to a folder on a disk.

pub mod key_value;
pub mod log;
pub mod state;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, io};

use crate::floor::SplitMix;
use crate::measure::{Clock, Done};

/// An operation that needs something made before it, which is not to count.
pub trait Step {
    /// Makes what the next operation needs, and drops what the last one left.
    ///
    /// # Errors
    ///
    /// None, on a machine whose disk works.
    fn prepare(&mut self) -> io::Result<()>;

    /// The operation.
    ///
    /// # Errors
    ///
    /// None, on a machine whose disk works.
    fn run(&mut self) -> io::Result<()>;
}

/// Steps as work to measure with `clock`.
pub fn steps(clock: Clock, step: &mut impl Step) -> impl FnMut(u64) -> Done {
    move |operations| {
        let mut apart = Duration::ZERO;
        for _ in 0..operations {
            let start = clock.now();
            let prepared = step.prepare();
            apart += clock.now().saturating_sub(start);
            let done = prepared.and_then(|()| step.run());
            assert!(done.is_ok(), "{done:?}");
        }
        Done { operations, apart }
    }
}

/// A folder for the files of one workload, removed when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("avalanche-benches-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the folder for temporary files, with the name of this program.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Any error as one of input and output, which the report returns.
pub(crate) fn told(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}

/// `count` bytes that do not repeat.
pub(crate) fn bytes(random: &mut SplitMix, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    for part in bytes.chunks_mut(8) {
        let drawn = random.next_u64().to_le_bytes();
        part.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_until_it_is_dropped() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_path_buf();
        fs::write(path.join("file"), b"bytes").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn bytes_do_not_repeat() {
        let mut random = SplitMix::new(1);
        let [one, other] = [bytes(&mut random, 13), bytes(&mut random, 13)];
        assert!(one.len() == 13 && one != other);
    }
}
