//! The node: validators, peers, health, version, metrics.

use std::sync::Arc;

use avalanche_chain::{Check, HealthReport};
use avalanche_consensus::NodeId;
use avalanche_consensus::engine::Phase;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{ChainField, LimitField, good, json, limit, parse};
use crate::api::{Health, Part, Peers, Validators, Version};
use crate::server::convert;
use crate::server::edge::Edge;
use crate::server::extract::{Names, Params};
use crate::server::failure::Failure;

/// The version of the text that Prometheus reads.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

pub(super) async fn validators(
    State(edge): State<Arc<Edge>>,
    Params(ChainField { chain }): Params<ChainField>,
) -> Result<Response, Failure> {
    let views = edge.chain_of_query(chain.as_deref())?.validators().await;
    let sum = |total: u64, weight: u64| total.saturating_add(weight);
    let connected = views.iter().filter(|view| view.connected);
    good(&Validators {
        total_weight: views.iter().map(|view| view.weight).fold(0, sum),
        connected_weight: connected.map(|view| view.weight).fold(0, sum),
        validators: views.iter().map(convert::validator).collect(),
    })
}

pub(super) async fn validator(
    State(edge): State<Arc<Edge>>,
    Names(id): Names<String>,
    Params(ChainField { chain }): Params<ChainField>,
) -> Result<Response, Failure> {
    let chain = edge.chain_of_query(chain.as_deref())?;
    let id: NodeId = parse("validator", &id)?;
    let views = chain.validators().await;
    let found = views.iter().find(|view| view.node_id == id).ok_or_else(|| {
        let message = format!("chain {} has no validator {id}", chain.name());
        Failure::unknown("unknown_validator", message)
    })?;
    good(&convert::validator(found))
}

pub(super) async fn peers(State(edge): State<Arc<Edge>>) -> Result<Response, Failure> {
    let peers = edge.node.peers().await.into_iter().map(convert::peer).collect();
    good(&Peers { peers })
}

pub(super) async fn best_peers(
    State(edge): State<Arc<Edge>>,
    Params(LimitField { limit: wanted }): Params<LimitField>,
) -> Result<Response, Failure> {
    let peers = edge.node.best_peers(limit(wanted, &edge)?).await;
    good(&Peers { peers: peers.into_iter().map(convert::peer).collect() })
}

/// Whether anything is wrong, part by part.
pub(super) async fn health(State(edge): State<Arc<Edge>>) -> Result<Response, Failure> {
    told(edge.node.health().await)
}

/// Whether the node takes part in consensus on all its chains, and nothing is wrong.
pub(super) async fn ready(State(edge): State<Arc<Edge>>) -> Result<Response, Failure> {
    let mut report = edge.node.health().await;
    report.checks.extend(phases(&edge, |phase| phase == Phase::NormalOperation).await);
    told(report)
}

/// Whether the engines of all chains run.
pub(super) async fn startup(State(edge): State<Arc<Edge>>) -> Result<Response, Failure> {
    told(HealthReport { checks: phases(&edge, |_| true).await })
}

/// A check of the phase of each chain.
async fn phases(edge: &Edge, good: fn(Phase) -> bool) -> Vec<Check> {
    let mut checks = Vec::new();
    for chain in edge.node.chains() {
        let status = chain.status().await;
        let detail = match (status.phase, status.stopped) {
            (_, Some(reason)) => format!("stopped: {reason}"),
            (None, None) => "the engine does not run yet; wait".to_owned(),
            (Some(Phase::StateSyncing), None) => "looking for a state to start from".to_owned(),
            (Some(Phase::Bootstrapping), None) => "catching up with the network".to_owned(),
            (Some(Phase::NormalOperation), None) => "takes part in consensus".to_owned(),
        };
        let healthy = status.phase.is_some_and(good);
        checks.push(Check { name: format!("phase of {}", chain.name()), healthy, detail });
    }
    checks
}

fn told(report: HealthReport) -> Result<Response, Failure> {
    let healthy = report.healthy();
    let part = |Check { name, healthy, detail }| Part { name, healthy, detail };
    let parts = report.checks.into_iter().map(part).collect();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &Health { healthy, parts })
}

pub(super) async fn version(State(edge): State<Arc<Edge>>) -> Result<Response, Failure> {
    good(&Version {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: "v1".to_owned(),
        node_id: edge.node.node_id(),
        network_id: edge.node.network_id(),
    })
}

pub(super) async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    let text = edge.metrics.render(&*edge.node).await;
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}
