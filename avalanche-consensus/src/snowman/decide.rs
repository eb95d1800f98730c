//! Accepting a block, and rejecting what contradicts it.

use super::Topological;
use super::acceptor::{Acceptor, AcceptorCall, RecordPollError};
use super::arena::BlockRef;
use crate::events;
use crate::snowball::Rule;

impl<R: Rule> Topological<R> {
    /// Accepts `child`, rejects its siblings and their descendants, and forgets `parent`.
    pub(super) fn accept_preferred_child<A: Acceptor>(
        &mut self,
        parent: BlockRef,
        child: BlockRef,
        acceptor: &mut A,
    ) -> Result<(), RecordPollError<A::Error>> {
        let (slot, height) = (*self.arena.slot(child), self.arena.height(child));
        if slot.parent != parent || !slot.live {
            return Err(RecordPollError::Invariant { broken: "a tree prefers another's child" });
        }
        let failed = |call| move |source| RecordPollError::Acceptor { call, id: slot.id, source };
        acceptor.notify_accepted(slot.id, height).map_err(failed(AcceptorCall::Notify))?;
        acceptor.accept(slot.id, height).map_err(failed(AcceptorCall::Accept))?;
        self.last_accepted = child;
        self.last_accepted_parent = Some(self.arena.slot(parent).id);
        self.preferred.pop_front();
        let accepted = self.arena.slot_mut(child);
        accepted.preferred = false;
        accepted.parent = BlockRef::NONE;
        self.stats.accepted += 1;
        let polls = self.stats.polls - self.arena.issued(child).poll;
        self.stats.accepted_polls += polls;
        events::accepted(&slot.id, height, polls);
        self.arena.unlink(child);

        self.walk.clear();
        let mut siblings = self.arena.children(parent);
        while let Some(sibling) = siblings.next(&self.arena) {
            if sibling != child {
                self.reject(sibling, acceptor)?;
            }
        }
        while let Some(rejected) = self.walk.pop() {
            self.arena.remove(rejected);
            self.forest.fell(self.arena.slot(rejected).tree);
            let mut children = self.arena.children(rejected);
            while let Some(descendant) = children.next(&self.arena) {
                self.reject(descendant, acceptor)?;
            }
        }
        self.arena.remove(parent);
        Ok(())
    }

    fn reject<A: Acceptor>(
        &mut self,
        block: BlockRef,
        acceptor: &mut A,
    ) -> Result<(), RecordPollError<A::Error>> {
        let (id, height) = (self.arena.slot(block).id, self.arena.height(block));
        let call = AcceptorCall::Reject;
        acceptor.reject(id, height).map_err(|source| RecordPollError::Acceptor {
            call,
            id,
            source,
        })?;
        self.stats.rejected += 1;
        let polls = self.stats.polls - self.arena.issued(block).poll;
        self.stats.rejected_polls += polls;
        events::rejected(&id, height, polls);
        self.arena.unlink(block);
        self.walk.push(block);
        Ok(())
    }
}
