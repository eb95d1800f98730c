//! Payments that are signed before anything is measured, and how they are given to validators.

use std::io;
use std::time::{Duration, Instant};

use avalanche_consensus::Id;
use avalanche_examples::demo;
use avalanche_gateway::api::frame_into;
use avalanche_gateway::client::{Client, ClientError};
use avalanche_vm::payments::{Address, SignedTransfer, TRANSFER_DOMAIN, Transfer};
use avalanche_vm::signature::SigningKey;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::store::told;

/// Accounts that pay.
pub const ACCOUNTS: usize = 5_000;
/// Payments of a batch.
pub const BATCH: usize = 512;
/// Batches under way to each validator.
const CONNECTIONS: usize = 2;
/// How often it is asked what is final.
const LOOK: Duration = Duration::from_millis(20);
/// The end of a run in which nothing moves.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signed payments, in batches.
#[derive(Debug)]
pub struct Payments {
    /// For each validator, batches whose order is to be kept.
    batches: Vec<Vec<Vec<u8>>>,
    /// All of them.
    pub count: u64,
}

impl Payments {
    /// Signs about `count` payments of demo accounts for a chain; each account pays through one of
    /// the `validators`.
    #[must_use]
    pub fn sign(chain: Id, validators: usize, count: usize) -> Self {
        let keys: Vec<_> = (0..ACCOUNTS).map(account).collect();
        let rounds = count.div_ceil(ACCOUNTS);
        let batches = (0..validators).map(|validator| {
            let own: Vec<_> = (0..ACCOUNTS).skip(validator).step_by(validators).collect();
            let mut batches = vec![Vec::new()];
            let mut room = BATCH;
            for nonce in 0..rounds as u64 {
                for &from in &own {
                    let to = (from + 1 + 7 * validator) % ACCOUNTS;
                    let (Some(key), Some(to)) = (keys.get(from), keys.get(to)) else { continue };
                    if room == 0 {
                        batches.push(Vec::new());
                        room = BATCH;
                    }
                    room -= 1;
                    let payment = pay(chain, key, to, nonce);
                    if let Some(batch) = batches.last_mut() {
                        frame_into(batch, payment.as_bytes());
                    }
                }
            }
            batches.reverse();
            batches
        });
        Self { batches: batches.collect(), count: (rounds * ACCOUNTS) as u64 }
    }
}

/// An account beside those that pay in batches, for payments one by one.
#[derive(Debug)]
pub struct Payer {
    chain: Id,
    key: Account,
    nonce: u64,
}

impl Payer {
    /// The first account that pays in no batch.
    #[must_use]
    pub fn new(chain: Id) -> Self {
        Self { chain, key: account(ACCOUNTS), nonce: 0 }
    }

    /// Its next payment, to itself.
    pub fn pay(&mut self) -> SignedTransfer {
        self.nonce += 1;
        pay(self.chain, &self.key, &self.key, self.nonce - 1)
    }
}

/// Who pays, or is paid.
pub type Account = (SigningKey, Address);

/// A demo account.
#[must_use]
pub fn account(index: usize) -> Account {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    let key = SigningKey::from_seed(&demo::key(index).to_bytes());
    let address = Address::new(key.public_key().to_bytes());
    (key, address)
}

/// A payment of one account to another.
#[must_use]
pub fn pay(
    chain: Id,
    (from, sender): &Account,
    (_, recipient): &Account,
    nonce: u64,
) -> SignedTransfer {
    let transfer = Transfer {
        chain,
        sender: *sender,
        recipient: *recipient,
        amount: 1,
        fee: 1,
        nonce,
        expiry: u64::MAX,
    };
    let signature = from.sign(TRANSFER_DOMAIN.as_bytes(), &transfer.signed_bytes());
    transfer.with_signature(signature.as_bytes())
}

/// What a run was at, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark<T> {
    /// When.
    pub at: Instant,
    /// Payments that were final.
    pub done: u64,
    /// What somebody else had to say of that moment.
    pub seen: T,
}

/// How payments are given.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// The most payments that were taken in and are not final.
    pub window: u64,
    /// The most a second; `None`: as many as are taken.
    pub rate: Option<u64>,
}

/// Gives all payments to the validators, and calls `look` when a tenth of them are final, and when
/// the last are given: between the two, the network is as full as `drive` says, and takes in as
/// many as it decides.
///
/// # Errors
///
/// If payments are refused for another reason than lack of room, or nothing becomes final any more.
pub async fn drive<T>(
    payments: Payments,
    clients: &[Client],
    drive: Drive,
    mut look: impl FnMut() -> io::Result<T>,
) -> io::Result<[Mark<T>; 2]> {
    let Some(observer) = clients.first() else { return Err(told("no validators")) };
    let Payments { mut batches, count } = payments;
    let before = observer.status().await.map_err(told)?.finality.transactions;
    let (begun, mut moved) = (Instant::now(), Instant::now());
    let (mut given, mut done, mut marks) = (0_u64, 0_u64, Vec::new());
    let mut busy = vec![0; clients.len()];
    let mut requests = JoinSet::new();
    while done < count {
        for (at, (client, batches)) in clients.iter().zip(&mut batches).enumerate() {
            let due = drive.rate.map_or(u64::MAX, |rate| due(rate, begun.elapsed()));
            let room = due.min(done.saturating_add(drive.window));
            let Some(busy) = busy.get_mut(at) else { continue };
            while *busy < CONNECTIONS && given < room {
                let Some(batch) = batches.pop() else { break };
                given += BATCH as u64;
                *busy += 1;
                let client = client.clone();
                requests.spawn(async move { (at, give(&client, batch).await) });
            }
        }
        tokio::select! {
            Some(answered) = requests.join_next() => {
                let (at, answer) = answered.map_err(told)?;
                if let Some(busy) = busy.get_mut(at) {
                    *busy -= 1;
                }
                answer?;
                continue;
            }
            () = sleep(LOOK) => {}
        }
        let now = observer.status().await.map_err(told)?.finality.transactions - before;
        if now > done {
            (done, moved) = (now, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            return Err(told(format!("{done} of {count} payments became final, and no more")));
        }
        let due = match marks.len() {
            0 => count / 10,
            1 if drive.rate.is_none() => count.saturating_sub(drive.window),
            1 => count / 10 * 9,
            _ => u64::MAX,
        };
        if done >= due {
            marks.push(Mark { at: Instant::now(), done, seen: look()? });
        }
    }
    <[_; 2]>::try_from(marks).map_err(|_| told("too few payments to measure"))
}

fn due(rate: u64, elapsed: Duration) -> u64 {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(rate) / 1_000_000
}

/// Gives a batch, again while there is no room.
async fn give(client: &Client, batch: Vec<u8>) -> io::Result<()> {
    loop {
        match client.submit_batch(batch.clone(), false).await {
            // Those that were taken in by an earlier attempt are known.
            Ok(answer) => match answer.refused.iter().find(|one| one.status != 409) {
                None => return Ok(()),
                Some(one) if matches!(one.status, 429 | 503) => {}
                Some(one) => return Err(told(format!("{}: {}", one.code, one.message))),
            },
            Err(ClientError::Api { status: 429 | 503, .. }) => {}
            Err(error) => return Err(told(error)),
        }
        sleep(LOOK).await;
    }
}
