//! What peers say to each other about themselves and others.

use std::sync::Arc;

use avalanche_consensus::NodeId;
use avalanche_consensus::sampler::Uniform;

use super::{ConnectionId, Control, Moment};
use crate::CloseReason;
use crate::identity::BlsPublicKey;
use crate::peers::{self, ClaimedIp, Filter, PeerListRequest};
use crate::wire::{Body, build, p2p};

impl Control {
    /// This node's handshake.
    pub(super) fn hello(&self, at: Moment) -> p2p::Handshake {
        peers::make_hello(
            &self.config.hello,
            at.unix,
            &self.signed_ip,
            &self.config.tracked_subnets,
            self.tracker.looks_after_all_subnets(),
            Some(self.tracker.known_peers()),
        )
    }

    /// Handles a message of class [`Control`](crate::wire::Class::Control); an error ends the connection.
    pub(super) fn received(
        &mut self,
        at: Moment,
        connection: ConnectionId,
        body: Body,
    ) -> Result<(), CloseReason> {
        let Some(peer) = self.peers.get_mut(&connection) else { return Ok(()) };
        let node_id = peer.certificate.node_id();
        match body {
            Body::Handshake(hello) => self.greeted(at, connection, node_id, &hello),
            Body::PeerList(list) => {
                // AvalancheGo ignores a list that comes before the handshake.
                if !peer.is_greeted() {
                    return Ok(());
                }
                if !peer.finished {
                    self.finished(at, connection);
                }
                let wanted = self.tracker.claimed(at.unix, &list)?;
                for (node_id, address) in wanted {
                    self.want(at, node_id, address);
                }
                Ok(())
            }
            Body::GetPeerList(asked) => {
                if !peer.finished {
                    return Ok(());
                }
                let Some(known) = asked.known_peers else {
                    return Err(CloseReason::InvalidBloomFilter);
                };
                let filter = Filter::parse(&known.filter, &known.salt)
                    .map_err(|_| CloseReason::InvalidBloomFilter)?;
                let list = self.list_for(connection, Some(&filter), asked.all_subnets);
                if !list.is_empty() {
                    self.send(connection, build::peer_list(list));
                }
                Ok(())
            }
            Body::Ping(ping) => {
                if ping.uptime > 100 {
                    return Err(CloseReason::MalformedPing);
                }
                self.send(connection, build::pong());
                Ok(())
            }
            Body::Pong(_) => {
                let latency = peer.pong(at.now)?;
                self.scores.answered(node_id, latency, at.now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn greeted(
        &mut self,
        at: Moment,
        connection: ConnectionId,
        node_id: NodeId,
        hello: &p2p::Handshake,
    ) -> Result<(), CloseReason> {
        let Some(peer) = self.peers.get_mut(&connection) else { return Ok(()) };
        if peer.is_greeted() {
            return Err(CloseReason::DuplicateHandshake);
        }
        let key: Option<&BlsPublicKey> = self.bls_keys.get(&node_id);
        let (info, filter) =
            peers::check_hello(&self.config.hello, at.unix, &peer.certificate, key, hello)?;
        let (info, all_subnets) = (Arc::new(info), hello.all_subnets);
        peer.info = Some(Arc::clone(&info));
        peer.bls_verified = key.cloned();
        self.tracker.connected(&ClaimedIp::of_peer(&info), &info.tracked_subnets);
        // Always answered, be it with an empty list: that ends the other's handshake.
        let list = self.list_for(connection, filter.as_ref(), all_subnets);
        self.send(connection, build::peer_list(list));
        Ok(())
    }

    /// Addresses that a peer does not know yet.
    fn list_for(
        &mut self,
        connection: ConnectionId,
        filter: Option<&Filter>,
        all_subnets: bool,
    ) -> Vec<p2p::ClaimedIpPort> {
        let Some(peer) = self.peers.get(&connection) else { return Vec::new() };
        let Some(info) = peer.info.clone() else { return Vec::new() };
        let request = PeerListRequest {
            requester: info.node_id,
            tracked_subnets: &info.tracked_subnets,
            all_subnets,
            known_peers: filter,
        };
        let claims = self.tracker.peer_list(request, &mut self.random);
        claims.iter().map(ClaimedIp::to_wire).collect()
    }

    /// What was checked at the handshake can change with the validators.
    pub(super) fn still_welcome(
        &mut self,
        at: Moment,
        connection: ConnectionId,
    ) -> Result<(), CloseReason> {
        let Some(peer) = self.peers.get_mut(&connection) else { return Ok(()) };
        let Some(info) = &peer.info else { return Ok(()) };
        let key = self.bls_keys.get(&info.node_id);
        // To verify takes a millisecond: once for each key.
        let unverified = key.filter(|key| peer.bls_verified.as_ref() != Some(*key));
        info.recheck(&self.config.hello, at.unix, unverified)?;
        peer.bls_verified = key.cloned();
        Ok(())
    }

    /// Asks one validator for the peers that this node does not know, if it is time.
    pub(super) fn ask_for_peers(&mut self, at: Moment) {
        self.tracker.tick(at.now);
        if at.now < self.next_list {
            return;
        }
        self.next_list = at.now.after(self.config.peer_list_interval);
        let candidates: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.finished)
            .filter(|(_, peer)| self.is_validator(&peer.certificate.node_id()))
            .map(|(connection, _)| *connection)
            .collect();
        let mut order = Uniform::new(candidates.len() as u64);
        let chosen = order.next(&mut self.random).and_then(|at| usize::try_from(at).ok());
        let Some(connection) = chosen.and_then(|at| candidates.get(at).copied()) else { return };
        let p2p::BloomFilter { filter, salt } = self.tracker.known_peers();
        let all_subnets = self.tracker.looks_after_all_subnets();
        self.send(connection, build::get_peer_list(filter, salt, all_subnets));
    }
}
