//! What happens on a chain, for whoever wants to know: bounded, and resumable from the log.

use std::sync::Arc;
use std::time::Duration;

use avalanche_consensus::engine::Phase;
use avalanche_consensus::{Height, Id};
use tokio::sync::broadcast;

use crate::BlockInfo;

/// Something that happened on a chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ChainEvent {
    /// A block is final, durable, executed and indexed. Heights come one by one.
    Accepted(Arc<AcceptedBlock>),
    /// A block that was verified can never become final.
    Rejected {
        /// The block.
        id: Id,
        /// Its height.
        height: Height,
    },
    /// The tip of the preferred branch changed.
    Preferred {
        /// The tip.
        id: Id,
    },
    /// The engine entered a phase.
    Phase(Phase),
    /// The chain stopped, and is started again after a rest if its VM allows.
    Stopped {
        /// Why.
        reason: Arc<str>,
    },
}

/// A block that became final.
#[derive(Clone, Debug)]
pub struct AcceptedBlock {
    /// The block.
    pub block: BlockInfo,
    /// The names of its transactions, in their order; empty for a VM that has none.
    pub transactions: Arc<[Id]>,
    /// From the block's first sight on this node to its acceptance; `None` while catching up.
    pub finality: Option<Duration>,
}

/// The events of one chain from now on.
///
/// Whoever is slower than [`Events::CAPACITY`] events misses the oldest, is told how many by
/// [`RecvError::Lagged`](broadcast::error::RecvError::Lagged), and reads the blocks in between with
/// [`ChainReader::blocks`](crate::ChainReader::blocks).
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<ChainEvent>);

impl Events {
    /// Events that a slow listener can be behind.
    pub const CAPACITY: usize = 1_024;

    /// A source of events, and one listener to it: for chains of one's own.
    #[must_use]
    pub fn channel() -> (broadcast::Sender<ChainEvent>, Self) {
        let (sender, receiver) = broadcast::channel(Self::CAPACITY);
        (sender, Self(receiver))
    }

    /// Another listener to a source of events.
    #[must_use]
    pub fn of(sender: &broadcast::Sender<ChainEvent>) -> Self {
        Self(sender.subscribe())
    }

    /// The next event. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Lagged`](broadcast::error::RecvError::Lagged) if some were missed,
    /// [`Closed`](broadcast::error::RecvError::Closed) if the chain is gone.
    pub async fn recv(&mut self) -> Result<ChainEvent, broadcast::error::RecvError> {
        self.0.recv().await
    }
}
