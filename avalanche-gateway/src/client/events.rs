//! Events over a WebSocket.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use hyper::header;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::http::{refusal, retry_after};
use super::{Base, ClientError};
use crate::api::{Event, EventCursor, PREFIX, Topic};

/// The longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    /// The topics; none stands for blocks alone.
    pub topics: Vec<Topic>,
    /// Where to begin.
    pub start: Start,
}

/// Where a stream of events begins. Blocks and transactions come from the log until the reader has
/// caught up, and then as they happen, without gap and without repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what happens next.
    #[default]
    Now,
    /// With the block of a height.
    From(u64),
    /// With what follows a message.
    After(EventCursor),
}

/// A stream of events.
pub struct Events {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    cursor: Option<EventCursor>,
    url: String,
}

impl Default for EventsQuery {
    /// Blocks, from now on.
    fn default() -> Self {
        Self { topics: vec![Topic::Blocks], start: Start::Now }
    }
}

impl EventsQuery {
    fn path(&self, chain: &str) -> String {
        let topics: Vec<String> = self.topics.iter().map(Topic::to_string).collect();
        let topics = match topics.as_slice() {
            [] => Topic::Blocks.to_string(),
            topics => topics.join(","),
        };
        let start = match self.start {
            Start::Now => String::new(),
            Start::From(height) => format!("&from={height}"),
            Start::After(cursor) => format!("&after={cursor}"),
        };
        format!("{PREFIX}/ws?chain={chain}&topics={topics}{start}")
    }
}

impl Events {
    pub(super) async fn open(
        base: &Base,
        chain: &str,
        query: &EventsQuery,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let url = base.join(&query.path(chain)).replacen("http", "ws", 1);
        let wrong = |reason| ClientError::Url { url: url.clone(), reason };
        let mut request = url.as_str().into_client_request().map_err(|e| wrong(e.to_string()))?;
        if let Some(token) = base.token() {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let connecting = connect_async_with_config(request, Some(config), true);
        let cursor = match query.start {
            Start::After(cursor) => Some(cursor),
            Start::Now | Start::From(_) => None,
        };
        match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok((socket, _))) => Ok(Self { socket, cursor, url }),
            Ok(Err(error)) => Err(trouble(&url, error)),
            Err(_) => {
                let reason = format!("no answer within {timeout:?}");
                Err(ClientError::Unreachable { url, reason })
            }
        }
    }

    /// The next event. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ClientError::Closed`] if the node ended the stream, with its reason;
    /// [`ClientError::Unreachable`] if the connection broke. In both cases a new stream that starts
    /// [`After`](Start::After) the [`cursor`](Self::cursor) goes on where this one ended.
    pub async fn recv(&mut self) -> Result<Event, ClientError> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(trouble(&self.url, error)),
                None => return Err(closed("without a word")),
            };
            match message {
                Message::Text(text) => {
                    let event: Event = serde_json::from_str(&text).map_err(|error| {
                        let reason = format!("an event cannot be read: {error}");
                        ClientError::Unexpected { url: self.url.clone(), reason }
                    })?;
                    self.cursor = event.cursor().or(self.cursor);
                    return Ok(event);
                }
                Message::Close(Some(frame)) => return Err(closed(&frame.reason)),
                Message::Close(None) => return Err(closed("without a reason")),
                _ => {}
            }
        }
    }

    /// The last place that was told; where to go on [`After`](Start::After).
    #[must_use]
    pub const fn cursor(&self) -> Option<EventCursor> {
        self.cursor
    }

    /// Ends the stream in good order.
    pub async fn close(mut self) {
        // Whoever has gone already needs no farewell.
        _ = self.socket.close(None).await;
    }
}

fn closed(reason: &str) -> ClientError {
    ClientError::Closed { reason: reason.to_owned() }
}

fn trouble(url: &str, error: WsError) -> ClientError {
    let url = url.to_owned();
    match error {
        WsError::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            refusal(url, response.status().as_u16(), body, retry_after(response.headers()))
        }
        WsError::ConnectionClosed | WsError::AlreadyClosed => closed("it is over"),
        error => ClientError::Unreachable { url, reason: error.to_string() },
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("url", &self.url).field("cursor", &self.cursor).finish()
    }
}
