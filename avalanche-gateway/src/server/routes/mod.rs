//! The routes, and their handlers.

mod accounts;
mod chains;
mod consensus;
mod node;
mod transactions;

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::{Deserialize, Serialize};

use super::edge::Edge;
use super::extract::Fields;
use super::failure::Failure;
use super::ws;

/// The route whose handler waits for finality, and bounds that itself.
pub(super) const SUBMIT: &str = "/api/v1/chains/{id}/transactions";
/// The route of events, which lasts.
pub(super) const WS: &str = "/api/v1/ws";
/// Routes that answer however much there is to do.
pub(super) const PROBES: [&str; 5] = ["/health", "/ready", "/startup", "/version", "/metrics"];
/// Blocks or names of an answer, if the client does not say.
const PAGE: usize = 20;

/// Every route, with its methods.
pub(super) fn all() -> Vec<(&'static str, MethodRouter<Arc<Edge>>)> {
    vec![
        ("/api/v1/consensus/status", get(consensus::status)),
        ("/api/v1/consensus/block", post(consensus::submit_block)),
        ("/api/v1/consensus/blocks/{id}/explain", get(consensus::explain)),
        ("/api/v1/validators", get(node::validators)),
        ("/api/v1/validators/{id}", get(node::validator)),
        ("/api/v1/chains", get(chains::list)),
        ("/api/v1/chains/{id}", get(chains::one)),
        ("/api/v1/chains/{id}/blocks", get(chains::blocks)),
        ("/api/v1/chains/{id}/blocks/{at}", get(chains::block)),
        (SUBMIT, post(transactions::submit)),
        ("/api/v1/chains/{id}/transactions/batch", post(transactions::batch)),
        ("/api/v1/chains/{id}/transactions/pending", get(transactions::pending)),
        ("/api/v1/chains/{id}/transactions/{hash}", get(transactions::one)),
        ("/api/v1/chains/{id}/accounts/{address}", get(accounts::one)),
        ("/api/v1/chains/{id}/accounts/{address}/transactions", get(accounts::transactions)),
        ("/api/v1/chains/{id}/vm/{*path}", get(accounts::vm).post(accounts::vm)),
        ("/api/v1/peers", get(node::peers)),
        ("/api/v1/peers/best", get(node::best_peers)),
        ("/api/v1/health", get(node::health)),
        (WS, get(ws::open)),
        ("/health", get(node::health)),
        ("/ready", get(node::ready)),
        ("/startup", get(node::startup)),
        ("/version", get(node::version)),
        ("/metrics", get(node::metrics)),
    ]
}

/// The query of routes that are about one chain and do not name it in their path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainField {
    pub(super) chain: Option<String>,
}

impl Fields for ChainField {
    const ALLOWED: &'static str = "chain=NAME-OR-ID";
}

/// The query of routes that take none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

impl Fields for NoFields {
    const ALLOWED: &'static str = "nothing";
}

/// The query of routes that list without pages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitField {
    limit: Option<usize>,
}

impl Fields for LimitField {
    const ALLOWED: &'static str = "limit=COUNT";
}

/// How many are wanted, within what is allowed.
fn limit(wanted: Option<usize>, edge: &Edge) -> Result<usize, Failure> {
    let most = edge.config.page_max;
    match wanted {
        None => Ok(PAGE.min(most)),
        Some(wanted) if (1..=most).contains(&wanted) => Ok(wanted),
        Some(wanted) => {
            let message = format!("limit is {wanted}; 1 to {most} are allowed");
            Err(Failure::new(StatusCode::BAD_REQUEST, "bad_query", message))
        }
    }
}

/// A name in the path that has to be of a type.
fn parse<T>(what: &str, text: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Failure::bad(format!("{what} {text:?}: {error}")))
}

/// An answer in JSON.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response, Failure> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Failure::internal(format!("an answer cannot be written: {error}")))?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((status, kind, body).into_response())
}

/// An answer in JSON with 200.
fn good<T: Serialize>(body: &T) -> Result<Response, Failure> {
    json(StatusCode::OK, body)
}
