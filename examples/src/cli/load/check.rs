//! At the end: what was not seen in a block is asked for by name.

use avalanche_consensus::Id;
use avalanche_gateway::client::Client;
use tokio::task::JoinSet;

use crate::cli::bar::Bar;

/// Names that are asked for at a time.
const ASKED: usize = 64;

/// Those of `ids` that an API has the receipt of. An API that does not answer for most of 64 is
/// left for the next one, so that the time is bounded.
pub(super) async fn receipts(clients: &[Client], mut ids: Vec<Id>, quiet: bool) -> Vec<Id> {
    let bar = Bar::new("checking", u64::try_from(ids.len()).ok(), quiet);
    let mut found = Vec::new();
    ids.sort_unstable();
    for client in clients {
        let mut open = Vec::new();
        let mut chunks = ids.chunks(ASKED);
        for chunk in chunks.by_ref() {
            let (accepted, unanswered) = ask(client, chunk).await;
            open.extend(chunk.iter().filter(|id| !accepted.contains(id)));
            found.extend(accepted);
            bar.show(u64::try_from(found.len()).unwrap_or(0), "");
            if unanswered * 2 > chunk.len() {
                break;
            }
        }
        open.extend(chunks.flatten());
        ids = open;
    }
    found
}

/// Which of the names are accepted, and how many had no answer.
async fn ask(client: &Client, ids: &[Id]) -> (Vec<Id>, usize) {
    let mut asked = JoinSet::new();
    for id in ids.iter().copied() {
        let client = client.clone();
        asked.spawn(async move { (id, client.transaction(id).await) });
    }
    let (mut accepted, mut unanswered) = (Vec::new(), 0);
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok((id, Ok(Some(transaction)))) if transaction.is_final() => accepted.push(id),
            Ok((_, Ok(_))) => {}
            Ok((_, Err(_))) | Err(_) => unanswered += 1,
        }
    }
    (accepted, unanswered)
}
