//! The first payment of a devnet, and how to make the next.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::Id;
use avalanche_gateway::client::{Client, ClientError};
use avalanche_vm::payments::{SignedTransfer, Transfer};
use ed25519_dalek::Signer as _;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::args::API_PORT;
use super::folder::{ACCOUNTS, CHAIN};
use crate::demo;

/// How long the first payment may take, over all attempts.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one attempt waits for finality, before the same payment is sent again.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The rest between two attempts, while the validators find each other.
const REST: Duration = Duration::from_millis(50);
/// How long a payment that is printed can be sent.
const PRINTED_SECONDS: u64 = 24 * 3_600;
/// What is paid.
const AMOUNT: u64 = 5;

/// The first payment, final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Its name.
    pub transaction: Id,
    /// The height of its block.
    pub height: u64,
    /// From its first submission to the news that it is final.
    pub took: Duration,
}

/// What a validator says of an account.
#[derive(Deserialize)]
struct Account {
    nonce: String,
}

/// Pays from one demo account to the next, and waits until that is final.
///
/// # Errors
///
/// Why it is not.
pub async fn first(client: &Client, chain: Id) -> Result<First, String> {
    let attempts = async {
        let from = ACCOUNTS - 2;
        let nonce = again(|| nonce(client, from)).await?;
        let payment = sign(chain, from, from + 1, nonce, PATIENCE.as_secs());
        let begun = Instant::now();
        loop {
            // The same one each time: whichever attempt arrived, it is paid once.
            let submit = || client.submit_within(payment.as_bytes().to_vec(), ATTEMPT);
            let done = match again(submit).await {
                Ok(done) => done,
                // It may be that an attempt before this one arrived.
                Err(refused) => match again(|| client.transaction(payment.id())).await? {
                    Some(done) => done,
                    None => return Err(refused),
                },
            };
            if let (true, Some(height)) = (done.is_final(), done.height) {
                return Ok(First { transaction: payment.id(), height, took: begun.elapsed() });
            }
            sleep(REST).await;
        }
    };
    match timeout(PATIENCE, attempts).await {
        Ok(outcome) => outcome.map_err(|error: ClientError| error.to_string()),
        Err(_) => Err(format!("it is not final after {} s", PATIENCE.as_secs())),
    }
}

/// Asks until there is an answer; whoever calls bounds it in time.
async fn again<T, F>(ask: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    loop {
        match ask().await {
            Err(error) if error.may_retry() => sleep(REST).await,
            outcome => return outcome,
        }
    }
}

async fn nonce(client: &Client, account: u32) -> Result<u64, ClientError> {
    let address = demo::address(account).to_string();
    let found: Account = client.account(&address, false).await?;
    found.nonce.parse().map_err(|_| ClientError::Unexpected {
        url: client.url().to_owned(),
        reason: format!("the nonce of {address} is {:?}", found.nonce),
    })
}

/// A payment between demo accounts that can be final so many seconds from now.
fn sign(chain: Id, from: u32, to: u32, nonce: u64, seconds: u64) -> SignedTransfer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (sender, recipient) = (demo::address(from), demo::address(to));
    let expiry = now.saturating_add(seconds);
    let transfer = Transfer { chain, sender, recipient, amount: AMOUNT, fee: 1, nonce, expiry };
    transfer.with_signature(&demo::key(from).sign(&transfer.signing_message()).to_bytes())
}

/// Commands that pay, ready to be pasted, each on a line of its own.
///
/// The one for `curl` has its signature with it; its nonce is asked for now, and it can be sent
/// once.
///
/// # Errors
///
/// [`ClientError`] if the devnet does not answer.
pub async fn commands(client: &Client, chain: Id, api_port: u16) -> Result<String, ClientError> {
    let from = ACCOUNTS - 1;
    let payment = sign(chain, from, 0, nonce(client, from).await?, PRINTED_SECONDS);
    Ok(lines(&payment, client.url(), api_port))
}

fn lines(payment: &SignedTransfer, url: &str, api_port: u16) -> String {
    let api = match api_port {
        API_PORT => String::new(),
        _ => format!(" --api {url}"),
    };
    let (to, hex) = (demo::address(1), Hex(payment.as_bytes()));
    format!(
        "pay\n  cargo run --release --bin avalanche -- pay --from demo:0 --to {to} --amount \
         {AMOUNT}{api}\nor, signed already, once\n  curl -s -H 'content-type: application/json' \
         -d '{{\"tx\":\"0x{hex}\"}}' {url}/api/v1/chains/{CHAIN}/transactions\n"
    )
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Verifier as _;

    use super::*;

    #[test]
    fn a_payment_is_signed_by_its_sender() {
        let chain = Id::hash(b"chain");
        let payment = sign(chain, 3, 4, 7, 60);
        let transfer = payment.transfer();
        assert_eq!((transfer.chain, transfer.nonce, transfer.amount), (chain, 7, AMOUNT));
        assert_eq!((transfer.sender, transfer.recipient), (demo::address(3), demo::address(4)));
        let signature = ed25519_dalek::Signature::from_bytes(payment.view().signature());
        let key = demo::key(3).verifying_key();
        assert!(key.verify(&transfer.signing_message(), &signature).is_ok());
    }

    #[test]
    fn printed_commands_name_the_port_only_if_it_is_another() {
        let payment = sign(Id::hash(b"chain"), 3, 4, 7, 60);
        let usual = lines(&payment, "http://127.0.0.1:8000", 8_000);
        assert!(usual.contains("pay --from demo:0 --to ") && !usual.contains("--api"), "{usual}");
        let start = format!("\"tx\":\"0x{:02x}", payment.as_bytes()[0]);
        assert!(usual.contains(&start), "{usual}");
        let other = lines(&payment, "http://127.0.0.1:81", 81);
        assert!(other.contains("--amount 5 --api http://127.0.0.1:81\n"), "{other}");
    }
}
