//! A validator that is killed, and starts again with a long log: how fast it replays, and when it
//! votes.
//!
//! ```text
//!   spawned ----- log and index opened, blocks replayed ----- ready --- caught up --- votes
//!                                                             |<-- asks its peers -->|
//! ```
//!
//! Without its state it replays the whole log; with it, the blocks since the last sync of the
//! state. A start with an empty log says what is left without any of that.

mod apply;
mod process;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use avalanche_chain::node::NodeConfig;
use avalanche_gateway::client::Client;
use tokio::runtime::Builder;

use self::apply::Logged;
use self::process::{Program, Validator};
use super::devnet::Devnet;
use super::load::{self, Drive, Payments};
use crate::measure::{as_f64, median};
use crate::store::{Folder, told};

/// Validators: the second is killed.
const NODES: u16 = 5;
/// Payments in the log.
const PAYMENTS: usize = 2_600_000;
/// Payments that may be under way while the log is filled.
const WINDOW: u64 = 20_000;
/// Starts without a state, each beside a run of what replay is held against.
const STARTS: usize = 3;
/// How much of the rate of applying alone a replay has to have.
const RATE_GOAL: f64 = 0.7;
/// How many times replay, process and handshake the time to the first vote may be.
const VOTE_GOAL: f64 = 2.0;
/// The shortest replay that says something.
const SHORTEST: Duration = Duration::from_secs(5);

/// Measures and prints.
///
/// # Errors
///
/// If the network does not start, or the validator does not come back.
pub fn run(out: &mut impl Write) -> io::Result<()> {
    let devnet = Devnet::start(NODES, &[])?;
    fill(&devnet)?;
    devnet.tell(&["kill", "2"])?;
    let node = devnet.folder().join("node-2");
    let chain = node.join("chains").join("payments");
    let program = Program { path: devnet.program().to_owned(), config: node.join("config.toml") };
    // Its locks go with it, which can take a moment.
    std::thread::sleep(Duration::from_secs(1));

    let kept = Validator::start(&program)?.vote()?;
    let empty = empty_start(&program, &node)?;
    let logged = Logged::read(&devnet.folder().join("genesis.json"), &chain.join("log"))?;
    let (mut applied, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        applied.push(logged.apply()?);
        fs::remove_dir_all(chain.join("state"))?;
        starts.push(Validator::start(&program)?.vote()?);
    }

    let count = as_f64(logged.transactions);
    let middle = |values: Vec<f64>| median(values);
    let apply = middle(applied.iter().map(Duration::as_secs_f64).collect());
    let ready = middle(starts.iter().map(|start| start.ready.as_secs_f64()).collect());
    let votes = middle(starts.iter().map(|start| start.votes.as_secs_f64()).collect());
    let cpu = middle(starts.iter().map(|start| start.cpu.as_secs_f64()).collect());
    let spawn = empty.ready.as_secs_f64();
    let handshake = empty.connected.saturating_sub(empty.ready).as_secs_f64();
    let replay = ready - spawn;
    writeln!(
        out,
        "a log of {} blocks with {} payments; starts without a state, wall time",
        logged.blocks.len(),
        logged.transactions
    )?;
    writeln!(out, "  applied alone          {apply:>8.2} s  {:>9.0} payments/s", count / apply)?;
    writeln!(out, "  replayed by a start    {replay:>8.2} s  {:>9.0} payments/s", count / replay)?;
    writeln!(out, "  processor time of it   {cpu:>8.2} s")?;
    let rate = apply / replay;
    writeln!(
        out,
        "  ratio of the rates     {rate:>8.2}    goal {RATE_GOAL}{}",
        over(rate < RATE_GOAL)
    )?;
    writeln!(out, "  start, empty log       {spawn:>8.2} s")?;
    writeln!(out, "  handshakes after it    {handshake:>8.2} s")?;
    writeln!(out, "  until it votes         {votes:>8.2} s")?;
    let ratio = votes / (apply + spawn + handshake);
    writeln!(
        out,
        "  over the sum           {ratio:>8.2}    goal {VOTE_GOAL}{}",
        over(ratio > VOTE_GOAL)
    )?;
    let (ready, votes) = (kept.ready.as_secs_f64(), kept.votes.as_secs_f64());
    writeln!(out, "  with its state: ready  {ready:>8.2} s, votes {votes:.2} s")?;
    if apply < SHORTEST.as_secs_f64() {
        writeln!(out, "  the replay is shorter than {SHORTEST:?}: too short to judge by")?;
    }
    Ok(())
}

fn over(over: bool) -> &'static str {
    if over { "  over" } else { "" }
}

/// Pays until the log is long.
fn fill(devnet: &Devnet) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clients: Result<Vec<_>, _> =
        devnet.validators().iter().map(|validator| Client::new(&validator.api)).collect();
    let clients = clients.map_err(told)?;
    let first = clients.first().ok_or_else(|| told("no validators"))?;
    let chain = runtime.block_on(first.chain()).map_err(told)?.id;
    let payments = Payments::sign(chain, clients.len(), PAYMENTS);
    let drive = Drive { window: WINDOW, rate: None };
    let _marks = runtime.block_on(load::drive(payments, &clients, drive, || Ok(())))?;
    // The other one may be some blocks behind.
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// A start of the same validator on a chain of which it has nothing.
fn empty_start(program: &Program, node: &Path) -> io::Result<process::Times> {
    let folder = Folder::new()?;
    let data = folder.path().join("node");
    let mut config = NodeConfig::load(Some(&program.config), [], &[]).map_err(told)?;
    data.clone_into(&mut config.data_dir);
    let path = folder.path().join("config.toml");
    fs::write(&path, config.to_toml())?;
    let keys = data.join("staking");
    fs::create_dir_all(&keys)?;
    for key in fs::read_dir(node.join("staking"))? {
        let key = key?;
        fs::copy(key.path(), keys.join(key.file_name()))?;
    }
    let program = Program { path: program.path.clone(), config: path };
    Validator::start(&program)?.connected(usize::from(NODES) - 1)
}
