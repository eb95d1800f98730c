//! Clients that wait until a transaction is final.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use avalanche_consensus::{HashKey, Id};
use tokio::sync::watch;

/// Transactions that somebody waits for, at most.
const WAITING_MAX: usize = 1 << 16;

/// Whom to wake when a transaction is final.
#[derive(Debug)]
pub(crate) struct Waiters(Mutex<HashMap<Id, watch::Sender<bool>, HashKey>>);

impl Waiters {
    pub(crate) fn new(key: HashKey) -> Self {
        Self(Mutex::new(HashMap::with_hasher(key)))
    }

    /// Turns true when the transaction is final; `None` if too many wait.
    pub(crate) fn wait(&self, id: Id) -> Option<watch::Receiver<bool>> {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&id) {
            waiting.retain(|_, sender| sender.receiver_count() > 0);
            if waiting.len() >= WAITING_MAX {
                return None;
            }
        }
        Some(waiting.entry(id).or_insert_with(|| watch::Sender::new(false)).subscribe())
    }

    /// These are final.
    pub(crate) fn wake(&self, ids: &[Id]) {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return;
        }
        for id in ids {
            if let Some(sender) = waiting.remove(id) {
                let _ = sender.send(true);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, watch::Sender<bool>, HashKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
