//! What becomes final, read from the node: the names of all payments, block by block.

use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_gateway::api::{BlockForm, Event, Topic};
use avalanche_gateway::client::{BlockAt, Client, ClientError, Events, EventsQuery, Start};
use avalanche_vm::payments::{BlockRef, TransferRef};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// How long a stream may be silent before it is opened again: a node that was paused looks like
/// one that has nothing to say.
const SILENCE: Duration = Duration::from_secs(5);
/// The rest after the first failure; each further one doubles it.
const REST: Duration = Duration::from_millis(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(2);

/// A final block's payments.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Their names, in order.
    pub(super) ids: Vec<Id>,
    /// When the block was told.
    pub(super) at: Instant,
}

/// Follows the chain from a height on, without gap, on one API after another, for as long as
/// somebody listens. Names are computed from the bytes of the blocks: nobody's word is taken.
pub(super) async fn follow(clients: Vec<Client>, from: u64, to: mpsc::Sender<Seen>) {
    let mut next = from;
    let mut failures = 0_u32;
    for client in clients.iter().cycle() {
        let before = next;
        let outcome = read(client, &mut next, &to).await;
        if to.is_closed() || outcome.is_ok() {
            return;
        }
        failures = if next > before { 0 } else { failures.saturating_add(1) };
        let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        sleep(REST.saturating_mul(doubled).min(REST_MAX)).await;
    }
}

/// Reads one stream until it breaks, which is an error, or nobody listens.
async fn read(client: &Client, next: &mut u64, to: &mpsc::Sender<Seen>) -> Result<(), ClientError> {
    let query = EventsQuery { topics: vec![Topic::Blocks], start: Start::From(*next) };
    let mut events: Events = client.events(&query).await?;
    loop {
        let Ok(event) = timeout(SILENCE, events.recv()).await else {
            return Err(ClientError::Closed { reason: "it is silent".to_owned() });
        };
        let at = Instant::now();
        let Event::Blocks { block, .. } = event? else { continue };
        let empty = block.transactions == Some(0) && block.height == *next;
        if empty {
            *next += 1;
            continue;
        }
        while *next <= block.height {
            let ids = payments(client, *next).await?;
            *next += 1;
            if to.send(Seen { ids, at }).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The names of the payments of the accepted block of a height.
async fn payments(client: &Client, height: u64) -> Result<Vec<Id>, ClientError> {
    let wrong = |reason: String| ClientError::Unexpected { url: client.url().to_owned(), reason };
    let bytes = client.block_bytes(BlockAt::Height(height), BlockForm::Payload).await?;
    let bytes = bytes.ok_or_else(|| wrong(format!("it has no block of height {height}")))?;
    let block = BlockRef::decode(&bytes)
        .map_err(|error| wrong(format!("block {height} is none of payments: {error}")))?;
    Ok(block.transfers.iter().map(TransferRef::id).collect())
}
