//! Questions: `balance`, `tx`, `block`, `status`, `explain` and `validators`.

use std::time::Duration;

use avalanche_consensus::Id;
use avalanche_gateway::api::{
    BlockForm, BlockStatus, Cause, ConsensusStatus, Explanation, Phase, Transaction,
    TransactionStatus,
};
use avalanche_gateway::client::{BlockAt, Client};
use avalanche_vm::payments::BlockRef;
use serde::Serialize;
use serde_json::{Value, json};

use super::account::AccountAnswer;
use super::args::BalanceArgs;
use super::keys::Ring;
use super::output::{Fields, Output, Table};
use super::{CliError, account, failure, pay};

/// Carries out `avalanche balance`.
pub(super) async fn balance(
    args: &BalanceArgs,
    client: &Client,
    ring: Ring<'_>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let address = ring.address(&args.whose)?;
    let answer = account::ask(client, &address, args.proof).await.map_err(failure)?;
    let mut json = to_json(&answer)?;
    let mut fields = Fields::default()
        .with("address", answer.address)
        .with("balance", answer.balance)
        .with("nonce", answer.nonce)
        .with("height", answer.height);
    if args.proof {
        let root = answer.verify()?;
        let carried = carrier(client, &answer, root).await?;
        let by = carried.map_or_else(
            || "the node; no block carries it yet".to_owned(),
            |block| format!("block {block}"),
        );
        fields = fields.with("root", format!("0x{:x}", Id::new(root))).with("root told by", by);
        fields = fields.with("proof", "holds");
        if let Some(json) = json.as_object_mut() {
            json.insert("verified".to_owned(), true.into());
            json.insert("root_block".to_owned(), carried.map(|block| block.to_string()).into());
        }
    }
    output.result(&json, fields)
}

/// The accepted block that carries the root of the state of a height: the next one. `None` if there
/// is none yet.
async fn carrier(
    client: &Client,
    answer: &AccountAnswer,
    root: [u8; 32],
) -> Result<Option<Id>, CliError> {
    let next = BlockAt::Height(answer.height.saturating_add(1));
    let Some(block) = client.block(next).await.map_err(failure)? else { return Ok(None) };
    let payload = client.block_bytes(BlockAt::Id(block.id), BlockForm::Payload).await;
    let Some(payload) = payload.map_err(failure)? else { return Ok(None) };
    let refused = |reason: String| CliError::failed("wrong_proof", reason);
    let decoded = BlockRef::decode(&payload)
        .map_err(|error| refused(format!("block {} is none of payments: {error}", block.id)))?;
    if decoded.header.parent_state_root == root {
        return Ok(Some(block.id));
    }
    let reason = "carries another root than the node told; do not trust this balance";
    Err(refused(format!("block {} {reason}", block.id)))
}

/// Carries out `avalanche tx`.
pub(super) async fn tx(id: Id, client: &Client, output: &mut Output<'_>) -> Result<(), CliError> {
    match known(client.transaction(id).await.map_err(failure)?) {
        Some(transaction) => pay::print(&transaction, output),
        None => {
            let reason = format!("the node does not know payment {id}; it may have come elsewhere");
            Err(CliError::failed("unknown_transaction", reason))
        }
    }
}

fn known(transaction: Option<Transaction>) -> Option<Transaction> {
    transaction.filter(|one| one.status != TransactionStatus::Unknown)
}

/// Carries out `avalanche block`.
pub(super) async fn block(
    at: BlockAt,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let Some(block) = client.block(at).await.map_err(failure)? else {
        return Err(CliError::failed("unknown_block", format!("the node has no block {at}")));
    };
    let status = match block.status {
        BlockStatus::Accepted => "accepted: final",
        BlockStatus::Processing => "processing: not decided",
    };
    let proposer = block.proposer.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
    let mut fields = Fields::default()
        .with("block", block.id)
        .with("status", status)
        .with("height", block.height)
        .with("parent", block.parent)
        .with("proposer", proposer)
        .with("timestamp", seconds(block.timestamp_ns));
    if let Some(count) = block.transactions {
        fields = fields.with("transactions", count);
    }
    let fields = fields.with("bytes", block.bytes).with("VM's block", block.vm_block);
    output.result(&to_json(&block)?, fields)
}

