//! Fetching blocks with their ancestors, from the top down.

use std::collections::{BTreeMap, BTreeSet};

use crate::bootstrap::{Interval, Intervals, missing_parents, process};
use crate::engine::normal::Cx;
use crate::engine::{
    Call, Fatal, Fault, Message, MessageKind, Output, ParsedBlock, Purpose, StoredRun,
};
use crate::{Error, Height, Id, NodeId, Timestamp};

/// Which blocks are there, which are missing, and who was asked for them.
#[derive(Debug)]
pub(in crate::engine) struct Download<H> {
    /// Heights of stored blocks.
    intervals: Intervals,
    /// One for each block that most of the weight accepted, each checkpoint and each interval.
    missing: BTreeSet<Id>,
    /// The heights of missing blocks whose child is there.
    heights: BTreeMap<Id, Height>,
    /// Missing blocks that the VM may have; it was asked for the last one.
    unclear: Vec<Id>,
    /// Those that it has.
    kept: Vec<ParsedBlock<H>>,
    fetches: BTreeMap<u32, Fetch>,
    fetching: BTreeSet<Id>,
    /// Missing blocks that nobody was asked for, since there was no room for the request.
    unsent: BTreeSet<Id>,
}

#[derive(Debug)]
struct Fetch {
    id: Id,
    node: NodeId,
    sent: Timestamp,
}

/// What a peer delivered, put in order.
struct Delivery<H> {
    first: ParsedBlock<H>,
    /// Its ancestors, each one below its child.
    ancestors: BTreeMap<Id, ParsedBlock<H>>,
    bytes: u64,
    /// A block that came and is not one below its child.
    wrong: Option<Id>,
}

impl<H: Clone> Download<H> {
    /// Nothing but what was stored before.
    pub(in crate::engine) fn new(stored: &[StoredRun]) -> Result<Self, Error> {
        let runs = stored.iter().map(|run| Interval { low: run.low, high: run.high });
        // As many again can come while those are there.
        let intervals =
            Intervals::from_intervals(runs)?.with_intervals_max(2 * Intervals::INTERVALS_MAX);
        Ok(Self {
            intervals,
            missing: BTreeSet::new(),
            heights: BTreeMap::new(),
            unclear: Vec::new(),
            kept: Vec::new(),
            fetches: BTreeMap::new(),
            fetching: BTreeSet::new(),
            unsent: BTreeSet::new(),
        })
    }

    /// Begins above the last accepted block: the parents of what was stored before are missing.
    pub(super) fn start(&mut self, cx: &Cx<H>, stored: &[StoredRun]) {
        for low in missing_parents(&self.intervals, cx.tip.height) {
            let at = stored.binary_search_by_key(&low, |run| run.low).ok();
            if let (Some(run), Some(height)) = (at.and_then(|at| stored.get(at)), low.previous()) {
                self.missing.insert(run.parent);
                self.heights.insert(run.parent, height);
            }
        }
    }

    /// Number of stored blocks.
    pub(super) const fn stored(&self) -> u64 {
        self.intervals.len()
    }

    /// Number of requests.
    pub(super) fn fetching(&self) -> usize {
        self.fetches.len()
    }

