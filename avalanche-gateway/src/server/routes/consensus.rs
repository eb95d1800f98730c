//! What consensus is at.

use std::sync::Arc;

use avalanche_consensus::Id;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{ChainField, good, parse};
use crate::api::BlockIssued;
use crate::server::body::{Bounds, MediaType, Reader};
use crate::server::convert;
use crate::server::edge::Edge;
use crate::server::extract::{Names, Params};
use crate::server::failure::Failure;

pub(super) async fn status(
    State(edge): State<Arc<Edge>>,
    Params(ChainField { chain }): Params<ChainField>,
) -> Result<Response, Failure> {
    let chain = edge.chain_of_query(chain.as_deref())?;
    good(&convert::status(chain.id(), chain.name(), chain.status().await))
}

pub(super) async fn submit_block(
    State(edge): State<Arc<Edge>>,
    Params(ChainField { chain }): Params<ChainField>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let chain = edge.chain_of_query(chain.as_deref())?;
    if MediaType::of(&headers)? == MediaType::Json {
        let message = "content-type is application/json; a block is application/octet-stream";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Failure::new(status, "unsupported_media_type", message));
    }
    let bytes_max = edge.config.block_bytes_max;
    let bounds = Bounds { bytes_max, timeout: edge.config.body_timeout };
    let (block, _share) = Reader::new(body, bounds, &edge.memory)?.all().await?;
    let id = chain.submit_block(block).await?;
    good(&BlockIssued { id })
}

pub(super) async fn explain(
    State(edge): State<Arc<Edge>>,
    Names(id): Names<String>,
    Params(ChainField { chain }): Params<ChainField>,
) -> Result<Response, Failure> {
    let chain = edge.chain_of_query(chain.as_deref())?;
    let id: Id = parse("block", &id)?;
    let found = chain.explain(id).await?;
    good(&convert::explanation(&found, chain.status().await.connected))
}
