//! Four nodes agree on a chain: each is a thread with an engine and a toy VM, between them are
//! channels. All propose, so blocks have rivals. `cargo run --release --example snowman_chain`
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "an example is short and talks")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use avalanche_consensus::engine::{Answer, Call, Engine, EngineConfig, Input, Output};
use avalanche_consensus::engine::{ParsedBlock, Setup, Tip, Verdict};
use avalanche_consensus::{Height, Id, NodeId, Timestamp, snowball::Parameters};
use avalanche_consensus::{snowman::Block, validators::Validator};

/// What the engine hands back with a block: here, the node that built it.
type Builder = u8;
type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;
type Known = Vec<ParsedBlock<Builder>>;
const GENESIS: Tip = Tip { id: Id::EMPTY, height: Height::GENESIS };

/// The VM: builds a block whenever it is asked, up to height 5, and finds every block valid.
fn answer(call: Call<Builder>, own: u8, parent: Id, known: &mut Known) -> Answer<Builder> {
    let find = |id| known.iter().find(|block| block.id() == id).copied();
    match call {
        Call::EnterPhase(_) => Answer::LastAccepted { tip: GENESIS, options: None },
        Call::Verify(block) => {
            known.push(block);
            Answer::Verdict(Verdict::Valid)
        }
        Call::GetBlock(id) => Answer::Block(find(id)),
        Call::BlockIdAtHeight(_) => Answer::BlockId(None),
        _ => {
            let height = Height::new(find(parent).map_or(1, |parent| parent.height().get() + 1));
            let id = Id::hash(format!("{own} on {parent}").as_bytes());
            let block = ParsedBlock { block: Block { id, parent, height }, bytes: 64, handle: own };
            Answer::Block((height.get() <= 5).then_some(block))
        }
    }
}

/// A node. It reports what it accepts.
fn run(
    own: u8,
    mail: &Receiver<Input<Builder>>,
    peers: &[Sender<Input<Builder>>],
    report: &Sender<(u8, ParsedBlock<Builder>)>,
) -> Result {
    let (start, name) = (Instant::now(), |node| NodeId::new([node; 20]));
    let now = || Timestamp::ZERO.after(start.elapsed());
    let validators: Vec<_> = (0..4).map(|n| Validator { node_id: name(n), weight: 5 }).collect();
    let setup = Setup::new(name(own), validators.try_into()?, GENESIS, [own; 32]);
    // A poll draws 5 units of stake: 3 turn the preference, 4 count, 20 such in a row decide.
    let config = EngineConfig { parameters: Parameters::new(5, 3, 4, 20)?, ..Default::default() };
    let mut engine = Engine::new(config, setup, now())?;
    (0..4).try_for_each(|peer| engine.handle(now(), Input::Connected(name(peer))))?;
    let mut known = Vec::new();
    loop {
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let message = Input::Message { from: name(own), message };
                    peers[usize::from(to.as_bytes()[0])].send(message)?;
                }
                Output::Call { id: call, call: asked } => {
                    let answer = answer(asked, own, engine.preference(), &mut known);
                    engine.handle(now(), Input::Answer { call, answer })?;
                }
                Output::SetPreference(_) => engine.handle(now(), Input::PendingTransactions)?,
                Output::Accept(block) => report.send((own, block))?,
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
        println!("node {node}: height {} is the block of node {}", block.height(), block.handle);
        chains[usize::from(node)].push(block.id());
    }
    println!("all four agree: {}", chains.iter().all(|chain| *chain == chains[0]));
    Ok(())
}
