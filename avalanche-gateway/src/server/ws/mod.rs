//! Events over a WebSocket: resumable from the log, and never faster than their reader.

mod feed;
mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use avalanche_consensus::Height;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use self::feed::{Feed, Position, Topics};
use self::session::Session;
use super::edge::Edge;
use super::extract::{Caller, Fields, Params};
use super::failure::Failure;
use crate::api::{EventCursor, Topic};

/// The longest message that a client may send, in bytes: nothing but pings and farewells is read.
const INCOMING_BYTES_MAX: usize = 4 << 10;
/// Bytes that are written to the socket at once.
const WRITE_BYTES: usize = 16 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsFields {
    chain: Option<String>,
    topics: Option<String>,
    from: Option<u64>,
    after: Option<String>,
}

impl Fields for EventsFields {
    const ALLOWED: &'static str = "chain=NAME-OR-ID, topics=blocks,transactions,consensus,peers, \
                                   and either from=HEIGHT or after=CURSOR";
}

pub(super) async fn open(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Params(fields): Params<EventsFields>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let chain = edge.chain_of_query(fields.chain.as_deref())?;
    let topics = topics(fields.topics.as_deref())?;
    let start = start(fields.from, fields.after.as_deref())?;
    let upgrade = upgrade.map_err(|error| {
        let message = format!("{error}; allowed here is a WebSocket of version 13");
        Failure::new(StatusCode::BAD_REQUEST, "no_websocket", message)
    })?;
    let permit = Arc::clone(&edge.websockets).try_acquire_owned().map_err(|_| {
        let most = edge.config.websockets_max;
        Failure::busy(format!("{most} WebSockets are open, which is the most; try again"))
    })?;
    // Listening begins before the height is asked for, so that nothing is between them.
    let events = chain.events();
    let feed = match start {
        Some(start) => Feed::from_log(chain, topics, start),
        None => {
            let last = chain.status().await.last_accepted.height;
            Feed::from_now(chain, topics, last)
        }
    };
    let session = Session::new(edge, feed, events);
    let upgrade = upgrade
        .max_message_size(INCOMING_BYTES_MAX)
        .max_frame_size(INCOMING_BYTES_MAX)
        .write_buffer_size(WRITE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        session.run(socket, caller).await;
        drop(permit);
    }))
}

fn topics(text: Option<&str>) -> Result<Topics, Failure> {
    let wrong = |message| Failure::new(StatusCode::BAD_REQUEST, "bad_query", message);
    let mut topics = Topics::default();
    for name in text.unwrap_or("blocks").split(',') {
        match name.parse().map_err(|error| wrong(format!("topics: {error}")))? {
            Topic::Blocks => topics.blocks = true,
            Topic::Transactions => topics.transactions = true,
            Topic::Consensus => topics.consensus = true,
            Topic::Peers => topics.peers = true,
        }
    }
    Ok(topics)
}

/// Where to begin; `None` is now.
fn start(from: Option<u64>, after: Option<&str>) -> Result<Option<Position>, Failure> {
    let wrong = |message| Failure::new(StatusCode::BAD_REQUEST, "bad_query", message);
    match (from, after) {
        (None, None) => Ok(None),
        (Some(height), None) => Ok(Some(Position::from(Height::new(height)))),
        (None, Some(cursor)) => {
            let cursor: EventCursor =
                cursor.parse().map_err(|error| wrong(format!("after: {error}")))?;
            Ok(Some(Position::after(cursor)))
        }
        (Some(_), Some(_)) => {
            Err(wrong("from and after are both there; allowed is one of them".to_owned()))
        }
    }
}

impl Edge {
    fn count_slow(&self) {
        self.metrics.websockets_slow.fetch_add(1, Ordering::Relaxed);
    }
}
