//! Answers for a chain of which only genesis is accepted.

use avalanche_consensus::Id;
use avalanche_net::network::{Delivery, Network};
use avalanche_net::wire::build::{self, Chits};
use avalanche_net::wire::{self, Body, Route};

use crate::report::Report;

/// A chain that stands at its genesis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Responder {
    pub(crate) chain: Id,
    pub(crate) genesis: Id,
    pub(crate) report: Report,
}

impl Responder {
    /// Answers one message.
    pub(crate) fn answer(self, network: &Network, delivery: &Delivery) {
        let Some(answer) = self.make_answer(delivery) else { return };
        // A full queue drops the answer, as the network would; the peer's timeout sees to it.
        let _ = network.send(&[delivery.node_id], answer);
    }

    fn make_answer(self, delivery: &Delivery) -> Option<Body> {
        let Ok(Some(Route { request_id: Some(request), .. })) = wire::route(&delivery.body) else {
            if let Body::AppGossip(gossip) = &delivery.body {
                self.report.gossip(delivery.node_id, gossip.app_bytes.len());
            }
            return None;
        };
        let (chain, genesis) = (self.chain, self.genesis);
        match &delivery.body {
            Body::GetAcceptedFrontier(_) => Some(build::accepted_frontier(chain, request, genesis)),
            Body::GetAccepted(asked) => {
                let known = asked.container_ids.iter().filter(|id| **id == genesis.as_bytes()[..]);
                Some(build::accepted(chain, request, known.map(|_| genesis)))
            }
            Body::GetAncestors(_) => Some(build::ancestors(chain, request, Vec::new())),
            // Only genesis is accepted, and it is preferred at every height.
            Body::PushQuery(_) | Body::PullQuery(_) => {
                let chits = Chits {
                    preferred: genesis,
                    accepted: genesis,
                    preferred_at_height: genesis,
                    accepted_height: 0,
                };
                Some(build::chits(chain, request, chits))
            }
            Body::AppRequest(asked) => {
                Some(build::app_response(chain, request, asked.app_bytes.clone()))
            }
            _ => None,
        }
    }
}