/// Nanoseconds since the Unix epoch.
fn seconds(ns: u64) -> String {
    format!("{}.{:03} s since 1970", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

/// Carries out `avalanche status`.
pub(super) async fn status(client: &Client, output: &mut Output<'_>) -> Result<(), CliError> {
    let status: ConsensusStatus = client.status().await.map_err(failure)?;
    let phase = match (&status.stopped, status.phase) {
        (Some(reason), _) => format!("stopped: {reason}"),
        (None, Some(Phase::StateSyncing)) => "looking for a state to start from".to_owned(),
        (None, Some(Phase::Bootstrapping)) => "catching up".to_owned(),
        (None, Some(Phase::NormalOperation)) => "deciding".to_owned(),
        (None, None) => "not running".to_owned(),
    };
    let finality = status.finality;
    let (p50, p99) = (Duration::from_micros(finality.p50_us), finality.p99_us);
    let parameters = status.parameters;
    let fields = Fields::default()
        .with("chain", format!("{} {}", status.name, status.chain))
        .with("phase", phase)
        .with("height", status.last_accepted.height)
        .with("last accepted", status.last_accepted.id)
        .with("preference", status.preference)
        .with("processing", status.processing)
        .with("polls", status.polls)
        .with("connected", format!("{:.1} % of the weight", status.connected * 100.0))
        .with("pending", status.pending)
        .with("final", format!("{} transactions since the start", finality.transactions))
        .with("finality", format!("p50 {p50:?}, p99 {:?}", Duration::from_micros(p99)))
        .with(
            "parameters",
            format!(
                "k {}, alpha {} and {}, beta {}",
                parameters.k,
                parameters.alpha_preference,
                parameters.alpha_confidence,
                parameters.beta
            ),
        );
    output.result(&to_json(&status)?, fields)
}

/// Carries out `avalanche explain`: of a block, or of a payment.
pub(super) async fn explain(
    id: Option<Id>,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let id = match id {
        Some(id) => id,
        None => client.status().await.map_err(failure)?.preference,
    };
    let explanation = client.explain(id).await.map_err(failure)?;
    if explanation.cause != Cause::Unknown {
        return output.result(&json!({ "block": to_json(&explanation)? }), words(&explanation));
    }
    // No block, so perhaps a payment.
    let Some(payment) = known(client.transaction(id).await.map_err(failure)?) else {
        let reason = format!("the node knows no block and no payment {id}");
        return Err(CliError::failed("unknown_id", reason));
    };
    let status = pay::status(payment.status);
    let (mut json, mut text) = (to_json(&payment)?, format!("Payment {id}: {status}."));
    if let Some(reason) = &payment.reason {
        text = format!("{text} {reason}");
    }
    if let Some(height) = payment.height {
        text = format!("{text} It is in the block of height {height}.");
    }
    json = json!({ "transaction": json });
    if let Some(block) = payment.block {
        let explanation = client.explain(block).await.map_err(failure)?;
        text = format!("{text}\n{}", words(&explanation));
        if let Some(json) = json.as_object_mut() {
            json.insert("block".to_owned(), to_json(&explanation)?);
        }
    }
    output.result(&json, text)
}

/// The cause, what polls can reach, and how the last ones went.
fn words(explanation: &Explanation) -> String {
    let Explanation { id, height, message, connected, polls, .. } = explanation;
    let at = height.map(|height| format!(" of height {height}")).unwrap_or_default();
    let connected = connected * 100.0;
    let mut text =
        format!("Block {id}{at}: {message}.\nPolls can reach {connected:.1} % of the weight.");
    if polls.is_empty() {
        return text;
    }
    let mut table = Table::new(["poll", "took", "silent", "votes"]);
    for poll in polls {
        let took = poll.finished_ns.map_or_else(
            || "open".to_owned(),
            |end| format!("{:?}", Duration::from_nanos(end.saturating_sub(poll.opened_ns))),
        );
        let votes = poll.votes.iter().map(|votes| {
            let whom = if votes.block == *id { "it".to_owned() } else { votes.block.to_string() };
            format!("{} for {whom}", votes.count)
        });
        let votes = votes.collect::<Vec<_>>().join(", ");
        table.row([poll.request_id.to_string(), took, poll.failed.to_string(), votes]);
    }
    text = format!("{text}\n{table}");
    text
}

/// Carries out `avalanche validators`.
pub(super) async fn validators(client: &Client, output: &mut Output<'_>) -> Result<(), CliError> {
    let all = client.validators().await.map_err(failure)?;
    let mut table = Table::new(["validator", "weight", "connected", "benched", "uptime"]);
    for one in &all.validators {
        let word = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let uptime = one.uptime.map(|uptime| format!("{:.2} %", uptime * 100.0));
        table.row([
            one.node_id.to_string(),
            one.weight.to_string(),
            word(one.connected),
            word(one.benched),
            uptime.unwrap_or_else(|| "unknown".to_owned()),
        ]);
    }
    let (connected, total) = (all.connected_weight, all.total_weight);
    output.result(&to_json(&all)?, format!("{table}\n{connected} of weight {total} is connected"))
}

fn to_json(value: &impl Serialize) -> Result<Value, CliError> {
    serde_json::to_value(value).map_err(|error| CliError::failed("output", error.to_string()))
}
