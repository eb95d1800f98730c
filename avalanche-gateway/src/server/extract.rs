//! What handlers take out of a request: who asks, names in the path, the query.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::trace::TraceId;

/// Who asks.
///
/// Handlers are given one, so that a login needs no change of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// Nobody in particular: there is no login yet, and tokens are not looked at.
    Anonymous,
}

/// Who asks, and the name of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) trace: TraceId,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let found = parts.extensions.get::<Self>().copied();
        found.ok_or_else(|| Failure::internal("the request has no caller"))
    }
}

/// The names in the path.
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Failure::bad(format!("path: {error}; allowed is UTF-8, percent-encoded")))
            }
            Err(error) => Err(Failure::internal(format!("path: {error}"))),
        }
    }
}

/// A query that a route takes.
pub(super) trait Fields: DeserializeOwned {
    /// What is allowed, for the message when something else was found.
    const ALLOWED: &'static str;
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<T: Fields, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(fields)) => Ok(Self(fields)),
            Err(error) => {
                let message = format!("query: {}; allowed: {}", error.body_text(), T::ALLOWED);
                Err(Failure::new(StatusCode::BAD_REQUEST, "bad_query", message))
            }
        }
    }
}
