//! Requests and answers of a client, on connections that are kept.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;

use super::{Base, Client, ClientError};
use crate::api::{ErrorBody, OCTETS};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection without requests is kept: shorter than a server keeps it, which is 10 s.
const IDLE: Duration = Duration::from_secs(8);

/// Connections to a node.
#[derive(Clone, Debug)]
pub(super) struct Http {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// What a node answered, whatever the status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    url: String,
    retry_after: Option<Duration>,
}

impl Http {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        Self { pool: builder.build(connector) }
    }

    /// An answer that is no error.
    pub(super) async fn get(
        &self,
        base: &Base,
        path: &str,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        self.raw(base, path, timeout).await?.good()
    }

    /// An answer of any status.
    pub(super) async fn raw(
        &self,
        base: &Base,
        path: &str,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        self.send(base, Method::GET, path, OCTETS, Bytes::new(), timeout).await
    }

    /// An answer that is no error.
    pub(super) async fn post(
        &self,
        base: &Base,
        path: &str,
        media_type: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        self.send(base, Method::POST, path, media_type, body, timeout).await?.good()
    }

    async fn send(
        &self,
        base: &Base,
        method: Method,
        path: &str,
        media_type: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        let url = base.join(path);
        let mut request = Request::builder().method(&method).uri(&url);
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        if let Some(token) = base.token() {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ClientError::Url { url: url.clone(), reason: error.to_string() })?;
        match tokio::time::timeout(timeout, self.answer(&url, request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let reason = format!("no answer within {timeout:?}");
                Err(ClientError::Unreachable { url, reason })
            }
        }
    }

    async fn answer(
        &self,
        url: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ClientError> {
        let gone = |reason| ClientError::Unreachable { url: url.to_owned(), reason };
        let sent = self.pool.request(request).await;
        let response = sent.map_err(|error| gone(innermost(&error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, Client::ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| gone(error.to_string()))?.to_bytes();
        let retry_after = retry_after(&parts.headers);
        Ok(Answer { status: parts.status.as_u16(), body, url: url.to_owned(), retry_after })
    }
}

impl Answer {
    /// The answer, unless it is an error.
    pub(super) fn good(self) -> Result<Self, ClientError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(refusal(self.url, self.status, &self.body, self.retry_after))
    }

    /// Reads the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Unexpected {
            url: self.url.clone(),
            reason: format!("its answer cannot be read: {error}"),
        })
    }
}

/// What an answer that is an error says.
pub(super) fn refusal(
    url: String,
    status: u16,
    body: &[u8],
    retry_after: Option<Duration>,
) -> ClientError {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => ClientError::Api { status, body: Box::new(body), retry_after },
        Err(_) => {
            let reason = format!("it answers with HTTP {status} and without the body of an error");
            ClientError::Unexpected { url, reason }
        }
    }
}

/// How long the node asks to rest.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The cause at the bottom, which is the one that says something.
fn innermost(error: &PoolError) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    if error.source().is_none() { error.to_string() } else { at.to_string() }
}
