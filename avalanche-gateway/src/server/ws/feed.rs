//! What of a chain is told next: from the log until it is caught up with, then as it happens.

use std::collections::VecDeque;
use std::sync::Arc;

use avalanche_chain::{AcceptedBlock, BlockInfo, Chain, Error};
use avalanche_consensus::{Height, Id};

use crate::api::{Event, EventCursor};
use crate::server::convert;

/// Blocks that are read from the log at once.
const PAGE: usize = 32;
/// Names of transactions in one message.
const IDS_MAX: usize = 1_024;

/// What is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Topics {
    pub(super) blocks: bool,
    pub(super) transactions: bool,
    pub(super) consensus: bool,
    pub(super) peers: bool,
}

/// The next thing to tell: a block, or the rest of its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    height: Height,
    /// Whether the block itself was told.
    block_told: bool,
    /// How many of its transactions were told.
    transactions_told: u32,
}

/// The accepted blocks and transactions of a chain, each once, in order.
pub(super) struct Feed {
    chain: Arc<dyn Chain>,
    topics: Topics,
    position: Position,
    /// Blocks of the log that were read and not told.
    read: VecDeque<BlockInfo>,
    /// Whether the log may have what was not read.
    behind: bool,
}

impl Position {
    /// With a block.
    pub(super) const fn from(height: Height) -> Self {
        Self { height, block_told: false, transactions_told: 0 }
    }

    /// With what follows a message.
    pub(super) const fn after(cursor: EventCursor) -> Self {
        let transactions_told = match cursor.index {
            None => 0,
            Some(index) => index.saturating_add(1),
        };
        Self { height: Height::new(cursor.height), block_told: true, transactions_told }
    }
}

impl Feed {
    /// From a place on.
    pub(super) fn from_log(chain: Arc<dyn Chain>, topics: Topics, start: Position) -> Self {
        let mut feed = Self { chain, topics, position: start, read: VecDeque::new(), behind: true };
        if !topics.transactions && start.block_told {
            feed.advance();
        }
        feed
    }

    /// From what follows the last accepted block on: that is not in the log.
    pub(super) fn from_now(chain: Arc<dyn Chain>, topics: Topics, last: Height) -> Self {
        let start = Position::from(last.next().unwrap_or(Height::MAX));
        Self { behind: false, ..Self::from_log(chain, topics, start) }
    }

    pub(super) const fn topics(&self) -> Topics {
        self.topics
    }

    /// Looks at the log again: events were missed.
    pub(super) const fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// Whether there may be something to tell that is in the log.
    pub(super) fn is_behind(&self) -> bool {
        self.behind && (self.topics.blocks || self.topics.transactions)
    }

    /// The next things to tell from the log; none at its end. Cancel safe.
    pub(super) async fn catch_up(&mut self) -> Result<Vec<Event>, Error> {
        if self.read.is_empty() {
            self.read = self.chain.blocks(self.position.height, PAGE).await?.into();
        }
        let Some(block) = self.read.front() else {
            self.behind = false;
            return Ok(Vec::new());
        };
        let with_ids = self.topics.transactions && block.transactions != Some(0);
        let ids = match with_ids {
            true => self.chain.block_transactions(block.height).await?,
            false => Vec::new(),
        };
        // Nothing is waited for from here on, so that whoever gives up loses nothing.
        let block = self.read.pop_front();
        Ok(block.map(|block| self.tell(&block, &ids, None)).unwrap_or_default())
    }

    /// What to tell of a block that was just accepted. What comes too early is in the log.
    pub(super) fn accepted(&mut self, accepted: &AcceptedBlock) -> Vec<Event> {
        let AcceptedBlock { block, transactions, finality } = accepted;
        if block.height < self.position.height {
            return Vec::new();
        }
        if block.height > self.position.height {
            self.fall_behind();
            return Vec::new();
        }
        self.tell(block, transactions, finality.map(convert::micros))
    }

    /// Tells of the block at which it stands.
    fn tell(&mut self, block: &BlockInfo, ids: &[Id], finality_us: Option<u64>) -> Vec<Event> {
        // The log has one block for each height, in order.
        if block.height != self.position.height {
            return Vec::new();
        }
        let Position { block_told, transactions_told, .. } = self.position;
        let height = block.height.get();
        let mut events = Vec::new();
        if self.topics.blocks && !block_told {
            let cursor = EventCursor { height, index: None };
            events.push(Event::Blocks { cursor, block: convert::block(block), finality_us });
        }
        if self.topics.transactions {
            let told = usize::try_from(transactions_told).unwrap_or(usize::MAX);
            let mut first = transactions_told;
            for part in ids.get(told..).unwrap_or_default().chunks(IDS_MAX) {
                let next = first.saturating_add(convert::count(part.len()));
                let cursor = EventCursor { height, index: Some(next.saturating_sub(1)) };
                let (block, ids) = (block.id, part.to_vec());
                events.push(Event::Transactions { cursor, block, height, first, ids });
                first = next;
            }
        }
        self.advance();
        events
    }

    /// To the next height.
    fn advance(&mut self) {
        self.position = Position::from(self.position.height.next().unwrap_or(Height::MAX));
    }
}
