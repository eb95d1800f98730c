//! Four nodes agree on a chain. Each is a thread with an engine and a toy VM; between them are
//! channels. All propose, so blocks have rivals. `cargo run --release --example snowman_chain`
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a short example, and it talks")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use avalanche_consensus::{Height, Id, NodeId, Timestamp, engine::*, snowball::Parameters};
use avalanche_consensus::{snowman::Block, validators::Validator};

type Mail = Input<u8>; // The u8 is our own handle of a block: the node that built it.
type Report = (u8, ParsedBlock<u8>);
type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// One node: hands its engine what arrives, or the time, and carries out what comes back.
fn run(me: u8, mail: &Receiver<Mail>, peers: &[Sender<Mail>], report: &Sender<Report>) -> Result {
    let name = |node| NodeId::new([node; 20]);
    let (start, own) = (Instant::now(), name(me));
    let now = || Timestamp::ZERO.after(start.elapsed());
    let all: Vec<_> = (0..4).map(|n| Validator { node_id: name(n), weight: 5 }).collect();
    let setup = Setup { own, validators: all.try_into()?, seed: [me; 32], ..Setup::default() };
    // A poll draws 5 units of stake: 3 turn the preference, 4 count, 20 such in a row decide.
    let config = EngineConfig { parameters: Parameters::new(5, 3, 4, 20)?, ..Default::default() };
    let mut engine = Engine::<u8>::new(config, setup, now())?;
    (0..4).try_for_each(|peer| engine.handle(now(), Input::Connected(name(peer))))?;
    let mut blocks = std::collections::BTreeMap::new(); // The VM: what it has verified.
    loop {
        if engine.num_processing() == 0 && engine.last_accepted().height.get() < 5 {
            engine.handle(now(), Input::PendingTransactions)?;
        }
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { to, message } => {
                    peers[to.as_bytes()[0] as usize].send(Input::Message { from: own, message })?;
                }
                Output::Accept(block) => report.send((me, block))?,
                Output::Call { id: call, call: asked } => {
                    let tip = engine.last_accepted();
                    let answer = match asked {
                        Call::EnterPhase(_) => Answer::LastAccepted { tip, options: None },
                        Call::Verify(block) => {
                            blocks.insert(block.id(), block);
                            Answer::Verdict(Verdict::Valid)
                        }
                        Call::BuildBlock => {
                            let id = Id::hash(format!("{me} on {}", tip.id).as_bytes());
                            let height = Height::new(tip.height.get() + 1);
                            let block = Block { id, parent: tip.id, height };
                            Answer::Block(Some(ParsedBlock { block, bytes: 72, handle: me }))
                        }
                        Call::GetBlock(id) => Answer::Block(blocks.get(&id).copied()),
                        _ => Answer::BlockId(None), // By height: the only other, unless nodes lag.
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
    for (node, mail) in (0..4).zip(mail) {
        let (peers, report) = (peers.clone(), report.clone());
        std::thread::spawn(move || run(node, &mail, &peers, &report));
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
