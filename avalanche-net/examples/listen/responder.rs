//! Answers for a chain of which only genesis is accepted.

use avalanche_consensus::Id;
use avalanche_net::network::{Delivery, Network};
use avalanche_net::wire::{self, Body, Route};

use crate::report::Report;

/// A chain that stands at its genesis.
#[derive(Clone, Copy, Debug)]
pub struct Responder {
    pub chain: Id,
    pub genesis: Id,
    pub report: Report,
}

impl Responder {
    /// Answers one message.
    pub fn answer(self, network: &Network, delivery: &Delivery) {
        let Some(answer) = self.make_answer(delivery) else { return };
        // A full queue drops the answer, as the network would; the peer's timeout sees to it.
        let _ = network.send(&[delivery.node_id], answer);
    }

    fn make_answer(self, delivery: &Delivery) -> Option<Body> {
        let Some(Route { request_id: Some(request), .. }) = wire::route(&delivery.body) else {
            if let Body::AppGossip(gossip) = &delivery.body {
                self.report.gossip(delivery.node_id, gossip.app_bytes.len());
            }
            return None;
        };
        let (chain, genesis) = (self.chain, self.genesis);
        match &delivery.body {
            Body::GetAcceptedFrontier(_) => Some(wire::accepted_frontier(chain, request, genesis)),
            Body::GetAccepted(asked) => {
                let known = asked.container_ids.iter().filter(|id| **id == genesis.as_bytes()[..]);
                Some(wire::accepted(chain, request, known.map(|_| genesis)))
            }
            Body::GetAncestors(_) => Some(wire::ancestors(chain, request, Vec::new())),
            // Only genesis is accepted, and it is preferred at every height.
            Body::PushQuery(_) | Body::PullQuery(_) => {
                Some(wire::chits(chain, request, genesis, genesis, genesis, 0))
            }
            Body::AppRequest(asked) => {
                Some(wire::app_response(chain, request, asked.app_bytes.clone()))
            }
            _ => None,
        }
    }
}
