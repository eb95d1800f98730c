//! Bodies of requests: bounded in length, time and memory, and not copied more than needed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::Failure;
use crate::api::OCTETS;

/// The unit of the memory that bodies take, in bytes.
const UNIT: usize = 1 << 10;
/// The most of a refused body that is read, so that its sender sees the answer.
const REFUSED_BYTES_MAX: usize = 1 << 20;
/// How long that may take.
const REFUSED_TIMEOUT: Duration = Duration::from_millis(500);

/// The memory of all bodies together.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// A part of it, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// Takes memory for so many bytes.
    pub(super) fn take(&self, bytes: usize) -> Result<Share, Failure> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        match Arc::clone(&self.0).try_acquire_many_owned(units) {
            Ok(permit) => Ok(Share(Some(permit))),
            Err(_) => Err(Failure::busy("too many large requests are in work; try again")),
        }
    }
}

impl Share {
    fn add(&mut self, more: Self) {
        match (&mut self.0, more.0) {
            (Some(have), Some(more)) => have.merge(more),
            (have, more) => *have = have.take().or(more),
        }
    }
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most bytes.
    pub(super) bytes_max: usize,
    /// How long it may take.
    pub(super) timeout: Duration,
}

/// Reads a body in the pieces that come.
#[derive(Debug)]
pub(super) struct Reader {
    body: Body,
    bounds: Bounds,
    deadline: Instant,
    read: usize,
    memory: Memory,
    share: Share,
}

impl Reader {
    /// A reader, unless the body says that it is too long.
    pub(super) fn new(body: Body, bounds: Bounds, memory: &Memory) -> Result<Self, Failure> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > bounds.bytes_max {
            return Err(too_long(announced, bounds.bytes_max));
        }
        let deadline = Instant::now() + bounds.timeout;
        let (memory, share) = (memory.clone(), memory.take(announced)?);
        Ok(Self { body, bounds, deadline, read: 0, memory, share })
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match timeout_at(self.deadline, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Err(Failure::bad(format!("the body cannot be read: {error}")));
                }
                Ok(None) => return Ok(None),
                Err(_) => {
                    let message = format!(
                        "the body did not come within {:?}; send it faster, or less",
                        self.bounds.timeout
                    );
                    let status = StatusCode::REQUEST_TIMEOUT;
                    return Err(Failure::new(status, "body_timeout", message));
                }
            };
            // Trailers say nothing here.
            let Ok(piece) = frame.into_data() else { continue };
            self.read = self.read.saturating_add(piece.len());
            if self.read > self.bounds.bytes_max {
                self.discard().await;
                return Err(too_long(self.read, self.bounds.bytes_max));
            }
            // What was announced has its share already.
            if self.read > self.covered() {
                self.share.add(self.memory.take(self.read - self.covered())?);
            }
            return Ok(Some(piece));
        }
    }

    /// Bytes that the share is for.
    fn covered(&self) -> usize {
        self.share.0.as_ref().map_or(0, |permit| permit.num_permits() * UNIT)
    }

    /// All of it, and its share of the memory.
    pub(super) async fn all(mut self) -> Result<(Bytes, Share), Failure> {
        let Some(first) = self.next().await? else { return Ok((Bytes::new(), self.share)) };
        let Some(second) = self.next().await? else { return Ok((first, self.share)) };
        let rest = usize::try_from(self.body.size_hint().lower()).unwrap_or(0);
        let mut all = BytesMut::with_capacity(first.len() + second.len() + rest);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok((all.freeze(), self.share))
    }

    /// The share of the memory, for what was made of the pieces.
    pub(super) fn into_share(self) -> Share {
        self.share
    }

    /// Reads on for a little: a connection that is closed with bytes unread is reset, and the
    /// answer is lost.
    pub(super) async fn discard(&mut self) {
        let drain = async {
            let mut left = REFUSED_BYTES_MAX;
            while let Some(Ok(frame)) = self.body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { break };
                left = rest;
            }
        };
        // Whoever sends more, or slowly, may miss the answer.
        _ = timeout(REFUSED_TIMEOUT, drain).await;
    }
}

/// A body of an answer that holds its share of the memory until it was sent.
#[derive(Debug)]
pub(super) struct Shared {
    body: Full<Bytes>,
    _share: Share,
}

impl Shared {
    pub(super) const fn new(body: Full<Bytes>, share: Share) -> Self {
        Self { body, _share: share }
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Media types that bodies come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// Bytes.
    Octets,
    /// JSON.
    Json,
}

impl MediaType {
    /// The one of a request.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = text.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(OCTETS) {
            Ok(Self::Octets)
        } else if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else {
            let message = format!(
                "content-type is {essence:?}; allowed are {OCTETS} and application/json, and no \
                 other"
            );
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Failure::new(status, "unsupported_media_type", message))
        }
    }
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(body: &[u8], form: &str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "bad_json",
            format!("the body: {error}; allowed is {form}"),
        )
    })
}

fn too_long(found: usize, allowed: usize) -> Failure {
    let message = format!("the body has {found} bytes or more; at most {allowed} are allowed");
    Failure::too_large(message)
}
