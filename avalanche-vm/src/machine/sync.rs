//! Starting from a machine's state instead of from all blocks: the summary carries it whole.

use async_trait::async_trait;
use avalanche_consensus::Height;
use avalanche_consensus::engine::SyncMode;

use super::format::Summary;
use super::vm::Stand;
use super::{MachineVm, SMALL_STATE_BYTES, SUMMARIES_MAX, SUMMARY_BLOCKS, StateMachine};
use crate::{Error, InvalidKind, StateSummary, StateSync};

/// Heights that are multiples of [`SUMMARY_BLOCKS`] have a summary, if their state has up to
/// [`SMALL_STATE_BYTES`]. A node has the newest [`SUMMARIES_MAX`] of those that it executed since
/// it started. Accepting one is done at once: the engine hears of it before the call returns.
#[async_trait]
impl<M: StateMachine> StateSync for MachineVm<M> {
    fn parse_summary(&self, bytes: &[u8]) -> Result<StateSummary, Error> {
        Ok(self.read_summary(bytes)?.0)
    }

    /// A sync is never under way when a call has returned.
    async fn ongoing(&mut self) -> Result<Option<StateSummary>, Error> {
        Ok(None)
    }

    async fn last(&mut self) -> Result<Option<StateSummary>, Error> {
        Ok(self.summaries.back().cloned())
    }

    async fn at(&mut self, height: Height) -> Result<Option<StateSummary>, Error> {
        Ok(self.summaries.iter().find(|summary| summary.height == height).cloned())
    }

    /// [`SyncMode::Skipped`] if the summary is not above the last accepted block.
    async fn accept_summary(&mut self, summary: &StateSummary) -> Result<SyncMode, Error> {
        let (summary, stand) = self.read_summary(&summary.bytes).map_err(|error| Error::Fatal {
            reason: "a summary was accepted that cannot be read".to_owned(),
            source: Some(Box::new(error)),
        })?;
        if summary.height <= self.tip.tip.height {
            return Ok(SyncMode::Skipped);
        }
        self.preference = stand.tip.id;
        self.processing.clear();
        self.stand_at(stand);
        self.save()?;
        self.context.store.flush()?;
        self.summaries.clear();
        self.summaries.push_back(summary);
        self.context.to_engine.state_sync_done();
        Ok(SyncMode::Static)
    }
}

impl<M: StateMachine> MachineVm<M> {
    fn read_summary(&self, bytes: &[u8]) -> Result<(StateSummary, Stand<M::State>), Error> {
        let Summary { tip, timestamp, state_hash, state } = Summary::parse(bytes)?;
        let state = self.machine.decode(state)?;
        let stand = Stand::new(&*self.machine, tip, timestamp, state)?;
        if stand.hash != state_hash {
            let reason = "its state is encoded in another way";
            return Err(Error::invalid(InvalidKind::Malformed, "malformed", reason));
        }
        Ok((summary(tip.height, bytes.to_vec()), stand))
    }

    /// Keeps a summary of the accepted state, if its height and length are of those that have one.
    pub(super) fn summarize(&mut self) {
        let Stand { tip, timestamp, hash, len, .. } = self.tip;
        if !tip.height.get().is_multiple_of(SUMMARY_BLOCKS) || len > SMALL_STATE_BYTES {
            return;
        }
        let state = &self.machine.encode(&self.tip.state);
        let bytes = Summary { tip, timestamp, state_hash: hash, state }.encode();
        self.summaries.push_back(summary(tip.height, bytes));
        if self.summaries.len() > SUMMARIES_MAX {
            self.summaries.pop_front();
        }
    }
}

fn summary(height: Height, bytes: Vec<u8>) -> StateSummary {
    StateSummary { id: avalanche_consensus::Id::hash(&bytes), height, bytes }
}
