//! The server: a router of the API, and a listener that lets nobody take more than a share.
//!
//! ```text
//!   listener --> connections --> edge --> handlers --> NodeReader, ChainReader, Submit
//!                (how many,      (name, principal, requests in work, time,
//!                 how slow)       body of errors, metrics)
//! ```
//!
//! HTTP/1.1 is what the listener speaks; the router knows no version, so that h2c and gRPC are a
//! matter of the listener.

mod batch;
mod body;
mod config;
mod connections;
mod convert;
mod edge;
mod extract;
mod failure;
mod listen;
mod metrics;
mod routes;
mod stall;
mod ws;

use std::sync::Arc;

use avalanche_chain::NodeReader;

pub use config::GatewayConfig;
pub use extract::Principal;
pub use listen::serve;

use edge::Edge;

/// The routes of a node, for a server of one's own. Its listener has to bound connections and the
/// heads of requests, as [`serve`] does.
pub fn router(node: Arc<dyn NodeReader>, config: GatewayConfig) -> axum::Router {
    edge::router(&Edge::new(node, config))
}

/// The paths of all routes, with names as `{id}`: what `http_requests_total` has as `route`.
#[must_use]
pub fn routes() -> Vec<&'static str> {
    routes::all().into_iter().map(|(path, _)| path).collect()
}
