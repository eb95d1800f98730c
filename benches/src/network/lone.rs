//! Payments that come one at a time into a network at rest: the time until each is final.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use avalanche_consensus::Id;
use avalanche_gateway::client::Client;
use tokio::runtime::{Builder, Runtime};

use super::devnet::Devnet;
use super::floor::Floor;
use super::load;
use crate::measure::{as_f64, median, quantile};
use crate::store::told;

/// Processes of either network.
const NODES: usize = 5;
/// Payments to each of the two that count.
const PAYMENTS: usize = 60;
/// Payments before those.
const WARM: usize = 5;
/// How many times the floor a payment may take.
const GOAL: f64 = 3.0;
/// The shortest rest before a payment, and what it is longer by, from one payment to the next. Each
/// network rests for twice as long and the other's payment: longer than the proposers' slots.
const REST: Duration = Duration::from_millis(600);
const REST_STEP: Duration = Duration::from_millis(37);
const REST_STEPS: u32 = 11;

/// Measures and prints.
///
/// # Errors
///
/// If a network does not start, or refuses a payment.
pub fn run(out: &mut impl Write) -> io::Result<()> {
    let mut network = Network::start()?;
    let mut floor = Floor::start(NODES)?;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    let (mut our_polls, mut floor_polls) = (Vec::new(), Vec::new());
    for turn in 0..WARM + PAYMENTS {
        let step = u32::try_from(turn).unwrap_or_default() % REST_STEPS;
        let rest = REST + REST_STEP * step;
        let payment = load::pay(network.chain, &load::account(turn), &load::account(turn + 1), 0);
        let before = network.polls()?;
        std::thread::sleep(rest);
        let begun = Instant::now();
        network.pay(payment.as_bytes())?;
        let took = begun.elapsed();
        // Those that were open when it was final end by then.
        std::thread::sleep(rest);
        let polls = network.polls()? - before;
        let begun = Instant::now();
        let floor_opened = floor.pay(&payment)?;
        let floor_took = begun.elapsed();
        if turn >= WARM {
            ours.push(took);
            floors.push(floor_took);
            our_polls.push(as_f64(polls));
            floor_polls.push(f64::from(floor_opened));
        }
    }
    writeln!(
        out,
        "{:<54} {:>11} {:>11} {:>7} {:>6}",
        "a lone payment, wall time", "ours ms", "floor ms", "ratio", "goal"
    )?;
    for (name, part, goal) in [("p50", 0.5, Some(GOAL)), ("p90", 0.9, None)] {
        let (ours, floor) = (quantile(&ours, part) / 1e6, quantile(&floors, part) / 1e6);
        let ratio = ours / floor;
        let over = goal.filter(|goal| ratio > *goal).map_or("", |_| "  over");
        let goal = goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.1}"));
        let name = format!("network::lone/nodes={NODES}/{name}");
        writeln!(out, "{name:<54} {ours:>11.2} {floor:>11.2} {ratio:>7.2} {goal:>6}{over}")?;
    }
    let (ours, floor) = (median(our_polls), median(floor_polls));
    writeln!(out, "polls that the proposer opens, median: {ours} and {floor}")
}

/// A devnet, and the way to its first validator.
struct Network {
    _devnet: Devnet,
    client: Client,
    chain: Id,
    runtime: Runtime,
}

impl Network {
    fn start() -> io::Result<Self> {
        let nodes = u16::try_from(NODES).map_err(told)?;
        let devnet = Devnet::start(nodes, &[])?;
        let first = devnet.validators().first().ok_or_else(|| told("no validators"))?;
        let client = Client::new(&first.api).map_err(told)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let chain = runtime.block_on(client.chain()).map_err(told)?.id;
        Ok(Self { _devnet: devnet, client, chain, runtime })
    }

    /// Pays, and waits until that is final.
    fn pay(&self, payment: &[u8]) -> io::Result<()> {
        let paid = self.runtime.block_on(self.client.submit(payment.to_vec())).map_err(told)?;
        if paid.is_final() { Ok(()) } else { Err(told("a payment is not final")) }
    }

    /// Polls that the first validator opened so far.
    fn polls(&mut self) -> io::Result<u64> {
        let status = self.runtime.block_on(self.client.status()).map_err(told)?;
        Ok(status.stats.polls)
    }
}
