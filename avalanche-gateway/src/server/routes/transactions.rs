//! Transactions: given to the chain, waited for, asked about.

use std::sync::Arc;
use std::time::Duration;

use avalanche_chain::{Chain, Outcome};
use avalanche_consensus::Id;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json as value;

use super::{LimitField, NoFields, good, json, limit, parse};
use crate::api::{
    BatchAnswer, BatchBody, Pending, Refused, SubmitBody, Transaction, TransactionStatus,
};
use crate::server::batch::{Batch, BatchBounds, too_many};
use crate::server::body::{self, Bounds, MediaType, Reader, Share};
use crate::server::convert;
use crate::server::edge::Edge;
use crate::server::extract::{Caller, Fields, Names, Params};
use crate::server::failure::Failure;

/// Bytes of JSON around a transaction's digits.
const JSON_BYTES: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitFields {
    wait: Option<bool>,
    timeout_ms: Option<u64>,
}

impl Fields for WaitFields {
    const ALLOWED: &'static str = "wait=true or wait=false, and timeout_ms=MILLISECONDS";
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdsField {
    ids: Option<bool>,
}

impl Fields for IdsField {
    const ALLOWED: &'static str = "ids=true or ids=false";
}

pub(super) async fn submit(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Names(id): Names<String>,
    Params(fields): Params<WaitFields>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let transaction = one_transaction(&edge, &headers, body).await?;
    let admitted = chain.submit(vec![transaction]).await?.pop();
    let id = admitted.ok_or_else(|| Failure::internal("the chain said nothing"))??;
    tracing::debug!(trace = %caller.trace, principal = ?caller.principal, %id, "admitted");
    if fields.wait == Some(false) {
        return not_final(&Transaction::new(id, TransactionStatus::Pending), chain.name());
    }
    let patience = fields.timeout_ms.map_or(edge.config.wait, Duration::from_millis);
    let patience = patience.min(edge.config.wait_max);
    match chain.wait(id, patience).await? {
        Outcome::Accepted(info) => good(&convert::transaction(info)?),
        Outcome::Dropped { code, reason } => {
            let failure = Failure::new(StatusCode::BAD_REQUEST, code, reason);
            Err(failure.with_detail(value!({ "id": id, "status": "dropped" })))
        }
        Outcome::Waiting(status) => {
            not_final(&convert::transaction_status(id, status), chain.name())
        }
    }
}

/// 202: it was taken in, and what became of it has to be asked for.
fn not_final(transaction: &Transaction, chain: &str) -> Result<Response, Failure> {
    let mut response = json(StatusCode::ACCEPTED, transaction)?;
    let place = format!("{}/chains/{chain}/transactions/{}", crate::api::PREFIX, transaction.id);
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn one_transaction(edge: &Edge, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Failure> {
    let media_type = MediaType::of(headers)?;
    let most = edge.config.transaction_bytes_max;
    let bytes_max = match media_type {
        MediaType::Octets => most,
        MediaType::Json => most.saturating_mul(2).saturating_add(JSON_BYTES),
    };
    let bounds = Bounds { bytes_max, timeout: edge.config.body_timeout };
    let (bytes, _share) = Reader::new(body, bounds, &edge.memory)?.all().await?;
    let transaction = match media_type {
        MediaType::Octets => Vec::from(bytes),
        MediaType::Json => body::json::<SubmitBody>(&bytes, "{\"tx\":\"0x..\"}")?.tx.0,
    };
    match transaction.len() {
        0 => Err(Failure::bad("the body is empty; allowed are the octets of a transaction")),
        length if length > most => Err(Failure::too_large(format!(
            "the transaction has {length} bytes; at most {most} are allowed"
        ))),
        _ => Ok(transaction),
    }
}

pub(super) async fn batch(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Names(id): Names<String>,
    Params(IdsField { ids }): Params<IdsField>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let (transactions, _share) = many_transactions(&edge, &headers, body).await?;
    let answer = submit_many(&*chain, transactions, ids != Some(false)).await?;
    let (admitted, refused) = (answer.admitted, answer.refused.len());
    tracing::debug!(trace = %caller.trace, principal = ?caller.principal, admitted, refused, "batch");
    json(StatusCode::ACCEPTED, &answer)
}

async fn submit_many(
    chain: &dyn Chain,
    transactions: Vec<Vec<u8>>,
    with_ids: bool,
) -> Result<BatchAnswer, Failure> {
    let given = transactions.len();
    if given == 0 {
        return Err(Failure::bad("the batch is empty; at least one transaction is allowed"));
    }
    let outcomes = chain.submit(transactions).await?;
    if outcomes.len() != given {
        let message = format!("the chain answered for {} of {given}", outcomes.len());
        return Err(Failure::internal(message));
    }
    let mut answer = BatchAnswer::default();
    let mut ids = Vec::with_capacity(if with_ids { given } else { 0 });
    for (index, outcome) in (0..).zip(outcomes) {
        if with_ids {
            ids.push(outcome.as_ref().ok().copied());
        }
        match outcome {
            Ok(_) => answer.admitted += 1,
            Err(error) => answer.refused.push(Refused {
                index,
                status: error.status(),
                code: error.code().to_owned(),
                message: error.to_string(),
            }),
        }
    }
    answer.ids = with_ids.then_some(ids);
    Ok(answer)
}

async fn many_transactions(
    edge: &Edge,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<Vec<u8>>, Share), Failure> {
    let config = &edge.config;
    let bounds = Bounds { bytes_max: config.batch_bytes_max, timeout: config.body_timeout };
    let (count_max, transaction_bytes_max) = (config.batch_count_max, config.transaction_bytes_max);
    if MediaType::of(headers)? == MediaType::Octets {
        let mut batch = Batch::new(BatchBounds { count_max, transaction_bytes_max });
        let mut reader = Reader::new(body, bounds, &edge.memory)?;
        while let Some(piece) = reader.next().await? {
            if let Err(failure) = batch.push(&piece) {
                reader.discard().await;
                return Err(failure);
            }
        }
        return Ok((batch.end()?, reader.into_share()));
    }
    let (bytes, share) = Reader::new(body, bounds, &edge.memory)?.all().await?;
    let body: BatchBody = body::json(&bytes, "{\"txs\":[\"0x..\"]}")?;
    let transactions: Vec<Vec<u8>> = body.txs.into_iter().map(|tx| tx.0).collect();
    if transactions.len() > count_max {
        return Err(too_many(count_max));
    }
    let long = (0_u32..).zip(&transactions).find(|(_, one)| one.len() > transaction_bytes_max);
    match long {
        None => Ok((transactions, share)),
        Some((index, one)) => {
            let length = one.len();
            Err(Failure::too_large(format!(
                "transaction {index} has {length} bytes; at most {transaction_bytes_max} are \
                 allowed"
            )))
        }
    }
}

pub(super) async fn pending(
    State(edge): State<Arc<Edge>>,
    Names(id): Names<String>,
    Params(LimitField { limit: wanted }): Params<LimitField>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let (ids, count) = chain.pending(limit(wanted, &edge)?).await?;
    good(&Pending { count: convert::wide(count), ids })
}

pub(super) async fn one(
    State(edge): State<Arc<Edge>>,
    Names((id, hash)): Names<(String, String)>,
    Params(NoFields {}): Params<NoFields>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let id: Id = parse("transaction", &hash)?;
    let transaction = convert::transaction(chain.transaction(id).await?)?;
    if transaction.status == TransactionStatus::Unknown {
        let message = format!("this node has not heard of transaction {id}, or has forgotten it");
        return Err(Failure::unknown("unknown_transaction", message));
    }
    good(&transaction)
}
