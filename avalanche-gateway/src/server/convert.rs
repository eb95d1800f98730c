//! From the core's types to those of the wire.

use std::time::Duration;

use avalanche_chain::{BlockInfo, ChainReader, ChainStatus, PeerView, ValidatorView};
use avalanche_consensus::Id;
use avalanche_consensus::engine::{self, PollRecord};
use avalanche_vm::TransactionStatus as Status;

use super::failure::Failure;
use crate::api;

/// Microseconds; what has no room is cut.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A count; what has no room is cut.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A count in 64 bits.
pub(super) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

pub(super) const fn phase(phase: engine::Phase) -> api::Phase {
    match phase {
        engine::Phase::StateSyncing => api::Phase::StateSyncing,
        engine::Phase::Bootstrapping => api::Phase::Bootstrapping,
        engine::Phase::NormalOperation => api::Phase::NormalOperation,
    }
}

pub(super) const fn tip(tip: engine::Tip) -> api::Tip {
    api::Tip { id: tip.id, height: tip.height.get() }
}

pub(super) fn chain(chain: &(impl ChainReader + ?Sized), status: &ChainStatus) -> api::Chain {
    api::Chain {
        id: chain.id(),
        name: chain.name().to_owned(),
        vm: chain.vm().to_owned(),
        phase: status.phase.map(phase),
        stopped: status.stopped.clone(),
        last_accepted: tip(status.last_accepted),
        pending: wide(status.pending),
    }
}

pub(super) fn status(id: Id, name: &str, status: ChainStatus) -> api::ConsensusStatus {
    let (parameters, finality, stats) = (status.parameters, status.finality, status.stats);
    api::ConsensusStatus {
        chain: id,
        name: name.to_owned(),
        mode: api::Mode::Snowman,
        phase: status.phase.map(phase),
        stopped: status.stopped,
        parameters: api::Parameters {
            k: parameters.k(),
            alpha_preference: parameters.alpha_preference(),
            alpha_confidence: parameters.alpha_confidence(),
            beta: parameters.beta(),
            concurrent_repolls: parameters.concurrent_repolls(),
            optimal_processing: parameters.optimal_processing(),
            max_outstanding_items: parameters.max_outstanding_items(),
            max_item_processing_us: micros(parameters.max_item_processing_time()),
        },
        preference: status.preference,
        last_accepted: tip(status.last_accepted),
        processing: count(status.processing),
        polls: count(status.polls),
        connected: status.connected,
        pending: wide(status.pending),
        finality: api::Finality {
            transactions: finality.transactions,
            p50_us: micros(finality.p50),
            p99_us: micros(finality.p99),
        },
        stats: api::Stats {
            polls: stats.polls,
            sent: stats.sent,
            failed_requests: stats.failed_requests,
            queries_dropped: stats.queries_dropped,
            verified: stats.verified,
            invalid: stats.invalid,
            accepted: stats.accepted,
            rejected: stats.rejected,
            built: stats.built,
            votes_dropped: stats.votes_dropped,
            faults: stats.faults,
        },
    }
}

pub(super) fn explanation(found: &engine::Explanation, connected: f64) -> api::Explanation {
    api::Explanation {
        id: found.id,
        height: found.height.map(avalanche_consensus::Height::get),
        message: found.cause.to_string(),
        cause: cause(&found.cause),
        connected,
        polls: found.polls.iter().map(poll).collect(),
    }
}

fn cause(cause: &engine::Cause) -> api::Cause {
    match *cause {
        engine::Cause::Accepted => api::Cause::Accepted,
        engine::Cause::Rejected => api::Cause::Rejected,
        engine::Cause::Unknown => api::Cause::Unknown,
        engine::Cause::MissingAncestor { ancestor, asked } => {
            api::Cause::MissingAncestor { ancestor, asked }
        }
        engine::Cause::VerificationPending { block, since } => {
            api::Cause::VerificationPending { block, since_ns: since.as_nanos() }
        }
        engine::Cause::VerificationFailed => api::Cause::VerificationFailed,
        engine::Cause::WeightUnreachable { connected, needed } => {
            api::Cause::WeightUnreachable { connected, needed }
        }
        engine::Cause::PollsTimingOut { failed, of } => api::Cause::PollsTimingOut { failed, of },
        engine::Cause::MinorityPreference { preferred } => {
            api::Cause::MinorityPreference { preferred }
        }
        engine::Cause::BehindUndecidedParent { parent } => {
            api::Cause::BehindUndecidedParent { parent }
        }
        engine::Cause::Deciding => api::Cause::Deciding,
        _ => api::Cause::Other,
    }
}

fn poll(poll: &PollRecord) -> api::Poll {
    let votes = poll.votes.iter().map(|(block, count)| api::Votes { block: *block, count });
    api::Poll {
        request_id: poll.request_id,
        about: poll.about,
        opened_ns: poll.opened.as_nanos(),
        finished_ns: poll.finished.map(avalanche_consensus::Timestamp::as_nanos),
        failed: poll.failed,
        votes: votes.collect(),
    }
}

pub(super) fn block(block: &BlockInfo) -> api::Block {
    api::Block {
        id: block.id,
        parent: block.parent,
        height: block.height.get(),
        timestamp_ns: block.timestamp.as_nanos(),
        proposer: block.proposer,
        status: match block.status {
            avalanche_chain::BlockStatus::Accepted => api::BlockStatus::Accepted,
            avalanche_chain::BlockStatus::Processing => api::BlockStatus::Processing,
        },
        vm_block: block.vm_block,
        transactions: block.transactions,
        bytes: count(block.bytes.len()),
        payload_bytes: count(block.payload.len()),
    }
}

pub(super) fn validator(view: &ValidatorView) -> api::Validator {
    let ValidatorView { node_id, weight, connected, benched, uptime } = *view;
    api::Validator { node_id, weight, connected, benched, uptime }
}

pub(super) fn peer(view: PeerView) -> api::Peer {
    let PeerView { node_id, address, version, score, latency, benched } = view;
    api::Peer { node_id, address, version, score, latency_us: latency.map(micros), benched }
}

/// What became of a transaction, without its receipt.
pub(super) fn transaction_status(id: Id, status: Status) -> api::Transaction {
    let of = |status| api::Transaction::new(id, status);
    match status {
        Status::Pending => of(api::TransactionStatus::Pending),
        Status::Processing { block } => {
            let block = Some(block);
            api::Transaction { block, ..of(api::TransactionStatus::Processing) }
        }
        Status::Accepted { height, index } => {
            let (height, index) = (Some(height.get()), Some(index));
            api::Transaction { height, index, ..of(api::TransactionStatus::Accepted) }
        }
        Status::Dropped { code, reason } => {
            let (code, reason) = (Some(code.to_owned()), Some(reason));
            api::Transaction { code, reason, ..of(api::TransactionStatus::Dropped) }
        }
        _ => of(api::TransactionStatus::Unknown),
    }
}

/// What became of a transaction.
pub(super) fn transaction(
    info: avalanche_chain::TransactionInfo,
) -> Result<api::Transaction, Failure> {
    let receipt = info.receipt.map(api::RawJson::new).transpose().map_err(|error| {
        Failure::internal(format!("the VM's receipt of {} is no JSON: {error}", info.id))
    })?;
    Ok(api::Transaction { receipt, ..transaction_status(info.id, info.status) })
}
