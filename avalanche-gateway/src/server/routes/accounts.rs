//! Accounts, and whatever else the VM of a chain answers itself.

use std::sync::Arc;

use avalanche_chain::{Chain, Cursor};
use avalanche_consensus::Id;
use avalanche_vm::{HttpRequest, HttpResponse};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::{good, limit, parse};
use crate::api::{AddressTransaction, AddressTransactions};
use crate::server::body::{Bounds, Reader};
use crate::server::edge::Edge;
use crate::server::extract::{Fields, Names, Params};
use crate::server::failure::Failure;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofField {
    proof: Option<bool>,
}

impl Fields for ProofField {
    const ALLOWED: &'static str = "proof=true or proof=false";
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CursorFields {
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Fields for CursorFields {
    const ALLOWED: &'static str = "cursor=CURSOR of the page before, and limit=COUNT";
}

pub(super) async fn one(
    State(edge): State<Arc<Edge>>,
    Names((id, address)): Names<(String, String)>,
    Params(ProofField { proof }): Params<ProofField>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let address: Id = parse("address", &address)?;
    let query = if proof == Some(true) { "proof=true".to_owned() } else { String::new() };
    let path = format!("/accounts/{address}");
    ask(&*chain, HttpRequest { method: "GET".to_owned(), path, query, body: Vec::new() }).await
}

pub(super) async fn transactions(
    State(edge): State<Arc<Edge>>,
    Names((id, address)): Names<(String, String)>,
    Params(fields): Params<CursorFields>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let address: Id = parse("address", &address)?;
    let before = fields.cursor.map(|cursor| cursor.parse::<Cursor>()).transpose()?;
    let limit = limit(fields.limit, &edge)?;
    let page = chain.address(*address.as_bytes(), before, limit).await?;
    let line =
        |(Cursor { height, index }, id)| AddressTransaction { id, height: height.get(), index };
    let transactions = page.transactions.into_iter().map(line).collect();
    good(&AddressTransactions { transactions, next: page.next.map(|next| next.to_string()) })
}

pub(super) async fn vm(
    State(edge): State<Arc<Edge>>,
    Names((id, path)): Names<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    body: Body,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let bytes_max = edge.config.vm_body_bytes_max;
    let bounds = Bounds { bytes_max, timeout: edge.config.body_timeout };
    let (body, _share) = Reader::new(body, bounds, &edge.memory)?.all().await?;
    let request = HttpRequest {
        // An answer to HEAD is one to GET whose body is left out.
        method: if method == Method::HEAD { Method::GET } else { method }.to_string(),
        path: format!("/{path}"),
        query: query.unwrap_or_default(),
        body: Vec::from(body),
    };
    ask(&*chain, request).await
}

/// Asks the VM. What it refuses gets the body that all errors have.
async fn ask(chain: &dyn Chain, request: HttpRequest) -> Result<Response, Failure> {
    let path = request.path.clone();
    let HttpResponse { status, content_type, body } = chain.vm_request(request).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        return Ok((status, kind, body).into_response());
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = said.get("message").and_then(Value::as_str).map_or_else(
        || format!("the VM of chain {} answers {status} for {path}", chain.name()),
        str::to_owned,
    );
    let code = match status {
        StatusCode::NOT_FOUND => "no_vm_route",
        StatusCode::SERVICE_UNAVAILABLE => "not_ready",
        _ => "vm",
    };
    Err(Failure::new(status, code, message).with_detail(said))
}
