//! Why a request was not done, on its way to the body of an error.

use std::borrow::Cow;
use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::api::ErrorBody;
use crate::trace::TraceId;

/// The rest that is asked for, in seconds, when there is too much to do.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An answer that is an error. It becomes a body where the name of the request is known.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    detail: Value,
}

impl Failure {
    pub(super) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), detail: Value::Null }
    }

    /// 400: the request is wrong in itself.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 404, for whatever a code that begins with `unknown_` names.
    pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 413.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 503 with `Retry-After`: a bound of the server is reached.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// 500: the node's own fault.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(super) fn with_detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer.
    pub(super) fn render(self, trace: TraceId) -> Response {
        let Self { status, code, message, detail } = self;
        let trace_id = trace.to_string();
        let body = ErrorBody { code: code.into_owned(), message, detail, trace_id };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (status, json, body).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl IntoResponse for Failure {
    /// Carries it to the edge, which renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<avalanche_chain::Error> for Failure {
    fn from(error: avalanche_chain::Error) -> Self {
        let status = StatusCode::from_u16(error.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<avalanche_vm::Error> for Failure {
    fn from(error: avalanche_vm::Error) -> Self {
        avalanche_chain::Error::Vm(error).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}
