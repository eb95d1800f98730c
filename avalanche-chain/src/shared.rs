//! What the tasks and the handles of a chain have in common.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avalanche_consensus::engine::{Phase, Stats, Tip};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::validators::ValidatorSet;
use avalanche_consensus::{Id, NodeId};
use avalanche_store::LogReader;
use avalanche_vm::{BlockContents, Instance, InstanceState, ToEngine};
use tokio::sync::{Notify, broadcast};

use crate::blocks::Indexed;
use crate::clock::Clock;
use crate::recent::Recent;
use crate::waiters::Waiters;
use crate::{ChainEvent, Finality, IndexReader};

/// One chain, as far as it can be looked at from anywhere.
pub(crate) struct Shared {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) vm: String,
    pub(crate) own: NodeId,
    pub(crate) parameters: Parameters,
    pub(crate) validators: ValidatorSet,
    pub(crate) clock: Arc<Clock>,
    pub(crate) log: LogReader,
    pub(crate) index: IndexReader,
    pub(crate) indexed: Arc<Indexed>,
    pub(crate) contents: Option<Arc<dyn BlockContents>>,
    pub(crate) instance: Instance,
    pub(crate) waiters: Waiters,
    pub(crate) recent: Recent,
    pub(crate) signal: Arc<Signal>,
    pub(crate) live: Live,
}

impl Shared {
    /// Whether no other node may propose blocks: then nobody needs transactions from here.
    pub(crate) fn is_alone(&self) -> bool {
        self.validators.iter().all(|one| one.node_id == self.own)
    }
}

/// What changes while the chain runs.
#[derive(Debug)]
pub(crate) struct Live {
    events: broadcast::Sender<ChainEvent>,
    snapshot: Mutex<Snapshot>,
    stopped: Mutex<Option<String>>,
    finality: Mutex<Window>,
}

/// What the engine is at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) phase: Option<Phase>,
    pub(crate) preference: Id,
    pub(crate) last_accepted: Tip,
    pub(crate) processing: usize,
    pub(crate) polls: usize,
    pub(crate) stats: Stats,
}

/// What a VM tells the engine.
#[derive(Debug, Default)]
pub(crate) struct Signal(Notify);

impl Signal {
    /// Returns when the VM has said that there is something to build. Cancel safe.
    pub(crate) async fn pending(&self) {
        self.0.notified().await;
    }
}

impl ToEngine for Signal {
    fn pending_transactions(&self) {
        self.0.notify_one();
    }

    /// Chains do not sync states so far.
    fn state_sync_done(&self) {}
}

/// How long the last blocks took.
#[derive(Debug, Default)]
struct Window {
    transactions: u64,
    took: VecDeque<Duration>,
}

impl Live {
    pub(crate) fn new(tip: Tip) -> Self {
        let snapshot = Snapshot {
            phase: None,
            preference: tip.id,
            last_accepted: tip,
            processing: 0,
            polls: 0,
            stats: Stats::default(),
        };
        Self {
            events: broadcast::channel(crate::Events::CAPACITY).0,
            snapshot: Mutex::new(snapshot),
            stopped: Mutex::default(),
            finality: Mutex::default(),
        }
    }
}

impl Shared {
    pub(crate) fn events(&self) -> crate::Events {
        crate::Events::of(&self.live.events)
    }

    pub(crate) fn tell(&self, event: ChainEvent) {
        // Nobody has to listen.
        let _ = self.live.events.send(event);
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        *lock(&self.live.snapshot) = snapshot;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        *lock(&self.live.snapshot)
    }

    /// Notes why the engine does not run, or that it does.
    pub(crate) fn set_stopped(&self, reason: Option<String>) {
        if let Some(reason) = &reason {
            lock(&self.live.snapshot).phase = None;
            self.tell(ChainEvent::Stopped { reason: Arc::from(reason.as_str()) });
        }
        *lock(&self.live.stopped) = reason;
    }

    pub(crate) fn stopped(&self) -> Option<String> {
        lock(&self.live.stopped).clone()
    }

    /// Counts a block that is final.
    pub(crate) fn count(&self, transactions: usize, took: Option<Duration>) {
        let mut window = lock(&self.live.finality);
        window.transactions += transactions as u64;
        if let Some(took) = took {
            window.took.push_back(took);
            if window.took.len() > Finality::BLOCKS {
                window.took.pop_front();
            }
        }
    }

    pub(crate) fn finality(&self) -> Finality {
        let (transactions, mut took) = {
            let window = lock(&self.live.finality);
            (window.transactions, window.took.iter().copied().collect::<Vec<_>>())
        };
        took.sort_unstable();
        let at = |percent: usize| {
            let place = took.len().saturating_sub(1) * percent / 100;
            took.get(place).copied().unwrap_or_default()
        };
        Finality { transactions, p50: at(50), p99: at(99) }
    }

    /// Why the VM does not answer.
    pub(crate) fn instance_failure(&self) -> String {
        match self.instance.status().state {
            InstanceState::Failed { reason, .. } => reason,
            state => format!("its VM is {state}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
