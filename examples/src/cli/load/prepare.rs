//! Before the first payment: which chain, which nonces, and payments signed ahead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::Id;
use avalanche_gateway::client::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::LoadArgs;
use super::sign::{Payments, Plan, Stock};
use crate::cli::bar::Bar;
use crate::cli::{CliError, account, failure};
use crate::demo;

/// Accounts that are asked for at a time.
const ASKED: usize = 16;
/// How long to wait for what an earlier run has left in mempools.
const QUIET: Duration = Duration::from_secs(10);
/// How long a payment can be in a block beyond the time of the run.
const EXPIRY: Duration = Duration::from_secs(6 * 3_600);

/// What a run begins with.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) stock: Stock,
    /// The height of the first block that can hold payments of the run.
    pub(super) next: u64,
}

/// Finds the chain, reads nonces and signs ahead.
pub(super) async fn prepare(
    args: &LoadArgs,
    clients: &[Client],
    quiet: bool,
) -> Result<Ready, CliError> {
    let (client, chain) = find(clients).await?;
    wait_until_quiet(client).await;
    let nonces = nonces(client, args.accounts, quiet).await?;
    // After the nonces were read, no earlier block can hold payments that begin with them.
    let next = client.chain().await.map_err(failure)?.last_accepted.height.saturating_add(1);
    let time = args.time().unwrap_or_default().saturating_add(EXPIRY);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let plan = Plan {
        chain,
        nonces,
        skew: args.zipf,
        seed: args.seed,
        amount: args.amount,
        fee: args.fee,
        expiry: now.saturating_add(time).as_secs(),
        total: args.total(),
    };
    let stock = Stock::begin(move || Payments::new(plan, demo::key), args.sign_ahead)?;
    let ahead = u64::from(args.sign_ahead).min(args.total().unwrap_or(u64::MAX));
    let bar = Bar::new("signing", Some(ahead), quiet);
    while stock.signed() < ahead {
        bar.show(stock.signed(), "");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(Ready { stock, next })
}

/// The first API that answers, and the chain, which has to be the same on all that answer.
async fn find(clients: &[Client]) -> Result<(&Client, Id), CliError> {
    let mut found: Option<(&Client, Id)> = None;
    let mut trouble = None;
    for client in clients {
        match (client.chain().await, found) {
            (Ok(chain), None) => found = Some((client, chain.id)),
            (Ok(chain), Some((first, id))) if chain.id != id => {
                let reason = format!(
                    "{} has chain {id}, {} has chain {}: they are not of one network",
                    first.url(),
                    client.url(),
                    chain.id
                );
                return Err(CliError::failed("other_chain", reason));
            }
            (Ok(_), Some(_)) => {}
            // One that is down may come up later.
            (Err(error), _) => trouble = trouble.or(Some(error)),
        }
    }
    let none = || trouble.map_or_else(|| CliError::usage("there is no API"), failure);
    found.ok_or_else(none)
}

/// Waits a little for payments that an earlier run left waiting: they have the next nonces.
async fn wait_until_quiet(client: &Client) {
    let started = Instant::now();
    while started.elapsed() < QUIET {
        match client.pending(0).await {
            Ok(pending) if pending.count > 0 => sleep(Duration::from_millis(100)).await,
            _ => return,
        }
    }
}

/// The nonces of the first demo accounts.
async fn nonces(client: &Client, accounts: u32, quiet: bool) -> Result<Vec<u64>, CliError> {
    let bar = Bar::new("reading accounts", Some(u64::from(accounts)), quiet);
    let mut nonces = vec![0; usize::try_from(accounts).unwrap_or(usize::MAX)];
    let mut asked = JoinSet::new();
    let (mut next, mut done) = (0, 0);
    while done < accounts {
        while next < accounts && asked.len() < ASKED {
            let client = client.clone();
            let index = next;
            asked.spawn(async move {
                (index, account::ask(&client, &demo::address(index), false).await)
            });
            next += 1;
        }
        let Some(Ok((index, answer))) = asked.join_next().await else {
            return Err(CliError::failed("stopped", "reading accounts was stopped"));
        };
        let answer = answer.map_err(failure)?;
        if answer.is_absent() {
            let name = demo::name(index);
            let reason = format!(
                "{name} has nothing to spend on this chain; use fewer accounts (--accounts), or \
                 a network whose genesis funds them"
            );
            return Err(CliError::failed("unknown_account", reason));
        }
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(nonce) = nonces.get_mut(at) {
            *nonce = answer.nonce;
        }
        done += 1;
        bar.show(u64::from(done), "");
    }
    Ok(nonces)
}
