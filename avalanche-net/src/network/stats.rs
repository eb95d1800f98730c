//! Counters of a network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::CloseReason;
use crate::wire::{Class, Op};

/// Counters since the start. They only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// Messages that were written, by kind; kinds that never were are absent.
    pub sent: BTreeMap<Op, Traffic>,
    /// Messages that were read, by kind; kinds that never were are absent.
    pub received: BTreeMap<Op, Traffic>,
    /// Messages that were not sent since the queue of the peer was full, by class.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Ends of connections by [`CloseReason::as_str`].
    pub closed: BTreeMap<&'static str, u64>,
    /// Frames that were skipped since they could not be decoded, or would take too much memory.
    pub undecodable: u64,
    /// Protobuf fields that this version does not know, and skipped.
    pub unknown_fields: u64,
    /// Messages for chains that nobody here listens for, and from peers whose handshake is not
    /// complete.
    pub undeliverable: u64,
    /// Answers that matched no open request.
    pub unmatched_answers: u64,
    /// Times that a peer was not read since it was over a limit.
    pub throttled: u64,
}

/// Messages and their bytes on the wire, before TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub messages: u64,
    /// Their length in bytes, the length prefix included.
    pub bytes: u64,
}

const OPS: usize = Op::ALL.len();
const REASONS: usize = CloseReason::ALL.len();

/// The counters themselves.
#[derive(Debug)]
pub(crate) struct Counters {
    sent: [Pair; OPS],
    received: [Pair; OPS],
    dropped: [AtomicU64; 4],
    closed: [AtomicU64; REASONS],
    pub(crate) undecodable: AtomicU64,
    pub(crate) unknown_fields: AtomicU64,
    pub(crate) undeliverable: AtomicU64,
    pub(crate) unmatched_answers: AtomicU64,
}

#[derive(Debug, Default)]
struct Pair {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// What one read or write carried, added up before it is counted.
#[derive(Debug)]
pub(crate) struct Tally {
    traffic: [Traffic; OPS],
    /// A bit for each kind that was added: most reads and writes carry one or two kinds.
    added: u32,
}

const _: () = assert!(OPS <= 32, "a bit for each kind");

impl Default for Tally {
    fn default() -> Self {
        Self { traffic: [Traffic::default(); OPS], added: 0 }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, op: Op, bytes: usize) {
        if let Some(traffic) = self.traffic.get_mut(op as usize) {
            traffic.messages += 1;
            traffic.bytes += bytes as u64;
            self.added |= 1 << op as usize;
        }
    }

    /// Takes out what was added of one kind; `None` once nothing is left.
    fn pop(&mut self) -> Option<(usize, Traffic)> {
        let kind = self.added.trailing_zeros() as usize;
        // All bits are zero: there is no such kind.
        let traffic = self.traffic.get_mut(kind)?;
        self.added &= self.added - 1;
        Some((kind, std::mem::take(traffic)))
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sent: std::array::from_fn(|_| Pair::default()),
            received: std::array::from_fn(|_| Pair::default()),
            dropped: std::array::from_fn(|_| AtomicU64::new(0)),
            closed: std::array::from_fn(|_| AtomicU64::new(0)),
            undecodable: AtomicU64::new(0),
            unknown_fields: AtomicU64::new(0),
            undeliverable: AtomicU64::new(0),
            unmatched_answers: AtomicU64::new(0),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    if by > 0 {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(crate) fn sent(&self, tally: &mut Tally) {
        Self::settle(&self.sent, tally);
    }

    pub(crate) fn received(&self, tally: &mut Tally) {
        Self::settle(&self.received, tally);
    }

    fn settle(pairs: &[Pair; OPS], tally: &mut Tally) {
        while let Some((kind, traffic)) = tally.pop() {
            if let Some(pair) = pairs.get(kind) {
                add(&pair.messages, traffic.messages);
                add(&pair.bytes, traffic.bytes);
            }
        }
    }

    pub(crate) fn dropped(&self, class: Class, by: u64) {
        if let Some(counter) = self.dropped.get(class as usize) {
            add(counter, by);
        }
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            add(counter, 1);
        }
    }

    pub(crate) fn snapshot(&self) -> NetworkStats {
        let traffic = |pairs: &[Pair; OPS]| {
            let all = Op::ALL.iter().zip(pairs).map(|(op, pair)| {
                (*op, Traffic { messages: read(&pair.messages), bytes: read(&pair.bytes) })
            });
            all.filter(|(_, traffic)| traffic.messages > 0).collect()
        };
        let closed = CloseReason::ALL.iter().zip(&self.closed);
        let dropped = Class::ALL.iter().zip(&self.dropped);
        NetworkStats {
            sent: traffic(&self.sent),
            received: traffic(&self.received),
            dropped: dropped
                .map(|(class, counter)| (class.as_str(), read(counter)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            closed: closed
                .map(|(reason, counter)| (reason.as_str(), read(counter)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            undecodable: read(&self.undecodable),
            unknown_fields: read(&self.unknown_fields),
            undeliverable: read(&self.undeliverable),
            unmatched_answers: read(&self.unmatched_answers),
            throttled: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_once_and_a_settled_tally_is_empty() {
        let (counters, mut tally) = (Counters::default(), Tally::default());
        for round in 1..=2_u64 {
            for (at, op) in Op::ALL.iter().enumerate() {
                for _ in 0..=at {
                    tally.add(*op, 10 + at);
                }
            }
            counters.received(&mut tally);
            // What was counted is not counted again.
            counters.received(&mut tally);
            let stats = counters.snapshot();
            assert_eq!((stats.received.len(), stats.sent.len()), (Op::ALL.len(), 0));
            for (at, op) in Op::ALL.iter().enumerate() {
                let messages = round * (at as u64 + 1);
                let bytes = messages * (10 + at as u64);
                assert_eq!(stats.received[op], Traffic { messages, bytes }, "{op}");
            }
        }
    }
}
