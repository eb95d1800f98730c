//! The thread that writes a chain's block log.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use avalanche_consensus::{Height, Id};
use avalanche_store::{BlockLog, Error};
use bytes::Bytes;
use tokio::sync::oneshot;

/// Groups of blocks that wait to be written, at most. The driver waits for each, so one is usual.
const WAITING_MAX: usize = 4;

/// A block for the log.
pub(crate) type Entry = (Height, Id, Bytes);

struct Job {
    entries: Vec<Entry>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// The one writer of a log. Its thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct LogWriter {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Moves a log to a thread of its own.
    ///
    /// # Errors
    ///
    /// If the system has no thread left.
    pub(crate) fn start(log: BlockLog, chain: &str) -> std::io::Result<Self> {
        let (jobs, received) = sync_channel(WAITING_MAX);
        let thread = thread::Builder::new()
            .name(format!("log-{chain}"))
            .spawn(move || write(log, &received))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Appends blocks and makes them durable with one sync.
    ///
    /// # Errors
    ///
    /// Those of the log: nothing of it may be told then, and the log takes no more.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        // The thread lives as long as this, and no more wait than one driver sends.
        let sent = self.jobs.as_ref().map(|jobs| jobs.try_send(Job { entries, done }));
        match sent {
            Some(Ok(())) => answer.await.unwrap_or_else(|_| Err(gone())),
            _ => Err(gone()),
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // What is left to do is one sync.
            let _ = thread.join();
        }
    }
}

fn write(mut log: BlockLog, jobs: &Receiver<Job>) {
    while let Ok(Job { entries, done }) = jobs.recv() {
        let appended = entries
            .iter()
            .try_for_each(|(height, id, bytes)| log.append(*height, *id, bytes))
            .and_then(|()| log.sync().map(drop));
        let _ = done.send(appended);
    }
}

fn gone() -> Error {
    Error::Io {
        action: "write to",
        path: std::path::PathBuf::from("the block log"),
        source: std::io::Error::other("its thread has ended"),
    }
}
