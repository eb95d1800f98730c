//! shim
use avalanche_consensus::{Id, NodeId, Timestamp};
use avalanche_net::gossip::GossipPeer;
use bytes::Bytes;
#[derive(Debug)]
pub struct TransactionGossip {
    queue: Vec<Bytes>,
}
pub struct P {
    pub nodes: Vec<NodeId>,
    pub bytes: Bytes,
}
impl TransactionGossip {
    pub fn new(_: [u8; 32]) -> Self {
        Self { queue: Vec::new() }
    }
    pub fn add_own(&mut self, t: Vec<(Id, Bytes)>) {
        self.queue.extend(t.into_iter().map(|x| x.1));
    }
    pub fn receive_push(&mut self, _: NodeId, b: &Bytes) -> Result<Vec<Bytes>, String> {
        let mut v = Vec::new();
        let mut at = 0;
        while at < b.len() {
            v.push(b.slice(at..at + 193));
            at += 193;
        }
        Ok(v)
    }
    pub fn receive_pull(&mut self, _: NodeId, _: &Bytes) -> Result<Vec<Bytes>, String> {
        Ok(Vec::new())
    }
    pub fn answer_pull(&mut self, _: NodeId, _: &Bytes, _: Timestamp) -> Result<Bytes, String> {
        Ok(Bytes::new())
    }
    pub fn admitted(&mut self, _: Id, _: Bytes) {}
    pub fn refused(&mut self, _: &Bytes, _: &avalanche_vm::Error) {}
    pub fn accepted(&mut self, _: &[Id]) {}
    pub fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.queue.is_empty()).then_some(now)
    }
    pub fn poll(&mut self, p: &[GossipPeer], _: Timestamp) -> Vec<P> {
        let mut out = Vec::new();
        for c in self.queue.chunks(512) {
            out.push(P { nodes: p.iter().map(|x| x.node).collect(), bytes: c.concat().into() });
        }
        self.queue.clear();
        out
    }
    pub fn pull(&mut self, _: &[GossipPeer], _: Timestamp) -> Option<(NodeId, Bytes)> {
        None
    }
}
