//! A node of this crate alone: it shakes hands with AvalancheGo, answers pings, frontier requests
//! and queries of one chain that stands at its genesis, and echoes app requests.
//!
//! ```sh
//! cargo run --release -p avalanche-net --example listen -- --help
//! ```

mod options;
mod report;
mod responder;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use avalanche_consensus::Id;
use avalanche_net::identity::Identity;
use avalanche_net::network::{Network, NetworkConfig};
use options::{Options, USAGE};
use report::Report;
use responder::Responder;

/// The name of the block that the chain stands at.
const GENESIS: Id = Id::new(*b"avalanche-net listen: genesis   ");

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        #[expect(clippy::print_stderr, reason = "whoever started it has to act")]
        Err(error) => {
            eprintln!("listen: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1))? else {
        #[expect(clippy::print_stdout, reason = "help is what was asked for")]
        {
            println!("{USAGE}");
        }
        return Ok(());
    };
    let identity = Arc::new(match &options.identity {
        Some(folder) => Identity::load_or_create(folder)?,
        None => Identity::generate()?,
    });
    // It must run before the first line says that there is somebody to interrupt.
    let mut interrupted = tokio::spawn(tokio::signal::ctrl_c());
    tokio::task::yield_now().await;
    let config = NetworkConfig::new(options.network_id, options.addr);
    let network = Network::start(config, Arc::clone(&identity)).await?;
    let (mut inbox, mut events) = (network.register(options.chain)?, network.events());
    let report = Report { json: options.json };
    let responder = Responder { chain: options.chain, genesis: GENESIS, report };
    let key = identity.bls().public_key().to_string();
    let addr = network.local_addr().to_string();
    report.listening(identity.node_id(), &addr, options.chain, GENESIS, &key);
    options.connect.iter().for_each(|address| network.connect(*address));
    loop {
        tokio::select! {
            Some(delivery) = inbox.recv() => responder.answer(&network, &delivery),
            Ok(event) = events.recv() => report.event(&event),
            done = &mut interrupted => break done??,
        }
    }
    let stats = network.shutdown().await;
    while let Ok(event) = events.try_recv() {
        report.event(&event);
    }
    report.stopped(&stats);
    Ok(())
}
