//! Questions of the engine that memory or the block log answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use avalanche_consensus::engine::{Answer, Call, CallId};
use avalanche_consensus::{Height, Id};
use avalanche_store::{Error, LogReader};
use bytes::Bytes;

use super::Driver;
use crate::ChainBlock;
use crate::executor::{Done, blocking};
use crate::wire::with_facts;

/// Reads of the log at a time: each may have 2 MiB in memory.
pub(super) const READS_MAX: usize = 8;

impl Driver {
    /// The answer, if memory has it; otherwise the log is read aside, and the answer comes later.
    pub(super) fn read(&self, call: CallId, asked: Call<ChainBlock>) -> Option<Answer<ChainBlock>> {
        match asked {
            Call::GetBlock(id) => {
                if let Some(block) = self.in_memory(&id) {
                    return Some(Answer::Block(Some(with_facts(block))));
                }
                self.aside(call, move |log| Ok(Answer::Block(by_id(log, &id)?.map(with_facts))));
            }
            Call::BlockIdAtHeight(height) => {
                if height > self.last.height() {
                    return Some(Answer::BlockId(None));
                }
                let recent = self.recent.iter().find(|block| block.height() == height);
                if let Some(block) = recent {
                    return Some(Answer::BlockId(Some(block.id())));
                }
                self.aside(call, move |log| {
                    Ok(Answer::BlockId(log.get(height)?.map(|block| block.id)))
                });
            }
            Call::GetAncestors { id, blocks_max, bytes_max, time_max } => {
                let bounds = Bounds { blocks: blocks_max, bytes: bytes_max, time: time_max };
                let undecided = self.undecided_from(id, bounds.blocks);
                self.aside(call, move |log| {
                    Ok(Answer::Blocks(
                        ancestors(log, id, undecided, bounds)?
                            .into_iter()
                            .map(with_facts)
                            .collect(),
                    ))
                });
            }
            Call::FilterAccepted(ids) => {
                self.aside(call, move |log| {
                    let mut accepted = Vec::new();
                    for id in ids {
                        if log.height_of(&id)?.is_some() {
                            accepted.push(id);
                        }
                    }
                    Ok(Answer::Ids(accepted))
                });
            }
            // The caller answers the others.
            _ => return Some(Answer::Block(None)),
        }
        None
    }

    fn in_memory(&self, id: &Id) -> Option<ChainBlock> {
        let recent = || self.recent.iter().find(|block| block.id() == *id);
        self.processing.get(id).map(|seen| &seen.block).or_else(recent).cloned()
    }

    /// A block and its ancestors that are not decided, newest first.
    fn undecided_from(&self, mut id: Id, most: usize) -> Vec<ChainBlock> {
        let mut blocks = Vec::new();
        while let Some(seen) = self.processing.get(&id) {
            if blocks.len() >= most {
                break;
            }
            blocks.push(seen.block.clone());
            id = seen.block.parent();
        }
        blocks
    }

    /// Reads the log on a thread that may wait, [`READS_MAX`] at a time. As many wait as the engine
    /// has calls open, at most [`calls_max`](avalanche_consensus::engine::Limits::calls_max).
    fn aside(
        &self,
        call: CallId,
        read: impl FnOnce(&LogReader) -> Result<Answer<ChainBlock>, Error> + Send + 'static,
    ) {
        let (log, answers) = (self.shared.log.clone(), self.answers.clone());
        let reads = Arc::clone(&self.reads);
        drop(tokio::spawn(async move {
            // Never closed. Held until the answer is there, so that few answers are in memory.
            let _turn = reads.acquire().await;
            let answer = match blocking(move || read(&log)).await {
                Ok(Ok(answer)) => Done::Answer { call, answer },
                Ok(Err(error)) => Done::Failed(format!("the block log cannot be read: {error}")),
                Err(error) => Done::Failed(error.to_string()),
            };
            // Nobody listens only when the chain is stopping.
            let _ = answers.send(answer);
        }));
    }
}

/// How much is given to one peer.
#[derive(Clone, Copy)]
struct Bounds {
    blocks: usize,
    bytes: usize,
    time: Duration,
}

fn by_id(log: &LogReader, id: &Id) -> Result<Option<ChainBlock>, Error> {
    Ok(log.by_id(id)?.and_then(|block| decoded(block.bytes)))
}

/// What is in the log was decoded before it came there.
fn decoded(bytes: Vec<u8>) -> Option<ChainBlock> {
    let block = ChainBlock::decode(Bytes::from(bytes));
    block.inspect_err(|error| tracing::error!(%error, "a logged block cannot be decoded")).ok()
}

/// A block and its ancestors, newest first, as far as the bounds let. The first counts whatever its
/// size.
fn ancestors(
    log: &LogReader,
    id: Id,
    undecided: Vec<ChainBlock>,
    bounds: Bounds,
) -> Result<Vec<ChainBlock>, Error> {
    let began = Instant::now();
    let (mut blocks, mut bytes) = (Vec::new(), 0_usize);
    let mut take = |block: ChainBlock| {
        bytes = bytes.saturating_add(block.bytes().len()).saturating_add(4);
        let fits = blocks.is_empty() || bytes <= bounds.bytes;
        if fits {
            blocks.push(block);
        }
        fits && blocks.len() < bounds.blocks && began.elapsed() < bounds.time
    };
    let mut next = id;
    for block in undecided {
        next = block.parent();
        if !take(block) {
            return Ok(blocks);
        }
    }
    let mut height: Option<Height> = log.height_of(&next)?;
    while let Some(at) = height {
        let Some(block) = log.get(at)?.and_then(|block| decoded(block.bytes)) else { break };
        if !take(block) {
            break;
        }
        height = at.previous();
    }
    Ok(blocks)
}
