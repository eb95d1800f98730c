//! Where a machine's transactions come in: each is tried on what those before it would lead to.

use async_trait::async_trait;
use avalanche_consensus::{Id, Timestamp};

use super::format::Body;
use super::vm::attempt;
use super::{MachineVm, StateMachine, TRANSACTION_BYTES_MAX};
use crate::{Block, Error, InvalidKind, TransactionStatus, Transactions};

/// A transaction is admitted if it applies to the accepted state after all that wait, so that a
/// client may send several that depend on each other. After an accept they are tried again when the
/// next ones come, and when a block is built on the accepted one. What does not apply then is
/// dropped, with the machine's reason.
///
/// What became of the newest [`FATES_MAX`](super::FATES_MAX) is remembered until the instance ends.
#[async_trait]
impl<M: StateMachine> Transactions for MachineVm<M> {
    async fn submit(&mut self, all: &[&[u8]], now: Timestamp) -> Vec<Result<Id, Error>> {
        self.clock = self.clock.max(now);
        let answers: Vec<_> = all.iter().map(|bytes| self.admit(bytes)).collect();
        if answers.iter().any(Result::is_ok) {
            self.context.to_engine.pending_transactions();
        }
        answers
    }

    fn pending(&self) -> usize {
        self.queue.len()
    }

    fn waiting(&self, limit: usize) -> Vec<Id> {
        self.queue.iter().take(limit).map(|(id, _)| *id).collect()
    }

    fn status(&self, id: &Id) -> TransactionStatus {
        let has = |block: &Block| {
            let names = block.content::<Body>();
            names.is_ok_and(|body| body.transactions.iter().any(|(name, _)| name == id))
        };
        let mut processing = self.processing.values();
        match processing.find(|(block, _)| has(block)) {
            Some((block, _)) => TransactionStatus::Processing { block: block.id() },
            None => self.queue.status(id),
        }
    }

    fn in_block(&self, block: &Block) -> Result<Vec<Id>, Error> {
        Ok(block.content::<Body>()?.transactions.iter().map(|(id, _)| *id).collect())
    }
}

impl<M: StateMachine> MachineVm<M> {
    fn admit(&mut self, bytes: &[u8]) -> Result<Id, Error> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            let len = bytes.len();
            let reason =
                format!("a transaction has up to {TRANSACTION_BYTES_MAX} bytes, not {len}");
            return Err(Error::invalid(InvalidKind::TooLarge, "transaction_length", reason));
        }
        let id = Id::hash(bytes);
        self.queue.check(&id, bytes.len())?;
        let mut state = match self.after_waiting.take() {
            Some(state) => state,
            None => self.try_waiting(),
        };
        let tried = attempt(&*self.machine, &mut state, bytes, self.next_facts());
        self.after_waiting = Some(state);
        tried?;
        self.queue.push(id, bytes);
        Ok(id)
    }

    /// The accepted state after all that wait, without those that do not apply any more.
    fn try_waiting(&mut self) -> M::State {
        let (mut state, facts) = ((*self.tip.state).clone(), self.next_facts());
        let mut refused = Vec::new();
        for (id, bytes) in self.queue.iter() {
            if let Err(invalid) = attempt(&*self.machine, &mut state, bytes, facts) {
                refused.push((*id, invalid));
            }
        }
        for (id, invalid) in refused {
            self.queue.dropped(id, &invalid);
        }
        state
    }
}
