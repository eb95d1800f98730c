//! Networks that are given more than they can take: processor time for a payment, beside the sum of
//! what each of its stages takes alone.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use avalanche_gateway::api::BlockForm;
use avalanche_gateway::client::{BlockAt, Client};
use avalanche_vm::payments;
use tokio::runtime::Builder;

use super::devnet::Devnet;
use super::load::{self, Drive, Mark, Payments};
use super::processes::{Used, used};
use super::stages::{self, Decided, Stage};
use crate::measure::as_f64;
use crate::store::told;

/// Payments that may be under way: those that were taken in and are not final.
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
    /// Blocks of the whole run.
    pub blocks: u64,
}

impl Measured {
    /// Processor time for one payment, of all validators, in microseconds.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / as_f64(self.payments)
    }
}

/// Measures a network with about `count` payments, and reads what it has decided.
///
/// # Errors
///
/// If it stops deciding.
pub fn measure(devnet: &Devnet, count: usize) -> io::Result<(Measured, Decided)> {
    let validators = devnet.validators();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clients: Result<Vec<_>, _> =
        validators.iter().map(|validator| Client::new(&validator.api)).collect();
    let clients = clients.map_err(told)?;
    let first = clients.first().ok_or_else(|| told("no validators"))?;
    let chain = runtime.block_on(first.chain()).map_err(told)?.id;
    let payments = Payments::sign(chain, clients.len(), count);
    let drive = Drive { window: WINDOW, rate: None };
    let marks = runtime.block_on(load::drive(payments, &clients, drive, || used(validators)))?;
    let [begin, end]: [Mark<Used>; 2] = marks;
    let decided = runtime.block_on(decided(first, &devnet.folder()))?;
    let measured = Measured {
        payments: end.done - begin.done,
        took: end.at - begin.at,
        cpu: end.seen.cpu - begin.seen.cpu,
        written: end.seen.written - begin.seen.written,
        memory: end.seen.memory,
        blocks: decided.blocks.len() as u64,
    };
    Ok((measured, decided))
}

/// All blocks of a chain, and its genesis.
async fn decided(client: &Client, folder: &Path) -> io::Result<Decided> {
    let json = std::fs::read(folder.join("genesis.json"))?;
    let genesis = avalanche_chain::Genesis::parse(&json).map_err(told)?;
    let of_chain = genesis.chains.first().ok_or_else(|| told("no chain"))?;
    let payments = payments::Genesis::decode(&of_chain.vm_genesis().map_err(told)?);
    let (chain, genesis) = (genesis.chain_id(of_chain).map_err(told)?, payments.map_err(told)?);
    let last = client.chain().await.map_err(told)?.last_accepted.height;
    let mut blocks = Vec::new();
    for height in 1..=last {
        let bytes = client.block_bytes(BlockAt::Height(height), BlockForm::Container).await;
        blocks.push(bytes.map_err(told)?.ok_or_else(|| told("a block is missing"))?);
    }
    Ok(Decided { chain, genesis, blocks })
}

/// Measures a network of `validators` and its stages, and prints both.
///
/// # Errors
///
/// If the network does not work, or those of `out`.
pub fn report(out: &mut impl Write, validators: u16, count: usize, goal: f64) -> io::Result<()> {
    let devnet = Devnet::start(validators, &["--no-payment"])?;
    let (measured, decided) = measure(&devnet, count)?;
    drop(devnet);
    let mut limit = 0.0;
    writeln!(out, "{validators} validators: processor time for one payment, us")?;
    let mut line = |out: &mut dyn Write, times: u16, Stage { name, us }: Stage| {
        let sum = us * f64::from(times);
        limit += sum;
        writeln!(out, "  {name:<32} {us:>8.2} x {times:<3} {sum:>8.2}")
    };
    line(out, 1, stages::of_client(&decided)?)?;
    for stage in stages::of_hops(&decided)? {
        line(out, validators - 1, stage)?;
    }
    for stage in stages::of_validator(&decided)? {
        line(out, validators, stage)?;
    }
    let Measured { payments, took, written, memory, blocks, .. } = measured;
    let each = |all: u64| as_f64(all) / as_f64(payments);
    let cpu = measured.cpu_us();
    writeln!(out, "  {:<32} {limit:>21.2}", "limit: their sum")?;
    writeln!(out, "  {:<32} {cpu:>21.2}", "measured, at saturation")?;
    let ratio = limit / cpu;
    let mark = if ratio < goal { "  BELOW GOAL" } else { "" };
    writeln!(out, "  {:<32} {ratio:>21.2}  (goal {goal}){mark}", "limit / measured")?;
    writeln!(
        out,
        "  {:.0} payments a second by the clock; {:.1} us of each validator a payment; {:.0} \
         payments a block; {:.0} bytes written a payment; {} MiB held by all",
        as_f64(payments) / took.as_secs_f64(),
        cpu / f64::from(validators),
        as_f64(decided.payments()? as u64) / as_f64(blocks),
        each(written),
        memory >> 20,
    )
}
