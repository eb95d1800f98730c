//! Folders for tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
    children: AtomicU32,
}

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            env::temp_dir().join(format!("avalanche-store-{name}-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path, children: AtomicU32::new(0) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it that is not there yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.path.join(self.children.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left is below the folder for temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}
