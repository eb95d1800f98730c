//! Carrying out what the engine wants.

use std::collections::VecDeque;

use avalanche_consensus::NodeId;
use avalanche_consensus::engine::{
    Answer, Call, CallId, Input, Message, Output, ParsedBlock, SyncMode, Verdict,
};

use super::{Driver, Seen, Stop};
use crate::executor::Work;
use crate::wire;
use crate::{ChainBlock, ChainEvent};

/// What failed requests are handed in as, when the outputs are carried out.
type Failed = Vec<(NodeId, u32)>;

impl Driver {
    /// Carries out outputs, in order.
    pub(super) async fn carry_out(
        &mut self,
        mut outputs: VecDeque<Output<ChainBlock>>,
    ) -> Result<(), Stop> {
        let mut failed = Failed::new();
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send { to, message } => {
                    let mut nodes = vec![to];
                    while let Some(Output::Send { to, message: next }) = outputs.front() {
                        if *next != message {
                            break;
                        }
                        nodes.push(*to);
                        outputs.pop_front();
                    }
                    self.send(&nodes, &message, &mut failed);
                }
                Output::Accept(block) => {
                    self.make_durable(&block, &outputs).await?;
                    self.accept(block).await?;
                }
                other => self.carry_out_one(other).await?,
            }
        }
        for (to, request_id) in failed {
            // What comes of it is drained by the caller.
            self.engine
                .handle(self.shared.clock.now(), Input::RequestFailed { to, request_id })
                .map_err(|fatal| fatal.to_string())?;
        }
        Ok(())
    }

    async fn carry_out_one(&mut self, output: Output<ChainBlock>) -> Result<(), Stop> {
        match output {
            Output::Call { id, call } => self.call(id, call).await?,
            Output::Reject(block) => {
                let (id, height) = (block.id(), block.height());
                self.processing.remove(&id);
                self.shared.tell(ChainEvent::Rejected { id, height });
                self.work(Work::Reject(block.handle)).await?;
            }
            Output::SetPreference(id) => {
                self.prefer(id);
                self.work(Work::SetPreference(id)).await?;
            }
            Output::StoreBlocks(blocks) => {
                let fetched = self.fetched.clone();
                let blocks: Vec<_> = blocks.into_iter().map(|block| block.handle).collect();
                let kept = crate::executor::blocking(move || fetched.put(&blocks)).await;
                kept.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            }
            Output::Bootstrapped => tracing::info!(chain = %self.shared.name, "bootstrapped"),
            Output::Fault { node, fault } => {
                tracing::debug!(%node, ?fault, "a peer did something wrong");
            }
            Output::Benched(node) => {
                self.benched.insert(node);
            }
            Output::Unbenched(node) => {
                self.benched.remove(&node);
            }
            // Accepts and messages are carried out in groups; nothing else exists.
            _ => {}
        }
        Ok(())
    }

    /// Queues one message for some peers.
    fn send(&self, nodes: &[NodeId], message: &Message<ChainBlock>, failed: &mut Failed) {
        let timeout = self.engine.request_timeout();
        let sent = wire::to_network(self.shared.id, message, timeout)
            .map(|body| self.network.send(nodes, body));
        let lost = match sent {
            Some(Ok(sent)) => [sent.full, sent.not_connected].concat(),
            Some(Err(error)) => {
                tracing::error!(%error, "a message is too large to be sent");
                nodes.to_vec()
            }
            None => nodes.to_vec(),
        };
        if message.kind().answer().is_some() {
            failed.extend(lost.into_iter().map(|node| (node, message.request_id())));
        }
    }

    /// Writes a block, and those whose accepts follow at once, with one sync.
    async fn make_durable(
        &mut self,
        first: &ParsedBlock<ChainBlock>,
        rest: &VecDeque<Output<ChainBlock>>,
    ) -> Result<(), Stop> {
        if first.height() <= self.durable {
            return Ok(());
        }
        let mut entries = vec![entry(&first.handle)];
        for output in rest {
            match output {
                Output::Accept(block) => entries.push(entry(&block.handle)),
                Output::Reject(_) | Output::SetPreference(_) => {}
                _ => break,
            }
        }
        let last = entries.last().map_or(first.height(), |(height, ..)| *height);
        self.log
            .append(entries)
            .await
            .map_err(|error| format!("the block {} cannot be made durable: {error}", first.id()))?;
        self.durable = last;
        Ok(())
    }

    /// A durable block goes to the VM, to the index, and is told.
    async fn accept(&mut self, block: ParsedBlock<ChainBlock>) -> Result<(), Stop> {
        let seen = self.processing.remove(&block.id());
        let finality = seen.map(|seen| self.shared.clock.now().since(seen.at));
        let block = block.handle;
        self.accepted(block.clone());
        self.work(Work::Accept { block, finality }).await
    }

    async fn call(&mut self, call: CallId, asked: Call<ChainBlock>) -> Result<(), Stop> {
        let answer = match asked {
            Call::EnterPhase(phase) => {
                self.shared.tell(ChainEvent::Phase(phase));
                return self.work(Work::EnterPhase { call, phase }).await;
            }
            Call::Verify(block) => match self.stands_on(&block.handle) {
                Some(parent) => {
                    self.see(&block.handle);
                    self.held.begin();
                    return self.work(Work::Verify { call, block: block.handle, parent }).await;
                }
                None => Answer::Verdict(Verdict::Invalid),
            },
            Call::BuildBlock => {
                let preferred = self.engine.preference();
                let parent = self.processing.get(&preferred).map(|seen| seen.block.clone());
                let parent = parent.unwrap_or_else(|| self.last.clone());
                return self.work(Work::Build { call, parent }).await;
            }
            Call::ExecuteStored { low, high } => {
                return self.work(Work::Execute { call, low, high }).await;
            }
            Call::OngoingSummary | Call::LastSummary => Answer::Summary(None),
            Call::SummariesAt(_) => Answer::Ids(Vec::new()),
            Call::AcceptSummary(_) => Answer::SyncMode(SyncMode::Skipped),
            read => match self.read(call, read) {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        self.ready.push_back((call, answer));
        Ok(())
    }

    /// The block that another one stands on, if it is the last accepted one or processing.
    fn stands_on(&self, block: &ChainBlock) -> Option<ChainBlock> {
        let parent = block.parent();
        if parent == self.last.id() {
            return Some(self.last.clone());
        }
        self.processing.get(&parent).map(|seen| seen.block.clone())
    }

    /// Remembers a block that is not decided. There are as many as the engine has processing and
    /// open calls.
    fn see(&mut self, block: &ChainBlock) {
        let at = self.shared.clock.now();
        let seen = || Seen { block: block.clone(), at };
        self.processing.entry(block.id()).or_insert_with(seen);
    }

    async fn work(&self, work: Work) -> Result<(), Stop> {
        self.work.send(work).await.map_err(|_| self.shared.instance_failure())
    }
}

fn entry(block: &ChainBlock) -> crate::log::Entry {
    (block.height(), block.id(), block.bytes().clone())
}
