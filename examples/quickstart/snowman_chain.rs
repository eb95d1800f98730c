//! Four nodes agree on a chain. Each is a thread with an engine and a toy VM; between them are
//! channels. All propose, so blocks have rivals. `cargo run --release --example snowman_chain`
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "an example is short and talks")]

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use avalanche_consensus::engine::{Answer, Call, Engine, EngineConfig, Input, Output};
use avalanche_consensus::engine::{ParsedBlock, Setup, Tip, Verdict};
use avalanche_consensus::{Height, Id, NodeId, Timestamp, snowball::Parameters};
use avalanche_consensus::{snowman::Block, validators::Validator};

type Mail = Input<u8>; // The u8 is our handle of a block, here the node that built it.
type Report = (u8, ParsedBlock<u8>);
type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// One node: waits for mail or for the time that the engine named, and carries out what comes back.
fn run(own: u8, mail: &Receiver<Mail>, peers: &[Sender<Mail>], report: &Sender<Report>) -> Result {
    let (start, name) = (Instant::now(), |node| NodeId::new([node; 20]));
    let now = || Timestamp::ZERO.after(start.elapsed());
    let validators: Vec<_> = (0..4).map(|n| Validator { node_id: name(n), weight: 5 }).collect();
    let genesis = Tip { id: Id::EMPTY, height: Height::GENESIS };
    let setup = Setup::new(name(own), validators.try_into()?, genesis, [own; 32]);
    // A poll draws 5 units of stake: 3 turn the preference, 4 count, 20 such in a row decide.
    let config = EngineConfig { parameters: Parameters::new(5, 3, 4, 20)?, ..Default::default() };
    let mut engine = Engine::new(config, setup, now())?;
    (0..4).try_for_each(|peer| engine.handle(now(), Input::Connected(name(peer))))?;
    let mut blocks = BTreeMap::new();
    loop {
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let message = Input::Message { from: name(own), message };
                    peers[usize::from(to.as_bytes()[0])].send(message)?;
                }
                Output::SetPreference(_) => engine.handle(now(), Input::PendingTransactions)?,
                Output::Accept(block) => report.send((own, block))?,
                Output::Call { id: call, call: asked } => {
                    let tip = engine.last_accepted();
                    let answer = match asked {
                        Call::EnterPhase(_) => Answer::LastAccepted { tip, options: None },
                        Call::Verify(block) => {
                            blocks.insert(block.id(), block);
                            Answer::Verdict(Verdict::Valid)
                        }
                        Call::GetBlock(id) => Answer::Block(blocks.get(&id).copied()),
                        Call::BlockIdAtHeight(_) => Answer::BlockId(None), // No index is kept.
                        _ if tip.height.get() == 5 || engine.num_processing() > 0 => {
                            Answer::Block(None)
                        }
                        _ => {
                            let height = Height::new(tip.height.get() + 1);
                            let id = Id::hash(format!("{own} on {}", tip.id).as_bytes());
                            let block = Block { id, parent: tip.id, height };
                            Answer::Block(Some(ParsedBlock { block, bytes: 72, handle: own }))
                        }
                    };
                    engine.handle(now(), Input::Answer { call, answer })?;
                }
                _ => {}
            }
        }
        let wait = engine.poll_timeout().map_or(Duration::ZERO, |at| at.since(now()));
        engine.handle(now(), mail.recv_timeout(wait).unwrap_or(Input::Tick))?;
    }
}

fn main() -> Result {
    let (peers, mail): (Vec<_>, Vec<_>) = (0..4).map(|_| channel()).unzip();
    let (report, reports) = channel();
    for (own, mail) in (0..4).zip(mail) {
        let (peers, report) = (peers.clone(), report.clone());
        std::thread::spawn(move || run(own, &mail, &peers, &report));
    }
    let mut chains = [const { Vec::new() }; 4];
    for _ in 0..20 {
        let (node, block) = reports.recv_timeout(Duration::from_secs(10))?;
        println!("node {node}: the block at height {} is node {}'s", block.height(), block.handle);
        chains[usize::from(node)].push(block.id());
    }
    println!("all four agree: {}", chains.iter().all(|chain| *chain == chains[0]));
    Ok(())
}
