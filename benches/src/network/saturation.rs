//! Networks that are given more than they can take: processor time for a payment, beside the sum of
//! what each of its stages takes alone.

use std::io;
use std::time::Duration;

use avalanche_gateway::client::Client;
use tokio::runtime::Builder;

use super::devnet::Devnet;
use super::load::{self, Drive, Mark, Payments};
use super::processes::{Used, used};
use crate::store::told;

/// Payments that may be under way, for each validator that takes some in.
const WINDOW: u64 = 20_000;

/// What a network used for payments that became final.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Payments between the two looks.
    pub payments: u64,
    /// The time between them.
    pub took: Duration,
    /// Processor time of all validators between them.
    pub cpu: Duration,
    /// Bytes that all of them wrote to files between them.
    pub written: u64,
    /// Bytes that all of them held at the end.
    pub memory: u64,
    /// Blocks between them.
    pub blocks: u64,
}

impl Measured {
    /// Processor time for one payment, of all validators, in microseconds.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / crate::measure::as_f64(self.payments)
    }
}

/// Measures a network of so many validators with about `count` payments.
///
/// # Errors
///
/// If the network does not start, or stops deciding.
pub fn measure(devnet: &Devnet, count: usize) -> io::Result<Measured> {
    let validators = devnet.validators();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clients: Result<Vec<_>, _> =
        validators.iter().map(|validator| Client::new(&validator.api)).collect();
    let clients = clients.map_err(told)?;
    let first = clients.first().ok_or_else(|| told("no validators"))?;
    let chain = runtime.block_on(first.chain()).map_err(told)?.id;
    let payments = Payments::sign(chain, clients.len(), count);
    let drive = Drive { window: WINDOW, rate: None };
    let height = || runtime.block_on(first.chain()).map(|chain| chain.last_accepted.height);
    let before = height().map_err(told)?;
    let marks = runtime.block_on(load::drive(payments, &clients, drive, || used(validators)))?;
    let [begin, end]: [Mark<Used>; 2] = marks;
    let blocks = height().map_err(told)? - before;
    Ok(Measured {
        payments: end.done - begin.done,
        took: end.at - begin.at,
        cpu: end.seen.cpu - begin.seen.cpu,
        written: end.seen.written - begin.seen.written,
        memory: end.seen.memory,
        blocks,
    })
}