    /// Whether every block down to the last accepted one is stored.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unclear.is_empty()
    }

    /// Brings in these blocks, the checkpoints, and what is missing already.
    pub(super) fn bring(&mut self, cx: &mut Cx<H>, ids: BTreeSet<Id>) -> Result<(), Fatal> {
        self.missing.extend(ids);
        self.missing.extend(cx.config.checkpoints.iter().copied());
        self.unclear = self.missing.iter().rev().copied().collect();
        self.look_for_next(cx)
    }

    /// Asks the VM for the next block; after the last one, takes in those that it has.
    fn look_for_next(&mut self, cx: &mut Cx<H>) -> Result<(), Fatal> {
        if let Some(id) = self.unclear.last() {
            cx.call_for_phase(Call::GetBlock(*id), Purpose::Phase);
            return Ok(());
        }
        for block in std::mem::take(&mut self.kept) {
            self.take_in(cx, block, BTreeMap::new())?;
        }
        Ok(())
    }

    /// The VM has a block or not. False if it answered with another one.
    pub(super) fn looked_for(
        &mut self,
        cx: &mut Cx<H>,
        block: Option<ParsedBlock<H>>,
    ) -> Result<bool, Fatal> {
        let Some(id) = self.unclear.pop() else { return Ok(false) };
        match block {
            Some(block) if block.id() == id => self.kept.push(block),
            Some(_) => return Ok(false),
            None => self.fetch(cx, id),
        }
        self.look_for_next(cx)?;
        Ok(true)
    }

    /// Asks somebody for a block and its ancestors. With nobody to ask, it waits as long as for an
    /// answer and tries again.
    fn fetch(&mut self, cx: &mut Cx<H>, id: Id) {
        if !self.missing.contains(&id) || self.fetching.contains(&id) {
            return;
        }
        let tracker = cx.deliverers.as_ref();
        let chosen = tracker.and_then(|tracker| tracker.select(&mut cx.random));
        let request_id = cx.next_request_id();
        let sent = match chosen {
            Some(node) => cx.request(&[node], &Message::GetAncestors { request_id, id }),
            None => cx.request_nobody(request_id, MessageKind::Ancestors),
        };
        if !sent {
            self.unsent.insert(id);
            return;
        }
        let node = chosen.unwrap_or(cx.own);
        if let Some(tracker) = &mut cx.deliverers {
            tracker.register_request(&node);
        }
        self.fetching.insert(id);
        self.fetches.insert(request_id, Fetch { id, node, sent: cx.now });
    }

    /// Asks for blocks that there was no room to ask for.
    pub(super) fn resend(&mut self, cx: &mut Cx<H>) {
        for id in std::mem::take(&mut self.unsent) {
            self.fetch(cx, id);
        }
    }

    /// Forgets who was asked. Nothing is missing then.
    pub(super) fn forget_requests(&mut self) {
        self.fetches.clear();
        self.fetching.clear();
        self.unsent.clear();
    }

    fn end_fetch(&mut self, request_id: u32, node: &NodeId) -> Option<Fetch> {
        if self.fetches.get(&request_id)?.node != *node {
            return None;
        }
        let fetch = self.fetches.remove(&request_id)?;
        self.fetching.remove(&fetch.id);
        Some(fetch)
    }

    /// A peer does not deliver.
    pub(super) fn failed(&mut self, cx: &mut Cx<H>, node: &NodeId, request_id: u32) {
        if let Some(fetch) = self.end_fetch(request_id, node) {
            self.blame(cx, node);
            self.fetch(cx, fetch.id);
        }
    }

    fn blame(&self, cx: &mut Cx<H>, node: &NodeId) {
        let now = cx.now;
        if let Some(tracker) = &mut cx.deliverers {
            tracker.register_failure(node, now);
        }
    }

    /// A peer delivers; `None` if that could not be parsed.
    pub(super) fn delivered(
        &mut self,
        cx: &mut Cx<H>,
        node: &NodeId,
        request_id: u32,
        blocks: Option<Vec<ParsedBlock<H>>>,
    ) -> Result<(), Fatal> {
        let Some(fetch) = self.end_fetch(request_id, node) else { return Ok(()) };
        let delivery = match self.put_in_order(cx, fetch.id, blocks) {
            Ok(delivery) => delivery,
            Err(fault) => {
                if let Some(fault) = fault {
                    cx.fault(*node, fault);
                }
                self.blame(cx, node);
                self.fetch(cx, fetch.id);
                return Ok(());
            }
        };
        let now = cx.now;
        if let Some(wrong) = delivery.wrong {
            cx.fault(*node, Fault::WrongHeight(wrong));
            self.blame(cx, node);
        } else if let Some(tracker) = &mut cx.deliverers {
            tracker.register_response(node, delivery.bytes, now.since(fetch.sent), now);
        }
        // It may have come as another's ancestor meanwhile.
        if self.missing.contains(&fetch.id) {
            self.take_in(cx, delivery.first, delivery.ancestors)?;
        }
        Ok(())
    }

    /// What a peer delivered, if it is of any use; otherwise what is wrong with it. An empty
    /// delivery is useless and no fault: the peer does not have the block.
    fn put_in_order(
        &self,
        cx: &Cx<H>,
        asked: Id,
        blocks: Option<Vec<ParsedBlock<H>>>,
    ) -> Result<Delivery<H>, Option<Fault>> {
        let blocks = blocks.ok_or(Some(Fault::Malformed(MessageKind::Ancestors)))?;
        let mut blocks = blocks.into_iter().take(cx.config.limits.ancestors_max.max(1));
        let first = blocks.next().ok_or(None)?;
        let got = first.id();
        if got != asked {
            return Err(Some(Fault::WrongBlock { asked, got }));
        }
        if self.heights.get(&asked).is_some_and(|height| *height != first.height()) {
            return Err(Some(Fault::WrongHeight(asked)));
        }
        let mut others: BTreeMap<Id, _> = blocks.map(|block| (block.id(), block)).collect();
        let bytes = others.values().map(|block| u64::from(block.bytes)).sum::<u64>();
        let bytes = bytes.saturating_add(u64::from(first.bytes));
        let (mut ancestors, mut wrong) = (BTreeMap::new(), None);
        let (mut parent, mut height) = (first.parent(), first.height().previous());
        while let Some(block) = others.remove(&parent) {
            // A block that is its own ancestor would be at two heights.
            let below = block.parent();
            let circle = below == asked || ancestors.contains_key(&below);
            if circle || height != Some(block.height()) {
                wrong = Some(parent);
                break;
            }
            (parent, height) = (block.parent(), block.height().previous());
            ancestors.insert(block.id(), block);
        }
        Ok(Delivery { first, ancestors, bytes, wrong })
    }

    /// Stores a block and those of its ancestors that are new, and fetches the next one below.
    fn take_in(
        &mut self,
        cx: &mut Cx<H>,
        first: ParsedBlock<H>,
        mut ancestors: BTreeMap<Id, ParsedBlock<H>>,
    ) -> Result<(), Fatal> {
        let links = ancestors.iter().map(|(id, ancestor)| (*id, ancestor.block)).collect();
        let (intervals, missing) = (&mut self.intervals, &mut self.missing);
        let (mut new, newest) = (Vec::new(), first.block);
        let wanted = process(intervals, cx.tip.height, missing, newest, &links, &mut new)?;
        ancestors.insert(newest.id, first);
        for id in ancestors.keys().filter(|id| !self.missing.contains(id)) {
            self.heights.remove(id);
        }
        if let (Some(parent), Some(child)) = (wanted, new.last()) {
            self.heights.extend(child.height.previous().map(|height| (parent, height)));
        }
        let blocks: Vec<_> = new.iter().filter_map(|block| ancestors.remove(&block.id)).collect();
        if !blocks.is_empty() {
            cx.emit(Output::StoreBlocks(blocks));
        }
        if let Some(parent) = wanted {
            self.fetch(cx, parent);
        }
        Ok(())
    }

    /// The next heights to execute, at most `max` of them.
    pub(super) fn next_run(&self, max: u64) -> Option<Interval> {
        let Interval { low, high } = self.intervals.iter().next()?;
        let last = low.get().saturating_add(max.max(1) - 1);
        Some(Interval { low, high: high.min(Height::new(last)) })
    }

    /// These heights are not stored any more.
    pub(super) fn executed(&mut self, run: Interval) -> Result<(), Fatal> {
        let mut height = Some(run.low);
        while let Some(at) = height.filter(|at| *at <= run.high) {
            self.intervals.remove(at)?;
            height = at.next();
        }
        Ok(())
    }
}
