//! What happens around every request, whatever its route.

use std::sync::Arc;
use std::time::Instant;

use avalanche_chain::{Chain, NodeReader};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::GatewayConfig;
use super::body::Memory;
use super::extract::{Caller, Principal};
use super::failure::Failure;
use super::metrics::Metrics;
use super::routes;
use crate::api::{DEFAULT_CHAIN, TRACE_HEADER};
use crate::trace::TraceId;

/// What handlers share.
pub(super) struct Edge {
    pub(super) node: Arc<dyn NodeReader>,
    pub(super) config: GatewayConfig,
    pub(super) metrics: Metrics,
    pub(super) memory: Memory,
    pub(super) websockets: Arc<Semaphore>,
    /// Becomes true when the server ends.
    pub(super) closing: watch::Sender<bool>,
    requests: Semaphore,
}

impl Edge {
    pub(super) fn new(node: Arc<dyn NodeReader>, config: GatewayConfig) -> Arc<Self> {
        let permits = |most: usize| Semaphore::new(most.min(Semaphore::MAX_PERMITS));
        Arc::new(Self {
            node,
            metrics: Metrics::new(&routes()),
            memory: Memory::new(config.memory_bytes_max),
            websockets: Arc::new(permits(config.websockets_max)),
            closing: watch::Sender::new(false),
            requests: permits(config.requests_max),
            config,
        })
    }

    /// A chain by its name or identifier, or [`DEFAULT_CHAIN`].
    pub(super) fn chain(&self, which: &str) -> Result<Arc<dyn Chain>, Failure> {
        let named = self.node.chain(Some(which));
        let found = match which {
            DEFAULT_CHAIN => named.or_else(|| self.node.chain(None)),
            _ => named,
        };
        found.ok_or_else(|| {
            let names: Vec<String> =
                self.node.chains().iter().map(|chain| chain.name().to_owned()).collect();
            let message = format!(
                "this node has no chain {which:?}; it has {}, by name or identifier, and \
                 \"{DEFAULT_CHAIN}\" is the first",
                names.join(", ")
            );
            Failure::unknown("unknown_chain", message).with_detail(json!({ "chains": names }))
        })
    }

    /// The chain of `?chain=`.
    pub(super) fn chain_of_query(&self, which: Option<&str>) -> Result<Arc<dyn Chain>, Failure> {
        self.chain(which.unwrap_or(DEFAULT_CHAIN))
    }
}

pub(super) fn router(edge: &Arc<Edge>) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes::all() {
        router = router.route(path, methods);
    }
    router
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(Arc::clone(edge), around))
        .with_state(Arc::clone(edge))
}

async fn nowhere(request: Request) -> Failure {
    let message = format!(
        "there is no {}; the routes are below {}, and the README of the gateway lists them",
        request.uri().path(),
        crate::api::PREFIX
    );
    Failure::unknown("no_route", message)
}

/// Names a request, gives it a principal, bounds it, and turns what went wrong into a body.
async fn around(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let given = request.headers().get("traceparent");
    let trace = given.and_then(|value| TraceId::from_traceparent(value.as_bytes()));
    let trace = trace.unwrap_or_else(TraceId::fresh);
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map(MatchedPath::as_str);
    request.extensions_mut().insert(Caller { principal: Principal::Anonymous, trace });
    let mut response = match bounded(&edge, route, request, next).await {
        Ok(mut response) => match failure_of(&mut response) {
            None => response,
            Some(failure) => {
                let headers = std::mem::take(response.headers_mut());
                let mut rendered = fail(failure, trace, route);
                if let Some(allow) = headers.get(header::ALLOW) {
                    rendered.headers_mut().insert(header::ALLOW, allow.clone());
                }
                rendered
            }
        },
        Err(failure) => fail(failure, trace, route),
    };
    if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    edge.metrics.request(route, response.status().as_u16(), begun.elapsed());
    response
}

/// Lets a request in if there is room, and bounds its time where it does not bound it itself.
async fn bounded(
    edge: &Edge,
    route: Option<&str>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let probe = route.is_some_and(|route| routes::PROBES.contains(&route));
    let _permit = if probe {
        None
    } else {
        Some(edge.requests.try_acquire().map_err(|_| {
            let most = edge.config.requests_max;
            Failure::busy(format!("{most} requests are in work, which is the most; try again"))
        })?)
    };
    if matches!(route, Some(routes::SUBMIT | routes::WS)) {
        return Ok(next.run(request).await);
    }
    let most = edge.config.request_timeout;
    timeout(most, next.run(request)).await.map_err(|_| {
        let message = format!("the node did not answer within {most:?}; try again");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message)
    })
}

/// What went wrong, where it was a handler or the router that said so.
fn failure_of(response: &mut Response) -> Option<Failure> {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return Some(failure);
    }
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return None;
    }
    let allow = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
    let allowed: Vec<&str> = allow.unwrap_or_default().split(',').map(str::trim).collect();
    let message = format!("this route has no such method; allowed are {}", allowed.join(", "));
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    Some(failure.with_detail(json!({ "allowed": allowed })))
}

fn fail(failure: Failure, trace: TraceId, route: Option<&str>) -> Response {
    let route = route.unwrap_or("none");
    if failure.status().is_server_error() {
        tracing::warn!(%trace, route, status = failure.status().as_u16(), "{failure}");
    } else {
        tracing::debug!(%trace, route, status = failure.status().as_u16(), "{failure}");
    }
    failure.render(trace)
}
