//! Chains and their blocks.

use std::sync::Arc;

use avalanche_chain::BlockAt;
use avalanche_consensus::Height;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use serde::Deserialize;

use super::{NoFields, good, limit, parse};
use crate::api::{BlockForm, Blocks, Chains, OCTETS};
use crate::server::body::Shared;
use crate::server::convert;
use crate::server::edge::Edge;
use crate::server::extract::{Fields, Names, Params};
use crate::server::failure::Failure;

/// The digits of the greatest height.
const HEIGHT_DIGITS_MAX: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageFields {
    from: Option<u64>,
    limit: Option<usize>,
}

impl Fields for PageFields {
    const ALLOWED: &'static str = "from=HEIGHT and limit=COUNT";
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormField {
    form: Option<BlockForm>,
}

impl Fields for FormField {
    const ALLOWED: &'static str = "form=container and form=payload";
}

pub(super) async fn list(
    State(edge): State<Arc<Edge>>,
    Params(NoFields {}): Params<NoFields>,
) -> Result<Response, Failure> {
    let mut chains = Vec::new();
    for chain in edge.node.chains() {
        chains.push(convert::chain(&*chain, &chain.status().await));
    }
    good(&Chains { chains })
}

pub(super) async fn one(
    State(edge): State<Arc<Edge>>,
    Names(id): Names<String>,
    Params(NoFields {}): Params<NoFields>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    good(&convert::chain(&*chain, &chain.status().await))
}

pub(super) async fn blocks(
    State(edge): State<Arc<Edge>>,
    Names(id): Names<String>,
    Params(fields): Params<PageFields>,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let limit = limit(fields.limit, &edge)?;
    let last = chain.status().await.last_accepted.height.get();
    let newest = last.saturating_sub(convert::wide(limit).saturating_sub(1));
    let from = fields.from.unwrap_or(newest);
    let found = chain.blocks(Height::new(from), limit).await?;
    // A page can be shorter than its limit, since its bytes are bounded as well.
    let after = found.last().and_then(|block| block.height.next()).map(Height::get);
    let next = after.filter(|next| *next <= last);
    good(&Blocks { blocks: found.iter().map(convert::block).collect(), next })
}

pub(super) async fn block(
    State(edge): State<Arc<Edge>>,
    Names((id, at)): Names<(String, String)>,
    Params(FormField { form }): Params<FormField>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let chain = edge.chain(&id)?;
    let found = chain.block(block_at(&at)?).await?.ok_or_else(|| {
        let message = format!("this node has no accepted or processing block {at}");
        Failure::unknown("unknown_block", message)
    })?;
    let accepts = headers.get(header::ACCEPT).is_some_and(|value| value == OCTETS);
    let bytes = match form {
        Some(BlockForm::Container) => found.bytes,
        Some(BlockForm::Payload) => found.payload,
        None if accepts => found.payload,
        None => return good(&convert::block(&found)),
    };
    let share = edge.memory.take(bytes.len())?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS))];
    Ok((kind, Body::new(Shared::new(Full::new(bytes), share))).into_response())
}

/// A height, a name or `last`.
fn block_at(text: &str) -> Result<BlockAt, Failure> {
    if text == "last" {
        Ok(BlockAt::Last)
    } else if text.len() <= HEIGHT_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()) {
        parse("height", text).map(|height| BlockAt::Height(Height::new(height)))
    } else {
        parse("block", text).map(BlockAt::Id)
    }
}
