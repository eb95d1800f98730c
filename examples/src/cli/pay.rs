//! `avalanche pay`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avalanche_consensus::Id;
use avalanche_gateway::api::{Transaction, TransactionStatus};
use avalanche_gateway::client::{Client, ClientError};
use avalanche_vm::payments::{Address, SignedTransfer, Transfer};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;

use super::account::ReceiptAnswer;
use super::args::PayArgs;
use super::keys::Ring;
use super::output::{Fields, Output};
use super::{CliError, account, failure};

/// Carries out `avalanche pay`.
pub(super) async fn run(
    args: &PayArgs,
    client: &Client,
    ring: Ring<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let recipient = ring.address(&args.to)?;
    let key = ring.key(&args.from)?;
    let transfer = sign(args, client, &key, recipient).await?;
    let id = transfer.id();
    let bytes = transfer.as_bytes().to_vec();
    if args.no_wait {
        let admitted = client.submit_no_wait(bytes).await;
        admitted.map_err(|error| after_sending(id, error))?;
        let json = json!({ "id": id.to_string(), "status": "pending" });
        let text = format!("{id} is admitted, not final: ask with `avalanche tx {id}`");
        return output.result(&json, text);
    }
    let patience = Duration::from_secs(args.timeout);
    let paid = client.submit_within(bytes, patience).await;
    let paid = paid.map_err(|error| after_sending(id, error))?;
    if !paid.is_final() {
        let reason = format!(
            "payment {id} is not final after {} s; it may still become so: ask with `avalanche tx \
             {id}`, and with `avalanche explain {id}` why",
            args.timeout
        );
        return Err(CliError::failed("not_final", reason));
    }
    print(&paid, output)
}

/// Makes the transfer: chain and nonce come from the node, unless they were given.
async fn sign(
    args: &PayArgs,
    client: &Client,
    key: &SigningKey,
    recipient: Address,
) -> Result<SignedTransfer, CliError> {
    let sender = Address::new(key.verifying_key().to_bytes());
    let chain = client.chain().await.map_err(failure)?.id;
    let nonce = match args.nonce {
        Some(nonce) => nonce,
        None => account::ask(client, &sender, false).await.map_err(failure)?.nonce,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let transfer = Transfer {
        chain,
        sender,
        recipient,
        amount: args.amount,
        fee: args.fee,
        nonce,
        expiry: now.saturating_add(args.expires_in),
    };
    let signature = key.sign(&transfer.signing_message()).to_bytes();
    Ok(transfer.with_signature(&signature))
}

/// An error after the payment has left: it may have been taken.
fn after_sending(id: Id, error: ClientError) -> CliError {
    let unknown = matches!(error, ClientError::Unreachable { .. } | ClientError::Unexpected { .. });
    let error = failure(error);
    if unknown {
        let reason = format!(
            "{error}. Payment {id} may have been taken: ask with `avalanche tx {id}` before you \
             pay again"
        );
        return CliError::failed(error.code(), reason);
    }
    error
}

/// Prints what became of a payment.
pub(super) fn print(transaction: &Transaction, output: &mut Output<'_>) -> Result<(), CliError> {
    let json = serde_json::to_value(transaction)
        .map_err(|error| CliError::failed("output", error.to_string()))?;
    let status = status(transaction.status);
    let mut fields = Fields::default().with("payment", transaction.id).with("status", status);
    let receipt = transaction.receipt.as_ref();
    if let Some(receipt) = receipt.and_then(|receipt| receipt.parse::<ReceiptAnswer>().ok()) {
        fields = fields
            .with("amount", receipt.amount)
            .with("fee", receipt.fee)
            .with("from", receipt.sender)
            .with("to", receipt.recipient)
            .with("nonce", receipt.nonce)
            .with("height", receipt.height)
            .with("place", receipt.index)
            .with("block", receipt.block);
    } else {
        if let Some(height) = transaction.height {
            fields = fields.with("height", height);
        }
        if let Some(block) = transaction.block {
            fields = fields.with("block", block);
        }
    }
    if let Some(reason) = &transaction.reason {
        fields = fields.with("reason", reason);
    }
    output.result(&json, fields)
}

/// In words.
pub(super) const fn status(status: TransactionStatus) -> &'static str {
    match status {
        TransactionStatus::Unknown => "not known here",
        TransactionStatus::Pending => "waits for a block",
        TransactionStatus::Processing => "in a block that is not decided",
        TransactionStatus::Accepted => "accepted: final",
        TransactionStatus::Dropped => "dropped",
    }
}
