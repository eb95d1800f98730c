//! A small network in one function, to show that the core decides the same on wasm32 as natively.
//!
//! `scripts/wasm` builds this as a module, proves that the module imports nothing, and calls it
//! where Node is installed. The native build checks the same digest as a test.

use avalanche_consensus::poll::Polls;
use avalanche_consensus::sampler::{Mt19937x64, WeightedWithoutReplacement};
use avalanche_consensus::snowball::Parameters;
use avalanche_consensus::snowman::{Block, Decision, Decisions, Topological};
use avalanche_consensus::testing::simulation::{Named, Simulation, Verdict};
use avalanche_consensus::{Bag, HashKey, Height, Id, NodeId, Timestamp};

const NODES: u8 = 7;
const HEIGHTS: u64 = 20;
/// Rivals at each height, so that votes split and trees branch.
const SIBLINGS: u8 = 3;
/// Rounds of polls before the run gives up; it needs far fewer.
const ROUNDS: u32 = 2_000;

/// What [`run`] returns for seed 1 on every target.
pub const EXPECTED: &str = "tfFVuMfvmesrnsezvTkcuDiNNJvcT6k9vb4nnorfJDKGzpkrE";

/// What [`simulate`] returns for seed 1 on every target.
pub const EXPECTED_EVENTS: &str =
    "1c9fb7be867e1fa56261ea3ef5fc374dcdc1dfbc2d9c9423dbac3207bffa4c1f";

/// What one run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A digest over every decision of every node, in order, with the poll that brought it.
    pub digest: Id,
    /// Blocks that some node accepted, counted per node.
    pub accepted: u32,
    /// Blocks that some node rejected, counted per node.
    pub rejected: u32,
}

/// A node: its consensus instance, its open polls, and where its decisions go.
struct Node {
    id: NodeId,
    consensus: Topological,
    polls: Polls,
    decisions: Decisions,
}

/// Runs a network until every node has accepted every height. `None` if a call is refused, which
/// would be a bug here or in the core.
#[must_use]
pub fn run(seed: u64) -> Option<Outcome> {
    let parameters = Parameters::new(5, 3, 4, 6).ok()?;
    let key = HashKey::from_seed([7; 32]);
    let genesis = Id::hash(b"genesis");
    let mut nodes: Vec<_> = (0..NODES)
        .map(|n| Node {
            id: NodeId::new([n; 20]),
            consensus: Topological::new(parameters, genesis, Height::GENESIS, key),
            polls: Polls::new(&parameters, key),
            decisions: Decisions::new(),
        })
        .collect();
    // Unequal weights, so that the sampler has something to weigh.
    let weights: Vec<u64> = (1..=u64::from(NODES)).collect();
    let mut sampler = WeightedWithoutReplacement::new(&weights).ok()?;
    let mut source = Mt19937x64::new(seed);

    let mut outcome = Outcome { digest: genesis, accepted: 0, rejected: 0 };
    let mut parent = genesis;
    let mut round = 0;
    for height in 1..=HEIGHTS {
        let height = Height::new(height);
        let blocks: Vec<_> = (0..SIBLINGS)
            .map(|rival| Block { id: block_id(parent, rival), parent, height })
            .collect();
        // Each node hears of the rivals in another order, and prefers the first.
        for (first, node) in nodes.iter_mut().enumerate() {
            for block in blocks.iter().cycle().skip(first).take(blocks.len()) {
                node.consensus.add(*block, Timestamp::default()).ok()?;
            }
        }
        while nodes.iter().any(|node| node.consensus.last_accepted().1 < height) {
            round += 1;
            if round > ROUNDS {
                return None;
            }
            for node in 0..nodes.len() {
                let sample = sampler.sample(5, &mut source)?;
                poll(&mut nodes, node, &sample, round, &mut outcome)?;
            }
        }
        parent = nodes.first()?.consensus.last_accepted().0;
    }
    Some(outcome)
}

/// One poll of one node: asks the sampled nodes for their preference and records the answers.
fn poll(
    nodes: &mut [Node],
    asking: usize,
    sample: &[usize],
    round: u32,
    outcome: &mut Outcome,
) -> Option<()> {
    let mut answers = Vec::with_capacity(sample.len());
    for at in sample {
        let asked = nodes.get(*at)?;
        answers.push((asked.id, asked.consensus.preference()));
    }
    let node = nodes.get_mut(asking)?;
    let validators: Bag<NodeId> = answers.iter().map(|(id, _)| *id).collect();
    if !node.polls.add(round, &validators).ok()? {
        return None;
    }
    for (id, preference) in answers {
        // Answers after an early end are ignored, and so are second ones of the same node.
        for votes in node.polls.vote(round, &id, preference, &node.consensus) {
            _ = node.consensus.record_poll(votes, &mut node.decisions).ok()?;
        }
    }
    for decision in node.decisions.drain() {
        let mut event = outcome.digest.as_bytes().to_vec();
        event.extend(node.id.as_bytes());
        event.extend(round.to_be_bytes());
        match decision {
            Decision::Accept { id, .. } => {
                outcome.accepted += 1;
                event.push(b'a');
                event.extend(id.as_bytes());
            }
            Decision::Reject { id, .. } => {
                outcome.rejected += 1;
                event.push(b'r');
                event.extend(id.as_bytes());
            }
        }
        outcome.digest = Id::hash(&event);
    }
    Some(())
}

/// The name of one of the rivals on `parent`.
fn block_id(parent: Id, rival: u8) -> Id {
    Id::hash(&[parent.as_bytes().as_slice(), &[rival]].concat())
}

/// Runs one network of five engines with faults, the default scenario of the simulation, and
/// returns the hash of everything that happened in it. `None` if it did not pass, which would be a
/// bug.
#[must_use]
pub fn simulate(seed: u64) -> Option<Id> {
    let named = Named::find("default")?;
    let report = Simulation::new(named.draw(seed, 5)).ok()?.run();
    (report.verdict == Verdict::Pass).then(|| Id::new(report.event_hash))
}

/// For the module's caller: 1 if the simulation of seed 1 ended as [`EXPECTED_EVENTS`] says, else
/// 0.
#[expect(unsafe_code, reason = "the only way to name an export; no memory is touched")]
#[unsafe(no_mangle)]
pub extern "C" fn simulates_as_expected() -> u32 {
    u32::from(simulate(1).is_some_and(|events| format!("{events:x}") == EXPECTED_EVENTS))
}

/// For the module's caller: 1 if the run with seed 1 ended as [`EXPECTED`] says, 0 if it did not.
#[expect(unsafe_code, reason = "the only way to name an export; no memory is touched")]
#[unsafe(no_mangle)]
pub extern "C" fn decides_as_expected() -> u32 {
    u32::from(run(1).is_some_and(|outcome| outcome.digest.to_string() == EXPECTED))
}
