//! Summaries of the counter's state.

use async_trait::async_trait;
use avalanche_consensus::engine::SyncMode;
use avalanche_consensus::{Height, Id};
use avalanche_vm::{Error, StateSummary, StateSync};

use super::{Bug, Counter, invalid};

const MARK: &[u8] = b"sum";

fn summary(height: Height, bytes: Vec<u8>) -> StateSummary {
    StateSummary { id: Id::hash(&bytes), height, bytes }
}

#[async_trait]
impl StateSync for Counter {
    fn parse_summary(&self, bytes: &[u8]) -> Result<StateSummary, Error> {
        let rest = match bytes.strip_prefix(MARK) {
            Some(rest) => rest,
            None if self.bug == Bug::ReadsAnySummary => &[0; 8],
            None => return Err(invalid("summary")),
        };
        let (height, _) = rest.split_first_chunk().ok_or_else(|| invalid("summary"))?;
        Ok(summary(Height::new(u64::from_be_bytes(*height)), bytes.to_vec()))
    }

    async fn ongoing(&mut self) -> Result<Option<StateSummary>, Error> {
        Ok(None)
    }

    async fn last(&mut self) -> Result<Option<StateSummary>, Error> {
        let height = self.tip.height;
        let mut bytes = [MARK, &height.get().to_be_bytes(), &self.sum.0.to_be_bytes()].concat();
        if self.bug == Bug::SummaryNamesNode {
            bytes.extend(self.context.node_id.as_bytes());
        }
        Ok(Some(summary(height, bytes)))
    }

    async fn at(&mut self, height: Height) -> Result<Option<StateSummary>, Error> {
        Ok(self.last().await?.filter(|last| last.height == height))
    }

    async fn accept_summary(&mut self, _summary: &StateSummary) -> Result<SyncMode, Error> {
        Ok(SyncMode::Skipped)
    }
}
